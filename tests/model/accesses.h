/* SPDX-License-Identifier: MIT */
/*
 * Every memory access of the shipped code as a step of the explorer.
 *
 * The shipped files are compiled with -fsanitize=thread, whose calls before each access and
 * in place of each atomic operation are accesses.c, and not ThreadSanitizer's library. So no
 * access goes unseen, whether its author thought of the explorer or not.
 *
 * Only what is shared is a step: memory that two threads touch, and that one of them
 * writes. Which that is, is found out on the way: when a second thread touches something,
 * the search is of no use any more and begins again (accesses_have_grown()).
 *
 * A thread that reads once more, in the same place and with no write of its own in between,
 * what it has read before, is waiting: it gets no step until something that it reads in its loop
 * has changed, and then has forgotten the round before.
 *
 * A store may stay in a buffer of its thread, one at a time, until it becomes visible: at the
 * latest before the thread's next store, or locked operation.
 */
#ifndef MODEL_ACCESSES_H
#define MODEL_ACCESSES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What accesses.c wants of the bed that the code runs in. */
struct accesses_bed {
	/* The thread that runs, or -1: nobody is to be scheduled. */
	int (*thread)(void);
	/* Whether it executes the guest's code, whose loops are not the host's. */
	bool (*is_in_guest)(void);
	/* Whether nothing is shared here: a stack. */
	bool (*is_private)(uintptr_t address);
	/* What the bytes at an address are called, for the counter-example. */
	void (*name)(uintptr_t address, char *text, size_t bytes);
	/* Hands control over before the thread takes this step. */
	void (*step)(const char *name, bool (*is_enabled)(unsigned thread));
};

/* Forgets which memory is shared. */
void accesses_init(const struct accesses_bed *bed, bool with_store_buffers);

/* Before each run of the system. */
void accesses_reset(void);

/* Whether memory has turned out to be shared that was not known to be. Asked once. */
bool accesses_have_grown(void);

/* A hash of all that is shared. */
uint64_t accesses_hash(void);

/* The thread's store becomes visible, if one is in its buffer. */
bool accesses_buffer_is_full(unsigned thread);
void accesses_drain(unsigned thread);

/* Prints what has changed since the last call. */
void accesses_print_changes(void);

/* A store by the bed's own code, like one of the shipped code. */
void accesses_store8(uint8_t *address, uint8_t value);

/* The bed's own code reads or writes this within a step of its own. */
void accesses_note(const void *address, size_t bytes, bool writes);

#endif
