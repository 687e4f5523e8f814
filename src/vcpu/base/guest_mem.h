/* SPDX-License-Identifier: MIT */
/* Guest memory as the host sees it, and the one conversion from a guest address. */
#ifndef VCPU_GUEST_MEM_H
#define VCPU_GUEST_MEM_H

#include <stdint.h>
#include <stdlib.h>

/* Never defined: a pointer to it is no address to add a guest's to. */
struct guest_ram;

struct guest_mem {
	struct guest_ram *ram; /* where RAM, which begins at gpa 0, is mapped in this process */
	uint64_t bytes;	       /* its size */
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
	return (uint8_t *)mem->ram + gpa;
}

/*
 * The same for a place that the VMM has chosen itself and not a guest. There it is never
 * outside RAM; if it were, nothing that the VMM does could be trusted any more.
 */
static inline void *guest_mem_own(const struct guest_mem *mem, uint64_t gpa, uint64_t bytes)
{
	void *at = guest_mem_at(mem, gpa, bytes, 1);

	if (!at)
		abort();
	return at;
}

#endif
