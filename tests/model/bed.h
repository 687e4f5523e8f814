/* SPDX-License-Identifier: MIT */
/*
 * The bed: a machine of a few vCPUs whose hosts and guests are the shipped functions.
 *
 * Each vCPU is a thread of the explorer. It executes vcpu_run_loop() as it is shipped, with
 * this file in place of KVM and of the scheduler of pCPUs; KVM_RUN executes the vCPU's guest
 * code, shootdown() with one mechanism, until there is an exit. In between lies what only
 * hardware has: TLBs, interrupts, the page-table entries that shootdowns are about.
 *
 * A TLB is filled, as soon as it may be, with whatever the page tables say: for finding
 * old translations no other order is worse. Each initiator has one page. Its n-th
 * shootdown maps generation n there, and a translation is the generation that it leads to.
 */
#ifndef MODEL_BED_H
#define MODEL_BED_H

#include <stdbool.h>
#include <stdint.h>

#include "explore.h"

enum { BED_MAX_VCPUS = 3 };

/* A situation to explore; sets are bits by vCPU. */
struct stage {
	const char *name;
	const char *mechanism;
	unsigned nr_vcpus;
	unsigned vm;			/* the index of their VM: those before it stay silent */
	unsigned nr_pcpus;		/* 0: enough */
	uint8_t rounds[BED_MAX_VCPUS];	/* shootdowns of each vCPU */
	uint8_t targets[BED_MAX_VCPUS]; /* of each vCPU's shootdowns */
	uint8_t preempted;		/* who may lose its pCPU */
	uint8_t preemptions;		/* how often, all together */
	uint8_t kernel_marks;		/* how often the kernel marks one that leaves the guest */
	uint8_t halting;		/* who halts once its shootdowns are done */
	uint8_t kicks;			/* out of the guest for no reason, all together */
	uint8_t yields[BED_MAX_VCPUS];	/* of each vCPU to vCPU 0, at first */
	uint8_t nmis;			/* how many arrive at those who are halted */
	bool marks_halted;
	bool ends_phase; /* in which there is nothing more to do when they come to it */
	bool buffers_stores;
};

/* The model of a stage, to be explored. One at a time. */
const struct explore_model *bed_model(const struct stage *stage);

#endif
