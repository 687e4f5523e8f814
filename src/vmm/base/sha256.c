/* SPDX-License-Identifier: MIT */
/* SHA-256 (FIPS 180-4) by Nettle. */
#include "vmm/base/sha256.h"

#include <errno.h>
#include <fcntl.h>
#include <nettle/base16.h>
#include <nettle/sha2.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

void sha256_text(const uint8_t *data, size_t length, char ret_text[SHA256_TEXT_BYTES])
{
	uint8_t digest[SHA256_DIGEST_SIZE];
	struct sha256_ctx context;

	sha256_init(&context);
	sha256_update(&context, length, data);
	sha256_digest(&context, sizeof(digest), digest);
	base16_encode_update(ret_text, sizeof(digest), digest);
	ret_text[SHA256_TEXT_BYTES - 1] = 0;
}

static int hash_open_file(int fd, char ret_text[SHA256_TEXT_BYTES], uint64_t *ret_bytes)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return -1;
	if (S_ISDIR(st.st_mode)) {
		errno = EISDIR;
		return -1;
	}
	size_t length = (size_t)st.st_size;
	void *data = length ? mmap(NULL, length, PROT_READ, MAP_PRIVATE, fd, 0) : NULL;
	if (data == MAP_FAILED)
		return -1;
	sha256_text(data, length, ret_text);
	if (data)
		munmap(data, length);
	*ret_bytes = length;
	return 0;
}

int sha256_file(const char *path, char ret_text[SHA256_TEXT_BYTES], uint64_t *ret_bytes,
		struct error *err)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	int failed = fd < 0 || hash_open_file(fd, ret_text, ret_bytes);
	int errnum = errno;

	if (fd >= 0)
		close(fd);
	if (failed)
		return error_set_errno(err, EXIT_USAGE, errnum, "'%s' cannot be read", path);
	return 0;
}
