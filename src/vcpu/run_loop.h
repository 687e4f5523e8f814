/* SPDX-License-Identifier: MIT */
/* The life of a vCPU's thread: wait for a pCPU, execute, handle exits, give way. */
#ifndef VCPU_RUN_LOOP_H
#define VCPU_RUN_LOOP_H

#include "vcpu/cpu/vcpu.h"
#include "vcpu/sched/pcpu.h"

/* What the vCPU does after an exit has been handled. */
enum vcpu_action {
	VCPU_RESUME, /* goes on */
	VCPU_HALT,   /* gives its pCPU back until an interrupt arrives */
	VCPU_YIELD,  /* gives its pCPU to others that wait, see yield_to */
	VCPU_BLOCK,  /* gives its pCPU back while `blocked` of its handler runs */
	VCPU_STOP,   /* ends its thread */
};

struct vcpu_handler {
	void *context;
	/* Decides about an exit; called with a pCPU held. */
	enum vcpu_action (*exit)(void *context, struct vcpu *v, const struct vcpu_exit *e);
	/* After VCPU_BLOCK, without a pCPU: waits for what the vCPU wants, and completes
	 * the data of the exit. */
	void (*blocked)(void *context, struct vcpu *v, const struct vcpu_exit *e);
};

/*
 * Runs vCPU v as number i of pcpus until the handler stops it or the pCPUs are
 * stopped. The calling thread has blocked VCPU_KICK_SIGNAL and is attached.
 */
void vcpu_run_loop(struct vcpu *v, struct pcpus *pcpus, unsigned i,
		   const struct vcpu_handler *handler);

#endif
