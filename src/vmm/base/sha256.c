/* SPDX-License-Identifier: MIT */
/* SHA-256, as FIPS 180-4 describes it. */
#include "vmm/base/sha256.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define BLOCK_BYTES 64

/* The first 32 bits of the fractional parts of the cube roots of the first 64 primes. */
static const uint32_t round_constant[64] = {
	0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4,
	0xab1c5ed5, 0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe,
	0x9bdc06a7, 0xc19bf174, 0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f,
	0x4a7484aa, 0x5cb0a9dc, 0x76f988da, 0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7,
	0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967, 0x27b70a85, 0x2e1b2138, 0x4d2c6dfc,
	0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85, 0xa2bfe8a1, 0xa81a664b,
	0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070, 0x19a4c116,
	0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
	0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7,
	0xc67178f2,
};

static uint32_t rotate(uint32_t x, unsigned by)
{
	return x >> by | x << (32 - by);
}

static uint32_t big_endian(const uint8_t *bytes)
{
	return (uint32_t)bytes[0] << 24 | (uint32_t)bytes[1] << 16 | (uint32_t)bytes[2] << 8 |
	       bytes[3];
}

static void make_schedule(const uint8_t block[BLOCK_BYTES], uint32_t w[64])
{
	for (unsigned t = 0; t < 16; t++)
		w[t] = big_endian(block + 4 * t);
	for (unsigned t = 16; t < 64; t++) {
		uint32_t a = w[t - 15], b = w[t - 2];

		w[t] = w[t - 16] + (rotate(a, 7) ^ rotate(a, 18) ^ a >> 3) + w[t - 7] +
		       (rotate(b, 17) ^ rotate(b, 19) ^ b >> 10);
	}
}

/* s[0] to s[7] are the standard's a to h. */
static void take_block(uint32_t hash[8], const uint8_t block[BLOCK_BYTES])
{
	uint32_t w[64], s[8];

	make_schedule(block, w);
	memcpy(s, hash, sizeof(s));
	for (unsigned t = 0; t < 64; t++) {
		uint32_t sum1 = rotate(s[4], 6) ^ rotate(s[4], 11) ^ rotate(s[4], 25);
		uint32_t sum0 = rotate(s[0], 2) ^ rotate(s[0], 13) ^ rotate(s[0], 22);
		uint32_t choice = (s[4] & s[5]) ^ (~s[4] & s[6]);
		uint32_t majority = (s[0] & s[1]) ^ (s[0] & s[2]) ^ (s[1] & s[2]);
		uint32_t t1 = s[7] + sum1 + choice + round_constant[t] + w[t];

		memmove(s + 1, s, 7 * sizeof(s[0]));
		s[4] += t1;
		s[0] = t1 + sum0 + majority;
	}
	for (unsigned i = 0; i < 8; i++)
		hash[i] += s[i];
}

/* What is left, a 1 bit, zeros, and the length in bits: one block or two. */
static void take_tail(uint32_t hash[8], const uint8_t *rest, size_t nr_rest, uint64_t length)
{
	uint8_t tail[2 * BLOCK_BYTES] = { 0 };
	size_t size = nr_rest + 9 <= BLOCK_BYTES ? BLOCK_BYTES : 2 * BLOCK_BYTES;

	if (nr_rest)
		memcpy(tail, rest, nr_rest);
	tail[nr_rest] = 0x80;
	for (unsigned i = 0; i < 8; i++)
		tail[size - 1 - i] = (uint8_t)(length * 8 >> 8 * i);
	for (size_t at = 0; at < size; at += BLOCK_BYTES)
		take_block(hash, tail + at);
}

void sha256_text(const uint8_t *data, size_t length, char ret_text[SHA256_TEXT_BYTES])
{
	uint32_t hash[8] = { 0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
			     0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19 };
	size_t whole = length / BLOCK_BYTES * BLOCK_BYTES;

	for (size_t at = 0; at < whole; at += BLOCK_BYTES)
		take_block(hash, data + at);
	take_tail(hash, data + whole, length - whole, length);
	for (unsigned i = 0; i < 8; i++)
		snprintf(ret_text + 8 * i, 9, "%08x", hash[i]);
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
