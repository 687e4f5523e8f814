/* SPDX-License-Identifier: MIT */
/*
 * What a sweep runs, and in which order. Pure.
 *
 * A matrix has dimensions with values. A *cell* is one configuration: a choice of
 * one value each. All mechanisms of a cell are measured in one run, which alternates
 * them. Cells that differ in overcommit alone are a *family*; its 1:1 cell (one VM,
 * one vCPU per pCPU) is what the others are compared with, and is added where the
 * user did not ask for it.
 *
 * The speed of a machine drifts by far more than what is measured, so that a ratio
 * means something between neighbours in time only. Runs are therefore made in
 * *blocks*: the 1:1 cell with an overcommitted one before it and one after it. A
 * family of more than two overcommitted cells has several blocks, and its 1:1 cell is
 * in each. A block is also what is handed out to other machines (--part I/N).
 */
#ifndef SWEEP_MATRIX_H
#define SWEEP_MATRIX_H

#include <stdbool.h>

#include "vcpu/base/error.h"
#include "vmm/cli/parse.h"

#define MATRIX_DIMENSIONS 24
#define MATRIX_MAX_CELLS  10000

/* An option of the run, or an argument of the guest, and the values it takes in turn. */
struct dimension {
	char name[PARSE_WORD_BYTES];
	bool of_guest;
	struct word_list values;
};

/* A list of counts, as in --vms 1,2,3. */
struct count_list {
	unsigned nr;
	unsigned count[PARSE_WORDS];
};

struct matrix {
	unsigned nr_pcpus;
	struct count_list vms;
	struct count_list vcpus_per_pcpu; /* of each VM */
	unsigned nr_dimensions;
	struct dimension dimension[MATRIX_DIMENSIONS];
};

struct cell {
	unsigned family;
	unsigned vms;
	unsigned vcpus_per_pcpu;
	unsigned value[MATRIX_DIMENSIONS]; /* the index of its value in each dimension */
};

/* A cell in its place: what is repeated. */
struct visit {
	unsigned cell;
	unsigned block;
};

struct plan {
	unsigned nr_families;
	unsigned nr_cells;
	struct cell *cell; /* family by family, by rising overcommit, 1:1 first */
	unsigned nr_blocks;
	unsigned nr_visits;
	struct visit *visit; /* block by block, in the order of the first repeat */
};

/* The dimension of this name, or NULL. */
const struct dimension *matrix_find(const struct matrix *m, const char *name);

/* vCPUs of all VMs for each pCPU. */
unsigned cell_overcommit(const struct cell *cell);

/* The word that a cell has in a dimension. */
const char *cell_value(const struct matrix *m, const struct cell *cell, unsigned dimension);

/* Makes the cells and blocks. 0, or -1 with EXIT_USAGE if there are too many. */
int plan_make(const struct matrix *m, struct plan *ret_plan, struct error *err);
void plan_finish(struct plan *plan);

/*
 * The visit that comes as number `position` in a repeat. Every other repeat goes
 * through each block backwards, so that a steady drift favours nobody.
 */
unsigned plan_visit_at(const struct plan *plan, unsigned repeat, unsigned position);

/* "2:1", "3 VMs", "2 VMs, 3:1". */
struct cell_label {
	char text[48];
};
struct cell_label cell_overcommit_label(const struct cell *cell);

/*
 * What sets a cell's family apart: "work_us=20, slice=1ms". Dimensions of one value are
 * left out, unless that leaves nothing: then the scenario, or "".
 */
struct family_label {
	char text[512];
};
struct family_label cell_family_label(const struct matrix *m, const struct cell *cell);

#endif
