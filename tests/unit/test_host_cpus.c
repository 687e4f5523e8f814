/* SPDX-License-Identifier: MIT */
/* Which host CPUs a run may have: on kernels with many, with isolated ones, and in a cpuset. */
#include "unit.h"

#include <errno.h>
#include <string.h>

#include "affinity_double.h"
#include "vmm/cli/host_cpus.h"
#include "vmm/cli/options.h"

/* CPUs 0 and 1030 were inherited, CPU 1 is isolated, and 2 is outside the cpuset. */
static struct host_cpus read_many(void)
{
	struct host_cpus cpus;

	affinity_double_start(2048);
	affinity_double_add(0, true);
	affinity_double_add(1, false);
	affinity_double_add(1030, true);
	host_cpus_read(&cpus);
	return cpus;
}

static void finish(struct host_cpus *cpus)
{
	host_cpus_finish(cpus);
	affinity_double_stop();
}

static int parse_pcpus(const struct host_cpus *cpus, char *list, struct options *ret,
		       struct error *err)
{
	char *argv[] = { "minivmm", "g", "--pcpus", list, NULL };

	return options_parse(4, argv, cpus, ret, err);
}

START_TEST(a_kernel_of_many_possible_cpus_is_asked_for_all)
{
	static const struct cpu_list both = { 2, { 0, 1030 } };
	struct host_cpus cpus = read_many();

	ck_assert_int_eq(cpus.unknown, 0);
	ck_assert_mem_eq(&cpus.inherited, &both, sizeof(both));
	finish(&cpus);
}
END_TEST

START_TEST(runs_have_what_was_inherited_unless_told_otherwise)
{
	struct host_cpus cpus = read_many();
	struct options o;
	struct error err;
	char *argv[] = { "minivmm", "g", NULL };

	ck_assert_int_eq(options_parse(2, argv, &cpus, &o, &err), 0);
	ck_assert_uint_eq(o.pcpus.nr, 2);
	ck_assert_int_eq(o.pcpus.cpu[1], 1030);
	finish(&cpus);
}
END_TEST

START_TEST(an_isolated_cpu_may_be_asked_for)
{
	struct host_cpus cpus = read_many();
	struct options o;
	struct error err;

	ck_assert_msg(parse_pcpus(&cpus, "1", &o, &err) == 0, "%s", err.text);
	ck_assert_int_eq(o.pcpus.cpu[0], 1);
	ck_assert_int_eq(parse_pcpus(&cpus, "0-1,1030", &o, &err), 0);
	finish(&cpus);
}
END_TEST

START_TEST(what_the_cpuset_lacks_is_refused_with_what_it_has)
{
	struct host_cpus cpus = read_many();
	struct options o;
	struct error err;

	ck_assert_int_eq(parse_pcpus(&cpus, "2", &o, &err), -1);
	ck_assert_int_eq(err.status, EXIT_USAGE);
	ck_assert_ptr_nonnull(strstr(err.text, "names CPU 2,"));
	ck_assert_ptr_nonnull(strstr(err.text, "choose from 0-1,1030"));
	ck_assert_int_eq(parse_pcpus(&cpus, "5000", &o, &err), -1);
	finish(&cpus);
}
END_TEST

START_TEST(trying_leaves_the_mask_as_it_was)
{
	struct host_cpus cpus = read_many();

	ck_assert_uint_eq(affinity_double_count(), 2);
	ck_assert(affinity_double_has(0) && affinity_double_has(1030));
	finish(&cpus);
}
END_TEST

START_TEST(where_trying_is_forbidden_those_inherited_remain)
{
	struct host_cpus cpus;
	struct options o;
	struct error err;

	affinity_double_start(2048);
	affinity_double_add(7, true);
	affinity_double_fail_set(EPERM);
	host_cpus_read(&cpus);
	ck_assert_int_eq(parse_pcpus(&cpus, "7", &o, &err), 0);
	ck_assert_int_eq(parse_pcpus(&cpus, "8", &o, &err), -1);
	ck_assert_ptr_nonnull(strstr(err.text, "choose from 7"));
	finish(&cpus);
}
END_TEST

START_TEST(a_kernel_that_does_not_say_is_no_empty_answer)
{
	struct host_cpus cpus;
	struct options o;
	struct error err;
	char *argv[] = { "minivmm", "g", NULL };

	affinity_double_start(64);
	affinity_double_fail_get(ENOSYS);
	host_cpus_read(&cpus);
	ck_assert_int_eq(options_parse(2, argv, &cpus, &o, &err), -1);
	ck_assert_int_eq(err.status, EXIT_HOST);
	ck_assert_ptr_nonnull(strstr(err.text, "sched_getaffinity"));
	ck_assert_ptr_nonnull(strstr(err.text, strerror(ENOSYS)));
	ck_assert_int_eq(parse_pcpus(&cpus, "0", &o, &err), -1);
	ck_assert_int_eq(err.status, EXIT_HOST);
	finish(&cpus);
}
END_TEST

START_TEST(a_thread_is_pinned_to_a_cpu_of_a_high_number)
{
	struct host_cpus cpus = read_many();
	struct cpu_mask mask;

	ck_assert_int_eq(cpu_mask_init(&mask, 1030), 0);
	ck_assert(cpu_mask_has(&mask, 1030) && !cpu_mask_has(&mask, 1029));
	ck_assert(!cpu_mask_has(&mask, -1) && !cpu_mask_has(&mask, 1 << 20));
	ck_assert_int_eq(cpu_mask_apply(&mask, 0), 0);
	ck_assert(affinity_double_has(1030) && affinity_double_count() == 1);
	cpu_mask_finish(&mask);
	ck_assert_int_eq(cpu_mask_init(&mask, -1), 0);
	ck_assert_int_eq(cpu_mask_add(&mask, 3), 0);
	ck_assert_int_eq(cpu_mask_add(&mask, 1030), 0);
	ck_assert_int_eq(cpu_mask_add(&mask, 62), 0);
	for (int cpu = 0; cpu <= 1040; cpu++)
		ck_assert_int_eq(cpu_mask_has(&mask, cpu), cpu == 3 || cpu == 62 || cpu == 1030);
	cpu_mask_finish(&mask);
	ck_assert_int_eq(cpu_mask_init(&mask, 2), 0);
	ck_assert_int_eq(cpu_mask_apply(&mask, 0), -EINVAL);
	cpu_mask_finish(&mask);
	finish(&cpus);
}
END_TEST

#define CASES(X)                                              \
	X(a_kernel_of_many_possible_cpus_is_asked_for_all)    \
	X(runs_have_what_was_inherited_unless_told_otherwise) \
	X(an_isolated_cpu_may_be_asked_for)                   \
	X(what_the_cpuset_lacks_is_refused_with_what_it_has)  \
	X(trying_leaves_the_mask_as_it_was)                   \
	X(where_trying_is_forbidden_those_inherited_remain)   \
	X(a_kernel_that_does_not_say_is_no_empty_answer)      \
	X(a_thread_is_pinned_to_a_cpu_of_a_high_number)
UNIT_SUITE(host_cpus, CASES)
