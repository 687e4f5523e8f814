/* SPDX-License-Identifier: MIT */
/* The kernel of an emulated machine: a file, and the modules that it has to load. */
#ifndef VMM_LAB_KERNEL_H
#define VMM_LAB_KERNEL_H

#include <limits.h>
#include <stdbool.h>

#include "vcpu/base/error.h"
#include "vmm/lab/initramfs.h"

struct lab_kernel {
	char image[PATH_MAX];
	char modules[PATH_MAX]; /* a directory, in any depth */
	bool drops_signatures;	/* of modules: to check one takes Linux 200 million instructions */
};

/*
 * Where the kernel is. What is NULL is looked for: what tests/nested/fetch_kernel has brought,
 * else the running kernel. 0, or -1 with EXIT_HOST, or EXIT_USAGE for what was given.
 */
int lab_kernel_find(struct lab_kernel *ret_kernel, const char *image, const char *modules,
		    struct error *err);

/* Whether tests/nested/fetch_kernel has put a kernel in the directory, and was not broken off. */
bool lab_kernel_fetched(struct lab_kernel *ret_kernel, const char *directory);

/*
 * Takes a module in, those that it depends on first, and appends a line for each to `list`:
 * its path inside, a blank, and `parameters` for the module itself. One that is in the list
 * stays as it is. A module without a file counts as built in unless `needed` is set: then it
 * is an error, EXIT_HOST.
 */
int lab_kernel_add_module(const struct lab_kernel *kernel, struct initramfs *fs, const char *name,
			  const char *parameters, bool needed, char list[2048], struct error *err);

#endif
