/* SPDX-License-Identifier: MIT */
/* The command line of `minivmm watch`. Pure. */
#ifndef VMM_WATCH_OPTIONS_H
#define VMM_WATCH_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/types.h>

#include "vcpu/base/error.h"

struct watch_options {
	pid_t pid;	      /* of the VMM */
	uint64_t time_ns;     /* 0: until it ends */
	uint64_t interval_ns; /* between two live tables */
	const char *trace;    /* a file, or NULL */
	const char *threads;  /* a pattern of names, or NULL: vCPUs */
	bool all, json, help;
};

/* 0, or -1 with EXIT_USAGE. */
int watch_options_parse(int argc, char *const argv[], struct watch_options *ret_options,
			struct error *err);

void watch_options_print_help(FILE *out);

#endif
