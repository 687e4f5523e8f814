/* SPDX-License-Identifier: MIT */
/* Guest memory as the host sees it, and the one conversion from a guest address. */
#ifndef VCPU_GUEST_MEM_H
#define VCPU_GUEST_MEM_H

#include <stdint.h>

struct guest_mem {
	uint8_t *hva;	/* where RAM, which begins at gpa 0, is mapped in this process */
	uint64_t bytes; /* its size */
};

/*
 * The host's address of guest-physical [gpa, gpa + bytes), or NULL if any of it
 * lies outside RAM or gpa is no multiple of `align` (a power of two).
 */
static inline void *guest_mem_at(const struct guest_mem *mem, uint64_t gpa, uint64_t bytes,
				 uint64_t align)
{
	if (gpa & (align - 1) || gpa > mem->bytes || bytes > mem->bytes - gpa)
		return (void *)0;
	return mem->hva + gpa;
}

#endif
