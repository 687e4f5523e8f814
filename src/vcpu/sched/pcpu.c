/* SPDX-License-Identifier: MIT */
/* pCPUs: host CPUs that vCPUs take turns on. */
#define _GNU_SOURCE
#include "vcpu/sched/pcpu.h"

#include <errno.h>
#include <linux/futex.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "vcpu/base/clock.h"
#include "vcpu/cpu/vcpu.h"
#include "vcpu/sched/dispatch.h"
#include "vcpu/sched/host_policy.h"

/* How often a vCPU that waits in a replay looks whether anybody waits in vain. */
#define REPLAY_CHECK_NS 10000000

#define NO_CPU (-1)

bool pcpus_are_stopping(const struct pcpus *p)
{
	return __atomic_load_n(&p->stopping, __ATOMIC_ACQUIRE);
}

static struct sched_entity make_entity(const struct pcpu_config *config, unsigned i)
{
	unsigned vm = i / config->nr_vcpus, vcpu = i % config->nr_vcpus;

	return (struct sched_entity){
		.vm = vm,
		.gang = vm * dispatch_gangs_per_vm(config) + vcpu / config->nr_pcpus,
		.home = vcpu % config->nr_pcpus,
	};
}

static int init_each_pcpu(struct pcpus *p)
{
	for (unsigned c = 0; c < p->config.nr_pcpus; c++) {
		p->pcpu[c].current = NOBODY;
		if (cpu_mask_init(&p->pcpu[c].host_cpu, p->config.host_cpu[c]))
			return -1;
	}
	return 0;
}

static int init_host_cpus(struct pcpus *p)
{
	int failed = cpu_mask_init(&p->host_cpus, NO_CPU);

	for (unsigned c = 0; c < p->config.nr_pcpus && !failed; c++)
		failed = cpu_mask_add(&p->host_cpus, p->config.host_cpu[c]);
	return failed;
}

static int init(struct pcpus *p, const struct pcpu_config *config, unsigned nr_entities)
{
	p->config = *config;
	p->nr_entities = nr_entities;
	p->random = config->seed;
	p->kernel_schedules = config->policy->is_hosts;
	pthread_mutex_init(&p->lock, NULL);
	p->pcpu = calloc(config->nr_pcpus, sizeof(*p->pcpu));
	p->entity = calloc(nr_entities, sizeof(*p->entity));
	p->waiter = calloc(nr_entities, sizeof(*p->waiter));
	if (!p->pcpu || !p->entity || !p->waiter || init_each_pcpu(p) || init_host_cpus(p))
		return -1;
	for (unsigned i = 0; i < nr_entities; i++)
		p->entity[i] = make_entity(config, i);
	return 0;
}

struct pcpus *pcpus_create(const struct pcpu_config *config, struct error *err)
{
	unsigned nr_entities = config->nr_vms * config->nr_vcpus;
	struct pcpus *p = calloc(1, sizeof(*p));

	if (!p || init(p, config, nr_entities)) {
		pcpus_destroy(p);
		error_set(err, EXIT_HOST, "not enough memory for %u vCPUs", nr_entities);
		return NULL;
	}
	return p;
}

void pcpus_destroy(struct pcpus *p)
{
	if (!p)
		return;
	for (unsigned i = 0; p->waiter && i < p->nr_entities; i++) {
		if (p->waiter[i].has_timer)
			timer_delete(p->waiter[i].slice_timer);
	}
	for (unsigned c = 0; p->pcpu && c < p->config.nr_pcpus; c++)
		cpu_mask_finish(&p->pcpu[c].host_cpu);
	cpu_mask_finish(&p->host_cpus);
	free(p->pcpu);
	free(p->entity);
	free(p->waiter);
	pthread_mutex_destroy(&p->lock);
	free(p);
}

void pcpus_set_schedule(struct pcpus *p, struct schedule_log *record, struct replay *replay)
{
	p->record = record;
	p->replay = replay;
}

void pcpus_set_hint(struct pcpus *p, unsigned i, struct mv_hint *hint)
{
	p->waiter[i].hint = hint;
}

/* ---- threads ------------------------------------------------------------- */

int pcpus_attach(struct pcpus *p, unsigned i, struct error *err)
{
	struct pcpu_waiter *w = &p->waiter[i];
	struct sigevent event = {
		.sigev_notify = SIGEV_THREAD_ID,
		.sigev_signo = VCPU_KICK_SIGNAL,
	};

	w->tid = (pid_t)syscall(SYS_gettid);
	event._sigev_un._tid = w->tid;
	if (timer_create(CLOCK_MONOTONIC, &event, &w->slice_timer))
		return error_set_errno(err, EXIT_HOST, errno,
				       "cannot create a slice timer for each of %u vCPUs (ulimit "
				       "-i, pending signals, allows too few)",
				       p->nr_entities);
	w->has_timer = true;
	host_policy_let_wakers_finish();
	if (host_policy_is_real_time())
		__atomic_store_n(&p->real_time, true, __ATOMIC_RELAXED);
	if (p->config.policy->is_hosts)
		cpu_mask_apply(&p->host_cpus, w->tid);
	else
		dispatch_pin(p, i, p->entity[i].home);
	return 0;
}

/* In a replay it also looks, now and then, whether vCPUs wait in vain for one that is due. */
static void wait_for_grant(struct pcpus *p, struct pcpu_waiter *w)
{
	struct timespec patience = { .tv_nsec = REPLAY_CHECK_NS };
	const struct timespec *timeout = p->replay ? &patience : NULL;

	while (!__atomic_load_n(&w->granted, __ATOMIC_ACQUIRE)) {
		syscall(SYS_futex, &w->granted, FUTEX_WAIT_PRIVATE, 0, timeout);
		if (timeout && !__atomic_load_n(&w->granted, __ATOMIC_ACQUIRE)) {
			pthread_mutex_lock(&p->lock);
			dispatch_check_replay(p);
			pthread_mutex_unlock(&p->lock);
		}
	}
}

/* ---- what vCPUs call ------------------------------------------------------ */

/* Waits until a pCPU has been granted, and says for how long; false at the end. */
static bool wait_turn(struct pcpus *p, unsigned i, uint64_t *ret_waited_ns)
{
	wait_for_grant(p, &p->waiter[i]);
	*ret_waited_ns = monotonic_ns() - p->waiter[i].ready_ns;
	return !pcpus_are_stopping(p);
}

bool pcpus_acquire(struct pcpus *p, unsigned i, uint64_t *ret_waited_ns)
{
	pthread_mutex_lock(&p->lock);
	if (p->stopping) {
		pthread_mutex_unlock(&p->lock);
		return false;
	}
	dispatch_become_ready(p, i);
	dispatch_place(p, i);
	pthread_mutex_unlock(&p->lock);
	return wait_turn(p, i, ret_waited_ns);
}

void pcpus_release(struct pcpus *p, unsigned i, enum slice_end end)
{
	int next = NOBODY;

	pthread_mutex_lock(&p->lock);
	p->entity[i].state = SCHED_BLOCKED;
	if (!p->kernel_schedules)
		next = dispatch_hand_over(p, p->entity[i].pcpu, end);
	pthread_mutex_unlock(&p->lock);
	if (next != NOBODY)
		dispatch_wake(&p->waiter[next]);
}

/* The timer of its slices does it: without a pCPU it has no slice. */
void pcpus_kick_in(struct pcpus *p, unsigned i, uint64_t ns)
{
	struct itimerspec when = {
		.it_value = timespec_of_ns(ns ? ns : 1), /* 0 would disarm it */
	};

	if (ns != UINT64_MAX)
		timer_settime(p->waiter[i].slice_timer, 0, &when, NULL);
}

/* With the lock held, which it drops. */
static bool give_way(struct pcpus *p, unsigned i, enum slice_end end, uint64_t *ret_waited_ns)
{
	dispatch_become_ready(p, i);
	int next = dispatch_hand_over(p, p->entity[i].pcpu, end);
	if (p->entity[i].state == SCHED_READY)
		dispatch_place(p, i);
	pthread_mutex_unlock(&p->lock);
	if (next != (int)i && next != NOBODY)
		dispatch_wake(&p->waiter[next]);
	return wait_turn(p, i, ret_waited_ns);
}

/*
 * Real-time threads that wait for this host CPU run now: those of vCPUs that want a pCPU and
 * could not say so yet, and the one that ends the run.
 */
static void let_others_ask(const struct pcpus *p)
{
	if (__atomic_load_n(&p->real_time, __ATOMIC_RELAXED))
		sched_yield();
}

bool pcpus_slice_is_over(struct pcpus *p, unsigned i)
{
	let_others_ask(p);
	pthread_mutex_lock(&p->lock);
	bool over = !p->kernel_schedules && dispatch_slice_has_ended(p, i) &&
		    dispatch_is_wanted(p, i);
	pthread_mutex_unlock(&p->lock);
	return over;
}

bool pcpus_preempt(struct pcpus *p, unsigned i, uint64_t *ret_waited_ns)
{
	*ret_waited_ns = 0;
	pthread_mutex_lock(&p->lock);
	if (!p->stopping && !p->kernel_schedules && dispatch_slice_has_ended(p, i) &&
	    !dispatch_keep(p, i))
		return give_way(p, i, SLICE_expired, ret_waited_ns);
	pthread_mutex_unlock(&p->lock);
	return !pcpus_are_stopping(p);
}

bool pcpus_yield(struct pcpus *p, unsigned i, uint64_t *ret_waited_ns)
{
	*ret_waited_ns = 0;
	pthread_mutex_lock(&p->lock);
	bool to_kernel = p->kernel_schedules;
	if (!p->stopping && !to_kernel)
		return give_way(p, i, SLICE_yielded, ret_waited_ns);
	pthread_mutex_unlock(&p->lock);
	if (to_kernel)
		sched_yield();
	return !pcpus_are_stopping(p);
}

bool pcpus_yield_to(struct pcpus *p, unsigned i, unsigned target, uint64_t *ret_waited_ns)
{
	*ret_waited_ns = 0;
	pthread_mutex_lock(&p->lock);
	bool useful = p->entity[target].state == SCHED_READY;
	if (useful)
		p->entity[target].ready_since = 0; /* before everybody else */
	pthread_mutex_unlock(&p->lock);
	return useful ? pcpus_yield(p, i, ret_waited_ns) : !pcpus_are_stopping(p);
}

void pcpus_let_kernel_schedule(struct pcpus *p, bool yes)
{
	pthread_mutex_lock(&p->lock);
	p->kernel_schedules = yes || p->config.policy->is_hosts;
	pthread_mutex_unlock(&p->lock);
}

void pcpus_begin_part(struct pcpus *p, uint32_t phase)
{
	pthread_mutex_lock(&p->lock);
	if (p->record)
		schedule_log_add(p->record, &(struct schedule_entry){ .vcpu = phase,
								      .end = SLICE_begins_phase });
	if (p->replay)
		replay_begin_part(p->replay);
	p->between_parts = false;
	pthread_mutex_unlock(&p->lock);
}

void pcpus_end_part(struct pcpus *p)
{
	pthread_mutex_lock(&p->lock);
	dispatch_end_part(p);
	pthread_mutex_unlock(&p->lock);
}

int pcpus_held_by(const struct pcpus *p, unsigned i)
{
	return p->kernel_schedules ? -1 : (int)p->entity[i].pcpu;
}

bool pcpus_is_blocked(const struct pcpus *p, unsigned i)
{
	return p->entity[i].state == SCHED_BLOCKED;
}

uint64_t pcpus_expired_ns(const struct pcpus *p, unsigned i)
{
	return p->waiter[i].expired_ns;
}

struct slice_sums pcpus_slice_sums(const struct pcpus *p)
{
	return p->slices;
}

void pcpus_stop(struct pcpus *p)
{
	pthread_mutex_lock(&p->lock);
	dispatch_stop_slices(p);
	__atomic_store_n(&p->stopping, true, __ATOMIC_RELEASE);
	for (unsigned i = 0; i < p->nr_entities; i++) {
		__atomic_store_n(&p->waiter[i].granted, 1, __ATOMIC_RELEASE);
		dispatch_wake(&p->waiter[i]);
	}
	pthread_mutex_unlock(&p->lock);
}
