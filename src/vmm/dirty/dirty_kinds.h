/* SPDX-License-Identifier: MIT */
/* The ways of finding out which pages a guest has written. */
#ifndef VMM_DIRTY_KINDS_H
#define VMM_DIRTY_KINDS_H

/* X(id, name, summary): --dirty. */
#define DIRTY_KINDS(X)                                                                     \
	X(none, "none", "no page is tracked")                                              \
	X(bitmap, "bitmap", "a bit for each page: KVM_GET_DIRTY_LOG, KVM_CLEAR_DIRTY_LOG") \
	X(ring, "ring",                                                                    \
	  "an entry for each page written, in a ring of each vCPU: KVM_RESET_DIRTY_RINGS")

enum dirty_kind {
#define X(id, name, summary) DIRTY_##id,
	DIRTY_KINDS(X)
#undef X
};

#endif
