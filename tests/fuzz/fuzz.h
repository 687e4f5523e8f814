/* SPDX-License-Identifier: MIT */
/* What a fuzz target gives to libFuzzer, and to corpus.c. */
#ifndef TESTS_FUZZ_H
#define TESTS_FUZZ_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

/* Feeds one input to the code under test; any input is fine, and none may be fatal. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What must hold whatever the input is; a crash is what the fuzzer looks for. */
static inline void must_hold(int holds, const char *what)
{
	if (holds)
		return;
	fprintf(stderr, "does not hold: %s\n", what);
	abort();
}

#endif
