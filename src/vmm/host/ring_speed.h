/* SPDX-License-Identifier: MIT */
/* How fast this KVM executes guest code, ring by ring: natively, or by emulating it. */
#ifndef VMM_RING_SPEED_H
#define VMM_RING_SPEED_H

#include <stdbool.h>

#include "vcpu/base/error.h"
#include "vcpu/base/kvm.h"

struct ring_speed {
	double ns_per_instruction; /* of decrement and jump, the simplest there are */
	bool emulated;		   /* one by one: so much slower than any CPU */
};

/*
 * Measures ring 0 or ring 3 in a VM of its own: some milliseconds, or for ever on a KVM that
 * hangs; probe_ring_speed() has an end. 0, or -1 with an error.
 */
int ring_speed_measure(const struct kvm *kvm, unsigned ring, struct ring_speed *ret_speed,
		       struct error *err);

#endif
