/* SPDX-License-Identifier: MIT */
/* Scenarios: what the vCPUs do while a mechanism is measured. */
#ifndef GUEST_SCENARIO_H
#define GUEST_SCENARIO_H

#include "guest-kernel/cpu/percpu.h"
#include "minivmm/catalog.h"

struct params; /* args.h */

struct scenario {
	const char *ops_unit; /* what self->result->n.ops counts, in the plural */

	/* Once, on vCPU 0, before anything runs. May end the run with a message. */
	void (*init)(const struct params *params, uint32_t nr_vcpus);

	/* A short piece of the work, repeated by each vCPU until the phase ends. */
	void (*round)(struct percpu *self);
};

#define X(id, name, summary) extern const struct scenario scenario_##id;
MV_SCENARIOS(X)
#undef X

/* The scenario of this name, or NULL. */
const struct scenario *scenario_find(const char *name);

/* The name of a scenario. */
const char *scenario_name(const struct scenario *scenario);

/* Whether this vCPU is one of the initiator's targets, and so may read what it maps. */
bool scenario_is_target(const struct percpu *self, uint32_t initiator);

/*
 * Checks the mappings of one initiator that has this vCPU among its targets. Such initiators take
 * turns, call by call.
 */
void scenario_read_next(struct percpu *self);

/* Works for so long, and checks the mappings of others all the while. */
void scenario_work(struct percpu *self, uint64_t work_us);

#endif
