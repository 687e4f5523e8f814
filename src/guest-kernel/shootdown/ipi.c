/* SPDX-License-Identifier: MIT */
/*
 * Shootdown by interrupt: ask vCPUs to flush, and wait until they have.
 *
 * An acknowledgment is a number that only grows. An initiator takes the next ticket of
 * a target and then interrupts it; the handler serves all tickets that it finds (see
 * vector_shootdown), and the initiator waits until the target has served its own. So
 * one interrupt may serve many initiators, and one that arrives late, when its ticket
 * has long been served, is harmless.
 */
#include "guest-kernel/shootdown/ipi.h"

#include "guest-kernel/base/platform.h"
#include "guest-kernel/cpu/apic.h"
#include "guest-kernel/shootdown/hint.h"
#include "guest-kernel/shootdown/trace.h"

/* The flushes that an initiator has asked for in one shootdown: a ticket of each target. */
struct tickets {
	uint64_t of[MV_MAX_VCPUS];
};

void ipi_enable(void)
{
	apic_write(XAPIC_SPURIOUS, XAPIC_ENABLED | VECTOR_SPURIOUS);
}

/* Writes the destination only when it changes, since each access to a register may be an exit. */
static void send_one(struct percpu *self, uint32_t target)
{
	if (target == XAPIC_BROADCAST_ID) {
		platform->send_ipi(target, VECTOR_SHOOTDOWN);
		return;
	}
	if (self->icr_high != target << XAPIC_ID_SHIFT) {
		self->icr_high = target << XAPIC_ID_SHIFT;
		apic_write(XAPIC_ICR_HIGH, self->icr_high);
	}
	apic_write(XAPIC_ICR_LOW, ICR_ASSERT | VECTOR_SHOOTDOWN);
}

static void send_all(struct percpu *self, const struct targets *targets)
{
	for_each_target (target, targets)
		send_one(self, target);
}

/* By locked operations, which come after the PTE stores and before the interrupts. */
static uint32_t take_tickets(const struct targets *targets, struct tickets *tickets)
{
	uint32_t count = 0;

	for_each_target (target, targets) {
		tickets->of[target] = __atomic_add_fetch(&percpus[target].requested, 1,
							 __ATOMIC_SEQ_CST);
		hint_await(target);
		count++;
	}
	return count;
}

static void request(struct percpu *self, const struct targets *targets, struct tickets *tickets)
{
	uint32_t count = take_tickets(targets, tickets);

	trace_targets(self, MV_TRACE_IPI, targets);
	if (count > 1 && count == self->nr_vcpus - 1)
		apic_write(XAPIC_ICR_LOW, ICR_ALL_BUT_SELF | ICR_ASSERT | VECTOR_SHOOTDOWN);
	else
		send_all(self, targets);
	self->result->n.ipis_sent += count;
}

static bool served(uint32_t target, uint64_t ticket)
{
	return __atomic_load_n(&percpus[target].acked, __ATOMIC_ACQUIRE) >= ticket;
}

bool ipi_just_wait(struct percpu *self, uint32_t target)
{
	(void)self;
	(void)target;
	cpu_relax();
	return false;
}

/* Returns true if the target has answered, and false if `meanwhile` has seen to its flush. */
static bool wait_for(struct percpu *self, uint32_t target, uint64_t ticket,
		     ipi_meanwhile *meanwhile)
{
	while (!served(target, ticket))
		if (meanwhile(self, target))
			return false;
	return true;
}

void ipi_flush(struct percpu *self, const struct targets *targets, ipi_meanwhile *meanwhile)
{
	struct tickets tickets;

	request(self, targets, &tickets);
	for_each_target (target, targets) {
		bool answered = wait_for(self, target, tickets.of[target], meanwhile);

		hint_await_no_more(target);
		trace_target(self, answered ? MV_TRACE_ACK : MV_TRACE_DEFER_LATE, target);
	}
}
