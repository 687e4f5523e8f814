/* SPDX-License-Identifier: MIT */
/* What KVM refuses while a guest runs: the guest is not entered again, and a line says why. */
#include "unit.h"

#include <errno.h>
#include <string.h>

#include "kvm_double.h"
#include "minivmm/x86.h"
#include "vcpu/base/kvm_ioctl.h"
#include "vcpu/protocol/flush.h"
#include "vmm/machine/vm.h"

#define CR3_PWT (1u << 3)

static struct kvm kvm;
static struct vm vm;
static unsigned entries;

static int enter(struct kvm_double_vcpu *v)
{
	(void)v;
	entries++;
	return EINTR;
}

static struct vcpu *build_vcpu(enum flush_prim flush_via)
{
	struct error err;

	entries = 0;
	kvm_double_open(&kvm);
	kvm_double_set_guest(enter);
	ck_assert_int_eq(vm_init(&vm, &kvm, 0, 1, MV_MEM_MIN_BYTES, DIRTY_none, &err), 0);
	ck_assert_int_eq(vm_boot_vcpu(&vm, 0, MV_IMAGE_GPA, &err), 0);
	struct vcpu *v = &vm.vcpu[0];
	v->flush = &flush_primitives[flush_via];
	ck_assert_int_eq(v->flush->prepare(v, &vm.mem, MV_IMAGE_GPA, &err), 0);
	return v;
}

static void destroy_vcpu(void)
{
	vm_finish(&vm);
	kvm_double_close(&kvm);
}

START_TEST(a_flush_that_is_refused_ends_the_run)
{
	static const struct {
		enum flush_prim flush_via;
		unsigned long request;
		const char *name;
	} table[] = {
		{ FLUSH_VIA_sregs, KVM_GET_SREGS, "KVM_GET_SREGS" },
		{ FLUSH_VIA_sregs, KVM_SET_SREGS, "KVM_SET_SREGS" },
		{ FLUSH_VIA_steal_msr, KVM_SET_MSRS, "KVM_SET_MSRS" },
	};

	for (unsigned i = 0; i < COUNT_OF(table); i++) {
		struct vcpu *v = build_vcpu(table[i].flush_via);
		struct vcpu_exit exit;

		kvm_double_fail(table[i].request, 0, 1, EIO);
		v->must_flush = 1;
		for (unsigned again = 0; again < 2; again++) {
			vcpu_run(v, &exit);
			ck_assert_int_eq(exit.kind, VCPU_EXIT_ERROR);
			ck_assert_ptr_ne(strstr(exit.text, table[i].name), NULL);
			ck_assert_ptr_ne(strstr(exit.text, strerror(EIO)), NULL);
		}
		ck_assert_uint_eq(entries, 0);
		destroy_vcpu();
	}
}
END_TEST

START_TEST(a_flush_that_works_is_followed_by_an_entry)
{
	struct vcpu *v = build_vcpu(FLUSH_VIA_sregs);
	struct vcpu_exit exit;

	unsigned before = kvm_double_calls(KVM_SET_SREGS);

	v->must_flush = 1;
	vcpu_run(v, &exit);
	ck_assert_int_eq(exit.kind, VCPU_EXIT_KICK);
	ck_assert_uint_eq(entries, 1);
	ck_assert_uint_eq(kvm_double_calls(KVM_SET_SREGS), before + 1);
	destroy_vcpu();
}
END_TEST

/* Nothing is translated: see flush.c for what writing them back would do. */
START_TEST(registers_stay_as_they_are_while_paging_is_off)
{
	struct vcpu *v = build_vcpu(FLUSH_VIA_sregs);
	struct kvm_sregs sregs = { .cr0 = CR0_PE };
	struct vcpu_exit exit;
	struct error err;

	ck_assert_int_eq(kvm_ioctl(&err, v->fd, KVM_SET_SREGS, &sregs), 0);
	unsigned before = kvm_double_calls(KVM_SET_SREGS);
	v->must_flush = 1;
	vcpu_run(v, &exit);
	ck_assert_uint_eq(entries, 1);
	ck_assert_uint_eq(kvm_double_calls(KVM_SET_SREGS), before);
	destroy_vcpu();
}
END_TEST

START_TEST(a_vcpu_whose_state_is_refused_neither_waits_nor_runs)
{
	struct vcpu *v = build_vcpu(FLUSH_VIA_sregs);
	struct vcpu_exit exit;

	kvm_double_fail(KVM_GET_MP_STATE, 0, 1, EIO);
	ck_assert_int_eq(vcpu_idleness(v), VCPU_NOT_IDLE);
	ck_assert(vcpu_wait_started(v));
	ck_assert_uint_eq(kvm_double_calls(KVM_GET_MP_STATE), 1);
	vcpu_run(v, &exit);
	ck_assert_int_eq(exit.kind, VCPU_EXIT_ERROR);
	ck_assert_ptr_ne(strstr(exit.text, "KVM_GET_MP_STATE"), NULL);
	ck_assert_uint_eq(entries, 0);
	destroy_vcpu();
}
END_TEST

/* The bit turns each time: what is the same as before flushes nothing. */
static void flush_again_and_again(enum flush_prim flush_via)
{
	struct vcpu *v = build_vcpu(flush_via);
	struct kvm_double_vcpu *in_kvm = kvm_double_vcpu();
	struct vcpu_exit exit;

	vcpu_run(v, &exit); /* and what KVM leaves in kvm_run is there */
	for (unsigned n = 0; n < 3; n++) {
		uint64_t before = in_kvm->sregs.cr3;

		v->must_flush = 1;
		vcpu_run(v, &exit);
		ck_assert_uint_eq(in_kvm->sregs.cr3 ^ before, CR3_PWT);
		vcpu_run(v, &exit);
		ck_assert_uint_eq(in_kvm->sregs.cr3 ^ before, CR3_PWT);
	}
	destroy_vcpu();
}

START_TEST(a_flush_changes_where_translations_come_from_each_time)
{
	flush_again_and_again(FLUSH_VIA_sregs);
	flush_again_and_again(FLUSH_VIA_sync_regs);
}
END_TEST

#define CASES(X)                                                  \
	X(a_flush_that_is_refused_ends_the_run)                   \
	X(a_flush_that_works_is_followed_by_an_entry)             \
	X(registers_stay_as_they_are_while_paging_is_off)         \
	X(a_flush_changes_where_translations_come_from_each_time) \
	X(a_vcpu_whose_state_is_refused_neither_waits_nor_runs)
UNIT_SUITE(refusals, CASES)
