/* SPDX-License-Identifier: MIT */
/* The lists of names that a user may choose from, made from the catalogs. */
#include "vmm/cli/names.h"

#include <string.h>

#include "vcpu/protocol/flush.h"
#include "vcpu/protocol/pv_features.h"
#include "vcpu/sched/sched_policies.h"

#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))

#define NAME_OF_3(id, name, summary)	       name,
#define SUMMARY_OF_3(id, name, summary)	       summary,
#define NAME_OF_4(id, name, extra, summary)    name,
#define SUMMARY_OF_4(id, name, extra, summary) summary,

/* Defines `table` from the names and summaries that `list` yields. */
#define DEFINE_NAMES(table, heading, singular, list, columns)                                      \
	static const char *const table##_name[] = { list(NAME_OF_##columns) };                     \
	static const char *const table##_summary[] = { list(SUMMARY_OF_##columns) };               \
	const struct name_table table = { heading, singular, COUNT_OF(table##_name), table##_name, \
					  table##_summary }

#define FLUSH_CHOICES(X)                                                                  \
	X(auto, "auto", "the cheapest of those below that this host's self-check proved") \
	FLUSH_PRIMS(X)

#define FAULT_CHOICES(X)                                         \
	X(none, "none", "ipi,pv", "leave the protocol as it is") \
	MV_FAULTS(X)

DEFINE_NAMES(mechanism_names, "mechanisms (--shootdown)", "mechanism", MV_MECHANISMS, 4);
DEFINE_NAMES(scenario_names, "scenarios (-- scenario=)", "scenario", MV_SCENARIOS, 3);
DEFINE_NAMES(policy_names, "policies (--sched)", "policy", SCHED_POLICIES, 3);
DEFINE_NAMES(slice_alignment_names, "slice alignments (--slice-alignment)", "alignment",
	     SLICE_ALIGNMENTS, 3);
DEFINE_NAMES(flush_prim_names, "flush primitives (--flush-via)", "primitive", FLUSH_CHOICES, 3);
DEFINE_NAMES(dirty_names, "dirty tracking (--dirty)", "kind", DIRTY_KINDS, 3);
DEFINE_NAMES(fault_names, "faults (--inject)", "fault", FAULT_CHOICES, 4);
DEFINE_NAMES(feature_names, "features (--hide)", "feature", PV_FEATURES, 3);

static const char *const parameter_name[] = {
#define X(key, ...) #key,
	MV_NUMBERS(X) MV_CHOICES(X)
#undef X
};

static const char *const parameter_summary[] = {
#define X(key, min, max, standard, summary) summary,
	MV_NUMBERS(X)
#undef X
#define X(key, first, second, summary) summary,
		MV_CHOICES(X)
#undef X
};

const struct name_table parameter_names = { "parameters (-- KEY=VALUE)", "parameter",
					    COUNT_OF(parameter_name), parameter_name,
					    parameter_summary };

static const char *const fault_shootdowns[] = {
#define X(id, name, shootdown, summary) shootdown,
	FAULT_CHOICES(X)
#undef X
};

static const struct name_table *const all_tables[] = {
	&mechanism_names, &scenario_names,	  &parameter_names,
	&policy_names,	  &slice_alignment_names, &flush_prim_names,
	&fault_names,	  &dirty_names,		  &feature_names,
};

int name_table_index(const struct name_table *table, const char *name)
{
	for (unsigned i = 0; i < table->nr; i++) {
		if (strcmp(table->name[i], name) == 0)
			return (int)i;
	}
	return -1;
}

const char *fault_shootdown(enum fault fault)
{
	return fault_shootdowns[fault];
}

uint32_t feature_bit(unsigned index)
{
	static const unsigned bits[] = {
#define X(bit, feature_name, summary) bit,
		PV_FEATURES(X)
#undef X
	};

	return 1u << bits[index];
}

unsigned mechanism_host_needs(enum mechanism_id mechanism)
{
	static const unsigned needs[] = {
#define X(id, mechanism_name, host, summary) host,
		MV_MECHANISMS(X)
#undef X
	};

	return needs[mechanism];
}

const char *mechanism_tracked_name(enum mechanism_id mechanism, enum dirty_kind kind)
{
	static const char *const tracked[][2] = {
#define X(id, mechanism_name, host, summary) { mechanism_name "+bitmap", mechanism_name "+ring" },
		MV_MECHANISMS(X)
#undef X
	};

	return tracked[mechanism][kind == DIRTY_ring];
}

/* One width for all tables, so that the columns line up from top to bottom. */
static int widest_name(void)
{
	size_t widest = 0;

	for (unsigned t = 0; t < COUNT_OF(all_tables); t++) {
		for (unsigned i = 0; i < all_tables[t]->nr; i++) {
			size_t width = strlen(all_tables[t]->name[i]);
			widest = width > widest ? width : widest;
		}
	}
	return (int)widest;
}

void name_tables_print(FILE *out)
{
	int width = widest_name();

	for (unsigned t = 0; t < COUNT_OF(all_tables); t++) {
		const struct name_table *table = all_tables[t];

		fprintf(out, "%s%s:\n", t ? "\n" : "", table->title);
		for (unsigned i = 0; i < table->nr; i++)
			fprintf(out, "  %-*s  %s\n", width, table->name[i], table->summary[i]);
	}
}
