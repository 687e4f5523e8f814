/* SPDX-License-Identifier: MIT */
/*
 * Processes that share a file: does anybody read a page that was removed from it?
 *
 * A process on each CPU owns a page of the file and removes it again and again, by
 * madvise(MADV_REMOVE): the kernel takes the page out of all their address spaces, and has each CPU
 * flush that runs one of them. Then the owner writes the next generation, into a new page.
 *
 * What sets this apart from threads: each process has page tables of its own, and the CPU that
 * changes another's does not flush that one's translations for itself. Where KVM has shadow page
 * tables, which all vCPUs share, a flush of any vCPU that uses them makes all of
 * them as the guest's are; so among threads the initiator's own flush mends what its targets omit.
 */
#define _GNU_SOURCE
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "linux_guest.h"

#define READS_PER_TAKE 400 /* rounds over all pages */
#define TURN_NS	       100000000u
#define POISON	       1 /* no generation */
#define TRAP_PAGES     4
#define TRAP_BYTES     (TRAP_PAGES * (size_t)PAGE_BYTES)

/* How far a generation has been replaced. Generations are multiples of GENERATION. */
enum { HOLDS, BEING_REMOVED, REMOVED, GENERATION = 4 };

/* What the processes share beside their files. */
struct shared {
	struct owner {
		uint64_t state; /* a generation, plus how far it has been replaced */
		char line[64 - sizeof(uint64_t)];
	} owner[MAX_CPUS];
	struct counts counts[MAX_CPUS];
	uint64_t replaced; /* a page, at least once */
	uint64_t found;	   /* somebody has read something stale */
};

static struct shared *shared;
static unsigned nr_pages;
static int file[MAX_CPUS]; /* of one page each */
static bool until_found;
static uint64_t end_ns;

static void *map(size_t bytes, int flags, int fd)
{
	void *at = mmap(NULL, bytes, PROT_READ | PROT_WRITE, flags, fd, 0);

	if (at == MAP_FAILED)
		fail("mmap");
	return at;
}

/* ---- reading --------------------------------------------------------------------- */

/* What a page whose owner is in this state can hold. Removed, it is a hole or has been written. */
static bool is_right(uint64_t state, uint64_t seen)
{
	switch (state % GENERATION) {
	case HOLDS:
		return seen == state;
	case REMOVED:
		return seen == 0 || seen == state - REMOVED + GENERATION;
	}
	return true;
}

/* Between two equal looks at the owner's state the page is what it says, or is the wrong one. */
static void read_all(uint64_t *const page[], struct counts *own)
{
	for (unsigned i = 0; i < nr_pages; i++) {
		uint64_t *at = &shared->owner[i].state;
		uint64_t state = __atomic_load_n(at, __ATOMIC_SEQ_CST);
		uint64_t seen = __atomic_load_n(page[i], __ATOMIC_SEQ_CST);

		if (__atomic_load_n(at, __ATOMIC_SEQ_CST) != state)
			continue;
		own->reads++;
		if (!is_right(state, seen))
			count_stale(own, state, seen);
	}
}

static void read_many(uint64_t *const page[], struct counts *own)
{
	for (unsigned i = 0; i < READS_PER_TAKE; i++)
		read_all(page, own);
	if (own->stale)
		__atomic_store_n(&shared->found, 1, __ATOMIC_RELAXED);
}

/* ---- replacing ------------------------------------------------------------------- */

/*
 * The memory that was freed last is given out first, and would become the next generation's page:
 * who still had the old translation would then read what he should. So it becomes a page of the
 * owner's before, and is poisoned. Two sets in turn: one is freed when the other holds what it
 * should.
 */
static void spring_trap(uint8_t *traps, uint64_t generation)
{
	uint8_t *fresh = traps + generation / GENERATION % 2 * TRAP_BYTES;
	uint8_t *used = traps + (generation / GENERATION + 1) % 2 * TRAP_BYTES;

	for (size_t at = 0; at < TRAP_BYTES; at += PAGE_BYTES)
		__atomic_store_n((uint64_t *)(fresh + at), POISON, __ATOMIC_SEQ_CST);
	if (madvise(used, TRAP_BYTES, MADV_DONTNEED))
		fail("madvise");
}

static void write_generation(unsigned owner, uint64_t generation)
{
	if (pwrite(file[owner], &generation, sizeof(generation), 0) != sizeof(generation))
		fail("pwrite");
}

static void replace(uint64_t *const page[], uint8_t *traps, unsigned owner)
{
	uint64_t *state = &shared->owner[owner].state;
	uint64_t old = *state, next = old + GENERATION;

	__atomic_store_n(state, old + BEING_REMOVED, __ATOMIC_SEQ_CST);
	if (madvise(page[owner], PAGE_BYTES, MADV_REMOVE))
		fail("madvise");
	__atomic_store_n(state, old + REMOVED, __ATOMIC_SEQ_CST);
	read_many(page, &shared->counts[owner]); /* the others have time to look */
	spring_trap(traps, next);
	write_generation(owner, next);
	__atomic_store_n(state, next, __ATOMIC_SEQ_CST);
	shared->counts[owner].takes++;
	__atomic_store_n(&shared->replaced, 1, __ATOMIC_RELAXED);
}

/* One owner at a time: the others run without being interrupted, or are preempted. */
static bool has_turn(unsigned owner)
{
	return now_ns() / TURN_NS % nr_pages == owner;
}

/* ---- processes ------------------------------------------------------------------- */

static bool is_over(void)
{
	bool found = until_found && __atomic_load_n(&shared->found, __ATOMIC_RELAXED);

	return found ||
	       (now_ns() >= end_ns && __atomic_load_n(&shared->replaced, __ATOMIC_RELAXED));
}

static void work(unsigned cpu)
{
	uint8_t *traps = map(2 * TRAP_BYTES, MAP_PRIVATE | MAP_ANONYMOUS, -1);
	uint64_t *page[MAX_CPUS];

	pin_to_cpu(cpu);
	for (unsigned i = 0; i < nr_pages; i++)
		page[i] = map(PAGE_BYTES, MAP_SHARED, file[i]);
	while (!is_over()) {
		read_many(page, &shared->counts[cpu]);
		if (has_turn(cpu))
			replace(page, traps, cpu);
	}
}

static void create_files(void)
{
	for (unsigned i = 0; i < nr_pages; i++) {
		file[i] = memfd_create("page", 0);
		if (file[i] < 0 || ftruncate(file[i], PAGE_BYTES))
			fail("memfd_create");
	}
}

bool check_processes(unsigned nr_cpus, uint64_t ns, bool end_when_found)
{
	bool all_ended = true;

	until_found = end_when_found;
	end_ns = now_ns() + ns;
	nr_pages = nr_cpus;
	shared = map(sizeof(*shared), MAP_SHARED | MAP_ANONYMOUS, -1);
	create_files();
	for (unsigned i = 0; i < nr_cpus; i++) {
		pid_t child = fork();
		if (child < 0)
			fail("fork");
		if (child == 0) {
			work(i);
			_exit(0);
		}
	}
	for (unsigned i = 0; i < nr_cpus; i++) {
		int status;
		all_ended &= wait(&status) > 0 && status == 0;
	}
	return report_counts("processes", shared->counts, nr_cpus) && all_ended;
}
