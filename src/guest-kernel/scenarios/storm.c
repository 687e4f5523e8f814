/* SPDX-License-Identifier: MIT */
/* storm: every vCPU works for a while, then shoots all the others. */
#include <stddef.h>

#include "guest-kernel/scenarios/args.h"
#include "guest-kernel/scenarios/scenario.h"
#include "guest-kernel/scenarios/work.h"
#include "guest-kernel/shootdown/shootdown.h"

static uint64_t work_us;

static void storm_init(const struct params *params, uint32_t nr_vcpus)
{
	(void)nr_vcpus;
	work_calibrate();
	work_us = params->work_us;
}

static void storm_round(struct percpu *self)
{
	static const struct range nothing;

	scenario_work(self, work_us);
	shootdown(self, &nothing, NULL);
	self->result->n.ops++;
}

const struct scenario scenario_storm = {
	.ops_unit = "rounds",
	.init = storm_init,
	.round = storm_round,
};
