/* SPDX-License-Identifier: MIT */
/*
 * Faults that the host injects: the protocol with one step broken.
 *
 * Each is host_protocol with one mistake in it, one that the kernel
 * has made or that a reader may wonder about. A fault may widen its own window, so
 * that a run catches it every time and not once in a million shootdowns.
 */
#include "vcpu/protocol/fault.h"

#include <string.h>

#include "vcpu/cpu/vcpu.h"
#include "vcpu/protocol/steal.h"

static uint8_t *byte_of(struct vcpu *v)
{
	return &v->steal.page->preempted;
}

/* Whatever is asked for is forgotten. */
static void take_without_flush(struct vcpu *v)
{
	steal_take(v);
}

/* A second mark, with a plain store: a request made since the first is erased. */
static void mark_again_and_take(struct vcpu *v)
{
	__atomic_store_n(byte_of(v), KVM_VCPU_PREEMPTED, __ATOMIC_RELAXED);
	host_protocol.enter(v);
}

/* Marked again although it is about to run: initiators do not interrupt it. */
static void take_and_mark(struct vcpu *v)
{
	host_protocol.enter(v);
	steal_mark(v);
}

/* The look and the flush come right behind the mark, the exchange when the vCPU is
 * resumed: a request made in between is cleared unseen. */
static void mark_and_flush(struct vcpu *v)
{
	steal_mark(v);
	steal_flush_if_asked(v, __atomic_load_n(byte_of(v), __ATOMIC_SEQ_CST));
}

/* Marked in the middle of an instruction, which goes on with what it has translated. */
static bool leave_access_open(struct vcpu *v)
{
	(void)v;
	return true;
}

/* The initiator goes on while its targets are still in the guest. To widen the window
 * nobody forces them out: they flush when they come back by themselves. */
static void request_without_kick(struct vcpu *v)
{
	__atomic_store_n(&v->must_flush, 1, __ATOMIC_SEQ_CST);
}

static bool is_always_safe(const struct vcpu *v)
{
	(void)v;
	return true;
}

struct host_protocol fault_host_protocol(enum fault fault)
{
	struct host_protocol p = host_protocol;

	if (fault == FAULT_skip_deferred_flush)
		p.enter = take_without_flush;
	if (fault == FAULT_lose_flush_bit)
		p.enter = mark_again_and_take;
	if (fault == FAULT_mark_while_running)
		p.enter = take_and_mark;
	if (fault == FAULT_clear_after_flush) {
		p.leave = mark_and_flush;
		p.enter = take_without_flush;
	}
	if (fault == FAULT_mark_in_access)
		p.complete_io = leave_access_open;
	if (fault == FAULT_hypercall_no_wait) {
		p.request_flush = request_without_kick;
		p.flush_is_safe = is_always_safe;
	}
	return p;
}

bool fault_is_hosts(enum fault fault)
{
	struct host_protocol p = fault_host_protocol(fault);

	return memcmp(&p, &host_protocol, sizeof(p)) != 0;
}
