/* SPDX-License-Identifier: MIT */
/* The cells of a sweep, and the blocks of neighbours in which they run. */
#include "vmm/sweep/plan/matrix.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const struct dimension *matrix_find(const struct matrix *m, const char *name)
{
	for (unsigned i = 0; i < m->nr_dimensions; i++) {
		if (strcmp(m->dimension[i].name, name) == 0)
			return &m->dimension[i];
	}
	return NULL;
}

unsigned cell_overcommit(const struct cell *cell)
{
	return cell->vms * cell->vcpus_per_pcpu;
}

const char *cell_value(const struct matrix *m, const struct cell *cell, unsigned dimension)
{
	return m->dimension[dimension].values.word[cell->value[dimension]];
}

/* ---- cells ------------------------------------------------------------------- */

static int compare_overcommit(const void *a, const void *b)
{
	const struct cell *x = a, *y = b;
	unsigned of_x = cell_overcommit(x), of_y = cell_overcommit(y);

	if (of_x != of_y)
		return of_x < of_y ? -1 : 1;
	return x->vms < y->vms ? -1 : x->vms > y->vms;
}

/* The overcommits of every family: 1:1 first, whether asked for or not. */
static unsigned list_overcommits(const struct matrix *m,
				 struct cell ret_cells[1 + PARSE_WORDS * PARSE_WORDS])
{
	unsigned nr = 0;

	ret_cells[nr++] = (struct cell){ .vms = 1, .vcpus_per_pcpu = 1 };
	for (unsigned v = 0; v < m->vms.nr; v++) {
		for (unsigned r = 0; r < m->vcpus_per_pcpu.nr; r++) {
			struct cell c = { .vms = m->vms.count[v],
					  .vcpus_per_pcpu = m->vcpus_per_pcpu.count[r] };
			if (cell_overcommit(&c) > 1)
				ret_cells[nr++] = c;
		}
	}
	qsort(ret_cells, nr, sizeof(ret_cells[0]), compare_overcommit);
	return nr;
}

static unsigned long count_families(const struct matrix *m)
{
	unsigned long families = 1;

	for (unsigned i = 0; i < m->nr_dimensions && families <= MATRIX_MAX_CELLS; i++)
		families *= m->dimension[i].values.nr;
	return families;
}

/* The values of family number `family`; those of the last dimension change fastest. */
static void choose_values(const struct matrix *m, unsigned family, struct cell *cell)
{
	cell->family = family;
	for (unsigned i = m->nr_dimensions; i-- > 0;) {
		unsigned nr = m->dimension[i].values.nr;

		cell->value[i] = family % nr;
		family /= nr;
	}
}

/* ---- blocks ------------------------------------------------------------------ */

static void add_visit(struct plan *plan, unsigned cell)
{
	plan->visit[plan->nr_visits++] = (struct visit){ .cell = cell, .block = plan->nr_blocks };
}

/* Cells [first, first + nr) are a family, and `first` its 1:1 cell. */
static void add_blocks(struct plan *plan, unsigned first, unsigned nr)
{
	unsigned next = first + 1;

	do {
		if (next < first + nr)
			add_visit(plan, next++);
		add_visit(plan, first);
		if (next < first + nr)
			add_visit(plan, next++);
		plan->nr_blocks++;
	} while (next < first + nr);
}

int plan_make(const struct matrix *m, struct plan *ret_plan, struct error *err)
{
	struct cell overcommit[1 + PARSE_WORDS * PARSE_WORDS];
	unsigned nr = list_overcommits(m, overcommit);
	unsigned long families = count_families(m);
	struct plan plan = { 0 };

	if (families * nr > MATRIX_MAX_CELLS)
		return error_set(err, EXIT_USAGE, "the matrix has more than %d cells",
				 MATRIX_MAX_CELLS);
	plan.nr_families = (unsigned)families;
	plan.cell = calloc(families * nr, sizeof(*plan.cell));
	plan.visit = calloc(families * nr * 2, sizeof(*plan.visit));
	if (!plan.cell || !plan.visit) {
		plan_finish(&plan);
		return error_set(err, EXIT_HOST, "not enough memory for %lu cells", families * nr);
	}
	for (unsigned f = 0; f < families; f++) {
		for (unsigned i = 0; i < nr; i++) {
			plan.cell[plan.nr_cells] = overcommit[i];
			choose_values(m, f, &plan.cell[plan.nr_cells++]);
		}
		add_blocks(&plan, f * nr, nr);
	}
	*ret_plan = plan;
	return 0;
}

void plan_finish(struct plan *plan)
{
	free(plan->cell);
	free(plan->visit);
	*plan = (struct plan){ 0 };
}

unsigned plan_visit_at(const struct plan *plan, unsigned repeat, unsigned position)
{
	unsigned first = position, last = position;

	if (repeat % 2 == 0)
		return position;
	while (first > 0 && plan->visit[first - 1].block == plan->visit[position].block)
		first--;
	while (last + 1 < plan->nr_visits &&
	       plan->visit[last + 1].block == plan->visit[position].block)
		last++;
	return first + last - position;
}

/* ---- labels ------------------------------------------------------------------ */

struct cell_label cell_overcommit_label(const struct cell *cell)
{
	struct cell_label label;

	if (cell->vms == 1)
		snprintf(label.text, sizeof(label.text), "%u:1", cell->vcpus_per_pcpu);
	else if (cell->vcpus_per_pcpu == 1)
		snprintf(label.text, sizeof(label.text), "%u VMs", cell->vms);
	else
		snprintf(label.text, sizeof(label.text), "%u VMs, %u:1", cell->vms,
			 cell->vcpus_per_pcpu);
	return label;
}

static void append(struct family_label *label, const char *name, const char *value)
{
	size_t used = strlen(label->text);

	snprintf(label->text + used, sizeof(label->text) - used, "%s%s=%s", used ? ", " : "", name,
		 value);
}

struct family_label cell_family_label(const struct matrix *m, const struct cell *cell)
{
	struct family_label label = { "" };

	for (unsigned i = 0; i < m->nr_dimensions; i++) {
		if (m->dimension[i].values.nr > 1)
			append(&label, m->dimension[i].name, cell_value(m, cell, i));
	}
	const struct dimension *scenario = matrix_find(m, "scenario");
	if (!label.text[0] && scenario)
		snprintf(label.text, sizeof(label.text), "%s", scenario->values.word[0]);
	return label;
}
