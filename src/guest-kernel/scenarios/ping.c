/* SPDX-License-Identifier: MIT */
/* ping: vCPU 0 shoots all the time, its targets read what it maps, and any others just spin. */
#include "guest-kernel/scenarios/args.h"
#include "guest-kernel/scenarios/scenario.h"
#include "guest-kernel/shootdown/oracle.h"
#include "guest-kernel/shootdown/shootdown.h"

#define INITIATOR      0
#define READS_PER_LOOK 64 /* at the phase, which ends the reading */

static void ping_init(const struct params *params, uint32_t nr_vcpus)
{
	(void)params;
	(void)nr_vcpus;
}

static void ping_round(struct percpu *self)
{
	static const struct range nothing;

	if (self->index == INITIATOR) {
		shootdown(self, &nothing, NULL);
		self->result->n.ops++;
	} else if (scenario_is_target(self, INITIATOR)) {
		for (unsigned i = 0; i < READS_PER_LOOK; i++)
			oracle_check(self, INITIATOR);
	}
}

const struct scenario scenario_ping = {
	.ops_unit = "shootdowns",
	.init = ping_init,
	.round = ping_round,
};
