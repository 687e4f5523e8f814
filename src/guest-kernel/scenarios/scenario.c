/* SPDX-License-Identifier: MIT */
/* The table of scenarios, and what they have in common. */
#include "guest-kernel/scenarios/scenario.h"

#include "guest-kernel/base/lib.h"
#include "guest-kernel/scenarios/work.h"
#include "guest-kernel/shootdown/oracle.h"

/* A vCPU reads what others map between steps of its work. */
#define STEP_US 2

static const struct row {
	const char *name;
	const struct scenario *scenario;
} rows[] = {
#define X(id, name, summary) { name, &scenario_##id },
	MV_SCENARIOS(X)
#undef X
};

const struct scenario *scenario_find(const char *name)
{
	for (unsigned i = 0; i < ARRAY_SIZE(rows); i++)
		if (str_equal(rows[i].name, name))
			return rows[i].scenario;
	return NULL;
}

const char *scenario_name(const struct scenario *scenario)
{
	const struct row *row = rows;

	while (row->scenario != scenario)
		row++;
	return row->name;
}

bool scenario_is_target(const struct percpu *self, uint32_t initiator)
{
	return targets_have(&percpus[initiator].targets, self->index);
}

void scenario_read_next(struct percpu *self)
{
	if (self->next_read > self->nr_targets)
		self->next_read = 0;
	if (self->next_read)
		oracle_check(self, targets_before(self->index, self->next_read, self->nr_vcpus));
	self->next_read++;
}

void scenario_work(struct percpu *self, uint64_t work_us)
{
	scenario_read_next(self);
	for (uint64_t done_us = 0; done_us < work_us; done_us += STEP_US) {
		work_for_us(STEP_US);
		scenario_read_next(self);
	}
}
