/* SPDX-License-Identifier: MIT */
/*
 * The oracle: notices when a vCPU uses a translation after the shootdown that ended it.
 *
 * Generations. A page holds the number of the epoch in which it is mapped. With each
 * shootdown the initiator maps the page of the next epoch, and when the shootdown is
 * complete it publishes the lowest generation that may still be seen, and
 * then poisons the page given up. A reader loads what is published, reads
 * through the mapping, and compares: a smaller number, or poison, came through a
 * translation that should be gone. A larger number is fine: the initiator has gone
 * on in the meantime. Each epoch has a page of its own, eight in rotation; with two
 * that alternate, the page that a stale translation leads to would soon
 * hold a number that is fine again.
 *
 * Two mappings are checked. The *window* of an initiator is one page, shared by
 * all vCPUs, remapped with every shootdown. That alone is not sharp: on a KVM with
 * shadow page tables, a flush of one vCPU brings the shadow of that shared
 * leaf table up to date for all vCPUs, and thus hides the missing flush of another.
 * So each vCPU also has a leaf table that nobody else uses, with a *witness* page
 * for each initiator in it. Only its own flushes bring the shadow of that one up to date.
 * An initiator remaps at most one witness with each shootdown: its own and those of
 * its targets in turn, each once in WITNESS_TURNS shootdowns or less. To remap and
 * to read a page anew costs faults there, and what the oracle costs a vCPU
 * should not depend on how many there are.
 *
 * Only the initiator and its targets read what it maps: nobody makes the others forget
 * it. Targets read all the time. The initiator reads when its own witness is remapped:
 * before the shootdown, so that its TLB has the old translations, and after it, when its
 * local flush has to have removed them.
 */
#include "guest-kernel/shootdown/oracle.h"

#include "guest-kernel/base/memory.h"
#include "guest-kernel/cpu/instructions.h"
#include "guest-kernel/cpu/paging.h"

#define EPOCH_PAGES (sizeof(((struct epochs *)0)->page) / sizeof(uint64_t *))

/*
 * What is published about witnesses is one word: the epoch that every one of them has
 * at least, and how many have the next one already.
 */
#define WITNESS_DONE_BITS 16

/* An epoch of witnesses lasts so many shootdowns, or more if there are more witnesses. */
#define WITNESS_TURNS 8

static uint64_t *epoch_page(const struct epochs *epochs, uint64_t epoch)
{
	return epochs->page[epoch % EPOCH_PAGES];
}

uint64_t oracle_epochs_init(struct epochs *epochs)
{
	for (unsigned i = 0; i < EPOCH_PAGES; i++)
		epochs->page[i] = memory_take_page();
	epochs->current = 1;
	*epoch_page(epochs, 1) = 1;
	return paging_entry(epoch_page(epochs, 1));
}

uint64_t oracle_epoch_open_next(struct epochs *epochs)
{
	uint64_t *page = epoch_page(epochs, epochs->current + 1);

	__atomic_store_n(page, epochs->current + 1, __ATOMIC_RELEASE);
	return paging_entry(page);
}

void oracle_epoch_close(struct epochs *epochs)
{
	__atomic_store_n(epoch_page(epochs, epochs->current), MV_POISON, __ATOMIC_RELEASE);
	epochs->current++;
}

/* The rank of a reader is how far it comes after the initiator, which has rank 0 itself. */
static uint32_t reader_of_rank(const struct percpu *initiator, uint32_t rank)
{
	return targets_after(initiator->index, rank, initiator->nr_vcpus);
}

static uint32_t rank_of_reader(uint32_t initiator, const struct percpu *reader)
{
	return targets_distance(initiator, reader->index, reader->nr_vcpus);
}

static uint32_t nr_witnesses(const struct percpu *initiator)
{
	return 1 + initiator->nr_targets;
}

static void witness_map(const struct percpu *initiator, uint32_t rank, uint64_t entry)
{
	struct percpu *reader = &percpus[reader_of_rank(initiator, rank)];

	paging_store(&reader->witness_table[initiator->index], entry);
}

/* The readers of the first `done` ranks have the epoch after the current one already. */
static void publish_witnesses(struct percpu *initiator, uint32_t done)
{
	uint64_t word = initiator->witness.current << WITNESS_DONE_BITS | done;

	__atomic_store_n(&initiator->witness_min, word, __ATOMIC_RELEASE);
}

static void initiator_init(struct percpu *initiator)
{
	paging_store(initiator->window_table, oracle_epochs_init(&initiator->window));
	initiator->window_min = 1;

	uint64_t entry = oracle_epochs_init(&initiator->witness);
	for (uint32_t rank = 0; rank < nr_witnesses(initiator); rank++)
		witness_map(initiator, rank, entry);
	publish_witnesses(initiator, 0);
}

void oracle_init(uint32_t nr_vcpus)
{
	for (uint32_t i = 0; i < nr_vcpus; i++)
		initiator_init(&percpus[i]);
}

static bool witness_is_due(const struct percpu *initiator)
{
	return initiator->witness_turn < nr_witnesses(initiator);
}

bool oracle_watches_self(const struct percpu *initiator)
{
	return initiator->witness_turn == 0;
}

void oracle_prepare(struct percpu *initiator)
{
	if (oracle_watches_self(initiator))
		oracle_check(initiator, initiator->index);
}

void oracle_remap(struct percpu *initiator)
{
	paging_store(initiator->window_table, oracle_epoch_open_next(&initiator->window));
	if (witness_is_due(initiator))
		witness_map(initiator, initiator->witness_turn,
			    oracle_epoch_open_next(&initiator->witness));
}

static void witness_complete(struct percpu *initiator)
{
	uint32_t done = initiator->witness_turn + 1;

	if (done == nr_witnesses(initiator)) {
		oracle_epoch_close(&initiator->witness);
		done = 0;
	}
	publish_witnesses(initiator, done);
}

static void next_turn(struct percpu *initiator)
{
	uint32_t turn = initiator->witness_turn + 1;

	initiator->witness_turn = turn < nr_witnesses(initiator) || turn < WITNESS_TURNS ? turn : 0;
}

void oracle_complete(struct percpu *initiator)
{
	oracle_epoch_close(&initiator->window);
	__atomic_store_n(&initiator->window_min, initiator->window.current, __ATOMIC_RELEASE);
	if (witness_is_due(initiator))
		witness_complete(initiator);
	if (oracle_watches_self(initiator))
		oracle_check(initiator, initiator->index);
	next_turn(initiator);
}

static __attribute__((noinline)) void count_stale(struct mv_counters *n, uint64_t gva,
						  uint64_t allowed, uint64_t seen)
{
	if (n->stale_reads++)
		return;
	n->stale_expected = allowed;
	n->stale_seen = seen;
	n->stale_gva = gva;
}

void oracle_count(struct mv_counters *n, uint64_t gva, uint64_t allowed, uint64_t seen)
{
	n->oracle_reads++;
	if (seen < allowed || seen == MV_POISON)
		count_stale(n, gva, allowed, seen);
}

/* Both loads acquire, so that the mapping is read after what is published about it. */
void oracle_check(struct percpu *reader, uint32_t initiator)
{
	struct percpu *from = &percpus[initiator];
	struct mv_counters *n = &reader->result->n;

	uint64_t allowed = __atomic_load_n(&from->window_min, __ATOMIC_ACQUIRE);
	uint64_t gva = paging_window_gva(initiator);
	oracle_count(n, gva, allowed, read_mapped64(gva));

	uint64_t word = __atomic_load_n(&from->witness_min, __ATOMIC_ACQUIRE);
	uint64_t done = word & ((1ull << WITNESS_DONE_BITS) - 1);
	allowed = (word >> WITNESS_DONE_BITS) + (rank_of_reader(initiator, reader) < done);
	gva = paging_witness_gva(initiator);
	oracle_count(n, gva, allowed, read_mapped64(gva));
}
