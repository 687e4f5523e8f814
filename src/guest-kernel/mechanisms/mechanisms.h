/* SPDX-License-Identifier: MIT */
/* The mechanisms. Each is a file here and a row of the catalog. */
#ifndef GUEST_MECHANISMS_H
#define GUEST_MECHANISMS_H

#include "guest-kernel/shootdown/mechanism.h"
#include "minivmm/catalog.h"

/* Each file defines one function: what struct mechanism calls flush_others. */
#define X(id, name, host, summary) \
	void id##_flush_others(struct percpu *self, struct targets *targets);
MV_MECHANISMS(X)
#undef X

/* The mechanism of this name, or NULL. */
const struct mechanism *mechanism_find(const char *name);

#endif
