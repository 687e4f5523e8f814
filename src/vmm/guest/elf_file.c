/* SPDX-License-Identifier: MIT */
/* Reads a guest's file into memory. */
#include "vmm/guest/elf_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

/* What is read: how messages call it, and what they advise. */
struct kind {
	const char *name;
	const char *is_directory, *is_not_regular, *is_empty, *is_too_large;
};

static const struct kind guest = {
	"guest",
	"is a directory: give the guest's ELF file",
	"is not a regular file: give the guest's ELF file",
	"is empty: build the guest again",
	"is larger than 256 MiB: that is no guest for minivmm",
};

static const struct kind initrd = {
	"initrd",
	"is a directory: pack it with cpio -o -H newc",
	"is not a regular file: give a cpio archive",
	"is empty: pack it again",
	"is larger than 256 MiB: that is too much for minivmm",
};

/* Why a file of this kind and size cannot be one, or NULL. */
static const char *refusal(const struct kind *kind, const struct stat *st)
{
	if (S_ISDIR(st->st_mode))
		return kind->is_directory;
	if (!S_ISREG(st->st_mode))
		return kind->is_not_regular;
	if (st->st_size == 0)
		return kind->is_empty;
	if (st->st_size > ELF_FILE_MAX_BYTES)
		return kind->is_too_large;
	return NULL;
}

/* Reads until `size` bytes are there; returns how many there were, or -1 with errno. */
static ssize_t read_all(int fd, uint8_t *bytes, size_t size)
{
	size_t got = 0;

	while (got < size) {
		ssize_t n = read(fd, bytes + got, size - got);

		if (n == 0)
			break;
		if (n > 0)
			got += (size_t)n;
		else if (errno != EINTR)
			return -1;
	}
	return (ssize_t)got;
}

static int read_open_file(int fd, const struct kind *kind, struct elf_file *file, struct error *err)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return error_set_errno(err, EXIT_USAGE, errno, "%s '%s': fstat", kind->name,
				       file->path);
	const char *why = refusal(kind, &st);
	if (why)
		return error_set(err, EXIT_USAGE, "%s '%s' %s", kind->name, file->path, why);

	file->bytes = malloc((size_t)st.st_size);
	if (!file->bytes)
		return error_set(err, EXIT_HOST, "%s '%s': no memory for its %jd bytes", kind->name,
				 file->path, (intmax_t)st.st_size);
	ssize_t got = read_all(fd, file->bytes, (size_t)st.st_size);
	if (got < 0)
		return error_set_errno(err, EXIT_USAGE, errno, "%s '%s': read", kind->name,
				       file->path);
	file->nr_bytes = (size_t)got;
	return 0;
}

static int read_file(const struct kind *kind, struct elf_file *ret_file, const char *path,
		     struct error *err)
{
	struct elf_file file = { .path = path };
	/* Without O_NONBLOCK, opening a FIFO would wait for somebody to write to it. */
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);

	if (fd < 0)
		return error_set_errno(err, EXIT_USAGE, errno, "%s '%s'", kind->name, path);
	int failed = read_open_file(fd, kind, &file, err);
	close(fd);
	if (failed) {
		elf_file_finish(&file);
		return -1;
	}
	*ret_file = file;
	return 0;
}

int elf_file_read(struct elf_file *ret_file, const char *path, struct error *err)
{
	return read_file(&guest, ret_file, path, err);
}

int elf_file_read_initrd(struct elf_file *ret_file, const char *path, struct error *err)
{
	return read_file(&initrd, ret_file, path, err);
}

void elf_file_finish(struct elf_file *file)
{
	free(file->bytes);
	file->bytes = NULL;
	file->nr_bytes = 0;
}
