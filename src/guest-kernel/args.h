/* SPDX-License-Identifier: MIT */
/* What the user asked the guest for: KEY=VALUE words. */
#ifndef GUEST_ARGS_H
#define GUEST_ARGS_H

#include <stdint.h>

struct params {
	const struct scenario *scenario;
	uint64_t work_us;  /* storm: work between two shootdowns of a vCPU */
	uint64_t chunk_kb; /* ebizzy: size of an allocation */
};

/* Parses the words. Ends the run with one line if they are not right. */
void args_parse(const char *args, struct params *ret_params);

#endif
