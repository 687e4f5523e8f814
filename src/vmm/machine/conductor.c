/* SPDX-License-Identifier: MIT */
/*
 * The conductor: leads a machine through its phases and decides when it is over.
 *
 * A run is divided into rounds, and in each round every mechanism has one phase, in
 * alternating order (a b, b a, a b, ...), so that a machine that grows slower or
 * faster meanwhile treats all mechanisms alike.
 */
#define _GNU_SOURCE
#include "vmm/machine/conductor.h"

#include <poll.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "vcpu/base/clock.h"
#include "vmm/cli/names.h"
#include "vmm/machine/results_block.h"

#define PHASE_NS	250000000ull /* if slices are short; see plan() */
#define TURNS_PER_PHASE 8	     /* times that each vCPU gets a pCPU in a phase, at least */
#define PROGRESS_NS	100000000ull
#define COUNT_CHECK_NS	2000000ull

struct conductor {
	struct machine *m;
	conduct_progress *progress;
	sigset_t while_waiting; /* signals that are blocked then */
	uint64_t start_ns;
	uint64_t deadline_ns;
	uint64_t phase_ns;
	unsigned nr_rounds;
	uint32_t phase;	    /* number of the present phase */
	unsigned mechanism; /* of the present phase */
	struct conduct_result result;
};

/* ---- signals ----------------------------------------------------------------- */

static volatile sig_atomic_t signal_received; /* SIGINT or SIGTERM, once one has come */

static void note_signal(int signal)
{
	signal_received = signal;
}

/*
 * Not a signalfd: polling one, this thread would be woken by every kick of a vCPU, on
 * the very pCPU that is being handed over.
 */
void conductor_catch_signals(void)
{
	static const int signals[] = { SIGINT, SIGTERM };
	struct sigaction action = { .sa_handler = note_signal }, before;
	sigset_t set;

	sigemptyset(&set);
	for (unsigned i = 0; i < sizeof(signals) / sizeof(signals[0]); i++) {
		sigaddset(&set, signals[i]);
		sigaction(signals[i], &action, &before);
		if (before.sa_handler == SIG_IGN) /* as nohup and background jobs want it */
			sigaction(signals[i], &before, NULL);
	}
	sigprocmask(SIG_BLOCK, &set, NULL);
}

/* ---- the plan ---------------------------------------------------------------- */

static uint64_t min_u64(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

/* Long enough that every vCPU gets its pCPU several times, but not beyond --duration. */
static void plan(struct conductor *c)
{
	const struct options *o = c->m->options;
	uint64_t turn_ns = o->slice_ns * ((c->m->nr_vcpus + o->pcpus.nr - 1) / o->pcpus.nr);
	uint64_t phase_ns = PHASE_NS;

	if (phase_ns < TURNS_PER_PHASE * turn_ns)
		phase_ns = TURNS_PER_PHASE * turn_ns;
	phase_ns = min_u64(phase_ns, o->duration_ns);
	c->nr_rounds = (unsigned)(o->duration_ns / phase_ns);
	c->phase_ns = o->duration_ns / c->nr_rounds;
}

/* ---- waiting ----------------------------------------------------------------- */

/* Ends the run; returns false, as the steps below do when it is over. */
static bool end(struct conductor *c, enum ending ending)
{
	c->result.ending = ending;
	return false;
}

static bool guests_are_done(struct conductor *c)
{
	for (unsigned i = 0; i < c->m->nr_vms; i++) {
		if (c->m->vm[i].exit_code != 0)
			return end(c, ENDING_GUEST_CODE);
	}
	return end(c, ENDING_DONE);
}

/* Whether the run goes on, after whatever has happened. */
static bool check(struct conductor *c)
{
	if (signal_received) {
		c->result.signal = signal_received;
		return end(c, ENDING_INTERRUPTED);
	}
	if (machine_has_failed(c->m))
		return end(c, ENDING_FAILED);
	if (machine_has_exited(c->m))
		return guests_are_done(c);
	if (monotonic_ns() >= c->deadline_ns)
		return end(c, ENDING_HUNG);
	return true;
}

static void show_progress(struct conductor *c)
{
	const struct options *o = c->m->options;

	if (c->progress)
		c->progress(c->m, o->mechanism_label[c->mechanism], monotonic_ns() - c->start_ns,
			    o->duration_ns * o->nr_mechanisms);
}

/* Sleeps until something happens, but no longer than until `until_ns`. */
static bool wait_event(struct conductor *c, uint64_t until_ns)
{
	struct pollfd event = { .fd = c->m->event_fd, .events = POLLIN };
	uint64_t now_ns = monotonic_ns();
	uint64_t wait_ns = min_u64(until_ns, c->deadline_ns) - now_ns;
	eventfd_t events;

	if (now_ns >= min_u64(until_ns, c->deadline_ns))
		wait_ns = 0;
	if (c->progress)
		wait_ns = min_u64(wait_ns, PROGRESS_NS);
	struct timespec timeout = timespec_of_ns(wait_ns);
	ppoll(&event, 1, &timeout, &c->while_waiting);
	eventfd_read(c->m->event_fd, &events);
	show_progress(c);
	return check(c);
}

/* Until every vCPU waits for the next phase. */
static bool wait_until_all_wait(struct conductor *c)
{
	while (phase_gate_waiting(&c->m->gate) < c->m->nr_vcpus) {
		if (!wait_event(c, c->deadline_ns))
			return false;
	}
	return true;
}

/* ---- phases ------------------------------------------------------------------- */

static void announce(struct conductor *c, uint32_t phase)
{
	for (unsigned i = 0; i < c->m->nr_vms; i++) {
		struct mv_control *control = vm_control(&c->m->vm[i]);

		control->flags = c->m->options->trace_path ? MV_CONTROL_TRACE : 0;
		__atomic_store_n(&control->phase, phase, __ATOMIC_RELEASE);
	}
}

/*
 * Shootdowns that nobody has looked at say nothing: where all targets were preempted, a
 * count can be full before one of them runs.
 */
static bool has_enough(const struct conductor *c, uint64_t shootdowns)
{
	struct so_far so_far = results_block_so_far(c->m, c->mechanism);

	return so_far.shootdowns >= shootdowns && so_far.oracle_reads > 0;
}

/* Until the phase's time is over, or with --count its share of shootdowns is done. */
static bool let_phase_run(struct conductor *c, unsigned round)
{
	uint64_t end_ns = monotonic_ns() + c->phase_ns;
	uint64_t goal = c->m->options->count * (round + 1) / c->nr_rounds;

	if (c->m->options->count) {
		while (!has_enough(c, goal)) {
			if (!wait_event(c, monotonic_ns() + COUNT_CHECK_NS))
				return false;
		}
		return true;
	}
	while (monotonic_ns() < end_ns) {
		if (!wait_event(c, end_ns))
			return false;
	}
	return true;
}

/* No guest runs while all of its memory is read: the deadline moves by as much. */
static void track(struct conductor *c, unsigned mechanism, void (*step)(struct machine *m))
{
	uint64_t start_ns = monotonic_ns();

	if (!options_mechanism_is_tracked(c->m->options, mechanism))
		return;
	step(c->m);
	c->deadline_ns += monotonic_ns() - start_ns;
}

static bool run_phase(struct conductor *c, unsigned round, unsigned mechanism)
{
	c->mechanism = mechanism;
	machine_set_phase_needs(c->m, mechanism_host_needs(c->m->options->mechanism[mechanism]));
	track(c, mechanism, machine_begin_tracking);
	trace(c->m->phase_trace, TRACE_PHASE_BEGIN, mechanism);
	announce(c, ++c->phase);
	pcpus_begin_part(c->m->pcpus, mechanism);
	phase_gate_open(&c->m->gate, mechanism);
	if (!let_phase_run(c, round))
		return false;
	pcpus_end_part(c->m->pcpus); /* before anybody is on the way out */
	announce(c, 0);
	if (!wait_until_all_wait(c))
		return false;
	track(c, mechanism, machine_end_tracking);
	trace(c->m->phase_trace, TRACE_PHASE_END, mechanism);
	c->result.phases++;
	return true;
}

static bool run_round(struct conductor *c, unsigned round)
{
	unsigned nr = c->m->options->nr_mechanisms;

	for (unsigned i = 0; i < nr; i++) {
		if (!run_phase(c, round, round % 2 ? nr - 1 - i : i))
			return false;
	}
	return true;
}

/* Every phase of the run, then the guests' own ends. */
static void run_all(struct conductor *c)
{
	if (!wait_until_all_wait(c))
		return;
	for (unsigned round = 0; round < c->nr_rounds; round++) {
		if (!run_round(c, round))
			return;
	}
	pcpus_begin_part(c->m->pcpus, SCHEDULE_NO_PHASE);
	phase_gate_end(&c->m->gate, MV_PHASE_END);
	while (wait_event(c, c->deadline_ns))
		;
}

struct conduct_result conduct(struct machine *m, conduct_progress *progress)
{
	uint64_t now_ns = monotonic_ns();
	struct conductor c = {
		.m = m,
		.progress = progress,
		.start_ns = now_ns,
		.deadline_ns = now_ns + m->options->timeout_ns,
	};

	sigprocmask(SIG_SETMASK, NULL, &c.while_waiting);
	sigdelset(&c.while_waiting, SIGINT);
	sigdelset(&c.while_waiting, SIGTERM);
	plan(&c);
	run_all(&c);
	return c.result;
}
