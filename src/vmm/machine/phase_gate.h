/* SPDX-License-Identifier: MIT */
/* A gate that all vCPUs of all VMs wait at: before they start, and between phases. */
#ifndef VMM_PHASE_GATE_H
#define VMM_PHASE_GATE_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

struct phase_gate {
	pthread_mutex_t lock;
	pthread_cond_t opened;
	unsigned waiting;
	uint64_t openings; /* times that the gate has been opened */
	uint32_t answer;   /* returned to all that waited */
	bool ended;	   /* nobody waits any more */
};

void phase_gate_init(struct phase_gate *g);
void phase_gate_finish(struct phase_gate *g);

/*
 * Waits until the gate is opened and returns the answer. `notify_fd` (an eventfd) is
 * written once the vCPU has joined those that wait.
 */
uint32_t phase_gate_wait(struct phase_gate *g, int notify_fd);

/* How many wait. */
unsigned phase_gate_waiting(struct phase_gate *g);

/* Lets everybody go who waits now. */
void phase_gate_open(struct phase_gate *g, uint32_t answer);

/* Lets everybody go, now and for ever. */
void phase_gate_end(struct phase_gate *g, uint32_t answer);

#endif
