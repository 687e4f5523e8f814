/* SPDX-License-Identifier: MIT */
/* storm: every vCPU works for a while, then shoots all the others. */
#include "scenario.h"
#include "shootdown.h"
#include "work.h"

/* A vCPU reads what others map between steps of its work. */
#define STEP_US 2

static uint64_t steps;

static void storm_init(const struct params *params, uint32_t nr_vcpus)
{
	(void)nr_vcpus;
	work_calibrate();
	steps = (params->work_us + STEP_US - 1) / STEP_US;
}

static void storm_round(struct percpu *self)
{
	static const struct range nothing;

	scenario_read_next(self);
	for (uint64_t i = 0; i < steps; i++) {
		work_for_us(STEP_US);
		scenario_read_next(self);
	}
	shootdown(self, &nothing);
	self->result->n.ops++;
}

const struct scenario scenario_storm = {
	.name = "storm",
	.ops_unit = "rounds",
	.init = storm_init,
	.round = storm_round,
};
