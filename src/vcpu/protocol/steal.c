/* SPDX-License-Identifier: MIT */
/* The host's half of a steal-time page: marks, deferred flushes, steal time. */
#include "vcpu/protocol/steal.h"

#include "minivmm/pv_flush.h"
#include "vcpu/cpu/vcpu.h"
#include "vcpu/protocol/host_protocol.h"

void steal_mark(struct vcpu *v)
{
	pv_mark_preempted(&v->steal.page->preempted);
	v->stats.marks++;
	trace(v->trace, TRACE_MARK, 0);
}

uint8_t steal_take(struct vcpu *v)
{
	uint8_t byte = pv_take(&v->steal.page->preempted);

	v->stats.flush_requests += (byte & KVM_VCPU_FLUSH_TLB) != 0;
	trace(v->trace, TRACE_EXCHANGE, byte);
	return byte;
}

void steal_flush_if_asked(struct vcpu *v, uint8_t byte)
{
	if (byte & KVM_VCPU_FLUSH_TLB)
		vcpu_flush(v);
}

static void take_and_flush(struct vcpu *v)
{
	steal_flush_if_asked(v, steal_take(v));
}

const struct host_protocol host_protocol = {
	.complete_io = vcpu_complete_io,
	.leave = steal_mark,
	.enter = take_and_flush,
	.request_flush = vcpu_request_flush,
	.flush_is_safe = vcpu_flush_is_safe,
};

void steal_leave(struct vcpu *v)
{
	if (v->steal.page)
		v->protocol->leave(v);
}

void steal_enter(struct vcpu *v, uint64_t waited_ns)
{
	v->stats.steal_ns += waited_ns;
	if (!v->steal.page)
		return;
	v->protocol->enter(v);
	if (waited_ns)
		pv_add_steal(v->steal.page, waited_ns);
}
