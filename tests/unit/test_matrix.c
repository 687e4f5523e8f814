/* SPDX-License-Identifier: MIT */
/* The cells of a sweep, its blocks of neighbours, and their labels. */
#include "unit.h"

#include <stdbool.h>
#include <string.h>

#include "vmm/sweep/plan/matrix.h"

static struct matrix make_matrix(void)
{
	struct matrix m = {
		.nr_pcpus = 2,
		.vms = { 2, { 1, 3 } },
		.vcpus_per_pcpu = { 3, { 1, 2, 8 } },
		.nr_dimensions = 2,
		.dimension = {
			{ .name = "slice", .values = { 2, { "1ms", "4ms" } } },
			{ .name = "work_us", .of_guest = true, .values = { 3, { "20", "100", "500" } } },
		},
	};

	return m;
}

static struct plan make_plan(const struct matrix *m)
{
	struct plan plan;
	struct error err;

	ck_assert_msg(plan_make(m, &plan, &err) == 0, "%s", err.text);
	return plan;
}

START_TEST(every_combination_is_a_cell_once)
{
	struct matrix m = make_matrix();
	struct plan plan = make_plan(&m);
	bool seen[2][3][25] = { 0 };

	ck_assert_uint_eq(plan.nr_families, 6);
	ck_assert_uint_eq(plan.nr_cells, 36); /* 6 overcommits: 1 2 3 6 8 24 */
	for (unsigned i = 0; i < plan.nr_cells; i++) {
		const struct cell *c = &plan.cell[i];
		bool *at = &seen[c->value[0]][c->value[1]][cell_overcommit(c)];

		ck_assert(!*at);
		*at = true;
	}
	plan_finish(&plan);
}
END_TEST

START_TEST(the_1to1_cell_is_added_and_comes_first)
{
	struct matrix m = make_matrix();

	m.vms = (struct count_list){ 1, { 2 } };
	m.vcpus_per_pcpu = (struct count_list){ 1, { 1 } };
	struct plan plan = make_plan(&m);
	ck_assert_uint_eq(plan.nr_cells, 12);
	for (unsigned i = 0; i < plan.nr_cells; i++)
		ck_assert_uint_eq(cell_overcommit(&plan.cell[i]), 1 + i % 2);
	plan_finish(&plan);
}
END_TEST

/* Overcommitted visits have a 1:1 visit of their own family right beside them. */
static void assert_neighbours(const struct plan *plan, unsigned repeat)
{
	for (unsigned i = 0; i < plan->nr_visits; i++) {
		const struct visit *v = &plan->visit[plan_visit_at(plan, repeat, i)];
		const struct cell *cell = &plan->cell[v->cell];
		bool beside = cell_overcommit(cell) == 1;

		for (unsigned j = i ? i - 1 : 0; j <= i + 1 && j < plan->nr_visits; j++) {
			const struct visit *n = &plan->visit[plan_visit_at(plan, repeat, j)];
			const struct cell *other = &plan->cell[n->cell];

			beside |= n->block == v->block && other->family == cell->family &&
				  cell_overcommit(other) == 1;
		}
		ck_assert_msg(beside, "repeat %u, position %u", repeat, i);
	}
}

START_TEST(every_overcommitted_cell_runs_beside_its_1to1_case)
{
	struct matrix m = make_matrix();
	struct plan plan = make_plan(&m);

	assert_neighbours(&plan, 0);
	assert_neighbours(&plan, 1);
	plan_finish(&plan);
}
END_TEST

START_TEST(a_repeat_visits_each_place_once_and_the_next_one_backwards)
{
	struct matrix m = make_matrix();
	struct plan plan = make_plan(&m);
	unsigned visits[256] = { 0 };

	for (unsigned i = 0; i < plan.nr_visits; i++) {
		ck_assert_uint_eq(plan_visit_at(&plan, 0, i), i);
		visits[plan_visit_at(&plan, 1, i)]++;
	}
	for (unsigned i = 0; i < plan.nr_visits; i++)
		ck_assert_uint_eq(visits[i], 1);
	ck_assert_uint_eq(plan_visit_at(&plan, 1, 0), 2);
	ck_assert_uint_eq(plan_visit_at(&plan, 1, 1), 1);
	plan_finish(&plan);
}
END_TEST

START_TEST(a_matrix_without_overcommit_has_only_1to1_cells)
{
	struct matrix m = make_matrix();

	m.vms = m.vcpus_per_pcpu = (struct count_list){ 1, { 1 } };
	struct plan plan = make_plan(&m);
	ck_assert_uint_eq(plan.nr_cells, 6);
	ck_assert_uint_eq(plan.nr_visits, 6);
	ck_assert_uint_eq(plan.nr_blocks, 6);
	plan_finish(&plan);
}
END_TEST

START_TEST(a_matrix_too_large_is_refused)
{
	struct matrix m = make_matrix();
	struct plan plan;
	struct error err;

	for (unsigned i = 0; i < MATRIX_DIMENSIONS; i++)
		m.dimension[i].values.nr = PARSE_WORDS;
	m.nr_dimensions = MATRIX_DIMENSIONS;
	ck_assert_int_eq(plan_make(&m, &plan, &err), -1);
	ck_assert_int_eq(err.status, EXIT_USAGE);
	ck_assert_ptr_nonnull(strstr(err.text, "10000 cells"));
}
END_TEST

START_TEST(labels_say_what_sets_a_cell_apart)
{
	struct matrix m = make_matrix();
	struct cell cell = { .vms = 1, .vcpus_per_pcpu = 8, .value = { 1, 2 } };

	ck_assert_str_eq(cell_overcommit_label(&cell).text, "8:1");
	ck_assert_str_eq(cell_family_label(&m, &cell).text, "slice=4ms, work_us=500");
	cell = (struct cell){ .vms = 3, .vcpus_per_pcpu = 1 };
	ck_assert_str_eq(cell_overcommit_label(&cell).text, "3 VMs");
	cell.vcpus_per_pcpu = 2;
	ck_assert_str_eq(cell_overcommit_label(&cell).text, "3 VMs, 2:1");
	m.dimension[0].values.nr = 1;
	ck_assert_str_eq(cell_family_label(&m, &cell).text, "work_us=20");
}
END_TEST

#define TESTS(X)                                                      \
	X(every_combination_is_a_cell_once)                           \
	X(the_1to1_cell_is_added_and_comes_first)                     \
	X(every_overcommitted_cell_runs_beside_its_1to1_case)         \
	X(a_repeat_visits_each_place_once_and_the_next_one_backwards) \
	X(a_matrix_without_overcommit_has_only_1to1_cells)            \
	X(a_matrix_too_large_is_refused)                              \
	X(labels_say_what_sets_a_cell_apart)

UNIT_SUITE(matrix, TESTS)
