/* SPDX-License-Identifier: MIT */
/* steal-msr against the kernel's half of steal time, which preempts its thread anywhere. */
#include "unit.h"

#include <errno.h>
#include <string.h>

#include "kvm_double.h"
#include "minivmm/abi.h"
#include "vcpu/protocol/flush.h"
#include "vcpu/protocol/steal_msr.h"
#include "vmm/machine/vm.h"

#define FLUSH_GPA MV_IMAGE_GPA
#define GUEST_GPA (MV_IMAGE_GPA + 4096) /* a steal-time page of the guest's own */
#define MOST_ACTS 6

/*
 * What Linux 6.1 keeps of a vCPU's steal time (kvm_vcpu_arch.st), and what of it this test
 * needs: record_steal_time() and kvm_steal_time_set_preempted() in arch/x86/kvm/x86.c.
 */
static struct {
	uint64_t msr;
	uint64_t cached_gpa;		       /* of the page that was used last; 0: none was */
	bool preempted;			       /* the mark is on that page */
	bool preempts_at_msr, preempts_at_run; /* what comes next */
	bool has_flushed;
} kernel;

static struct kvm_steal_time *page(const struct kvm_double_vcpu *v, uint64_t gpa)
{
	return (struct kvm_steal_time *)(v->ram + gpa);
}

/* The last exit was at an instruction boundary, and no KVM_RUN has begun a turn since. */
static void preempt_thread(struct kvm_double_vcpu *v)
{
	if (!(kernel.msr & KVM_MSR_ENABLED) || kernel.preempted || !kernel.cached_gpa)
		return;
	page(v, kernel.cached_gpa)->preempted = KVM_VCPU_PREEMPTED;
	kernel.preempted = true;
}

static void record_steal_time(struct kvm_double_vcpu *v)
{
	if (!(kernel.msr & KVM_MSR_ENABLED))
		return;
	kernel.cached_gpa = kernel.msr & KVM_STEAL_VALID_BITS;
	struct kvm_steal_time *st = page(v, kernel.cached_gpa);
	if (st->preempted & KVM_VCPU_FLUSH_TLB)
		kernel.has_flushed = true;
	st->preempted = 0;
	kernel.preempted = false;
}

static void set_msr(struct kvm_double_vcpu *v, unsigned long request, const void *argument)
{
	const struct kvm_msrs *msrs = argument;

	if (request != KVM_SET_MSRS)
		return;
	kernel.msr = msrs->entries[0].data;
	if (kernel.preempts_at_msr)
		preempt_thread(v);
}

static int enter(struct kvm_double_vcpu *v)
{
	if (kernel.preempts_at_run)
		preempt_thread(v);
	record_steal_time(v);
	return EINTR;
}

static struct kvm kvm;
static struct vm vm;

static struct vcpu *build_vcpu(void)
{
	struct error err;

	memset(&kernel, 0, sizeof(kernel));
	kvm_double_open(&kvm);
	ck_assert_int_eq(vm_init(&vm, &kvm, 0, 1, MV_MEM_MIN_BYTES, DIRTY_none, &err), 0);
	kvm_double_set_guest(enter);
	kvm_double_set_observer(set_msr);
	struct vcpu *v = &vm.vcpu[0];
	v->flush = &flush_primitives[FLUSH_VIA_steal_msr];
	v->steal.msr = GUEST_GPA | KVM_MSR_ENABLED;
	ck_assert_int_eq(v->flush->prepare(v, &vm.mem, FLUSH_GPA, &err), 0);
	return v;
}

static void destroy_vcpu(void)
{
	vm_finish(&vm);
	kvm_double_close(&kvm);
}

/* ---- every order of what can happen ----------------------------------------------- */

enum act {
	FLUSH,
	FLUSH_PREEMPTED,
	RUN,
	RUN_PREEMPTED,
	RUN_NOT,      /* back before the kernel looked at its page */
	INIT,	      /* KVM carries one out, in a call that we take for another */
	KERNEL_KEEPS, /* a phase in which it has the guest's page, and the vCPU runs or not */
	KERNEL_KEEPS_AND_RUNS,
	NR_ACTS
};

static void run(struct vcpu *v, bool preempted)
{
	struct vcpu_exit exit;

	kernel.preempts_at_run = preempted;
	vcpu_run(v, &exit);
	kernel.preempts_at_run = false;
}

static void flush(struct vcpu *v, bool preempted)
{
	kernel.preempts_at_msr = preempted;
	v->flush->flush(v);
	kernel.preempts_at_msr = false;
}

static void keep(struct vcpu *v, bool runs)
{
	steal_msr_let_kernel_keep(v, &vm.mem, true);
	if (runs)
		run(v, true);
	steal_msr_let_kernel_keep(v, &vm.mem, false);
}

/* The order in which numbers stand for acts: the digits of `number`, to the base NR_ACTS. */
static void play(struct vcpu *v, unsigned number)
{
	bool owes_flush = false;

	for (unsigned rest = number, i = 0; i < MOST_ACTS; i++, rest /= NR_ACTS) {
		enum act act = rest % NR_ACTS;
		bool runs = act == RUN || act == RUN_PREEMPTED;

		kernel.has_flushed = false;
		if (act == FLUSH || act == FLUSH_PREEMPTED) {
			flush(v, act == FLUSH_PREEMPTED);
			owes_flush = true;
		} else if (runs) {
			run(v, act == RUN_PREEMPTED);
		} else if (act == INIT) {
			kernel.msr = 0;
			owes_flush = false;
		} else if (act != RUN_NOT && !owes_flush) { /* a phase begins without a request */
			keep(v, act == KERNEL_KEEPS_AND_RUNS);
		}
		ck_assert_msg(!runs || !owes_flush || kernel.has_flushed,
			      "a flush was lost in order %u", number);
		owes_flush = owes_flush && !runs;
	}
}

START_TEST(no_request_is_lost_wherever_the_kernel_preempts)
{
	unsigned nr_orders = 1;

	for (unsigned i = 0; i < MOST_ACTS; i++)
		nr_orders *= NR_ACTS;
	struct vcpu *v = build_vcpu();
	for (unsigned number = 0; number < nr_orders; number++)
		play(v, number); /* goes on from where the order before it ended */
	destroy_vcpu();
}
END_TEST

/* The stage itself: with one page for all requests the kernel's store erases one. */
START_TEST(a_store_on_the_page_in_use_erases_its_request)
{
	struct vcpu *v = build_vcpu();

	run(v, false);
	vm.vcpu[0].flush_pages[v->flush_page].preempted = KVM_VCPU_PREEMPTED | KVM_VCPU_FLUSH_TLB;
	run(v, true);
	ck_assert(!kernel.has_flushed);
	destroy_vcpu();
}
END_TEST

/* Wherever a page of the guest's is: with minivmm, or with the kernel. */
START_TEST(the_guests_page_goes_to_the_kernel_and_comes_back)
{
	const uint64_t other = (GUEST_GPA + 64) | KVM_MSR_ENABLED;
	struct vcpu_exit write = { .kind = VCPU_EXIT_MSR, .is_write = true, .value = other };
	struct vcpu *v = build_vcpu();
	struct error err;

	uint64_t flush_msr = kernel.msr;
	ck_assert_uint_eq(flush_msr & KVM_STEAL_VALID_BITS & ~4095ull, FLUSH_GPA);
	for (unsigned n = 0; n < 2; n++) {
		steal_msr_let_kernel_keep(v, &vm.mem, true);
		ck_assert_uint_eq(kernel.msr, GUEST_GPA | KVM_MSR_ENABLED);
		ck_assert_ptr_null(v->steal.page);
	}
	/* The guest moves its page meanwhile. */
	ck_assert_int_eq(steal_msr_serve(v, &vm.mem, &write, &err), 0);
	ck_assert_uint_eq(kernel.msr, other);
	ck_assert_ptr_null(v->steal.page);
	for (unsigned n = 0; n < 2; n++) {
		steal_msr_let_kernel_keep(v, &vm.mem, false);
		ck_assert_uint_eq(kernel.msr & KVM_STEAL_VALID_BITS & ~4095ull, FLUSH_GPA);
		ck_assert_ptr_eq(v->steal.page, page(kvm_double_vcpu(), GUEST_GPA + 64));
	}
	destroy_vcpu();
}
END_TEST

/* sregs is no user of it: nothing of ours stays with the kernel. */
START_TEST(the_kernel_gives_the_page_up_where_flushes_need_none)
{
	struct vcpu *v = build_vcpu();

	v->flush = &flush_primitives[FLUSH_VIA_sregs];
	steal_msr_let_kernel_keep(v, &vm.mem, true);
	steal_msr_let_kernel_keep(v, &vm.mem, false);
	ck_assert_uint_eq(kernel.msr, 0);
	destroy_vcpu();
}
END_TEST

/* Each call that hands it over or takes it back. */
START_TEST(a_page_that_the_kernel_refuses_ends_the_run)
{
	static const char *const why[] = { "KVM_SET_MSRS", "KVM_SET_MSRS",
					   "steal time, which it had" };

	for (unsigned refused = 0; refused < COUNT_OF(why); refused++) {
		struct vcpu *v = build_vcpu();
		struct vcpu_exit exit;

		kvm_double_fail(KVM_SET_MSRS, refused, 1, EIO);
		steal_msr_let_kernel_keep(v, &vm.mem, true);
		steal_msr_let_kernel_keep(v, &vm.mem, false);
		vcpu_run(v, &exit);
		ck_assert_int_eq(exit.kind, VCPU_EXIT_ERROR);
		ck_assert_msg(strstr(exit.text, why[refused]) != NULL, "%s", exit.text);
		destroy_vcpu();
	}
}
END_TEST

#define CASES(X)                                                \
	X(no_request_is_lost_wherever_the_kernel_preempts)      \
	X(a_store_on_the_page_in_use_erases_its_request)        \
	X(the_guests_page_goes_to_the_kernel_and_comes_back)    \
	X(the_kernel_gives_the_page_up_where_flushes_need_none) \
	X(a_page_that_the_kernel_refuses_ends_the_run)
UNIT_SUITE(steal_kernel, CASES)
