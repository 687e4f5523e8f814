/* SPDX-License-Identifier: MIT */
/*
 * A running VMM and its threads, as perf and /proc show them.
 *
 * Every thread is attached to, since which of them are vCPUs may only show when one is switched
 * out inside KVM_RUN. Threads that are started later are found by watched_update().
 */
#ifndef VMM_WATCHED_H
#define VMM_WATCHED_H

#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "vcpu/base/error.h"
#include "vcpu/cpu/trace.h"
#include "vmm/watch/switch_counts.h"
#include "vmm/watch/watch_options.h"

#define THREAD_NAME_BYTES 16 /* TASK_COMM_LEN */

struct watched_thread {
	pid_t tid;
	char name[THREAD_NAME_BYTES];
	bool is_vcpu, has_number;
	unsigned number; /* of the vCPU */
	bool is_there;	 /* in the list read last */
	bool has_ended;
	int fd; /* -1: none any more */
	void *map;
	size_t map_bytes;
	struct switch_counts counts;
	struct switch_counts shown; /* as the last table had them */
	struct mv_trace_ring *trace;
};

struct watched {
	const struct watch_options *options;
	char name[THREAD_NAME_BYTES]; /* of the process */
	int pidfd;
	bool sees_kvm_run;   /* else: perf shows the switches alone */
	bool has_vcpu_files; /* the process has vCPUs of KVM */
	bool has_ended;
	uint64_t start_ns;
	uint64_t nr_missed; /* threads that could not be attached to */
	size_t nr, room;
	struct watched_thread **thread;
};

/* Returns 0, or -1: EXIT_USAGE without such a process or a vCPU in it, EXIT_HOST if the host
 * forbids it. watched_finish() is due in any case. */
int watched_init(struct watched *ret_watched, const struct watch_options *options,
		 struct error *err);
void watched_finish(struct watched *w);

/* Waits for records, a signal in `mask`, or the end of the process, up to `timeout_ns`. */
void watched_wait(struct watched *w, uint64_t timeout_ns, const sigset_t *mask);

/* Reads what was recorded, and looks for new threads and for those that ended. */
void watched_update(struct watched *w);

/* Whether the table has the thread. */
bool watched_shows(const struct watched *w, const struct watched_thread *t);

#endif
