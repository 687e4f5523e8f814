/* SPDX-License-Identifier: MIT */
/* What a file of unit tests gives to main.c: its tests, under the name of the file. */
#ifndef TESTS_UNIT_H
#define TESTS_UNIT_H

#include <check.h>

#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))

/*
 * UNIT_SUITE(name, cases) defines the suite of test_<name>.c from the tests that
 * `cases`, an X-macro of X(test), lists.
 */
#define UNIT_ADD_TEST(test) tcase_add_test(tcase, test);
#define UNIT_SUITE(name, cases)                                     \
	Suite *name##_suite(void)                                   \
	{                                                           \
		Suite *suite = suite_create(#name);                 \
		TCase *tcase = tcase_create(#name);                 \
                                                                    \
		tcase_set_timeout(tcase, 100);                      \
		cases(UNIT_ADD_TEST) suite_add_tcase(suite, tcase); \
		return suite;                                       \
	}

/* X(name): every test_<name>.c, as in meson.build. A longer name shall not move every line. */
/* clang-format off */
#define UNIT_SUITES(X)   \
	X(bzimage)        \
	X(conductor) \
	X(console)       \
	X(dirty)         \
	X(elf)           \
	X(exits)         \
	X(guest_args)    \
	X(guest_doorbell) \
	X(guest_mechanisms) \
	X(guest_memory)  \
	X(guest_oracle)  \
	X(guest_phase)   \
	X(guest_scenarios) \
	X(guest_shootdown) \
	X(guest_steal)   \
	X(guest_trace)   \
	X(guest_vectors)  \
	X(hist)          \
	X(host_cpus)     \
	X(json)          \
	X(judge)         \
	X(kvm_ioctl)     \
	X(lab)           \
	X(matrix)        \
	X(names)         \
	X(options)       \
	X(output_file)   \
	X(parse)         \
	X(pc)             \
	X(pcpu)          \
	X(pcpu_replay)   \
	X(pcpu_slices)   \
	X(phase_gate)    \
	X(probe)         \
	X(pv_flush)      \
	X(refusals)      \
	X(replay)        \
	X(report)        \
	X(rerun_command) \
	X(run_loop)      \
	X(sched_policy)  \
	X(schedule_file) \
	X(selfcheck)     \
	X(sha256)        \
	X(stats)         \
	X(steal)         \
	X(steal_kernel)  \
	X(sweep_options) \
	X(targets)       \
	X(trace)         \
	X(vm)            \
	X(watch)         \
	X(vcpu_cpuid)     \
	X(vcpu_idle)      \
	X(x86_boot)
/* clang-format on */

#define X(name) Suite *name##_suite(void);
UNIT_SUITES(X)
#undef X

#endif
