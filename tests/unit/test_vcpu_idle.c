/* SPDX-License-Identifier: MIT */
/* A vCPU that executes nothing, and one that is entered: what KVM is asked, and in which order. */
#include "unit.h"

#include <errno.h>
#include <pthread.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "kvm_double.h"
#include "minivmm/x86.h"
#include "pcpu_stage.h"
#include "vcpu/base/clock.h"
#include "vcpu/cpu/apic_timer.h"
#include "vcpu/cpu/enter.h"
#include "vcpu/protocol/flush.h"
#include "vmm/machine/vm.h"

#define VECTOR_OF_TIMER 0x40
#define START_CHECK_NS	1000000 /* as in idle.c: how long it waits for a kick, at the least */

static struct kvm kvm;
static struct vm vm;
static struct vcpu *vcpu;
static unsigned flushes;

/* What KVM_RUN found, and what it does. */
static struct {
	unsigned entries;
	uint32_t mp_state;
	bool kick_was_pending, was_in_guest;
	uint32_t leaves_state; /* or KEEPS_STATE */
	bool leaves_kick;
	int answer;
	uint64_t left_ns;
} entry;

#define KEEPS_STATE UINT32_MAX

static bool kick_is_pending(void)
{
	sigset_t pending;

	sigpending(&pending);
	return sigismember(&pending, VCPU_KICK_SIGNAL);
}

static int enter(struct kvm_double_vcpu *v)
{
	entry.entries++;
	entry.mp_state = v->mp_state;
	entry.kick_was_pending = kick_is_pending();
	entry.was_in_guest = vcpu->in_guest;
	if (entry.leaves_state != KEEPS_STATE)
		v->mp_state = entry.leaves_state;
	if (entry.leaves_kick)
		vcpu_kick(vcpu);
	entry.left_ns = monotonic_ns();
	return entry.answer;
}

static void count_flush(struct vcpu *v)
{
	ck_assert_uint_eq(v->must_flush, 0); /* what comes from now on is not lost */
	ck_assert_uint_eq(entry.entries, 0);
	flushes++;
}

static const struct flush_primitive counting = { .flush = count_flush };

static void build(uint32_t mp_state, int answer)
{
	struct error err;

	memset(&entry, 0, sizeof(entry));
	entry.leaves_state = KEEPS_STATE;
	entry.answer = answer;
	flushes = 0;
	stage_block_kicks();
	kvm_double_open(&kvm);
	kvm_double_set_guest(enter);
	ck_assert_int_eq(vm_init(&vm, &kvm, 0, 1, MV_MEM_MIN_BYTES, DIRTY_none, &err), 0);
	vcpu = &vm.vcpu[0];
	vcpu->tid = (pid_t)syscall(SYS_gettid);
	vcpu->flush = &counting;
	vcpu->timer_is_vmx = false;
	kvm_double_vcpu()->mp_state = mp_state;
}

static void destroy(void)
{
	vm_finish(&vm);
	kvm_double_close(&kvm);
}

/* ---- halted ------------------------------------------------------------------------------ */

/* Only in the state HALTED does KVM_RUN take a flush with it, and execute nothing. */
START_TEST(a_halt_tells_kvm_before_it_hands_over_a_flush)
{
	for (unsigned dirty = 0; dirty < 2; dirty++) {
		build(KVM_MP_STATE_RUNNABLE, EINTR);
		vcpu->run->kvm_dirty_regs = dirty ? KVM_SYNC_X86_SREGS : 0;
		vcpu_halt(vcpu);
		ck_assert_uint_eq(kvm_double_vcpu()->mp_state, KVM_MP_STATE_HALTED);
		ck_assert_uint_eq(kvm_double_vcpu()->immediate_runs, dirty);
		if (dirty)
			ck_assert_uint_eq(kvm_double_vcpu()->mp_state_when_immediate,
					  KVM_MP_STATE_HALTED);
		ck_assert_uint_eq(vcpu->run->immediate_exit, 0);
		ck_assert_uint_eq(entry.entries, 0);
		destroy();
	}
}
END_TEST

START_TEST(a_halted_vcpu_waits_in_the_state_in_which_kvm_executes_nothing)
{
	static const struct {
		int answer;
		uint32_t leaves_state, state_after;
		enum vcpu_exit_kind kind;
	} table[] = {
		{ EAGAIN, KEEPS_STATE, KVM_MP_STATE_HALTED, VCPU_EXIT_WAKEUP },
		{ EINTR, KEEPS_STATE, KVM_MP_STATE_HALTED, VCPU_EXIT_KICK },
		/* An INIT comes, and with it a kick, or not. */
		{ EAGAIN, KVM_MP_STATE_INIT_RECEIVED, KVM_MP_STATE_INIT_RECEIVED,
		  VCPU_EXIT_WAKEUP },
		{ EINTR, KVM_MP_STATE_INIT_RECEIVED, KVM_MP_STATE_INIT_RECEIVED, VCPU_EXIT_WAKEUP },
	};

	for (unsigned i = 0; i < COUNT_OF(table); i++) {
		struct vcpu_exit exit;

		build(KVM_MP_STATE_HALTED, table[i].answer);
		entry.leaves_state = table[i].leaves_state;
		vcpu_wait_halted(vcpu, &exit);
		ck_assert_uint_eq(entry.entries, 1);
		ck_assert_uint_eq(entry.mp_state, KVM_MP_STATE_UNINITIALIZED);
		ck_assert_uint_eq(kvm_double_vcpu()->mp_state, table[i].state_after);
		ck_assert_int_eq(exit.kind, table[i].kind);
		destroy();
	}
}
END_TEST

START_TEST(what_is_not_halted_any_more_is_not_waited_for)
{
	struct vcpu_exit exit = { .kind = VCPU_EXIT_KICK };

	build(KVM_MP_STATE_INIT_RECEIVED, EINTR);
	vcpu_wait_halted(vcpu, &exit);
	ck_assert_uint_eq(entry.entries, 0);
	ck_assert_int_eq(exit.kind, VCPU_EXIT_WAKEUP);
	ck_assert_uint_eq(kvm_double_vcpu()->mp_state, KVM_MP_STATE_INIT_RECEIVED);
	destroy();
}
END_TEST

/* KVM carries out an INIT when it is asked for the state. */
static void init_by_asking(struct kvm_double_vcpu *v, unsigned long request, const void *argument)
{
	(void)argument;
	if (request == KVM_GET_MP_STATE)
		v->sregs.cr3 = 0x7000;
}

START_TEST(registers_are_read_anew_once_kvm_may_have_changed_them)
{
	build(KVM_MP_STATE_INIT_RECEIVED, EINTR);
	kvm_double_set_observer(init_by_asking);
	vcpu->run->s.regs.sregs.cr3 = 0x1000;
	ck_assert_int_eq(vcpu_idleness(vcpu), VCPU_AWAITS_START);
	ck_assert_uint_eq(vcpu->run->s.regs.sregs.cr3, 0x1000); /* nobody uses them */
	vcpu->run->kvm_valid_regs = KVM_SYNC_X86_SREGS;
	ck_assert_int_eq(vcpu_idleness(vcpu), VCPU_AWAITS_START);
	ck_assert_uint_eq(vcpu->run->s.regs.sregs.cr3, 0x7000);
	destroy();
}
END_TEST

/* What KVM has left there of earlier exits it would deliver anew, whatever the guest thinks of it.
 */
START_TEST(a_flush_by_sync_regs_delivers_no_interrupt)
{
	struct error err;

	build(KVM_MP_STATE_RUNNABLE, EINTR);
	struct kvm_sregs *sregs = &vcpu->run->s.regs.sregs;
	const struct flush_primitive *flush = &flush_primitives[FLUSH_VIA_sync_regs];
	ck_assert_int_eq(flush->prepare(vcpu, &vm.mem, 0, &err), 0);
	sregs->cr0 = CR0_PE | CR0_PG;
	memset(sregs->interrupt_bitmap, 0xff, sizeof(sregs->interrupt_bitmap));
	flush->flush(vcpu);
	ck_assert_uint_eq(vcpu->run->kvm_dirty_regs, KVM_SYNC_X86_SREGS);
	for (unsigned i = 0; i < COUNT_OF(sregs->interrupt_bitmap); i++)
		ck_assert_uint_eq(sregs->interrupt_bitmap[i], 0);
	destroy();
}
END_TEST

/* With a kick pending KVM_RUN executes nothing. */
START_TEST(a_timer_is_looked_at_with_a_kick_pending)
{
	build(KVM_MP_STATE_HALTED, EINTR);
	vcpu_expire_timer(vcpu);
	ck_assert_uint_eq(entry.entries, 0);
	ck_assert(!kick_is_pending());
	vcpu->timer_is_vmx = true;
	vcpu_expire_timer(vcpu);
	ck_assert_uint_eq(entry.entries, 1);
	ck_assert(entry.kick_was_pending);
	vcpu_drain_kick();
	ck_assert(!kick_is_pending());
	destroy();
}
END_TEST

static void set_timer(uint32_t lvt, uint32_t divide, uint32_t current)
{
	struct kvm_lapic_state *apic = &kvm_double_vcpu()->lapic;

	memcpy(&apic->regs[XAPIC_LVT_TIMER], &lvt, sizeof(lvt));
	memcpy(&apic->regs[XAPIC_TIMER_DIVIDE], &divide, sizeof(divide));
	memcpy(&apic->regs[XAPIC_TIMER_CURRENT], &current, sizeof(current));
}

/* SDM volume 3, "Divide Configuration Register": its bits 0, 1 and 3; of KVM a count is a ns. */
START_TEST(a_timer_expires_after_its_count_times_its_divider)
{
	static const struct {
		uint32_t divide;
		uint64_t by;
	} table[] = { { 0, 2 },	 { 1, 4 },  { 2, 8 },	 { 3, 16 },
		      { 8, 32 }, { 9, 64 }, { 10, 128 }, { 11, 1 } };

	build(KVM_MP_STATE_HALTED, EINTR);
	vcpu->timer_is_vmx = true;
	vcpu->run->if_flag = 1;
	for (unsigned i = 0; i < COUNT_OF(table); i++) {
		set_timer(VECTOR_OF_TIMER, table[i].divide, 1000);
		ck_assert_uint_eq(apic_timer_ns(vcpu), 1000 * table[i].by);
	}
	set_timer(VECTOR_OF_TIMER, 0, UINT32_MAX);
	ck_assert_uint_eq(apic_timer_ns(vcpu), 2ull * UINT32_MAX);
	destroy();
}
END_TEST

START_TEST(a_timer_that_wakes_nobody_is_none)
{
	build(KVM_MP_STATE_HALTED, EINTR);
	vcpu->timer_is_vmx = true;
	vcpu->run->if_flag = 1;
	set_timer(VECTOR_OF_TIMER | LVT_MASKED, 0, 1000);
	ck_assert_uint_eq(apic_timer_ns(vcpu), APIC_TIMER_NEVER);
	set_timer(VECTOR_OF_TIMER, 0, 0); /* it does not count */
	ck_assert_uint_eq(apic_timer_ns(vcpu), APIC_TIMER_NEVER);
	set_timer(VECTOR_OF_TIMER, 0, 1000);
	ck_assert_uint_eq(apic_timer_ns(vcpu), 2000);
	vcpu->run->if_flag = 0;
	ck_assert_uint_eq(apic_timer_ns(vcpu), APIC_TIMER_NEVER);
	vcpu->run->if_flag = 1;
	vcpu->timer_is_vmx = false; /* KVM looks after it */
	ck_assert_uint_eq(apic_timer_ns(vcpu), APIC_TIMER_NEVER);
	destroy();
}
END_TEST

/* ---- held until INIT and a start-up IPI ---------------------------------------------------- */

START_TEST(a_held_vcpu_sleeps_in_kvm_until_its_init_and_then_looks_now_and_then)
{
	build(KVM_MP_STATE_UNINITIALIZED, EAGAIN);
	entry.leaves_state = KVM_MP_STATE_INIT_RECEIVED;
	entry.leaves_kick = true; /* that ended KVM_RUN, and does not end the wait behind it */
	ck_assert(!vcpu_wait_started(vcpu));
	ck_assert_uint_eq(entry.entries, 1);
	ck_assert_uint_ge(monotonic_ns() - entry.left_ns, START_CHECK_NS);
	ck_assert(!kick_is_pending());
	ck_assert(!vcpu_wait_started(vcpu));
	ck_assert_uint_eq(entry.entries, 1); /* in that state KVM would start it in there */
	kvm_double_vcpu()->mp_state = KVM_MP_STATE_RUNNABLE;
	ck_assert(vcpu_wait_started(vcpu));
	ck_assert_uint_eq(entry.entries, 1);
	destroy();
}
END_TEST

/* ---- entered ------------------------------------------------------------------------------- */

START_TEST(a_flush_that_was_asked_for_comes_before_the_entry)
{
	struct vcpu_exit exit;

	build(KVM_MP_STATE_RUNNABLE, EINTR);
	vcpu_request_flush(vcpu);
	ck_assert(!kick_is_pending()); /* it is not in the guest */
	ck_assert(vcpu_flush_is_safe(vcpu));
	vcpu_run(vcpu, &exit);
	ck_assert_uint_eq(flushes, 1);
	ck_assert_uint_eq(vcpu->stats.flushes, 1);
	ck_assert_uint_eq(entry.entries, 1);
	ck_assert(entry.was_in_guest);
	ck_assert_uint_eq(vcpu->in_guest, 0);
	entry.entries = 0;
	vcpu_run(vcpu, &exit);
	ck_assert_uint_eq(flushes, 1);
	ck_assert_int_eq(exit.kind, VCPU_EXIT_KICK);
	ck_assert_uint_eq(vcpu->stats.exits, 2);
	ck_assert_uint_eq(vcpu->stats.exits_kick, 2);
	destroy();
}
END_TEST

START_TEST(who_is_in_the_guest_is_kicked_and_waited_for)
{
	build(KVM_MP_STATE_RUNNABLE, EINTR);
	vcpu->in_guest = 1;
	ck_assert(vcpu_flush_is_safe(vcpu)); /* nobody has asked */
	vcpu_request_flush(vcpu);
	ck_assert(kick_is_pending());
	ck_assert(!vcpu_flush_is_safe(vcpu));
	vcpu_drain_kick();
	vcpu->in_guest = 0;
	ck_assert(vcpu_flush_is_safe(vcpu));
	destroy();
}
END_TEST

/* The exits in which KVM has yet to finish the instruction. */
START_TEST(an_access_is_completed_once_and_executes_nothing)
{
	static const struct {
		uint32_t reason;
		bool is_access;
	} table[] = {
		{ KVM_EXIT_MMIO, true },	{ KVM_EXIT_IO, true },
		{ KVM_EXIT_X86_RDMSR, true },	{ KVM_EXIT_X86_WRMSR, true },
		{ KVM_EXIT_SHUTDOWN, false },	{ KVM_EXIT_DIRTY_RING_FULL, false },
		{ KVM_EXIT_FAIL_ENTRY, false },
	};

	for (unsigned i = 0; i < COUNT_OF(table); i++) {
		struct vcpu_exit exit;

		build(KVM_MP_STATE_RUNNABLE, 0);
		vcpu->run->exit_reason = table[i].reason;
		vcpu_run(vcpu, &exit);
		for (unsigned again = 0; again < 2; again++) {
			ck_assert(vcpu_complete_io(vcpu));
			ck_assert_uint_eq(kvm_double_vcpu()->immediate_runs, table[i].is_access);
		}
		ck_assert_uint_eq(vcpu->run->immediate_exit, 0);
		ck_assert_uint_eq(entry.entries, 1);
		destroy();
	}
}
END_TEST

START_TEST(a_second_access_of_an_instruction_is_said_and_nothing_is_flushed)
{
	struct vcpu_exit exit;

	build(KVM_MP_STATE_RUNNABLE, 0);
	vcpu->run->exit_reason = KVM_EXIT_MMIO;
	vcpu_run(vcpu, &exit);
	kvm_double_vcpu()->more_accesses = 2;
	ck_assert(!vcpu_complete_io(vcpu));
	vcpu_request_flush(vcpu);
	vcpu_run(vcpu, &exit);
	ck_assert_int_eq(exit.kind, VCPU_EXIT_ERROR);
	ck_assert_str_eq(exit.text, vcpu_second_access.text);
	ck_assert_uint_eq(flushes, 0);
	ck_assert_uint_eq(entry.entries, 1);
	ck_assert_uint_eq(vcpu->in_guest, 0);
	ck_assert(vcpu_complete_io(vcpu));
	destroy();
}
END_TEST

START_TEST(an_exit_that_nobody_knows_says_what_it_was)
{
	static const struct {
		uint32_t reason;
		const char *text;
	} table[] = {
		{ KVM_EXIT_INTERNAL_ERROR, "KVM cannot emulate an instruction (suberror 3)" },
		{ KVM_EXIT_FAIL_ENTRY, "the CPU refused to enter the guest (reason 0x7)" },
		{ KVM_EXIT_HYPERCALL, "an exit that minivmm does not know (reason 3)" },
	};

	for (unsigned i = 0; i < COUNT_OF(table); i++) {
		struct vcpu_exit exit;

		build(KVM_MP_STATE_RUNNABLE, 0);
		vcpu->run->exit_reason = table[i].reason;
		if (table[i].reason == KVM_EXIT_INTERNAL_ERROR)
			vcpu->run->internal.suberror = 3;
		else
			vcpu->run->fail_entry.hardware_entry_failure_reason = 7;
		vcpu_run(vcpu, &exit);
		ck_assert_int_eq(exit.kind, VCPU_EXIT_ERROR);
		ck_assert_str_eq(exit.text, table[i].text);
		destroy();
	}
}
END_TEST

/* KVM asks: an error would be a #GP. */
START_TEST(an_msr_access_that_is_served_is_no_fault)
{
	static const uint32_t reasons[] = { KVM_EXIT_X86_RDMSR, KVM_EXIT_X86_WRMSR };

	for (unsigned i = 0; i < COUNT_OF(reasons); i++) {
		struct vcpu_exit exit;

		build(KVM_MP_STATE_RUNNABLE, 0);
		vcpu->run->exit_reason = reasons[i];
		vcpu->run->msr.error = 1;
		vcpu->run->msr.data = 77;
		vcpu_run(vcpu, &exit);
		ck_assert_uint_eq(vcpu->run->msr.error, 0);
		ck_assert_int_eq(exit.kind, VCPU_EXIT_MSR);
		ck_assert_uint_eq(exit.is_write, i);
		ck_assert_uint_eq(exit.value, i ? 77 : 0);
		destroy();
	}
}
END_TEST

START_TEST(an_entry_that_kvm_refuses_is_the_last)
{
	for (unsigned by_completing = 0; by_completing < 2; by_completing++) {
		struct vcpu_exit exit;

		build(KVM_MP_STATE_RUNNABLE, 0);
		kvm_double_fail(KVM_RUN, by_completing, 1, EFAULT);
		vcpu->run->exit_reason = KVM_EXIT_MMIO;
		vcpu_run(vcpu, &exit);
		if (by_completing) {
			ck_assert_int_eq(exit.kind, VCPU_EXIT_MMIO);
			vcpu_complete_io(vcpu);
		}
		unsigned entries = kvm_double_calls(KVM_RUN);
		vcpu_run(vcpu, &exit);
		ck_assert_int_eq(exit.kind, VCPU_EXIT_ERROR);
		ck_assert_str_eq(exit.text, "KVM refused KVM_RUN: Bad address");
		ck_assert_uint_eq(kvm_double_calls(KVM_RUN), entries);
		destroy();
	}
}
END_TEST

/* ---- what it is made of ------------------------------------------------------------------ */

static uint64_t signal_mask;

static void note_signal_mask(struct kvm_double_vcpu *v, unsigned long request, const void *argument)
{
	const struct kvm_signal_mask *mask = argument;

	(void)v;
	if (request != KVM_SET_SIGNAL_MASK)
		return;
	ck_assert_uint_eq(mask->len, sizeof(signal_mask));
	memcpy(&signal_mask, mask->sigset, sizeof(signal_mask));
}

/* sigfillset() leaves two signals to the C library. */
START_TEST(inside_kvm_run_only_a_kick_gets_through)
{
	const uint64_t of_libc = 1ull << 31 | 1ull << 32; /* signals 32 and 33 */
	struct error err;
	struct vcpu v;

	build(KVM_MP_STATE_RUNNABLE, 0);
	kvm_double_set_observer(note_signal_mask);
	ck_assert_int_eq(vcpu_init(&v, &kvm, vm.fd, 0, 1, &err), 0);
	ck_assert_uint_eq(signal_mask | of_libc, ~(1ull << (VCPU_KICK_SIGNAL - 1)));
	vcpu_finish(&v);
	destroy();
}
END_TEST

/* Its trace is for AddressSanitizer to miss. */
START_TEST(a_vcpu_that_is_finished_leaves_nothing_mapped)
{
	struct error err;
	struct vcpu v;

	build(KVM_MP_STATE_RUNNABLE, 0);
	ck_assert_int_eq(vcpu_init(&v, &kvm, vm.fd, 0, 1, &err), 0);
	v.trace = trace_ring_create(2);
	void *run = v.run;
	ck_assert_int_eq(msync(run, 4096, MS_ASYNC), 0);
	vcpu_finish(&v);
	ck_assert_int_eq(msync(run, 4096, MS_ASYNC), -1);
	ck_assert_int_eq(errno, ENOMEM);
	ck_assert_ptr_null(v.run);
	ck_assert_ptr_null(v.trace);
	destroy();
}
END_TEST

#define CASES(X)                                                                \
	X(a_halt_tells_kvm_before_it_hands_over_a_flush)                        \
	X(a_halted_vcpu_waits_in_the_state_in_which_kvm_executes_nothing)       \
	X(what_is_not_halted_any_more_is_not_waited_for)                        \
	X(registers_are_read_anew_once_kvm_may_have_changed_them)               \
	X(a_flush_by_sync_regs_delivers_no_interrupt)                           \
	X(a_timer_is_looked_at_with_a_kick_pending)                             \
	X(a_timer_expires_after_its_count_times_its_divider)                    \
	X(a_timer_that_wakes_nobody_is_none)                                    \
	X(a_held_vcpu_sleeps_in_kvm_until_its_init_and_then_looks_now_and_then) \
	X(a_flush_that_was_asked_for_comes_before_the_entry)                    \
	X(who_is_in_the_guest_is_kicked_and_waited_for)                         \
	X(an_access_is_completed_once_and_executes_nothing)                     \
	X(a_second_access_of_an_instruction_is_said_and_nothing_is_flushed)     \
	X(an_exit_that_nobody_knows_says_what_it_was)                           \
	X(an_msr_access_that_is_served_is_no_fault)                             \
	X(an_entry_that_kvm_refuses_is_the_last)                                \
	X(inside_kvm_run_only_a_kick_gets_through)                              \
	X(a_vcpu_that_is_finished_leaves_nothing_mapped)
UNIT_SUITE(vcpu_idle, CASES)
