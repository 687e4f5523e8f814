/* SPDX-License-Identifier: MIT */
/* The lists of names that a user may choose from, in one form for all of them. */
#ifndef VMM_NAMES_H
#define VMM_NAMES_H

#include <stdint.h>
#include <stdio.h>

#include "vmm/dirty/dirty_kinds.h"

struct name_table {
	const char *title; /* in the plural, as a heading */
	const char *one;   /* in the singular, for messages */
	unsigned nr;
	const char *const *name;
	const char *const *summary;
};

extern const struct name_table mechanism_names;
extern const struct name_table scenario_names;
extern const struct name_table parameter_names;
extern const struct name_table policy_names;
extern const struct name_table slice_alignment_names;
extern const struct name_table flush_prim_names; /* with "auto" */
extern const struct name_table dirty_names;	 /* indexed by enum dirty_kind */
extern const struct name_table fault_names;	 /* with "none" */
extern const struct name_table feature_names;

/* The table's own copy of a name, or NULL if it is not in it. */
const char *name_table_find(const struct name_table *table, const char *name);

/* What the host does for a mechanism, as a set of MV_HOST_*; 0 for an unknown one. */
unsigned mechanism_host_needs(const char *name);

/* The mechanisms that show a fault, as --shootdown takes them; the usual ones for "none". */
const char *fault_shootdown(const char *name);

/* The kind of that name in dirty_names; DIRTY_none for an unknown one. */
enum dirty_kind dirty_kind_find(const char *name);

/* What a mechanism is called where it is measured with dirty tracking: "pv+ring". */
const char *mechanism_tracked_name(const char *name, enum dirty_kind kind);

/* The bit in KVM_CPUID_FEATURES of a feature; 0 for an unknown one. */
uint32_t feature_bit(const char *name);

/* Prints every table, names and summaries in columns. */
void name_tables_print(FILE *out);

#endif
