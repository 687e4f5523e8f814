/* SPDX-License-Identifier: MIT */
/* Decisions of the scheduler, made and carried out under its lock. */
#include "vcpu/sched/dispatch.h"

#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "vcpu/base/clock.h"
#include "vcpu/base/random.h"

unsigned dispatch_gangs_per_vm(const struct pcpu_config *config)
{
	return (config->nr_vcpus + config->nr_pcpus - 1) / config->nr_pcpus;
}

void dispatch_pin(struct pcpus *p, unsigned i, unsigned pcpu)
{
	struct pcpu_waiter *w = &p->waiter[i];

	cpu_mask_apply(&p->pcpu[pcpu].host_cpu, w->tid);
	w->affine_to = pcpu;
}

void dispatch_wake(struct pcpu_waiter *w)
{
	syscall(SYS_futex, &w->granted, FUTEX_WAKE_PRIVATE, 1);
}

/* ---- slices ----------------------------------------------------------------- */

static void arm_slice_timer(struct pcpus *p, struct pcpu *c)
{
	struct itimerspec when = {
		.it_value = timespec_of_ns(c->slice_end_ns),
	};

	timer_settime(p->waiter[c->current].slice_timer, TIMER_ABSTIME, &when, NULL);
	c->timed = true;
}

static void record_begin(struct pcpus *p, unsigned pcpu)
{
	struct pcpu *c = &p->pcpu[pcpu];
	struct schedule_log *log = p->record;

	if (!log || p->between_parts)
		return;
	if (log->nr == 0)
		p->recorded_since_ns = c->slice_start_ns;
	c->recorded = schedule_log_add(log,
				       &(struct schedule_entry){
					       .start_ns = c->slice_start_ns - p->recorded_since_ns,
					       .vcpu = (uint32_t)c->current,
					       .pcpu = (uint16_t)pcpu,
					       .end = SLICE_stopped,
				       });
}

/* Only what a timer ended: nobody asked for the length of others. */
static void count_slice(struct pcpus *p, const struct pcpu *c, enum slice_end end)
{
	if (!slice_end_is_forced(end) || !c->timed)
		return;
	p->slices.nr++;
	p->slices.asked_ns += c->slice_end_ns - c->slice_start_ns;
	p->slices.had_ns += monotonic_ns() - c->slice_start_ns;
}

/* A forced exit counts from the moment of the force, which is what a replay can repeat. */
static void end_slice(struct pcpus *p, struct pcpu *c, enum slice_end end)
{
	if (p->between_parts)
		return;
	count_slice(p, c, end);
	if (p->record) {
		bool forced = slice_end_is_forced(end) && c->timed;
		uint64_t end_ns = forced ? c->slice_end_ns : monotonic_ns();

		schedule_log_end(p->record, c->recorded, end, end_ns - c->slice_start_ns);
	}
	if (p->replay)
		replay_end_slice(p->replay, c->replayed, end);
}

/*
 * Tells the guest that holds `c` whether its slice is over and was extended. If it was, the
 * guest yields at the end of its shootdown, so that the extension is no longer than it has to be.
 */
static void tell_extended(struct pcpus *p, struct pcpu *c, bool extended)
{
	struct mv_hint *hint = p->waiter[c->current].hint;

	c->extended = extended;
	if (p->config.grace_ns && hint)
		__atomic_store_n(&hint->extended, extended, __ATOMIC_RELAXED);
}

/*
 * A new slice for the holder of a pCPU, as long as the policy or the recorded entry says. It
 * has a timer only if a vCPU waits for the pCPU, or may want it unseen: in a replay a vCPU may
 * be due that does not wait yet, and a real-time thread may not have run to say that it waits.
 */
static void start_slice(struct pcpus *p, unsigned pcpu)
{
	struct pcpu *c = &p->pcpu[pcpu];
	uint64_t now_ns = monotonic_ns();

	c->slice_start_ns = now_ns;
	c->slice_end_ns = sched_slice_end(&p->config.slices, pcpu, now_ns, random_next(&p->random));
	if (c->replayed)
		c->slice_end_ns = replay_slice_end(c->replayed, now_ns, c->slice_end_ns - now_ns);
	c->timed = false;
	tell_extended(p, c, false);
	record_begin(p, pcpu);
	if (p->replay || __atomic_load_n(&p->real_time, __ATOMIC_RELAXED) ||
	    sched_has_waiter(p->entity, p->nr_entities, pcpu))
		arm_slice_timer(p, c);
}

bool dispatch_slice_has_ended(const struct pcpus *p, unsigned i)
{
	return monotonic_ns() >= p->pcpu[p->entity[i].pcpu].slice_end_ns;
}

bool dispatch_is_wanted(const struct pcpus *p, unsigned i)
{
	unsigned pcpu = p->entity[i].pcpu;

	return sched_has_waiter(p->entity, p->nr_entities, pcpu) ||
	       (p->replay && replay_is_due(p->replay, pcpu, i));
}

/* The holder is inside a shootdown: its slice may last a little longer, once. */
static bool may_be_extended(const struct pcpus *p, unsigned i)
{
	const struct mv_hint *hint = p->waiter[i].hint;

	return p->config.grace_ns && !p->pcpu[p->entity[i].pcpu].extended && hint &&
	       __atomic_load_n(&hint->critical, __ATOMIC_RELAXED);
}

/* The recorded slice was no more than a forced exit, after which the vCPU went on. */
static bool is_kept_in_replay(struct pcpus *p, unsigned i)
{
	const struct pcpu *c = &p->pcpu[p->entity[i].pcpu];

	return c->replayed && c->replayed->end == SLICE_kept &&
	       replay_keeps(p->replay, p->entity[i].pcpu, i);
}

bool dispatch_keep(struct pcpus *p, unsigned i)
{
	unsigned pcpu = p->entity[i].pcpu;
	struct pcpu *c = &p->pcpu[pcpu];
	bool repeated = is_kept_in_replay(p, i);
	bool wanted = dispatch_is_wanted(p, i);
	bool extended = wanted && !c->replayed && may_be_extended(p, i);

	if (wanted && !repeated && !extended)
		return false;
	end_slice(p, c, SLICE_kept);
	c->replayed = repeated ? replay_take(p->replay, pcpu) : NULL;
	start_slice(p, pcpu);
	if (extended) {
		c->slice_end_ns = c->slice_start_ns + p->config.grace_ns;
		tell_extended(p, c, true);
		arm_slice_timer(p, c);
	}
	return true;
}

/* ---- who runs --------------------------------------------------------------- */

static void grant(struct pcpus *p, unsigned pcpu, unsigned i, uint64_t expired_ns)
{
	p->waiter[i].expired_ns = expired_ns;
	p->pcpu[pcpu].current = (int)i;
	p->entity[i].state = SCHED_RUNNING;
	p->entity[i].granted_at = p->ticket;
	p->entity[i].pcpu = pcpu;
	if (p->waiter[i].affine_to != pcpu)
		dispatch_pin(p, i, pcpu);
	start_slice(p, pcpu);
	__atomic_store_n(&p->waiter[i].granted, 1, __ATOMIC_RELEASE);
}

/* Takes down who is awaited, for a policy that asks. */
static void read_hints(struct pcpus *p)
{
	for (unsigned i = 0; i < p->nr_entities; i++) {
		const struct mv_hint *hint = p->waiter[i].hint;

		p->entity[i].awaited = hint && __atomic_load_n(&hint->awaited, __ATOMIC_RELAXED);
	}
}

/* Whom the policy gives a free pCPU, or NOBODY. */
static int choose(struct pcpus *p, unsigned pcpu)
{
	struct sched_view view = {
		.entity = p->entity,
		.nr_entities = p->nr_entities,
		.nr_gangs = p->config.nr_vms * dispatch_gangs_per_vm(&p->config),
		.pcpu = pcpu,
		.turn = sched_turn(&p->config.slices, monotonic_ns()),
		.random = random_next(&p->random),
	};

	if (p->config.policy->uses_hints)
		read_hints(p);
	p->pcpu[pcpu].replayed = NULL;
	return p->config.policy->pick(&view);
}

/*
 * Whom a replay gives a free pCPU, or NOBODY. Without `by_policy` that is the vCPU that is due
 * on it; with it, the policy's choice, if the recording has nobody for this pCPU.
 */
static int choose_in_replay(struct pcpus *p, unsigned pcpu, bool by_policy)
{
	struct replay *r = p->replay;
	int next = replay_pick(r, p->entity, pcpu, monotonic_ns());

	if (next == REPLAY_BY_POLICY && by_policy)
		return choose(p, pcpu);
	if (next < 0 || by_policy)
		return NOBODY;
	p->pcpu[pcpu].replayed = replay_take(r, pcpu);
	return next;
}

/*
 * In a replay a vCPU that has become ready may be due on any idle pCPU. A first round gives
 * each to the vCPU that is due on it, a second one those for which nothing is recorded to whom
 * the policy chooses. The slice on pCPU `freed` expired at `expired_ns`; 0: it did not.
 */
static void serve_idle(struct pcpus *p, unsigned freed, uint64_t expired_ns)
{
	for (unsigned k = 0; k < 2 * p->config.nr_pcpus; k++) {
		unsigned c = k % p->config.nr_pcpus;

		if (p->pcpu[c].current != NOBODY)
			continue;
		int next = choose_in_replay(p, c, k >= p->config.nr_pcpus);
		if (next == NOBODY)
			continue;
		grant(p, c, (unsigned)next, c == freed ? expired_ns : 0);
		dispatch_wake(&p->waiter[next]);
	}
}

int dispatch_hand_over(struct pcpus *p, unsigned pcpu, enum slice_end end)
{
	struct pcpu *c = &p->pcpu[pcpu];
	uint64_t expired_ns = end == SLICE_expired ? c->slice_end_ns : 0;

	/* The run ends and nobody will use this pCPU: nothing is decided or recorded. */
	if (p->stopping)
		return NOBODY;
	if (end == SLICE_halted && c->timed && monotonic_ns() >= c->slice_end_ns)
		end = SLICE_idle;
	end_slice(p, c, end);
	if (end == SLICE_blocked && p->replay)
		replay_leave_out(p->replay, (unsigned)c->current);
	c->current = NOBODY;
	if (p->replay) {
		serve_idle(p, pcpu, expired_ns);
		return NOBODY;
	}
	int next = choose(p, pcpu);
	if (next != NOBODY)
		grant(p, pcpu, (unsigned)next, expired_ns);
	return next;
}

void dispatch_become_ready(struct pcpus *p, unsigned i)
{
	p->entity[i].state = SCHED_READY;
	p->entity[i].ready_since = p->ticket++;
	p->waiter[i].ready_ns = monotonic_ns();
	__atomic_store_n(&p->waiter[i].granted, 0, __ATOMIC_RELAXED);
}

/* A pCPU that nobody has: the vCPU's home if that is one, or else any; NOBODY if none is. */
static int find_idle_pcpu(const struct pcpus *p, unsigned i)
{
	unsigned home = p->entity[i].home;

	if (p->pcpu[home].current == NOBODY)
		return (int)home;
	for (unsigned c = 0; c < p->config.nr_pcpus; c++) {
		if (p->pcpu[c].current == NOBODY)
			return (int)c;
	}
	return NOBODY;
}

/*
 * While nobody waits for a pCPU, a slice goes on beyond its end. Now a vCPU waits: a slice that
 * is beyond its end ends at this moment.
 */
static void end_for_waiter(struct pcpus *p, struct pcpu *c, uint64_t now_ns)
{
	if (c->slice_end_ns < now_ns)
		c->slice_end_ns = now_ns;
	arm_slice_timer(p, c);
}

void dispatch_place(struct pcpus *p, unsigned i)
{
	struct pcpu *home = &p->pcpu[p->entity[i].home];

	if (p->kernel_schedules) {
		p->entity[i].state = SCHED_RUNNING;
		__atomic_store_n(&p->waiter[i].granted, 1, __ATOMIC_RELEASE);
		return;
	}
	if (p->replay) {
		serve_idle(p, 0, 0);
		return;
	}

	int idle = find_idle_pcpu(p, i);
	if (idle != NOBODY)
		grant(p, (unsigned)idle, i, 0);
	else if (!home->timed)
		end_for_waiter(p, home, p->waiter[i].ready_ns);
}

/* ---- replay, and the end ------------------------------------------------------ */

void dispatch_check_replay(struct pcpus *p)
{
	if (!p->stopping && replay_lose_patience(p->replay, monotonic_ns()))
		serve_idle(p, 0, 0);
}

void dispatch_stop_slices(struct pcpus *p)
{
	for (unsigned c = 0; c < p->config.nr_pcpus; c++) {
		if (p->pcpu[c].current != NOBODY)
			end_slice(p, &p->pcpu[c], SLICE_stopped);
	}
}

void dispatch_end_part(struct pcpus *p)
{
	dispatch_stop_slices(p);
	p->between_parts = true;
	if (p->replay) {
		replay_end_part(p->replay);
		serve_idle(p, 0, 0);
	}
}
