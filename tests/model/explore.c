/* SPDX-License-Identifier: MIT */
/* A systematic scheduler: breadth-first search over the schedules of a model. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "coroutine.h"
#include "explore.h"

/* One thread of the system being run. */
struct thread {
	struct coroutine co;
	const char *const *name; /* of the actions it may take next */
	unsigned (*enabled)(unsigned self);
	unsigned option; /* the one that was chosen for it */
	uint64_t trail;	 /* hash of where it stands and what it has seen */
};

static struct thread threads[EXPLORE_MAX_THREADS];
static struct thread *current;
static const struct explore_model *running;
static bool stopping;

/* ---- hashing -------------------------------------------------------------- */

static uint64_t mix(uint64_t hash, uint64_t value)
{
	hash = (hash ^ value) * 0x9e3779b97f4a7c15ull;
	return hash ^ (hash >> 29);
}

static unsigned enabled_options(unsigned thread)
{
	return threads[thread].co.finished ? 0 : threads[thread].enabled(thread);
}

/* A thread that waits, having looked in vain, stands elsewhere than one that has yet to look. */
static uint64_t hash_state(const struct explore_model *model)
{
	const uint8_t *world = model->world;
	uint64_t hash = 1;

	for (size_t i = 0; i < model->world_bytes; i++)
		hash = mix(hash, world[i]);
	if (model->hash_more)
		hash = mix(hash, model->hash_more());
	for (unsigned i = 0; i < model->nr_threads; i++) {
		hash = mix(hash, threads[i].co.finished ? 0 : threads[i].trail);
		hash = mix(hash, enabled_options(i));
	}
	return hash;
}

/* ---- what threads call ---------------------------------------------------- */

unsigned explore_choose(const char *const *name, unsigned (*enabled)(unsigned self))
{
	struct thread *self = current;

	if (stopping)
		return EXPLORE_STOP;
	self->name = name;
	self->enabled = enabled;
	self->trail = mix(self->trail, (uintptr_t)name[0]);
	coroutine_yield(&self->co);
	if (stopping)
		return EXPLORE_STOP;
	self->trail = mix(self->trail, self->option);
	return self->option;
}

static unsigned always(unsigned self)
{
	(void)self;
	return 1;
}

void explore_step(const char *name)
{
	explore_choose(&name, always);
}

unsigned explore_self(void)
{
	return (unsigned)(current - threads);
}

void explore_observe(uint64_t value)
{
	current->trail = mix(current->trail, value);
}

uint64_t explore_memory(void)
{
	return current->trail;
}

void explore_forget(uint64_t since)
{
	current->trail = since;
}

void explore_finish(void)
{
	current->co.finished = 1;
	coroutine_yield(&current->co);
}

/* ---- one run of the system ------------------------------------------------ */

static void thread_main(void)
{
	running->thread[explore_self()].run(explore_self());
}

static void run_thread(struct thread *thread)
{
	current = thread;
	coroutine_resume(&thread->co);
}

/* Every thread runs up to its first step. */
static void system_start(const struct explore_model *model)
{
	running = model;
	stopping = false;
	model->reset();
	for (unsigned i = 0; i < model->nr_threads; i++) {
		threads[i].trail = 1;
		coroutine_init(&threads[i].co, thread_main);
		run_thread(&threads[i]);
	}
}

/* Lets every thread run to its end, so that no stack is left half unwound. */
static void system_stop(const struct explore_model *model)
{
	if (model->abandons_threads)
		return;
	stopping = true;
	for (unsigned i = 0; i < model->nr_threads; i++)
		if (!threads[i].co.finished)
			run_thread(&threads[i]);
}

static void system_move(struct explore_move move)
{
	threads[move.thread].option = move.option;
	run_thread(&threads[move.thread]);
}

static unsigned system_list_moves(const struct explore_model *model, struct explore_move *ret_moves)
{
	unsigned nr = 0;

	for (unsigned t = 0; t < model->nr_threads; t++)
		for (unsigned set = enabled_options(t); set; set &= set - 1)
			ret_moves[nr++] = (struct explore_move){
				.thread = (uint8_t)t,
				.option = (uint8_t)__builtin_ctz(set),
			};
	return nr;
}

static const char *system_deadlock(const struct explore_model *model)
{
	for (unsigned t = 0; t < model->nr_threads; t++)
		if (enabled_options(t))
			return NULL;
	for (unsigned t = 0; t < model->nr_threads; t++)
		if (!threads[t].co.finished && !model->thread[t].daemon)
			return "somebody waits for ever";
	return NULL;
}

static const char *system_violation(const struct explore_model *model)
{
	const char *violation = model->violation();

	return violation ? violation : system_deadlock(model);
}

/* ---- the states that were seen -------------------------------------------- */

/* A state is reached from its parent's by one move. */
struct node {
	uint32_t parent;
	struct explore_move move;
	uint16_t depth;
};

struct search {
	struct node *node; /* in the order found, which is the order to expand them in */
	size_t nr_nodes;
	size_t max_nodes;
	uint64_t *seen;	 /* open addressing; 0 is free */
	size_t nr_slots; /* a power of two, at least twice max_nodes */
};

static void *allocate(size_t nr, size_t bytes)
{
	void *memory = calloc(nr, bytes);

	if (!memory) {
		perror("explore: calloc");
		exit(EXIT_FAILURE);
	}
	return memory;
}

static void search_insert(struct search *s, uint64_t hash)
{
	size_t slot = hash & (s->nr_slots - 1);

	while (s->seen[slot])
		slot = (slot + 1) & (s->nr_slots - 1);
	s->seen[slot] = hash;
}

static bool search_contains(const struct search *s, uint64_t hash)
{
	for (size_t slot = hash & (s->nr_slots - 1); s->seen[slot];
	     slot = (slot + 1) & (s->nr_slots - 1))
		if (s->seen[slot] == hash)
			return true;
	return false;
}

static void search_grow(struct search *s)
{
	struct search old = *s;

	s->max_nodes = old.max_nodes ? old.max_nodes * 2 : 1 << 16;
	s->nr_slots = s->max_nodes * 2;
	s->node = allocate(s->max_nodes, sizeof(*s->node));
	s->seen = allocate(s->nr_slots, sizeof(*s->seen));
	if (old.node)
		memcpy(s->node, old.node, old.nr_nodes * sizeof(*s->node));
	for (size_t i = 0; i < old.nr_slots; i++)
		if (old.seen[i])
			search_insert(s, old.seen[i]);
	free(old.node);
	free(old.seen);
}

/* Adds the state that the system is in, unless it was seen before. */
static void search_add(struct search *s, uint64_t hash, struct node node)
{
	hash = hash ? hash : 1;
	if (search_contains(s, hash))
		return;
	if (s->nr_nodes == s->max_nodes)
		search_grow(s);
	search_insert(s, hash);
	s->node[s->nr_nodes++] = node;
}

/* ---- the search ----------------------------------------------------------- */

static void schedule_of(const struct search *s, size_t index, struct explore_move *ret_schedule)
{
	for (; s->node[index].depth > 0; index = s->node[index].parent)
		ret_schedule[s->node[index].depth - 1] = s->node[index].move;
}

static void system_replay(const struct explore_model *model, const struct explore_move *schedule,
			  unsigned length)
{
	system_start(model);
	for (unsigned i = 0; i < length; i++)
		system_move(schedule[i]);
}

/* Makes every possible move from one state; stops at a violation. */
static void search_expand(struct search *s, const struct explore_model *model, uint32_t index,
			  struct explore_result *result)
{
	struct explore_move moves[EXPLORE_MAX_THREADS * 32];
	unsigned depth = s->node[index].depth;

	schedule_of(s, index, result->schedule);
	if (depth == EXPLORE_MAX_DEPTH) {
		result->violation = "the schedule is longer than EXPLORE_MAX_DEPTH";
		result->depth = depth;
		return;
	}
	system_replay(model, result->schedule, depth);
	unsigned nr_moves = system_list_moves(model, moves);

	for (unsigned i = 0; i < nr_moves && !result->violation; i++) {
		if (i > 0)
			system_replay(model, result->schedule, depth);
		result->schedule[depth] = moves[i];
		system_move(moves[i]);
		result->violation = system_violation(model);
		search_add(s, hash_state(model),
			   (struct node){ index, moves[i], (uint16_t)(depth + 1) });
		system_stop(model);
	}
	if (nr_moves == 0)
		system_stop(model);
	result->depth = depth + (nr_moves > 0);
}

void explore(const struct explore_model *model, struct explore_result *ret)
{
	struct search s = { 0 };

	memset(ret, 0, sizeof(*ret));
	search_grow(&s);
	system_start(model);
	ret->violation = system_violation(model);
	search_add(&s, hash_state(model), (struct node){ 0 });
	system_stop(model);

	for (size_t i = 0; i < s.nr_nodes && !ret->violation; i++)
		search_expand(&s, model, (uint32_t)i, ret);
	ret->nr_states = (unsigned)s.nr_nodes;
	free(s.node);
	free(s.seen);
}

/* ---- the counter-example -------------------------------------------------- */

void explore_print(const struct explore_model *model, const struct explore_result *result)
{
	void *before = allocate(1, model->world_bytes);

	system_start(model);
	for (unsigned i = 0; i < result->depth; i++) {
		struct explore_move move = result->schedule[i];

		printf("# %3u. %-12s %s", i + 1, model->thread[move.thread].name,
		       threads[move.thread].name[move.option]);
		memcpy(before, model->world, model->world_bytes);
		system_move(move);
		model->print_changes(before);
		printf("\n");
	}
	printf("#   => %s\n", result->violation);
	system_stop(model);
	free(before);
}
