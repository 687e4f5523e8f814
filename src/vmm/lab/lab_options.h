/* SPDX-License-Identifier: MIT */
/* The command line of `minivmm lab`. Pure. */
#ifndef VMM_LAB_OPTIONS_H
#define VMM_LAB_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "vcpu/base/error.h"

#define LAB_MAX_PCPUS	 32
#define LAB_MAX_INCLUDES 1024
#define LAB_MIN_MEMORY	 (256ull << 20)

enum lab_machine { LAB_SVM, LAB_VMX };

struct lab_options {
	enum lab_machine machine;
	bool shadow; /* paging by shadow page tables, not nested ones */
	unsigned pcpus;
	uint64_t memory_bytes;
	const char *kernel, *modules; /* NULL: looked for */
	const char *keep;	      /* a directory, or NULL */
	uint64_t timeout_ns;	      /* 0: none */
	bool shell, exec, help;
	bool repeatable;    /* same arguments, same bytes */
	bool machine_given; /* by --machine */
	unsigned nr_includes;
	const char *include[LAB_MAX_INCLUDES];
	bool operand; /* the first word that is no option of lab's has been seen */
};

/*
 * Takes lab's own options. *ret_rest is the index of the first word of the command, or argc.
 * 0, or -1 with EXIT_USAGE.
 */
int lab_options_parse(int argc, char *const argv[], struct lab_options *ret_options, int *ret_rest,
		      struct error *err);

void lab_options_print_help(FILE *out);

#endif
