/* SPDX-License-Identifier: MIT */
/* The host's half of a steal-time page, without KVM: which page, marks, flushes, time, faults. */
#include "unit.h"

#include <errno.h>
#include <string.h>

#include "vcpu/cpu/vcpu.h"
#include "vcpu/protocol/fault.h"
#include "vcpu/protocol/steal.h"
#include "vcpu/protocol/steal_msr.h"

#define MEM_BYTES 8192

static _Alignas(64) uint8_t ram[MEM_BYTES];
static const struct guest_mem mem = { .ram = (struct guest_ram *)ram, .bytes = MEM_BYTES };
static unsigned flushes;

static void count_flush(struct vcpu *v)
{
	(void)v;
	flushes++;
}

static struct vcpu make_vcpu(uint64_t msr)
{
	static const struct flush_primitive primitive = { .flush = count_flush };
	struct vcpu v = { .flush = &primitive, .protocol = &host_protocol };

	memset(ram, 0, sizeof(ram));
	flushes = 0;
	ck_assert_int_eq(steal_msr_write(&v.steal, &mem, msr), 0);
	return v;
}

START_TEST(only_aligned_pages_in_memory_are_taken)
{
	static const struct {
		uint64_t msr;
		int64_t offset; /* of the page, or -1: none */
		int result;
	} table[] = {
		{ 1, 0, 0 },
		{ 64 | 1, 64, 0 },
		{ (MEM_BYTES - 64) | 1, MEM_BYTES - 64, 0 },
		{ MEM_BYTES | 1, -1, -EINVAL },
		{ 0xffffffffffffffc1, -1, -EINVAL },
		{ 32 | 1, -1, -EINVAL },
		{ 64 | 3, -1, -EINVAL },
		{ 64 | 2, -1, -EINVAL },
		{ 0, -1, 0 },
		{ MEM_BYTES, -1, 0 },
	};

	for (unsigned i = 0; i < COUNT_OF(table); i++) {
		struct steal s = { .page = NULL, .msr = 99 };
		int result = steal_msr_write(&s, &mem, table[i].msr);

		ck_assert_msg(result == table[i].result, "%d for 0x%jx", result,
			      (uintmax_t)table[i].msr);
		ck_assert_uint_eq(s.msr, result ? 99 : table[i].msr);
		ck_assert_ptr_eq(s.page, table[i].offset < 0 ? NULL : ram + table[i].offset);
	}
}
END_TEST

START_TEST(a_refused_page_leaves_the_old_one_in_use)
{
	struct vcpu v = make_vcpu(64 | 1);

	ck_assert_int_eq(steal_msr_write(&v.steal, &mem, MEM_BYTES | 1), -EINVAL);
	ck_assert_ptr_eq(v.steal.page, ram + 64);
	ck_assert_uint_eq(v.steal.msr, 64 | 1);
}
END_TEST

START_TEST(a_vcpu_without_a_page_is_never_marked)
{
	struct vcpu v = make_vcpu(0);

	steal_leave(&v);
	steal_enter(&v, 500);
	ck_assert_uint_eq(v.stats.marks, 0);
	ck_assert_uint_eq(v.stats.steal_ns, 500);
	for (unsigned i = 0; i < MEM_BYTES; i++)
		ck_assert_uint_eq(ram[i], 0);
}
END_TEST

START_TEST(leaving_marks_and_entering_takes_the_mark)
{
	struct vcpu v = make_vcpu(64 | 1);

	steal_leave(&v);
	ck_assert_uint_eq(v.steal.page->preempted, KVM_VCPU_PREEMPTED);
	ck_assert_uint_eq(v.stats.marks, 1);
	steal_enter(&v, 0);
	ck_assert_uint_eq(v.steal.page->preempted, 0);
	ck_assert_uint_eq(flushes, 0);
	ck_assert_uint_eq(v.stats.flushes, 0);
	ck_assert_uint_eq(v.stats.flush_requests, 0);
}
END_TEST

START_TEST(a_flush_that_was_asked_for_is_done_once)
{
	struct vcpu v = make_vcpu(64 | 1);

	steal_leave(&v);
	v.steal.page->preempted |= KVM_VCPU_FLUSH_TLB;
	steal_leave(&v); /* marked twice: the request stays (CVE-2019-3016) */
	steal_enter(&v, 0);
	ck_assert_uint_eq(flushes, 1);
	ck_assert_uint_eq(v.stats.flush_requests, 1);
	ck_assert_uint_eq(v.stats.flushes, 1);
	steal_leave(&v);
	steal_enter(&v, 0);
	ck_assert_uint_eq(flushes, 1);
	ck_assert_uint_eq(v.stats.flush_requests, 1);
}
END_TEST

START_TEST(time_waited_is_added_to_the_page)
{
	struct vcpu v = make_vcpu(64 | 1);

	steal_enter(&v, 0);
	ck_assert_uint_eq(v.steal.page->version, 0);
	steal_enter(&v, 300);
	steal_enter(&v, 200);
	ck_assert_uint_eq(v.steal.page->steal, 500);
	ck_assert_uint_eq(v.steal.page->version, 4);
	ck_assert_uint_eq(v.stats.steal_ns, 500);
}
END_TEST

/* Once with a request that an initiator makes while the vCPU waits, once without. */
START_TEST(every_fault_of_the_host_breaks_one_step_and_no_more)
{
	static const struct {
		enum fault fault;
		unsigned flushes;     /* if there was a request */
		uint8_t entered_with; /* the byte while the guest executes */
		unsigned marks;
	} table[] = {
		{ FAULT_none, 1, 0, 1 },
		{ FAULT_skip_ipi_flush, 1, 0, 1 }, /* the guest's fault, not the host's */
		{ FAULT_skip_deferred_flush, 0, 0, 1 },
		{ FAULT_lose_flush_bit, 0, 0, 1 },
		{ FAULT_mark_while_running, 1, KVM_VCPU_PREEMPTED, 2 },
		{ FAULT_clear_after_flush, 0, 0, 1 },
	};

	for (unsigned i = 0; i < COUNT_OF(table); i++) {
		for (unsigned asked = 0; asked < 2; asked++) {
			struct host_protocol protocol = fault_host_protocol(table[i].fault);
			struct vcpu v = make_vcpu(64 | 1);

			v.protocol = &protocol;
			steal_leave(&v);
			ck_assert_uint_eq(v.steal.page->preempted, KVM_VCPU_PREEMPTED);
			v.steal.page->preempted |= asked ? KVM_VCPU_FLUSH_TLB : 0;
			steal_enter(&v, 0);
			ck_assert_uint_eq(v.steal.page->preempted, table[i].entered_with);
			ck_assert_uint_eq(flushes, asked ? table[i].flushes : 0);
			ck_assert_uint_eq(v.stats.flushes, flushes);
			ck_assert_uint_eq(v.stats.marks, table[i].marks);
		}
	}
}
END_TEST

/* It looks for the request right behind the mark: one from an earlier mark it sees. */
START_TEST(clear_after_flush_does_what_was_asked_before_the_mark)
{
	struct host_protocol protocol = fault_host_protocol(FAULT_clear_after_flush);
	struct vcpu v = make_vcpu(64 | 1);

	v.protocol = &protocol;
	v.steal.page->preempted = KVM_VCPU_PREEMPTED | KVM_VCPU_FLUSH_TLB;
	steal_leave(&v);
	ck_assert_uint_eq(flushes, 1);
	steal_enter(&v, 0);
	ck_assert_uint_eq(flushes, 1);
}
END_TEST

static bool is_sound(enum fault fault)
{
	struct host_protocol p = fault_host_protocol(fault);

	return memcmp(&p, &host_protocol, sizeof(p)) == 0;
}

START_TEST(only_the_faults_of_the_host_have_a_protocol_of_their_own)
{
	ck_assert(is_sound(FAULT_none));
	ck_assert(is_sound(FAULT_inverted_cmpxchg));
	ck_assert(!is_sound(FAULT_lose_flush_bit));
	ck_assert(!is_sound(FAULT_mark_in_access));
	ck_assert(!is_sound(FAULT_hypercall_no_wait));
}
END_TEST

/* The flush is asked for, and nobody is waited for. */
START_TEST(hypercall_no_wait_asks_and_goes_on)
{
	struct host_protocol p = fault_host_protocol(FAULT_hypercall_no_wait);
	struct vcpu v = make_vcpu(64 | 1);

	v.in_guest = 1;
	p.request_flush(&v);
	ck_assert_uint_eq(v.must_flush, 1);
	ck_assert(p.flush_is_safe(&v));
}
END_TEST

#define CASES(X)                                                    \
	X(only_aligned_pages_in_memory_are_taken)                   \
	X(a_refused_page_leaves_the_old_one_in_use)                 \
	X(a_vcpu_without_a_page_is_never_marked)                    \
	X(leaving_marks_and_entering_takes_the_mark)                \
	X(a_flush_that_was_asked_for_is_done_once)                  \
	X(time_waited_is_added_to_the_page)                         \
	X(every_fault_of_the_host_breaks_one_step_and_no_more)      \
	X(clear_after_flush_does_what_was_asked_before_the_mark)    \
	X(only_the_faults_of_the_host_have_a_protocol_of_their_own) \
	X(hypercall_no_wait_asks_and_goes_on)
UNIT_SUITE(steal, CASES)
