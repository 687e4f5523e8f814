/* SPDX-License-Identifier: MIT */
/* When the guest may leave flushes to the host: CPUID is data here. */
#include "unit.h"

#include <string.h>

#include "guest-kernel/shootdown/steal.h"
#include "guest_cpu.h"
#include "minivmm/x86.h"

#define MWAIT (1u << 3)
#define BOTH  (1u << KVM_FEATURE_STEAL_TIME | 1u << KVM_FEATURE_PV_TLB_FLUSH)

START_TEST(flushes_are_deferred_only_if_all_five_conditions_hold)
{
	static const struct {
		uint32_t leaf_1_ecx, features, hints, nr_vcpus;
		const char *why; /* what the reason has in it; NULL: there is none */
	} table[] = {
		{ 0, BOTH, 0, 2, NULL },
		{ ~MWAIT, ~0u, ~(1u << KVM_HINTS_REALTIME), 256, NULL },
		{ 0, BOTH & ~(1u << KVM_FEATURE_STEAL_TIME), 0, 2, "KVM_FEATURE_STEAL_TIME" },
		{ 0, BOTH & ~(1u << KVM_FEATURE_PV_TLB_FLUSH), 0, 2, "KVM_FEATURE_PV_TLB_FLUSH" },
		{ 0, BOTH, 1u << KVM_HINTS_REALTIME, 2, "KVM_HINTS_REALTIME" },
		{ MWAIT, BOTH, 0, 2, "MWAIT" },
		{ 0, BOTH, 0, 1, "only one vCPU" },
	};

	for (unsigned i = 0; i < COUNT_OF(table); i++) {
		struct cpuid leaf_1 = { .ecx = table[i].leaf_1_ecx };
		struct cpuid features = { .eax = table[i].features, .edx = table[i].hints };
		const char *why = steal_why_no_pv_flush(&leaf_1, &features, table[i].nr_vcpus);

		ck_assert_msg(!why == !table[i].why, "row %u: %s", i, why ? why : "deferred");
		if (why)
			ck_assert_msg(strstr(why, table[i].why) != NULL, "row %u: %s", i, why);
	}
}
END_TEST

START_TEST(every_target_that_is_preempted_counts)
{
	static const uint32_t members[] = { 0, 64, MV_MAX_VCPUS - 1 };
	struct targets targets = { 0 };

	percpus[1].steal.preempted = KVM_VCPU_PREEMPTED; /* and is no target */
	for (unsigned i = 0; i < COUNT_OF(members); i++)
		targets_add(&targets, members[i]);
	ck_assert_uint_eq(steal_count_preempted(&targets), 0);
	for (unsigned i = 0; i < COUNT_OF(members); i++) {
		percpus[members[i]].steal.preempted = KVM_VCPU_PREEMPTED;
		ck_assert_uint_eq(steal_count_preempted(&targets), i + 1);
	}
}
END_TEST

static uint32_t features;
static uint64_t registered;
static unsigned nr_registered;

static struct cpuid tell_features(uint32_t leaf)
{
	ck_assert_uint_eq(leaf, KVM_CPUID_FEATURES);
	return (struct cpuid){ .eax = features, .ebx = ~0u, .ecx = ~0u, .edx = ~0u };
}

static void note_msr(uint32_t msr, uint64_t value)
{
	ck_assert_uint_eq(msr, MSR_KVM_STEAL_TIME);
	registered = value;
	nr_registered++;
}

START_TEST(each_vcpu_registers_its_own_page_where_the_host_has_steal_time)
{
	guest_cpu.cpuid = tell_features;
	guest_cpu.wrmsr = note_msr;
	features = ~(1u << KVM_FEATURE_STEAL_TIME);
	steal_register(&percpus[0]);
	ck_assert_uint_eq(nr_registered, 0);
	features = 1u << KVM_FEATURE_STEAL_TIME;
	for (unsigned i = 0; i < 3; i++) {
		steal_register(&percpus[i]);
		ck_assert_uint_eq(nr_registered, i + 1);
		ck_assert_uint_eq(registered, (uintptr_t)&percpus[i].steal | 1);
		ck_assert_uint_eq((uintptr_t)&percpus[i].steal % 64, 0);
	}
}
END_TEST

#define CASES(X)                                                \
	X(flushes_are_deferred_only_if_all_five_conditions_hold) \
	X(every_target_that_is_preempted_counts)                \
	X(each_vcpu_registers_its_own_page_where_the_host_has_steal_time)
UNIT_SUITE(guest_steal, CASES)
