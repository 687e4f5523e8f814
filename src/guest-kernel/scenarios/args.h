/* SPDX-License-Identifier: MIT */
/* What the user asked the guest for: KEY=VALUE words. */
#ifndef GUEST_ARGS_H
#define GUEST_ARGS_H

#include <stdint.h>

#include "minivmm/catalog.h"

/* A field for each parameter: the number, or which of the two words. */
struct params {
	const struct scenario *scenario;
#define X(key, ...) uint64_t key;
	MV_NUMBERS(X)
	MV_CHOICES(X)
#undef X
};

/* The values of the latter, as PARAM_<key>_<word>. */
#define X(key, first, second, summary) enum { PARAM_##key##_##first, PARAM_##key##_##second };
MV_CHOICES(X)
#undef X

/* Parses the words. Ends the run with one line if they are not right. */
void args_parse(const char *args, struct params *ret_params);

/* How many of so many vCPUs each shoots. Ends the run with one line if there are too few. */
uint32_t args_nr_targets(const struct params *params, uint32_t nr_vcpus);

/* Ends the string at the next `mark`; returns what follows, "" if there is none. */
char *args_split(char *text, char mark);

/* The number, or UINT64_MAX if it is none or has more than nine digits. */
uint64_t args_number(const char *text);

#endif
