/* SPDX-License-Identifier: MIT */
/*
 * The manifest of a sweep: what has to be the same for its results to belong together.
 *
 * It names the version of minivmm, the guest by its hash, the number of pCPUs, and
 * the arguments of the sweep in one normal form, defaults and the seed included. The
 * matrix is made from it again when a sweep is resumed, merged or reported.
 */
#ifndef SWEEP_MANIFEST_H
#define SWEEP_MANIFEST_H

#include <json-c/json.h>

#include "vcpu/base/error.h"
#include "vmm/sweep/plan/sweep_options.h"

/* Describes a sweep. To be put; 0, or -1 with an error if the guest cannot be read. */
int manifest_make(const struct sweep_options *o, json_object **ret_manifest, struct error *err);

int manifest_read(const char *dir, json_object **ret_manifest, struct error *err);
int manifest_write(const char *dir, json_object *manifest, struct error *err);

/*
 * The options by which this sweep was made. They point into the manifest. 0, or -1
 * with EXIT_USAGE.
 */
int manifest_options(json_object *manifest, struct sweep_options *ret_options, struct error *err);

/* What two manifests differ in, in words, or NULL if they describe the same sweep. */
const char *manifest_difference(json_object *a, json_object *b);

#endif
