/* SPDX-License-Identifier: MIT */
/* Sets of host CPUs, as large as the kernel's: it may have thousands. */
#ifndef VCPU_CPU_MASK_H
#define VCPU_CPU_MASK_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct cpu_mask {
	unsigned long *word; /* bit by bit, as sched_setaffinity(2) takes it; NULL: empty */
	size_t bytes;
};

/* The CPU alone, or no CPU where cpu is -1. 0, or -ENOMEM. */
int cpu_mask_init(struct cpu_mask *ret_mask, int cpu);
/* One more, 0 or higher. 0, or -ENOMEM, and the mask is as it was. */
int cpu_mask_add(struct cpu_mask *mask, int cpu);
void cpu_mask_finish(struct cpu_mask *mask); /* harmless if it is { 0 } */

bool cpu_mask_has(const struct cpu_mask *mask, int cpu);

/* The CPUs that the calling thread may run on just now. 0, or -errno. */
int cpu_mask_read(struct cpu_mask *ret_mask);

/*
 * The CPUs that the kernel lets the calling thread run on if it asks: a mask that was inherited
 * may name fewer (of those of isolcpus=, for one), a cpuset is obeyed. Found out by trying;
 * its own mask is afterwards as it was. 0, or -errno.
 */
int cpu_mask_read_widest(struct cpu_mask *ret_mask);

/* Lets a thread run on these CPUs alone, 0 is the calling one. 0, or -errno. */
int cpu_mask_apply(const struct cpu_mask *mask, pid_t tid);

#endif
