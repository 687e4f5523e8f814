/* SPDX-License-Identifier: MIT */
/*
 * ebizzy: every vCPU allocates, copies, searches and frees; each free shoots.
 *
 * After the benchmark of that name, run as `ebizzy -M`, which models a web
 * application server: its threads allocate a chunk with mmap, copy records into it,
 * search for one, and give it back with munmap, which has to shoot down all the
 * others. One operation is one such record, as in its own records/s.
 */
#include "guest-kernel/base/lib.h"
#include "guest-kernel/base/memory.h"
#include "guest-kernel/cpu/paging.h"
#include "guest-kernel/scenarios/args.h"
#include "guest-kernel/scenarios/scenario.h"
#include "guest-kernel/shootdown/oracle.h"
#include "guest-kernel/shootdown/shootdown.h"

#define SEARCHES 16 /* in each copy */

/* The stamp says which copy a record belongs to: a stale translation shows another. */
struct record {
	uint64_t key;
	uint64_t stamp;
};

#define RECORDS_PER_PAGE (PAGE_BYTES / sizeof(struct record))

static uint32_t chunk_pages;
static struct record *source; /* what is copied: a chunk of records, sorted by key */

/* Keys with gaps, so that most searches end between two records. */
static uint64_t key_of_record(uint64_t i)
{
	return 3 * i;
}

static uint64_t nr_records(void)
{
	return chunk_pages * RECORDS_PER_PAGE;
}

static void ebizzy_init(const struct params *params, uint32_t nr_vcpus)
{
	chunk_pages = (uint32_t)((params->chunk_kb * 1024 + PAGE_BYTES - 1) / PAGE_BYTES);
	source = memory_take_pages(chunk_pages);
	for (uint64_t i = 0; i < nr_records(); i++)
		source[i].key = key_of_record(i);

	paging_add_arenas(nr_vcpus);
	for (uint32_t i = 0; i < nr_vcpus; i++)
		percpus[i].chunk = memory_take_pages(chunk_pages);
}

/*
 * The allocator: chunks follow each other through the arena, and begin again at its
 * start when it is used up. A chunk always has the same memory, but turned by a page
 * with each round, so that no address is mapped to the same page twice in a row.
 */
static struct range chunk_alloc(const struct percpu *self)
{
	uint32_t first = (uint32_t)(self->rounds % (ARENA_PAGES / chunk_pages)) * chunk_pages;
	struct range range = {
		.gva = paging_arena_gva(self->index) + first * (uint64_t)PAGE_BYTES,
		.entry = &self->arena_table[first],
		.nr_pages = chunk_pages,
	};

	for (uint32_t i = 0; i < chunk_pages; i++) {
		uint64_t page = (i + self->rounds) % chunk_pages;
		paging_store(&range.entry[i], paging_entry(self->chunk + page * PAGE_BYTES));
	}
	return range;
}

static void chunk_fill(struct record *chunk, uint64_t stamp)
{
	for (uint64_t i = 0; i < nr_records(); i++) {
		chunk[i].key = source[i].key;
		chunk[i].stamp = stamp;
	}
}

/* The last record whose key is not greater. */
static const struct record *chunk_search(const struct record *chunk, uint64_t key)
{
	uint64_t low = 0, high = nr_records();

	while (high - low > 1) {
		uint64_t middle = (low + high) / 2;

		if (chunk[middle].key <= key)
			low = middle;
		else
			high = middle;
	}
	return &chunk[low];
}

/* xorshift64, Marsaglia 2003. The state is never 0. */
static uint64_t next_random(struct percpu *self)
{
	self->random ^= self->random << 13;
	self->random ^= self->random >> 7;
	self->random ^= self->random << 17;
	return self->random;
}

static void search_random(struct percpu *self, const struct record *chunk, uint64_t stamp)
{
	uint64_t key = next_random(self) % key_of_record(nr_records());
	const struct record *found = chunk_search(chunk, key);

	oracle_count(&self->result->n, (uint64_t)found, stamp, found->stamp);
}

static void ebizzy_round(struct percpu *self)
{
	struct range range = chunk_alloc(self);
	struct record *chunk = (struct record *)range.gva;
	uint64_t stamp = ++self->rounds;

	chunk_fill(chunk, stamp);
	for (unsigned i = 0; i < SEARCHES; i++) {
		search_random(self, chunk, stamp);
		scenario_read_next(self);
	}
	shootdown(self, &range, NULL);
	self->result->n.ops++;
}

const struct scenario scenario_ebizzy = {
	.ops_unit = "records",
	.init = ebizzy_init,
	.round = ebizzy_round,
};
