/* SPDX-License-Identifier: MIT */
/* What CPUID says to a guest of a KVM that supports everything. */
#include "unit.h"

#include <asm/kvm_para.h>
#include <stdint.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "kvm_double.h"
#include "vcpu/cpu/vcpu.h"

enum { INDEX = 5, MWAIT = 1 << 3, PCID = 1 << 17 };

static struct kvm_cpuid_table seen;

static void look_at_cpuid(struct kvm_double_vcpu *v, unsigned long request, const void *argument)
{
	(void)v;
	if (request == KVM_SET_CPUID2)
		memcpy(&seen, argument, sizeof(seen));
}

static void add_leaf(struct kvm *kvm, uint32_t function)
{
	kvm->supported.leaf[kvm->supported.head.nent++] = (struct kvm_cpuid_entry2){
		.function = function,
		.eax = ~0u,
		.ebx = ~0u,
		.ecx = ~0u,
		.edx = ~0u,
	};
}

/* The leaf that a new vCPU is given. */
static const struct kvm_cpuid_entry2 *leaf_of_vcpu(uint32_t function)
{
	struct error err = { 0 };
	struct kvm kvm;
	struct vcpu v;

	kvm_double_open(&kvm);
	kvm.supported.head.nent = 0;
	add_leaf(&kvm, 0);
	add_leaf(&kvm, function);
	kvm_double_set_observer(look_at_cpuid);
	int vm_fd = ioctl(kvm.fd, KVM_CREATE_VM, 0);
	ck_assert_int_eq(vcpu_init(&v, &kvm, vm_fd, 0, INDEX, &err), 0);
	vcpu_finish(&v);
	close(vm_fd);
	kvm_double_close(&kvm);
	ck_assert_uint_eq(seen.head.nent, 2);
	ck_assert_uint_eq(seen.leaf[0].ecx, ~0u);
	return &seen.leaf[1];
}

START_TEST(pcid_and_mwait_are_hidden_and_nothing_else)
{
	const struct kvm_cpuid_entry2 *leaf = leaf_of_vcpu(1);

	ck_assert_uint_eq(leaf->ecx, ~(uint32_t)(MWAIT | PCID));
	ck_assert_uint_eq(leaf->edx, ~0u);
	ck_assert_uint_eq(leaf->ebx, (uint32_t)INDEX << 24 | 0xffffff);
}
END_TEST

START_TEST(of_kvms_features_it_has_the_two_that_minivmm_provides)
{
	const struct kvm_cpuid_entry2 *leaf = leaf_of_vcpu(KVM_CPUID_FEATURES);

	ck_assert_uint_eq(leaf->eax, 1u << KVM_FEATURE_STEAL_TIME | 1u << KVM_FEATURE_PV_TLB_FLUSH);
	ck_assert_uint_eq(leaf->edx, 0);
}
END_TEST

START_TEST(its_apic_id_is_its_index_in_the_topology_too)
{
	ck_assert_uint_eq(leaf_of_vcpu(0xb)->edx, INDEX);
	ck_assert_uint_eq(leaf_of_vcpu(0x1f)->edx, INDEX);
}
END_TEST

/* Not only where it comes first, or last. */
START_TEST(a_feature_that_is_hidden_is_gone_and_all_else_stays)
{
	static const uint32_t functions[] = { KVM_CPUID_FEATURES, 0, 1 };
	const uint32_t both = 1u << KVM_FEATURE_STEAL_TIME | 1u << KVM_FEATURE_PV_TLB_FLUSH;

	for (unsigned first = 0; first < COUNT_OF(functions); first++) {
		struct error err = { 0 };
		struct kvm kvm;
		struct vcpu v;

		kvm_double_open(&kvm);
		kvm.supported.head.nent = 0;
		for (unsigned i = 0; i < COUNT_OF(functions); i++)
			add_leaf(&kvm, functions[(first + i) % COUNT_OF(functions)]);
		int vm_fd = ioctl(kvm.fd, KVM_CREATE_VM, 0);
		ck_assert_int_eq(vcpu_init(&v, &kvm, vm_fd, 0, INDEX, &err), 0);
		struct kvm_cpuid_table expected = kvm_double_vcpu()->cpuid;
		for (unsigned i = 0; i < COUNT_OF(functions); i++) {
			if (expected.leaf[i].function != KVM_CPUID_FEATURES)
				continue;
			ck_assert_uint_eq(expected.leaf[i].eax, both);
			expected.leaf[i].eax = 1u << KVM_FEATURE_STEAL_TIME;
		}
		ck_assert_int_eq(vcpu_hide_features(&v, 1u << KVM_FEATURE_PV_TLB_FLUSH, &err), 0);
		ck_assert_mem_eq(&kvm_double_vcpu()->cpuid, &expected, sizeof(expected));
		vcpu_finish(&v);
		close(vm_fd);
		kvm_double_close(&kvm);
	}
}
END_TEST

#define CASES(X)                                                 \
	X(pcid_and_mwait_are_hidden_and_nothing_else)            \
	X(of_kvms_features_it_has_the_two_that_minivmm_provides) \
	X(its_apic_id_is_its_index_in_the_topology_too)          \
	X(a_feature_that_is_hidden_is_gone_and_all_else_stays)
UNIT_SUITE(vcpu_cpuid, CASES)
