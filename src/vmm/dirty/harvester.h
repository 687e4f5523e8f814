/* SPDX-License-Identifier: MIT */
/*
 * The harvester: a thread that collects dirty pages again and again, as live migration does.
 *
 * It reads each page that it collects, as a migration would send it, and remembers a digest
 * of it. When a phase is over and all vCPUs wait, it collects for the last time and compares
 * all of guest memory with what it remembers: a page that differs was written, and was in
 * no harvest since. It has been lost; a migrated guest would go on with old contents.
 */
#ifndef VMM_HARVESTER_H
#define VMM_HARVESTER_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "vmm/dirty/dirty_counts.h"
#include "vmm/dirty/dirty_vm.h"

struct harvester_config {
	enum dirty_kind kind;
	uint64_t every_ns; /* from the beginning of a harvest to that of the next */
	bool drops_entry;  /* a fault: each harvest forgets the last page it found */
	unsigned nr_vms;

	/* KVM tracks what guests and the kernel write. Whether the VMM itself writes to this page
	 * while guests run: then a difference is no loss. Called while all vCPUs wait. */
	bool (*is_written_by_vmm)(void *context, unsigned vm, uint64_t gpa);
	/* KVM refused, which it does not do once it has been asked: the run is over. */
	void (*fail)(void *context, const struct error *err);
	void *context;
};

struct harvester {
	struct harvester_config config;
	struct dirty_vm *vm;
	pthread_t thread;
	bool started;
	pthread_mutex_t lock; /* over all that follows, and over the VMs */
	pthread_cond_t changed;
	bool running; /* the thread has made the calls that a sandbox forbids */
	bool tracking;
	bool ending;
	uint64_t since_ns; /* when tracking began */
	struct dirty_counts counts;
};

/*
 * The VMs are then given to harvester_vm(h, i) by dirty_vm_init(). 0, or -1 with an error;
 * harvester_finish() is safe either way, and on one that is zeroed.
 */
int harvester_init(struct harvester *h, const struct harvester_config *config, struct error *err);
void harvester_finish(struct harvester *h);
struct dirty_vm *harvester_vm(struct harvester *h, unsigned vm);

/* Starts the thread, and waits until it is set up; 0, or -1 with an error. And ends it, if
 * there is one. */
int harvester_start(struct harvester *h, struct error *err);
void harvester_stop(struct harvester *h);

/* A phase with tracking begins, and ends. All vCPUs of all VMs wait meanwhile. */
void harvester_begin_phase(struct harvester *h);
void harvester_end_phase(struct harvester *h);

/* A vCPU's ring is full: it cannot go on before its VM's rings are harvested. By its thread. */
void harvester_empty_ring(struct harvester *h, unsigned vm);

#endif
