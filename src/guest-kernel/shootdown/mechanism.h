/* SPDX-License-Identifier: MIT */
/* A mechanism, as a shootdown sees it: a way to make other vCPUs flush. */
#ifndef GUEST_MECHANISM_H
#define GUEST_MECHANISM_H

#include "guest-kernel/base/targets.h"
#include "guest-kernel/cpu/percpu.h"

struct mechanism {
	const char *name;
	unsigned host; /* what it needs of the host: a set of MV_HOST_* */

	/*
	 * Returns once no target can use a translation that it cached before the call:
	 * it has flushed, or will do so before it executes its next instruction. The
	 * caller has stored its PTEs. May change `targets`. Counts what it sees and does
	 * in self->result->n.
	 */
	void (*flush_others)(struct percpu *self, struct targets *targets);
};

#endif
