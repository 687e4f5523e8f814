/* SPDX-License-Identifier: MIT */
/* The lists of names that a user may choose from, in one form for all of them. */
#ifndef VMM_NAMES_H
#define VMM_NAMES_H

#include <stdint.h>
#include <stdio.h>

#include "minivmm/catalog.h"
#include "vcpu/protocol/fault.h"
#include "vcpu/protocol/flush.h"
#include "vmm/dirty/dirty_kinds.h"

/* What --flush-via takes: a primitive of enum flush_prim, counted from 1, or the best. */
enum flush_choice {
	FLUSH_CHOICE_auto,
	FLUSH_CHOICE_first,
};

/* A mechanism of the catalog. */
enum mechanism_id {
#define X(id, name, host, summary) MECHANISM_##id,
	MV_MECHANISMS(X)
#undef X
};

struct name_table {
	const char *title; /* in the plural, as a heading */
	const char *one;   /* in the singular, for messages */
	unsigned nr;
	const char *const *name;
	const char *const *summary;
};

extern const struct name_table mechanism_names; /* by enum mechanism_id */
extern const struct name_table scenario_names;
extern const struct name_table parameter_names;
extern const struct name_table policy_names;
extern const struct name_table slice_alignment_names;
extern const struct name_table flush_prim_names; /* by enum flush_choice */
extern const struct name_table dirty_names;	 /* indexed by enum dirty_kind */
extern const struct name_table fault_names;	 /* by enum fault */
extern const struct name_table feature_names;

/* The index of a name in the table, or -1. */
int name_table_index(const struct name_table *table, const char *name);

/* What the host does for a mechanism: a set of MV_HOST_*. */
unsigned mechanism_host_needs(enum mechanism_id mechanism);

/* The mechanisms that show a fault, as --shootdown takes them; the usual ones for none. */
const char *fault_shootdown(enum fault fault);

/* What a mechanism is called where it is measured with dirty tracking: "pv+ring". */
const char *mechanism_tracked_name(enum mechanism_id mechanism, enum dirty_kind kind);

/* The bit in KVM_CPUID_FEATURES of a feature, by its index in feature_names. */
uint32_t feature_bit(unsigned index);

/* Prints every table, names and summaries in columns. */
void name_tables_print(FILE *out);

#endif
