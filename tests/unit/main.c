/* SPDX-License-Identifier: MIT */
/* Runs the unit tests: all of them, or the suites that are named as arguments. */
#include "unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct {
	const char *name;
	Suite *(*make)(void);
} suites[] = {
#define X(name) { #name, name##_suite },
	UNIT_SUITES(X)
#undef X
};

/* Adds the suite of this name; returns whether there is one. */
static int add_suite(SRunner *runner, const char *name)
{
	for (unsigned i = 0; i < COUNT_OF(suites); i++) {
		if (strcmp(suites[i].name, name) == 0) {
			srunner_add_suite(runner, suites[i].make());
			return 1;
		}
	}
	return 0;
}

int main(int argc, char *argv[])
{
	SRunner *runner = srunner_create(NULL);

	for (unsigned i = 0; argc < 2 && i < COUNT_OF(suites); i++)
		add_suite(runner, suites[i].name);
	for (int i = 1; i < argc; i++) {
		if (!add_suite(runner, argv[i])) {
			fprintf(stderr, "unit-tests: there is no suite '%s'\n", argv[i]);
			srunner_free(runner);
			return 2;
		}
	}
	srunner_run_all(runner, CK_NORMAL);
	int failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
