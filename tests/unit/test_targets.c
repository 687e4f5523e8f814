/* SPDX-License-Identifier: MIT */
/* The guest's sets of vCPUs: whom a shootdown visits, at the borders between words above all,
 * and in which order vCPUs come after each other. */
#include "unit.h"

#include "guest-kernel/base/targets.h"

/* Ascending members, ended by MV_MAX_VCPUS. */
static const uint32_t cases[][8] = {
	{ MV_MAX_VCPUS },
	{ 0, MV_MAX_VCPUS },
	{ 255, MV_MAX_VCPUS },
	{ 63, 64, MV_MAX_VCPUS },
	{ 0, 63, 64, 127, 128, 191, MV_MAX_VCPUS },
	{ 1, 2, 3, 65, 192, 254, 255, MV_MAX_VCPUS },
};

static struct targets make_set(const uint32_t *member)
{
	struct targets set = { { 0 } };

	for (; *member != MV_MAX_VCPUS; member++)
		targets_add(&set, *member);
	return set;
}

START_TEST(every_member_is_visited_once_in_order)
{
	const uint32_t *expected = cases[_i];
	struct targets set = make_set(expected);

	for_each_target (vcpu, &set)
		ck_assert_uint_eq(vcpu, *expected++);
	ck_assert_uint_eq(*expected, MV_MAX_VCPUS);
}
END_TEST

START_TEST(the_visited_member_may_be_removed)
{
	static const struct targets empty;
	const uint32_t *expected = cases[_i];
	struct targets set = make_set(expected);

	for_each_target (vcpu, &set) {
		ck_assert_uint_eq(vcpu, *expected++);
		targets_remove(&set, vcpu);
	}
	ck_assert_uint_eq(*expected, MV_MAX_VCPUS);
	ck_assert_mem_eq(&set, &empty, sizeof(set));
}
END_TEST

START_TEST(next_finds_the_member_itself_and_the_one_after)
{
	struct targets set = { { 0 } };

	for (uint32_t vcpu = 0; vcpu < MV_MAX_VCPUS; vcpu += 2)
		targets_add(&set, vcpu);
	for (uint32_t vcpu = 0; vcpu < MV_MAX_VCPUS; vcpu++)
		ck_assert_uint_eq(targets_next(&set, vcpu), (vcpu + 1) & ~1u);
}
END_TEST

START_TEST(a_set_has_its_members_and_no_others)
{
	const uint32_t *expected = cases[_i];
	struct targets set = make_set(expected);

	for (uint32_t vcpu = 0; vcpu < MV_MAX_VCPUS; vcpu++) {
		ck_assert_uint_eq(targets_have(&set, vcpu), vcpu == *expected);
		expected += vcpu == *expected;
	}
}
END_TEST

/* vCPU, how far, of how many, and the one that comes so far after it. */
static const uint32_t orders[][4] = {
	{ 0, 1, 2, 1 },	    { 1, 1, 2, 0 },	    { 0, 3, 4, 3 }, { 2, 1, 4, 3 },
	{ 3, 1, 4, 0 },	    { 2, 3, 4, 1 },	    { 3, 3, 4, 2 }, { 255, 1, 256, 0 },
	{ 1, 255, 256, 0 }, { 255, 255, 256, 254 },
};

START_TEST(vcpus_come_after_each_other_in_a_circle)
{
	uint32_t vcpu = orders[_i][0], distance = orders[_i][1], nr_vcpus = orders[_i][2];
	uint32_t after = orders[_i][3];

	ck_assert_uint_eq(targets_after(vcpu, distance, nr_vcpus), after);
	ck_assert_uint_eq(targets_before(after, distance, nr_vcpus), vcpu);
	ck_assert_uint_eq(targets_distance(vcpu, after, nr_vcpus), distance);
}
END_TEST

Suite *targets_suite(void)
{
	Suite *suite = suite_create("targets");
	TCase *tcase = tcase_create("targets");

	tcase_add_loop_test(tcase, every_member_is_visited_once_in_order, 0, COUNT_OF(cases));
	tcase_add_loop_test(tcase, the_visited_member_may_be_removed, 0, COUNT_OF(cases));
	tcase_add_loop_test(tcase, a_set_has_its_members_and_no_others, 0, COUNT_OF(cases));
	tcase_add_loop_test(tcase, vcpus_come_after_each_other_in_a_circle, 0, COUNT_OF(orders));
	tcase_add_test(tcase, next_finds_the_member_itself_and_the_one_after);
	suite_add_tcase(suite, tcase);
	return suite;
}
