/* SPDX-License-Identifier: MIT */
/* pCPUs: host CPUs that vCPUs take turns on. */
#define _GNU_SOURCE
#include "pcpu.h"

#include <errno.h>
#include <linux/futex.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "vcpu.h"

#define NS_PER_S 1000000000ull
#define NOBODY	 (-1)

static uint64_t read_clock(clockid_t clock)
{
	struct timespec now;

	clock_gettime(clock, &now);
	return (uint64_t)now.tv_sec * NS_PER_S + (uint64_t)now.tv_nsec;
}

uint64_t monotonic_ns(void)
{
	return read_clock(CLOCK_MONOTONIC);
}

uint64_t thread_cpu_ns(void)
{
	return read_clock(CLOCK_THREAD_CPUTIME_ID);
}

bool pcpus_are_stopping(const struct pcpus *p)
{
	return __atomic_load_n(&p->stopping, __ATOMIC_ACQUIRE);
}

/* Gangs of one VM after the other, each as many vCPUs as there are pCPUs. */
static unsigned gangs_per_vm(const struct pcpu_config *config)
{
	return (config->nr_vcpus + config->nr_pcpus - 1) / config->nr_pcpus;
}

static struct sched_entity make_entity(const struct pcpu_config *config, unsigned i)
{
	unsigned vm = i / config->nr_vcpus, vcpu = i % config->nr_vcpus;

	return (struct sched_entity){
		.vm = vm,
		.gang = vm * gangs_per_vm(config) + vcpu / config->nr_pcpus,
		.home = vcpu % config->nr_pcpus,
	};
}

int pcpus_init(struct pcpus *p, const struct pcpu_config *config, struct error *err)
{
	unsigned nr_entities = config->nr_vms * config->nr_vcpus;

	*p = (struct pcpus){ .config = *config,
			     .nr_entities = nr_entities,
			     .random = config->seed };
	pthread_mutex_init(&p->lock, NULL);
	p->pcpu = calloc(config->nr_pcpus, sizeof(*p->pcpu));
	p->entity = calloc(nr_entities, sizeof(*p->entity));
	p->waiter = calloc(nr_entities, sizeof(*p->waiter));
	if (!p->pcpu || !p->entity || !p->waiter) {
		pcpus_finish(p);
		return error_set(err, EXIT_HOST, "not enough memory for %u vCPUs", nr_entities);
	}
	for (unsigned c = 0; c < config->nr_pcpus; c++)
		p->pcpu[c] = (struct pcpu){ .host_cpu = config->host_cpu[c], .current = NOBODY };
	for (unsigned i = 0; i < nr_entities; i++)
		p->entity[i] = make_entity(config, i);
	return 0;
}

void pcpus_finish(struct pcpus *p)
{
	for (unsigned i = 0; p->waiter && i < p->nr_entities; i++) {
		if (p->waiter[i].has_timer)
			timer_delete(p->waiter[i].slice_timer);
	}
	free(p->pcpu);
	free(p->entity);
	free(p->waiter);
	pthread_mutex_destroy(&p->lock);
}

/* ---- threads ------------------------------------------------------------- */

static void pin(struct pcpus *p, unsigned i, unsigned pcpu)
{
	struct pcpu_waiter *w = &p->waiter[i];
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(p->pcpu[pcpu].host_cpu, &set);
	sched_setaffinity(w->tid, sizeof(set), &set);
	w->affine_to = pcpu;
}

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
		return error_set_errno(err, EXIT_HOST, errno, "cannot create a slice timer");
	w->has_timer = true;
	pin(p, i, p->entity[i].home);
	return 0;
}

static void wait_for_grant(struct pcpu_waiter *w)
{
	while (!__atomic_load_n(&w->granted, __ATOMIC_ACQUIRE))
		syscall(SYS_futex, &w->granted, FUTEX_WAIT_PRIVATE, 0, NULL);
}

static void wake(struct pcpu_waiter *w)
{
	syscall(SYS_futex, &w->granted, FUTEX_WAKE_PRIVATE, 1);
}

/* ---- decisions, all under the lock --------------------------------------- */

static void arm_slice_timer(struct pcpus *p, struct pcpu *c)
{
	struct itimerspec when = {
		.it_value = { .tv_sec = (time_t)(c->slice_end_ns / NS_PER_S),
			      .tv_nsec = (long)(c->slice_end_ns % NS_PER_S) },
	};

	timer_settime(p->waiter[c->current].slice_timer, TIMER_ABSTIME, &when, NULL);
	c->timed = true;
}

/* A new slice for the holder of a pCPU; timed only if somebody waits for it. */
static void start_slice(struct pcpus *p, unsigned pcpu)
{
	struct pcpu *c = &p->pcpu[pcpu];

	c->slice_end_ns = sched_slice_end(&p->config.slices, pcpu, monotonic_ns(),
					  sched_random(&p->random));
	c->timed = c->extended = false;
	if (sched_has_waiter(p->entity, p->nr_entities, pcpu))
		arm_slice_timer(p, c);
}

/* The holder is inside a shootdown: its slice may last a little longer, once. */
static bool extend_slice(struct pcpus *p, unsigned i)
{
	struct pcpu *c = &p->pcpu[p->entity[i].pcpu];
	const struct mv_hint *hint = p->waiter[i].hint;

	if (!p->config.grace_ns || c->extended || !hint ||
	    !__atomic_load_n(&hint->critical, __ATOMIC_RELAXED))
		return false;
	c->slice_end_ns = monotonic_ns() + p->config.grace_ns;
	c->extended = true;
	arm_slice_timer(p, c);
	return true;
}

static void grant(struct pcpus *p, unsigned pcpu, unsigned i, uint64_t expired_ns)
{
	p->waiter[i].expired_ns = expired_ns;
	p->pcpu[pcpu].current = (int)i;
	p->entity[i].state = SCHED_RUNNING;
	p->entity[i].granted_at = p->ticket;
	p->entity[i].pcpu = pcpu;
	if (p->waiter[i].affine_to != pcpu)
		pin(p, i, pcpu);
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

/*
 * Gives a free pCPU to whom the policy chooses. `expired_ns` is when the slice ended
 * that made it free, or 0. Returns that vCPU, or NOBODY.
 */
static int hand_over(struct pcpus *p, unsigned pcpu, uint64_t expired_ns)
{
	struct sched_view view = {
		.entity = p->entity,
		.nr_entities = p->nr_entities,
		.nr_gangs = p->config.nr_vms * gangs_per_vm(&p->config),
		.pcpu = pcpu,
		.turn = sched_turn(&p->config.slices, monotonic_ns()),
		.random = sched_random(&p->random),
	};

	if (p->config.policy->uses_hints)
		read_hints(p);
	int next = p->config.policy->pick(&view);

	p->pcpu[pcpu].current = NOBODY;
	if (next >= 0)
		grant(p, pcpu, (unsigned)next, expired_ns);
	return next;
}

static void become_ready(struct pcpus *p, unsigned i)
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

/* Finds an idle pCPU for a vCPU that waits, or sees to it that its home becomes free. */
static void place(struct pcpus *p, unsigned i)
{
	if (p->kernel_schedules) {
		p->entity[i].state = SCHED_RUNNING;
		__atomic_store_n(&p->waiter[i].granted, 1, __ATOMIC_RELEASE);
		return;
	}

	int idle = find_idle_pcpu(p, i);
	struct pcpu *home = &p->pcpu[p->entity[i].home];

	if (idle != NOBODY)
		grant(p, (unsigned)idle, i, 0);
	else if (!home->timed)
		arm_slice_timer(p, home);
}

/* ---- what vCPUs call ------------------------------------------------------ */

/* Waits until a pCPU has been granted, and says for how long; false at the end. */
static bool wait_turn(struct pcpus *p, unsigned i, uint64_t *ret_waited_ns)
{
	wait_for_grant(&p->waiter[i]);
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
	become_ready(p, i);
	place(p, i);
	pthread_mutex_unlock(&p->lock);
	return wait_turn(p, i, ret_waited_ns);
}

void pcpus_release(struct pcpus *p, unsigned i)
{
	pthread_mutex_lock(&p->lock);
	p->entity[i].state = SCHED_BLOCKED;
	int next = p->kernel_schedules ? NOBODY : hand_over(p, p->entity[i].pcpu, 0);
	pthread_mutex_unlock(&p->lock);
	if (next != NOBODY)
		wake(&p->waiter[next]);
}

/* With the lock held, which it drops. */
static bool give_way(struct pcpus *p, unsigned i, uint64_t expired_ns, uint64_t *ret_waited_ns)
{
	become_ready(p, i);
	int next = hand_over(p, p->entity[i].pcpu, expired_ns);
	if (p->entity[i].state == SCHED_READY)
		place(p, i);
	pthread_mutex_unlock(&p->lock);
	if (next != (int)i)
		wake(&p->waiter[next]);
	return wait_turn(p, i, ret_waited_ns);
}

static bool slice_has_ended(const struct pcpus *p, unsigned i)
{
	return monotonic_ns() >= p->pcpu[p->entity[i].pcpu].slice_end_ns;
}

bool pcpus_slice_is_over(struct pcpus *p, unsigned i)
{
	pthread_mutex_lock(&p->lock);
	bool over = !p->kernel_schedules && slice_has_ended(p, i) &&
		    sched_has_waiter(p->entity, p->nr_entities, p->entity[i].pcpu);
	pthread_mutex_unlock(&p->lock);
	return over;
}

/* With nobody waiting a new slice begins, whose timer is armed when somebody comes. */
bool pcpus_preempt(struct pcpus *p, unsigned i, uint64_t *ret_waited_ns)
{
	unsigned pcpu = p->entity[i].pcpu;

	*ret_waited_ns = 0;
	pthread_mutex_lock(&p->lock);
	if (!p->stopping && !p->kernel_schedules && slice_has_ended(p, i) && !extend_slice(p, i)) {
		if (sched_has_waiter(p->entity, p->nr_entities, pcpu))
			return give_way(p, i, p->pcpu[pcpu].slice_end_ns, ret_waited_ns);
		start_slice(p, pcpu);
	}
	pthread_mutex_unlock(&p->lock);
	return !pcpus_are_stopping(p);
}

bool pcpus_yield(struct pcpus *p, unsigned i, uint64_t *ret_waited_ns)
{
	*ret_waited_ns = 0;
	pthread_mutex_lock(&p->lock);
	bool to_kernel = p->kernel_schedules;
	if (!p->stopping && !to_kernel)
		return give_way(p, i, 0, ret_waited_ns);
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
	p->kernel_schedules = yes;
	pthread_mutex_unlock(&p->lock);
}

uint64_t pcpus_expired_ns(const struct pcpus *p, unsigned i)
{
	return p->waiter[i].expired_ns;
}

void pcpus_stop(struct pcpus *p)
{
	pthread_mutex_lock(&p->lock);
	__atomic_store_n(&p->stopping, true, __ATOMIC_RELEASE);
	for (unsigned i = 0; i < p->nr_entities; i++) {
		__atomic_store_n(&p->waiter[i].granted, 1, __ATOMIC_RELEASE);
		wake(&p->waiter[i]);
	}
	pthread_mutex_unlock(&p->lock);
}
