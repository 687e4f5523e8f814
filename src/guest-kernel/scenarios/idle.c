/* SPDX-License-Identifier: MIT */
/*
 * idle: a mix of busy vCPUs, which work and shoot as in storm, and idle ones.
 *
 * An idle vCPU is halted but for a moment now and then: its timer wakes it, and so does
 * every interrupt that an initiator sends. Whether that is necessary is the question:
 * a halted vCPU executes nothing, and yet most hosts do not say that it is halted.
 */
#include <stddef.h>

#include "guest-kernel/base/platform.h"
#include "guest-kernel/cpu/timer.h"
#include "guest-kernel/scenarios/args.h"
#include "guest-kernel/scenarios/scenario.h"
#include "guest-kernel/scenarios/work.h"
#include "guest-kernel/shootdown/shootdown.h"

#define READS_PER_WAKEUP 8

static uint64_t work_us, wake_us;
static uint32_t nr_busy; /* the first ones; vCPU 0 always is */

static void idle_init(const struct params *params, uint32_t nr_vcpus)
{
	work_calibrate();
	work_us = params->work_us;
	wake_us = params->wake_us;
	nr_busy = nr_vcpus - (uint32_t)(nr_vcpus * params->idle_pct / 100);
}

static void busy_round(struct percpu *self)
{
	static const struct range nothing;

	scenario_work(self, work_us);
	shootdown(self, &nothing, NULL);
	self->result->n.ops++;
}

static void idle_round(struct percpu *self)
{
	if (self->rounds++ == 0)
		timer_start(wake_us);
	platform->halt();
	for (unsigned i = 0; i < READS_PER_WAKEUP; i++)
		scenario_read_next(self);
}

static void round(struct percpu *self)
{
	if (self->index < nr_busy)
		busy_round(self);
	else
		idle_round(self);
}

const struct scenario scenario_idle = {
	.ops_unit = "rounds",
	.init = idle_init,
	.round = round,
};
