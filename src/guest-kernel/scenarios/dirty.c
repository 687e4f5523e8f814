/* SPDX-License-Identifier: MIT */
/*
 * dirty: every vCPU writes pages of its own part of a working set, then shoots all the others.
 *
 * For --dirty, whose harvests find what is written here. Each write stores a generation
 * that the page has not held before, so that a page that is in no harvest after its last
 * write differs from what was harvested.
 */
#include <stddef.h>

#include "guest-kernel/base/memory.h"
#include "guest-kernel/scenarios/args.h"
#include "guest-kernel/scenarios/scenario.h"
#include "guest-kernel/scenarios/work.h"
#include "guest-kernel/shootdown/shootdown.h"

static char *part[MV_MAX_VCPUS];
static uint64_t nr_slots;     /* pages of a part that are written */
static uint64_t stride_bytes; /* from one of them to the next */
static uint64_t nr_writes;    /* in a round */
static uint64_t work_us;

static void dirty_init(const struct params *params, uint32_t nr_vcpus)
{
	uint64_t pages = params->set_kb * 1024 / PAGE_BYTES / nr_vcpus;

	if (pages < params->stride)
		pages = params->stride;
	nr_slots = pages / params->stride;
	stride_bytes = params->stride * PAGE_BYTES;
	nr_writes = params->writes;
	work_us = params->work_us;
	for (uint32_t i = 0; i < nr_vcpus; i++)
		part[i] = memory_take_pages(pages);
	work_calibrate();
}

static void write_next(struct percpu *self)
{
	uint64_t slot = self->rounds++ % nr_slots;
	uint64_t *generation = (uint64_t *)(part[self->index] + slot * stride_bytes);

	__atomic_store_n(generation, self->rounds, __ATOMIC_RELAXED);
}

static void dirty_round(struct percpu *self)
{
	static const struct range nothing;

	for (uint64_t i = 0; i < nr_writes; i++)
		write_next(self);
	scenario_work(self, work_us);
	shootdown(self, &nothing, NULL);
	self->result->n.ops += nr_writes;
}

const struct scenario scenario_dirty = {
	.ops_unit = "pages",
	.init = dirty_init,
	.round = dirty_round,
};
