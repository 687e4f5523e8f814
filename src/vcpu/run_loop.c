/* SPDX-License-Identifier: MIT */
/* The life of a vCPU's thread: wait for a pCPU, execute, handle exits, give way. */
#include "vcpu/run_loop.h"

#include <string.h>

#include "vcpu/base/clock.h"
#include "vcpu/cpu/apic_timer.h"
#include "vcpu/protocol/host_protocol.h"
#include "vcpu/protocol/steal.h"

/* A vCPU's thread, as the steps below see it. Each returns false at the end. */
struct loop {
	struct vcpu *v;
	struct pcpus *pcpus;
	unsigned i;
	const struct vcpu_handler *handler;
	struct vcpu_exit exit; /* the last one */
};

static void enter_slice(struct loop *l, uint64_t waited_ns)
{
	uint64_t expired_ns = pcpus_expired_ns(l->pcpus, l->i);
	int pcpu = pcpus_held_by(l->pcpus, l->i);

	steal_enter(l->v, waited_ns);
	l->v->entered_ns = monotonic_ns();
	l->v->entered_cpu_ns = thread_cpu_ns();
	l->v->stats.slices++;
	trace(l->v->trace, TRACE_RUN, pcpu < 0 ? TRACE_KERNEL_SCHEDULES : (unsigned)pcpu);
	if (waited_ns && expired_ns)
		mv_hist_record(&l->v->handover, l->v->entered_ns - expired_ns);
}

/* `why` is what comes now: TRACE_WAIT, TRACE_HALT or TRACE_BLOCK. */
static void leave_slice(struct loop *l, enum trace_kind why)
{
	l->v->stats.run_ns += monotonic_ns() - l->v->entered_ns;
	trace(l->v->trace, why, 0);
}

static enum vcpu_action serve(const struct loop *l, const struct vcpu_exit *exit)
{
	return l->handler->exit(l->handler->context, l->v, exit);
}

/* To an instruction boundary: there a vCPU may be marked. False, and the end, if the
 * guest's instruction has none yet. */
static bool complete_io(struct loop *l)
{
	if (l->v->protocol->complete_io(l->v))
		return true;
	serve(l, &vcpu_second_access);
	return false;
}

/* Waits for a pCPU after having wanted none. From here on until it runs, the vCPU
 * is preempted: it could execute, and it stands at an instruction boundary. */
static bool acquire(struct loop *l)
{
	uint64_t waited_ns;

	trace(l->v->trace, TRACE_WAIT, 0);
	steal_leave(l->v);
	if (!pcpus_acquire(l->pcpus, l->i, &waited_ns))
		return false;
	enter_slice(l, waited_ns);
	return true;
}

/* Without a pCPU until a start-up IPI arrives. */
static bool await_start(struct loop *l)
{
	uint64_t since_ns = monotonic_ns();

	do {
		if (pcpus_are_stopping(l->pcpus))
			return false;
	} while (!vcpu_wait_started(l->v));
	l->v->stats.halted_ns += monotonic_ns() - since_ns;
	return acquire(l);
}

/*
 * Without a pCPU until something arrives that may make the vCPU execute. Whatever it is, the
 * vCPU passes take and flush, and has a pCPU, before its first instruction.
 *
 * The end of the run is looked for after a kick has been drained, and each time: pcpus_stop()
 * comes before the kick that tells of it, so that whoever has drained that kick, here or before
 * the halt, finds the pCPUs stopped.
 */
static bool halt(struct loop *l)
{
	uint64_t since_ns = monotonic_ns();

	leave_slice(l, TRACE_HALT);
	if (l->v->marks_when_halted)
		steal_leave(l->v);
	pcpus_release(l->pcpus, l->i, SLICE_halted);
	l->v->stats.halts++;
	vcpu_halt(l->v);
	do {
		vcpu_expire_timer(l->v);
		vcpu_drain_kick();
		if (pcpus_are_stopping(l->pcpus))
			return false;
		pcpus_kick_in(l->pcpus, l->i, apic_timer_ns(l->v));
		vcpu_wait_halted(l->v, &l->exit);
	} while (l->exit.kind == VCPU_EXIT_KICK);
	l->v->stats.halted_ns += monotonic_ns() - since_ns;
	return vcpu_idleness(l->v) == VCPU_AWAITS_START ? await_start(l) : acquire(l);
}

/* INIT has reset it. */
static bool restart(struct loop *l)
{
	leave_slice(l, TRACE_HALT);
	pcpus_release(l->pcpus, l->i, SLICE_halted);
	l->v->stats.halts++;
	return await_start(l);
}

static bool block(struct loop *l, const struct vcpu_exit *exit)
{
	leave_slice(l, TRACE_BLOCK);
	pcpus_release(l->pcpus, l->i, SLICE_blocked);
	l->handler->blocked(l->handler->context, l->v, exit);
	return complete_io(l) && acquire(l);
}

static bool yield(struct loop *l)
{
	uint64_t waited_ns;

	if (!complete_io(l))
		return false;
	leave_slice(l, TRACE_WAIT);
	steal_leave(l->v);
	l->v->stats.yields++;
	bool alive = l->v->yield_to < 0
			     ? pcpus_yield(l->pcpus, l->i, &waited_ns)
			     : pcpus_yield_to(l->pcpus, l->i, (unsigned)l->v->yield_to, &waited_ns);
	if (!alive)
		return false;
	enter_slice(l, waited_ns);
	return true;
}

/*
 * Whether the vCPU halted, or was reset by INIT, in its slice. KVM is asked only if
 * the thread slept for most of the slice, since the answer costs more than the
 * rest of a hand-over; what idled for less is found after its next slice.
 */
static enum vcpu_idleness idleness(const struct loop *l)
{
	uint64_t slice_ns = monotonic_ns() - l->v->entered_ns;
	uint64_t used_ns = thread_cpu_ns() - l->v->entered_cpu_ns;

	return used_ns > slice_ns / 2 ? VCPU_NOT_IDLE : vcpu_idleness(l->v);
}

/*
 * Forced out of the guest. The mark comes first, since every moment before it is
 * one in which an initiator sends an IPI and waits; if it turns out that the vCPU
 * may go on, the mark is taken back like any other.
 */
static bool kicked(struct loop *l)
{
	enum vcpu_idleness idle = VCPU_NOT_IDLE;
	uint64_t waited_ns;

	steal_leave(l->v);
	vcpu_drain_kick();
	if (pcpus_slice_is_over(l->pcpus, l->i))
		idle = idleness(l);
	if (idle != VCPU_NOT_IDLE) {
		steal_enter(l->v, 0); /* idle is not preempted (Linux 9ee83635d872) */
		return idle == VCPU_HALTED ? halt(l) : restart(l);
	}
	leave_slice(l, TRACE_WAIT);
	if (!pcpus_preempt(l->pcpus, l->i, &waited_ns))
		return false;
	l->v->stats.preemptions += waited_ns != 0;
	enter_slice(l, waited_ns);
	return true;
}

/*
 * Outside the guest a vCPU executes nothing, even while it holds its pCPU: it may be marked.
 * Linux marked at every exit to userspace once, and no longer does (Linux 54aa83c90198); here
 * --mark-exits decides. Only stores are served marked, because the vCPU has to stand at an
 * instruction boundary and a load is not complete before it has its answer. MSR accesses are
 * not, because one may replace the page that was marked.
 */
static enum vcpu_action serve_marked(struct loop *l, const struct vcpu_exit *exit)
{
	uint8_t data[8];
	struct vcpu_exit copy = *exit;

	memcpy(data, exit->data, sizeof(data)); /* completing it may overwrite kvm_run */
	copy.data = data;
	if (!complete_io(l))
		return VCPU_STOP;
	steal_leave(l->v);
	enum vcpu_action action = serve(l, &copy);
	steal_enter(l->v, 0);
	return action;
}

static bool is_served_marked(const struct vcpu *v, const struct vcpu_exit *exit)
{
	return v->marks_exits && exit->kind == VCPU_EXIT_MMIO && exit->is_write;
}

static bool handle(struct loop *l, const struct vcpu_exit *exit)
{
	if (exit->kind == VCPU_EXIT_KICK)
		return kicked(l);

	switch (is_served_marked(l->v, exit) ? serve_marked(l, exit) : serve(l, exit)) {
	case VCPU_RESUME:
		return true;
	case VCPU_HALT:
		return complete_io(l) && halt(l);
	case VCPU_YIELD:
		return yield(l);
	case VCPU_BLOCK:
		return block(l, exit);
	case VCPU_STOP:
		break;
	}
	return false;
}

void vcpu_run_loop(struct vcpu *v, struct pcpus *pcpus, unsigned i,
		   const struct vcpu_handler *handler)
{
	struct loop l = { .v = v, .pcpus = pcpus, .i = i, .handler = handler };
	bool held = vcpu_idleness(v) == VCPU_AWAITS_INIT;
	bool alive = held ? await_start(&l) : acquire(&l);

	/* A string instruction on a port exits again and again without letting a kick in. */
	while (alive && !pcpus_are_stopping(pcpus)) {
		vcpu_run(v, &l.exit);
		trace(v->trace, TRACE_EXIT, l.exit.kind);
		alive = handle(&l, &l.exit);
	}
}
