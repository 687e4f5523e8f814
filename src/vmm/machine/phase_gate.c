/* SPDX-License-Identifier: MIT */
/* A gate that all vCPUs of all VMs wait at: before they start, and between phases. */
#include "vmm/machine/phase_gate.h"

#include <sys/eventfd.h>

void phase_gate_init(struct phase_gate *g)
{
	*g = (struct phase_gate){ 0 };
	pthread_mutex_init(&g->lock, NULL);
	pthread_cond_init(&g->opened, NULL);
}

void phase_gate_finish(struct phase_gate *g)
{
	pthread_cond_destroy(&g->opened);
	pthread_mutex_destroy(&g->lock);
}

uint32_t phase_gate_wait(struct phase_gate *g, int notify_fd)
{
	pthread_mutex_lock(&g->lock);
	uint64_t arrived_before = g->openings;
	g->waiting++;
	eventfd_write(notify_fd, 1);
	while (g->openings == arrived_before && !g->ended)
		pthread_cond_wait(&g->opened, &g->lock);
	uint32_t answer = g->answer;
	pthread_mutex_unlock(&g->lock);
	return answer;
}

unsigned phase_gate_waiting(struct phase_gate *g)
{
	pthread_mutex_lock(&g->lock);
	unsigned waiting = g->waiting;
	pthread_mutex_unlock(&g->lock);
	return waiting;
}

static void open_gate(struct phase_gate *g, uint32_t answer, bool for_ever)
{
	pthread_mutex_lock(&g->lock);
	g->waiting = 0;
	g->openings++;
	g->answer = answer;
	g->ended = for_ever;
	pthread_cond_broadcast(&g->opened);
	pthread_mutex_unlock(&g->lock);
}

void phase_gate_open(struct phase_gate *g, uint32_t answer)
{
	open_gate(g, answer, false);
}

void phase_gate_end(struct phase_gate *g, uint32_t answer)
{
	open_gate(g, answer, true);
}
