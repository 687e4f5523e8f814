/* SPDX-License-Identifier: MIT */
/* A stage for tests of pCPUs: threads that make the calls they are told to. */
#define _GNU_SOURCE
#include "pcpu_stage.h"

#include <check.h>
#include <limits.h>
#include <signal.h>
#include <string.h>

#include "vcpu/base/clock.h"
#include "vcpu/cpu/vcpu.h"

/* ---- actors ------------------------------------------------------------------------ */

static void await_kick(void)
{
	sigset_t kick;
	int signal;

	sigemptyset(&kick);
	sigaddset(&kick, VCPU_KICK_SIGNAL);
	ck_assert_int_eq(sigwait(&kick, &signal), 0);
}

static bool make_call(struct actor *a)
{
	struct pcpus *p = a->stage->pcpus;

	switch (a->call) {
	case ACQUIRE:
		return pcpus_acquire(p, a->i, &a->waited_ns);
	case RELEASE:
		pcpus_release(p, a->i, SLICE_halted);
		return true;
	case BLOCK:
		pcpus_release(p, a->i, SLICE_blocked);
		return true;
	case PREEMPT:
		return pcpus_preempt(p, a->i, &a->waited_ns);
	case YIELD:
		return pcpus_yield(p, a->i, &a->waited_ns);
	case YIELD_TO:
		return pcpus_yield_to(p, a->i, a->target, &a->waited_ns);
	case AWAIT_KICK:
		await_kick();
		return true;
	case END:
		break;
	}
	return false;
}

#define MANY INT_MAX

/* The one CPU that the calling thread may run on, or -1. */
static int pinned_to(void)
{
	struct cpu_mask mask;
	int only = -1;

	ck_assert_int_eq(cpu_mask_read(&mask), 0);
	for (int cpu = 0; cpu < (int)(mask.bytes * 8); cpu++) {
		if (cpu_mask_has(&mask, cpu))
			only = only < 0 ? cpu : MANY;
	}
	cpu_mask_finish(&mask);
	return only == MANY ? -1 : only;
}

static void *act(void *argument)
{
	struct actor *a = argument;
	struct error err;
	bool goes_on = true;

	a->attached = pcpus_attach(a->stage->pcpus, a->i, &err);
	while (goes_on) {
		pthread_mutex_lock(&a->stage->lock);
		a->busy = false;
		pthread_cond_broadcast(&a->stage->changed);
		while (!a->busy)
			pthread_cond_wait(&a->stage->changed, &a->stage->lock);
		pthread_mutex_unlock(&a->stage->lock);
		goes_on = a->call != END;
		a->alive = make_call(a);
		a->host_cpu = pinned_to();
	}
	return NULL;
}

/* Begins a call, which may block. */
static void stage_begin(struct stage *s, unsigned i, enum call call)
{
	pthread_mutex_lock(&s->lock);
	ck_assert(!s->actor[i].busy);
	s->actor[i].call = call;
	s->actor[i].busy = true;
	pthread_cond_broadcast(&s->changed);
	pthread_mutex_unlock(&s->lock);
}

bool stage_end(struct stage *s, unsigned i)
{
	pthread_mutex_lock(&s->lock);
	while (s->actor[i].busy)
		pthread_cond_wait(&s->changed, &s->lock);
	pthread_mutex_unlock(&s->lock);
	return s->actor[i].alive;
}

bool stage_call(struct stage *s, unsigned i, enum call call)
{
	stage_begin(s, i, call);
	return stage_end(s, i);
}

/* ---- what is the case ---------------------------------------------------------------- */

static enum sched_state state_of(struct stage *s, unsigned i)
{
	pthread_mutex_lock(&s->pcpus->lock);
	enum sched_state state = s->pcpus->entity[i].state;
	pthread_mutex_unlock(&s->pcpus->lock);
	return state;
}

static bool is_busy(struct stage *s, unsigned i)
{
	pthread_mutex_lock(&s->lock);
	bool busy = s->actor[i].busy;
	pthread_mutex_unlock(&s->lock);
	return busy;
}

/* Whoever waits stays in the queue until somebody else makes a call. */
static void wait_until_it_waits(struct stage *s, unsigned i)
{
	while (state_of(s, i) != SCHED_READY) {
		ck_assert_msg(is_busy(s, i), "vCPU %u need not wait", i);
		sched_yield();
	}
}

void stage_begin_waiting(struct stage *s, unsigned i, enum call call)
{
	stage_begin(s, i, call);
	wait_until_it_waits(s, i);
}

unsigned stage_running(struct stage *s)
{
	unsigned set = 0;

	for (unsigned i = 0; i < NR; i++)
		set |= (unsigned)(state_of(s, i) == SCHED_RUNNING) << i;
	return set;
}

void stage_assert_runs_on(struct stage *s, unsigned i, unsigned pcpu)
{
	ck_assert(state_of(s, i) == SCHED_RUNNING);
	ck_assert(stage_end(s, i));
	ck_assert_int_eq(pcpus_held_by(s->pcpus, i), (int)pcpu);
	ck_assert_int_eq(s->actor[i].host_cpu, s->host_cpu[pcpu]);
}

void stage_let_time_pass(void)
{
	uint64_t since_ns = monotonic_ns();

	while (monotonic_ns() <= since_ns + OVER_AT_ONCE)
		;
}

/* ---- setting up ---------------------------------------------------------------------- */

void stage_choose_host_cpus(int host_cpu[NR_PCPUS])
{
	struct cpu_mask mask;
	unsigned nr = 0;

	ck_assert_int_eq(cpu_mask_read(&mask), 0);
	for (int cpu = 0; cpu < (int)(mask.bytes * 8) && nr < NR_PCPUS; cpu++) {
		if (cpu_mask_has(&mask, cpu))
			host_cpu[nr++] = cpu;
	}
	cpu_mask_finish(&mask);
	for (; nr < NR_PCPUS; nr++)
		host_cpu[nr] = host_cpu[0];
}

struct pcpu_config stage_config(uint64_t slice_ns)
{
	return (struct pcpu_config){
		.nr_pcpus = NR_PCPUS,
		.nr_vms = NR_VMS,
		.nr_vcpus = PER_VM,
		.slices = { .slice_ns = slice_ns },
		.policy = &sched_policies[POLICY_round_robin],
		.seed = 1,
	};
}

void stage_block_kicks(void)
{
	sigset_t kick;

	sigemptyset(&kick);
	sigaddset(&kick, VCPU_KICK_SIGNAL);
	pthread_sigmask(SIG_BLOCK, &kick, NULL);
}

static void start_actors(struct stage *s)
{
	stage_block_kicks();
	for (unsigned i = 0; i < NR; i++) {
		s->actor[i] = (struct actor){ .stage = s, .i = i, .busy = true };
		ck_assert_int_eq(pthread_create(&s->actor[i].thread, NULL, act, &s->actor[i]), 0);
	}
	for (unsigned i = 0; i < NR; i++)
		stage_end(s, i);
}

void stage_start(struct stage *s, struct pcpu_config config)
{
	struct error err;

	memset(s, 0, sizeof(*s));
	stage_choose_host_cpus(s->host_cpu);
	config.host_cpu = s->host_cpu;
	pthread_mutex_init(&s->lock, NULL);
	pthread_cond_init(&s->changed, NULL);
	s->pcpus = pcpus_create(&config, &err);
	ck_assert_ptr_nonnull(s->pcpus);
	for (unsigned i = 0; i < NR; i++)
		pcpus_set_hint(s->pcpus, i, &s->hint[i]);
	start_actors(s);
	for (unsigned i = 0; i < NR; i++)
		ck_assert_int_eq(s->actor[i].attached, 0);
}

void stage_start_busy(struct stage *s, uint64_t slice_ns)
{
	stage_start(s, stage_config(slice_ns));
	ck_assert(stage_call(s, 0, ACQUIRE));
	ck_assert(stage_call(s, 1, ACQUIRE));
}

void stage_finish(struct stage *s)
{
	pcpus_stop(s->pcpus);
	for (unsigned i = 0; i < NR; i++) {
		stage_end(s, i);
		stage_begin(s, i, END);
		pthread_join(s->actor[i].thread, NULL);
	}
	pcpus_destroy(s->pcpus);
}
