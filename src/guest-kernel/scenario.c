/* SPDX-License-Identifier: MIT */
/* The table of scenarios, and what they have in common. */
#include "scenario.h"

#include "lib.h"
#include "oracle.h"

static const struct scenario *const scenarios[] = {
#define X(id, name, summary) &scenario_##id,
	MV_SCENARIOS(X)
#undef X
};

const struct scenario *scenario_find(const char *name)
{
	for (unsigned i = 0; i < ARRAY_SIZE(scenarios); i++)
		if (str_equal(scenarios[i]->name, name))
			return scenarios[i];
	return NULL;
}

void scenario_read_next(struct percpu *self)
{
	if (self->next_read > self->nr_targets)
		self->next_read = 0;
	if (self->next_read != self->index)
		oracle_check(self, self->next_read);
	self->next_read++;
}
