/* SPDX-License-Identifier: MIT */
/*
 * The self-check: proves on this very host which primitives flush a guest's TLB.
 *
 * A small guest of the VMM's own reads through a translation, changes the page
 * table with a plain store, and reads again: on a TLB that nobody flushed the
 * second read is stale. Then the VMM applies a primitive, and the third read
 * must be fresh. A primitive counts as proven only where the stale read was seen
 * first, and as unproven where it never was.
 */
#ifndef VMM_SELFCHECK_H
#define VMM_SELFCHECK_H

#include <stdbool.h>
#include <stdint.h>

#include "vcpu/base/error.h"
#include "vcpu/base/kvm.h"
#include "vcpu/protocol/flush.h"
#include "vmm/machine/vm.h"

enum proof {
	PROOF_NONE,	/* not tried: the host lacks what it needs */
	PROOF_FLUSHES,	/* a stale translation was produced, and the primitive removed it */
	PROOF_FAILS,	/* the translation stayed stale */
	PROOF_NO_STALE, /* an exit alone removed the stale translation: nothing to prove it with */
};

struct selfcheck {
	enum proof proof[NR_FLUSH_PRIMS];
	/* The least time of primitive, entry and one pass of the guest; 0 if not tried. */
	uint64_t resume_ns[NR_FLUSH_PRIMS];
	uint64_t plain_resume_ns; /* the same with no primitive */
	bool exit_alone_flushes;  /* the control: staleness did not outlive a plain exit */
};

/*
 * Runs the self-check in a VM of its own: a few milliseconds, or for ever on a KVM that hangs;
 * probe_selfcheck() has an end. 0, or -1 with an error if KVM lacks what any run needs. The VM
 * is the caller's to finish when there is time: that takes KVM half a millisecond.
 */
int selfcheck_run(const struct kvm *kvm, struct vm *ret_vm, struct selfcheck *ret_check,
		  struct error *err);

/*
 * What selfcheck_try() does to the guest of the self-check between two entries (NULL:
 * nothing), and to its VM before (NULL: nothing; 0, or -1 with an error).
 */
struct selfcheck_action {
	enum dirty_kind dirty; /* how its pages can be tracked */
	int (*prepare)(struct vm *vm, struct error *err);
	void (*act)(struct vcpu *v);
};

/* Says whether a stale translation outlives the action. 0, or -1 with an error. */
int selfcheck_try(const struct kvm *kvm, const struct selfcheck_action *action,
		  enum proof *ret_proof, struct error *err);

/* The cheapest primitive that was proven, or -1 if none was. */
int selfcheck_best(const struct selfcheck *check);

/* Whether a run may use this primitive: it was proven, or an exit alone flushes here. */
bool selfcheck_allows(const struct selfcheck *check, enum flush_prim prim);

#endif
