/* SPDX-License-Identifier: MIT */
/* What the options of a run mean to a guest that starts by PVH and leads itself. */
#include "vmm/linux/pvh_options.h"

#include <asm/kvm_para.h>

#include "vcpu/base/clock.h"
#include "vcpu/protocol/fault.h"

#define NS_PER_MINUTE	       (60 * NS_PER_S)
#define TIMEOUT_NS	       (10 * NS_PER_MINUTE)
#define INTERACTIVE_TIMEOUT_NS (24 * 60 * NS_PER_MINUTE) /* the longest that there is */
#define MEM_BYTES	       (512ull << 20)

static int refuse(const struct options *o, const char *option, const char *why, struct error *err)
{
	return error_set(err, EXIT_USAGE, "guest '%s' starts by PVH and leads itself: --%s %s",
			 o->guest_path, option, why);
}

static bool names_one(const struct options *o, enum mechanism_id mechanism)
{
	return o->nr_mechanisms == 1 && o->mechanism[0] == mechanism;
}

static int check(const struct options *o, struct error *err)
{
	if (o->abi_option)
		return refuse(o, o->abi_option,
			      "has no effect on it, what follows '--' is its command line", err);
	if (o->shootdown_given && !names_one(o, MECHANISM_ipi) && !names_one(o, MECHANISM_pv))
		return refuse(o, "shootdown",
			      "is ipi or pv for it, one in a run: it says whether the guest is "
			      "offered PV_TLB_FLUSH",
			      err);
	if (o->fault != FAULT_none && !fault_is_hosts(o->fault))
		return refuse(o, "inject",
			      "breaks only the host's half for it, and this fault is in the other",
			      err);
	return 0;
}

int pvh_options_settle(struct options *o, bool interactive, struct error *err)
{
	bool timeout_given = o->timeout_ns != options_default_timeout_ns(o);

	if (!o->replay_path && check(o, err))
		return -1;
	if (names_one(o, MECHANISM_ipi)) {
		o->hidden_features |= 1u << KVM_FEATURE_PV_TLB_FLUSH;
	} else {
		o->nr_mechanisms = 0;
		if (options_add_mechanism(o, MECHANISM_pv, err))
			return -1;
	}
	if (!o->mem_given)
		o->mem_bytes = MEM_BYTES;
	if (!timeout_given)
		o->timeout_ns = interactive ? INTERACTIVE_TIMEOUT_NS : TIMEOUT_NS;
	return 0;
}
