/* SPDX-License-Identifier: MIT */
/* The protocol between one host and two initiators, as a model to explore. */
#ifndef MODEL_SHOOTDOWN_MODEL_H
#define MODEL_SHOOTDOWN_MODEL_H

#include "explore.h"

/*
 * X(id, name, what is broken). Names that are also in the catalog mean the same. In the
 * first NR_SOUND nothing is: they are mechanisms that have to hold.
 */
#define VARIANTS(X)                                                                             \
	X(CORRECT, "shipped", "nothing")                                                        \
	X(RECHECK, "pv-recheck", "nothing: the initiator goes on looking while it waits")       \
	X(SKIP_DEFERRED_FLUSH, "skip-deferred-flush",                                           \
	  "the host resumes a vCPU without the flush that was asked for")                       \
	X(LOSE_FLUSH_BIT, "lose-flush-bit", "the host marks with a plain store")                \
	X(MARK_WHILE_RUNNING, "mark-while-running",                                             \
	  "the host marks a vCPU that still executes guest code")                               \
	X(CLEAR_AFTER_FLUSH, "clear-after-flush",                                               \
	  "the host flushes first and takes the byte later")                                    \
	X(READ_THEN_CLEAR, "read-then-clear", "the host reads the byte, then stores 0")         \
	X(TEST_WITH_EQUALS, "test-with-equals", "the host tests the byte with == instead of &") \
	X(ENTER_BEFORE_FLUSH, "enter-before-flush", "the host flushes only after the entry")    \
	X(MARK_IN_MID_INSTRUCTION, "mark-in-mid-instruction",                                   \
	  "the host marks a vCPU between an instruction's translation and its access")          \
	X(SKIP_IPI_FLUSH, "skip-ipi-flush", "the IPI handler acknowledges without flushing")    \
	X(ACK_BEFORE_FLUSH, "ack-before-flush", "the IPI handler acknowledges, then flushes")   \
	X(TICKET_AFTER_FLUSH, "ticket-after-flush",                                             \
	  "the IPI handler flushes, then reads the ticket that it acknowledges")                \
	X(DO_NOT_WAIT, "do-not-wait", "the initiator sends the IPI and goes on")                \
	X(INVERTED_CMPXCHG, "inverted-cmpxchg",                                                 \
	  "the initiator takes a failed compare-and-exchange for a deferred flush")             \
	X(BLIND_STORE, "blind-store", "the initiator stores 3 without comparing")               \
	X(TWO_READS, "two-reads",                                                               \
	  "the initiator tests one reading of the byte and compares with another")              \
	X(SHORTCUT_ON_PENDING, "shortcut-on-pending",                                           \
	  "the initiator goes on without a locked operation when the byte is already 3")        \
	X(RECHECK_BY_LOOK, "recheck-by-look",                                                   \
	  "the initiator stops waiting for a target that it merely sees preempted")             \
	X(DEFER_BEFORE_PTE, "defer-before-pte", "the initiator stores the PTE after the request")

enum variant {
#define X(id, name, summary) id,
	VARIANTS(X)
#undef X
		NR_VARIANTS,
	NR_SOUND = RECHECK + 1,
};

/* The model with the given part broken. One at a time: it is a single object. */
const struct explore_model *shootdown_model(enum variant variant);

#endif
