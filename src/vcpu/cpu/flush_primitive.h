/* SPDX-License-Identifier: MIT */
/* What can flush a vCPU's guest TLB. vcpu/protocol/flush.h has those that there are. */
#ifndef VCPU_FLUSH_PRIMITIVE_H
#define VCPU_FLUSH_PRIMITIVE_H

#include <stdint.h>

#include "vcpu/base/error.h"
#include "vcpu/base/guest_mem.h"

struct vcpu;

struct flush_primitive {
	const char *name;
	const char *summary;

	/* Prepares a vCPU, before its first run or again later; flush_pages_gpa is
	 * FLUSH_PAGES_BYTES of guest memory, aligned to 64, that the guest leaves alone. 0, or
	 * -1 with an error. */
	int (*prepare)(struct vcpu *v, const struct guest_mem *mem, uint64_t flush_pages_gpa,
		       struct error *err);

	/* The flush. The vCPU is at an instruction boundary, and the caller is its thread. */
	void (*flush)(struct vcpu *v);
};

#endif
