/* SPDX-License-Identifier: MIT */
/* Lets a call of libc fail that nothing else makes fail in a test. */
#include "libc_failures.h"

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

void *__real_calloc(size_t nr, size_t size);
void *__real_malloc(size_t size);
void *__real_realloc(void *memory, size_t size);
ssize_t __real_read(int fd, void *bytes, size_t size);
void *__wrap_calloc(size_t nr, size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_realloc(void *memory, size_t size);
ssize_t __wrap_read(int fd, void *bytes, size_t size);

static _Thread_local unsigned
	allocations_left; /* up to and with the one that fails; 0: none does */
static _Thread_local int read_errno;

void fail_allocation_after(unsigned more)
{
	allocations_left = more + 1;
}

void fail_next_read(int with_errno)
{
	read_errno = with_errno;
}

static bool has_to_fail(void)
{
	return allocations_left && --allocations_left == 0;
}

void *__wrap_calloc(size_t nr, size_t size)
{
	return has_to_fail() ? NULL : __real_calloc(nr, size);
}

void *__wrap_malloc(size_t size)
{
	return has_to_fail() ? NULL : __real_malloc(size);
}

void *__wrap_realloc(void *memory, size_t size)
{
	return has_to_fail() ? NULL : __real_realloc(memory, size);
}

ssize_t __wrap_read(int fd, void *bytes, size_t size)
{
	if (!read_errno)
		return __real_read(fd, bytes, size);
	errno = read_errno;
	read_errno = 0;
	return -1;
}
