/* SPDX-License-Identifier: MIT */
/* What every command does when it has printed what was asked for. */
#include "vmm/base/printing.h"

#include <stdio.h>

#include "vcpu/base/error.h"

int finish_printing(void)
{
	if (fflush(stdout) == 0 && !ferror(stdout))
		return EXIT_PASS;
	perror("minivmm: standard output");
	return EXIT_HOST;
}
