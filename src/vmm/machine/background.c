/* SPDX-License-Identifier: MIT */
/* Busy threads on the pCPUs' host CPUs. */
#define _GNU_SOURCE /* sched_setscheduler() of a thread, SYS_gettid */
#include "vmm/machine/background.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "vcpu/base/cpu_mask.h"
#include "vcpu/sched/host_policy.h"

struct busy_thread {
	struct background *background;
	pthread_t thread;
	int cpu;
};

/* Linux keeps a nice value for each thread, and takes a thread's id for a process's. */
static int set_up_calling_thread(const struct background_load *load, int cpu)
{
	struct cpu_mask mask;
	int failed = cpu_mask_init(&mask, cpu);

	if (!failed) {
		failed = cpu_mask_apply(&mask, 0);
		cpu_mask_finish(&mask);
	}
	if (failed)
		return -failed;
	if (host_policy_is_real_time() &&
	    sched_setscheduler(0, SCHED_OTHER, &(struct sched_param){ 0 }))
		return errno;
	if (load->has_nice && setpriority(PRIO_PROCESS, (id_t)syscall(SYS_gettid), load->nice))
		return errno;
	return 0;
}

static void *be_busy(void *argument)
{
	struct busy_thread *t = argument;
	struct background *b = t->background;
	int failed = set_up_calling_thread(b->load, t->cpu);

	if (failed)
		__atomic_store_n(&b->failed, failed, __ATOMIC_RELAXED);
	sem_post(&b->set_up);
	while (!failed && !__atomic_load_n(&b->stop, __ATOMIC_RELAXED))
		;
	return NULL;
}

/* 0, or an errno. */
static int start_on(struct background *b, int cpu)
{
	struct busy_thread *t = &b->thread[b->nr_started];

	*t = (struct busy_thread){ .background = b, .cpu = cpu };
	int failed = pthread_create(&t->thread, NULL, be_busy, t);
	if (failed)
		return failed;
	b->nr_started++;
	while (sem_wait(&b->set_up))
		; /* interrupted by a signal */
	return 0;
}

int background_start(struct background *b, const struct background_load *load,
		     const struct cpu_list *cpus, struct error *err)
{
	unsigned nr = load->per_cpu * cpus->nr;
	int failed = 0;

	if (nr == 0)
		return 0;
	*b = (struct background){ .load = load, .thread = calloc(nr, sizeof(*b->thread)) };
	if (!b->thread)
		return error_set(err, EXIT_HOST, "not enough memory for %u busy threads", nr);
	sem_init(&b->set_up, 0, 0);
	for (unsigned i = 0; i < nr && !failed && !b->failed; i++)
		failed = start_on(b, cpus->cpu[i % cpus->nr]);
	if (failed)
		return error_set_errno(err, EXIT_HOST, failed,
				       "cannot create the busy threads of --background, %u in all",
				       nr);
	failed = __atomic_load_n(&b->failed, __ATOMIC_RELAXED);
	if (failed)
		return error_set_errno(err, EXIT_HOST, failed,
				       "cannot have busy threads of --background as asked for (a "
				       "nice value below one's own takes CAP_SYS_NICE)");
	return 0;
}

void background_stop(struct background *b)
{
	if (!b->thread)
		return;
	__atomic_store_n(&b->stop, true, __ATOMIC_RELAXED);
	for (unsigned i = 0; i < b->nr_started; i++)
		pthread_join(b->thread[i].thread, NULL);
	sem_destroy(&b->set_up);
	free(b->thread);
	*b = (struct background){ 0 };
}
