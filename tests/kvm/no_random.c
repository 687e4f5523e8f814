/* SPDX-License-Identifier: MIT */
/* Preloaded into minivmm: a kernel that has just started, and has no random numbers yet. */
#define _GNU_SOURCE
#include <errno.h>
#include <sys/random.h>
#include <sys/syscall.h>
#include <unistd.h>

/* getrandom(2): who does not want to wait gets EAGAIN. */
ssize_t getrandom(void *ret_data, size_t length, unsigned flags)
{
	if (flags & GRND_NONBLOCK) {
		errno = EAGAIN;
		return -1;
	}
	return syscall(SYS_getrandom, ret_data, length, flags);
}
