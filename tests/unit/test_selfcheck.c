/* SPDX-License-Identifier: MIT */
/* What the self-check concludes, from a TLB that the test makes up: interruptions above all. */
#define _GNU_SOURCE
#include "unit.h"

#include <errno.h>
#include <string.h>
#include <time.h>

#include "kvm_double.h"
#include "minivmm/abi.h"
#include "minivmm/x86.h"
#include "vmm/host/ring_speed.h"
#include "vmm/host/selfcheck.h"

/*
 * A CPU with a TLB of one entry, which executes the guest of the self-check: it knows what
 * selfcheck_guest.S does, and finds its addresses in the registers as the guest does.
 */
static struct {
	bool exits_flush;      /* no translation outlives an exit */
	unsigned interrupt_at; /* the number of the entry that is interrupted; 0: none */
	unsigned entries;
	uint64_t cr3; /* a changed one flushes */
	uint64_t tlb; /* the PTE that is cached, 0: none */
	bool in_pass; /* an interruption left the guest in the middle of one */
} cpu;

static uint64_t *at(struct kvm_double_vcpu *v, uint64_t gpa)
{
	return (uint64_t *)(v->ram + (gpa & ~0xfffull));
}

static uint64_t load(struct kvm_double_vcpu *v)
{
	if (!cpu.tlb)
		cpu.tlb = *at(v, v->regs.rsi);
	return *at(v, cpu.tlb);
}

/* Loads, maps the other page, loads again. */
static void first_half(struct kvm_double_vcpu *v)
{
	uint64_t other = v->regs.r9;

	at(v, v->regs.rdx)[0] = load(v);
	v->regs.r9 = v->regs.r8;
	v->regs.r8 = other;
	*at(v, v->regs.rsi) = v->regs.r8;
}

static void ring_doorbell(struct kvm_double_vcpu *v)
{
	v->run->exit_reason = KVM_EXIT_MMIO;
	v->run->mmio.phys_addr = MV_DOORBELL_GPA + MV_DB_NOP;
	v->run->mmio.is_write = 1;
	v->run->mmio.len = 4;
}

static int make_pass(struct kvm_double_vcpu *v)
{
	cpu.entries++;
	if (v->sregs.cr3 != cpu.cr3)
		cpu.tlb = 0;
	cpu.cr3 = v->sregs.cr3;
	if (!cpu.in_pass)
		first_half(v);
	if (cpu.entries == cpu.interrupt_at) { /* whoever ran meanwhile has used the TLB */
		cpu.in_pass = true;
		cpu.tlb = 0;
		return EINTR;
	}
	cpu.in_pass = false;
	at(v, v->regs.rdx)[1] = load(v);
	ring_doorbell(v);
	if (cpu.exits_flush)
		cpu.tlb = 0;
	return 0;
}

static struct selfcheck check_with(bool exits_flush, unsigned interrupt_at)
{
	struct selfcheck check;
	struct error err;
	struct kvm kvm;
	struct vm vm;

	memset(&cpu, 0, sizeof(cpu));
	cpu.exits_flush = exits_flush;
	cpu.interrupt_at = interrupt_at;
	kvm_double_open(&kvm);
	kvm_double_set_guest(make_pass);
	ck_assert_int_eq(selfcheck_run(&kvm, &vm, &check, &err), 0);
	vm_finish(&vm);
	kvm_double_close(&kvm);
	return check;
}

static void assert_all_known(const struct selfcheck *check, unsigned interrupted_at)
{
	ck_assert_msg(!check->exit_alone_flushes, "an exit seemed to flush, interrupted at %u",
		      interrupted_at);
	ck_assert_int_eq(check->proof[FLUSH_VIA_sregs], PROOF_FLUSHES);
	ck_assert_int_eq(check->proof[FLUSH_VIA_sync_regs], PROOF_FLUSHES);
	ck_assert_int_eq(check->proof[FLUSH_VIA_steal_msr], PROOF_FAILS); /* this KVM ignores it */
}

START_TEST(a_primitive_is_proven_where_staleness_outlives_an_exit)
{
	struct selfcheck check = check_with(false, 0);

	assert_all_known(&check, 0);
}
END_TEST

START_TEST(nothing_is_proven_where_every_exit_flushes)
{
	struct selfcheck check = check_with(true, 0);

	ck_assert(check.exit_alone_flushes);
	for (unsigned i = 0; i < NR_FLUSH_PRIMS; i++)
		ck_assert_int_eq(check.proof[i], PROOF_NO_STALE);
}
END_TEST

/* At each of its entries in turn. */
START_TEST(an_interruption_changes_no_conclusion)
{
	check_with(false, 0);
	unsigned entries = cpu.entries;

	ck_assert_uint_gt(entries, 10);
	for (unsigned i = 1; i <= entries; i++) {
		struct selfcheck check = check_with(false, i);

		assert_all_known(&check, i);
	}
}
END_TEST

/* ---- the speed of a ring ------------------------------------------------------- */

static int count_down(struct kvm_double_vcpu *v)
{
	struct timespec enough = { .tv_nsec = 3000000 };

	if (++cpu.entries == cpu.interrupt_at)
		return EINTR;
	nanosleep(&enough, NULL); /* what the loop seems to take */
	ring_doorbell(v);
	return 0;
}

START_TEST(an_interrupted_measurement_is_repeated)
{
	for (unsigned i = 0; i <= 3; i++) {
		struct ring_speed speed;
		struct error err;
		struct kvm kvm;

		memset(&cpu, 0, sizeof(cpu));
		cpu.interrupt_at = i;
		kvm_double_open(&kvm);
		kvm_double_set_guest(count_down);
		ck_assert_msg(ring_speed_measure(&kvm, 3, &speed, &err) == 0, "%s", err.text);
		kvm_double_close(&kvm);
	}
}
END_TEST

/* Where a host's interrupts wait for the guest's flag, a loop without it keeps the CPU. */
static int count_down_interruptible(struct kvm_double_vcpu *v)
{
	ck_assert(v->regs.rflags & RFLAGS_IF);
	return count_down(v);
}

START_TEST(a_measured_loop_has_interrupts_enabled_in_every_ring)
{
	for (unsigned ring = 0; ring <= 3; ring += 3) {
		struct ring_speed speed;
		struct error err;
		struct kvm kvm;

		memset(&cpu, 0, sizeof(cpu));
		kvm_double_open(&kvm);
		kvm_double_set_guest(count_down_interruptible);
		ck_assert_msg(ring_speed_measure(&kvm, ring, &speed, &err) == 0, "%s", err.text);
		kvm_double_close(&kvm);
	}
}
END_TEST

#define CASES(X)                                                  \
	X(a_primitive_is_proven_where_staleness_outlives_an_exit) \
	X(nothing_is_proven_where_every_exit_flushes)             \
	X(an_interruption_changes_no_conclusion)                  \
	X(an_interrupted_measurement_is_repeated)                 \
	X(a_measured_loop_has_interrupts_enabled_in_every_ring)
UNIT_SUITE(selfcheck, CASES)
