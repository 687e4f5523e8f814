/* SPDX-License-Identifier: MIT */
/*
 * A systematic scheduler: runs a handful of threads through every interleaving.
 *
 * The threads are ordinary C functions that stop before each shared access. The
 * search goes breadth first over the states of the system, so that the first
 * violation found is one of the shortest. Stacks cannot be copied, so a state is
 * reached again by running its schedule from the start.
 *
 * Two schedules are taken to lead to the same state if the world, which the model
 * declares, is the same, and every thread stands where it stood having seen what
 * it saw: code is deterministic, so nothing else can differ. What a thread has
 * seen is kept as a hash of 64 bits, and so is a state: with a million states the
 * odds that two are mistaken for one are below one in ten million.
 *
 * Memory is sequentially consistent: a thread's accesses take effect one by one, in
 * the order of the code. A model that wants store buffers declares them as part
 * of its world, and a daemon thread that empties them.
 */
#ifndef MODEL_EXPLORE_H
#define MODEL_EXPLORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define EXPLORE_MAX_THREADS 8
#define EXPLORE_MAX_DEPTH   256

/* The functions get the thread's index in the model's table. */
struct explore_thread {
	const char *name;
	void (*run)(unsigned self);
	bool daemon; /* may wait for ever */
};

struct explore_model {
	const struct explore_thread *thread;
	unsigned nr_threads;
	void *world; /* all that the threads share, or remember although they forget */
	size_t world_bytes;
	void (*reset)(void);			   /* puts the world into its first state */
	const char *(*violation)(void);		   /* what is wrong with the world, or NULL */
	void (*print_changes)(const void *before); /* since then, on the current line */
	uint64_t (*hash_more)(void); /* of what else they share, outside the world; or NULL */
	/* Threads are left where they are after a run, and begun anew for the next, instead of
	 * being run to their ends. Not where sanitizers watch the stacks. */
	bool abandons_threads;
};

struct explore_move {
	uint8_t thread;
	uint8_t option;
};

struct explore_result {
	const char *violation; /* NULL: none exists */
	unsigned nr_states;
	unsigned depth; /* of the longest schedule, or of the violation */
	struct explore_move schedule[EXPLORE_MAX_DEPTH]; /* that leads to the violation */
};

/* Goes through all interleavings, or up to the first violation. */
void explore(const struct explore_model *model, struct explore_result *ret);

/* Runs a violation's schedule again and prints it, one step to a line, as TAP comments. */
void explore_print(const struct explore_model *model, const struct explore_result *result);

/* ---- for the threads of a model ------------------------------------------- */

/* What explore_choose() returns once the run is over: the thread has to return soon. */
#define EXPLORE_STOP (~0u)

/*
 * Waits until the scheduler lets this thread take one of several actions, whose
 * names are given, and returns its index. `enabled` is asked at any time which
 * actions are possible, as a set of bits; the thread is blocked while it is 0.
 */
unsigned explore_choose(const char *const *name, unsigned (*enabled)(unsigned self));

/* The same with one action that is always possible. */
void explore_step(const char *name);

/* Ends the thread here and now; does not return. In models that abandon theirs. */
void explore_finish(void);

/* The index of the thread that runs. */
unsigned explore_self(void);

/* Says what the thread learned in its step: it may act on it later. */
void explore_observe(uint64_t value);

/*
 * What the thread remembers, and that it has forgotten what happened since then.
 * Forget where nothing that was learned matters any more: it makes states equal.
 */
uint64_t explore_memory(void);
void explore_forget(uint64_t since);

#endif
