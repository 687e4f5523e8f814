/* SPDX-License-Identifier: MIT */
/* Every memory access of the shipped code as a step of the explorer. */
#include "accesses.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "explore.h"

enum {
	GRANULE_BYTES = 4,
	NR_SLOTS = 1 << 16, /* of memory that was touched: a power of two */
	MAX_SHARED = 256,
	MAX_LOADS = 16,	     /* of a thread since its last write */
	MAX_UNSHARED = 5000, /* accesses without a step: then a thread waits for what it reads */
	MAX_NAMES = 512,
	NAME_BYTES = 64,
};

enum access { READS, WRITES, EXCHANGES, NR_ACCESSES };

/* Who has touched four bytes, as sets of threads. */
struct granule {
	uintptr_t number; /* address / GRANULE_BYTES; 0: the slot is free */
	uint8_t readers, writers;
	bool is_shared;
};

/* What a thread has read since its last write, to find out when it goes round in a loop. */
struct load {
	const void *pc, *address;
	uint64_t value, memory_before;
	unsigned bytes;
};

struct loads {
	struct load load[MAX_LOADS];
	unsigned nr_loads;
	unsigned awaits; /* index of the first load that its loop consists of */
};

struct thread_accesses {
	struct loads by_host, by_guest;
	void *buffered; /* address of the store in its buffer; NULL: none */
	uint64_t buffered_value;
	unsigned buffered_bytes;
};

static struct granule granules[NR_SLOTS];
static uintptr_t shared[MAX_SHARED];
static uint32_t shown[MAX_SHARED]; /* what was printed of them last */
static unsigned nr_shared, nr_touched;
static unsigned nr_unshared; /* accesses since the last step */
static bool have_grown, buffers_stores;
static struct thread_accesses accesses_of[EXPLORE_MAX_THREADS];
static const struct accesses_bed *bed;

/* Where the shipped code is that calls. */
#define PC __builtin_return_address(0)

static struct name {
	uintptr_t address;
	enum access access;
	char text[NAME_BYTES];
} names[MAX_NAMES];
static unsigned nr_names;

void accesses_init(const struct accesses_bed *b, bool with_store_buffers)
{
	bed = b;
	buffers_stores = with_store_buffers;
	memset(granules, 0, sizeof(granules));
	nr_shared = nr_touched = 0;
	have_grown = false;
}

bool accesses_have_grown(void)
{
	bool grown = have_grown;

	have_grown = false;
	return grown;
}

static void fail(const char *what)
{
	fprintf(stderr, "accesses: %s\n", what);
	exit(EXIT_FAILURE);
}

/* ---- what is shared -------------------------------------------------------- */

static struct granule *granule_of(uintptr_t number)
{
	size_t slot = (number * 0x9e3779b97f4a7c15ull) >> 48;

	while (granules[slot].number && granules[slot].number != number)
		slot = (slot + 1) & (NR_SLOTS - 1);
	if (!granules[slot].number) {
		if (++nr_touched > NR_SLOTS / 2)
			fail("too much memory is touched");
		granules[slot].number = number;
	}
	return &granules[slot];
}

static bool touch(uintptr_t number, unsigned thread, bool writes)
{
	struct granule *g = granule_of(number);
	unsigned all;

	g->readers |= (uint8_t)(1u << thread);
	if (writes)
		g->writers |= (uint8_t)(1u << thread);
	all = g->readers | g->writers;
	if (!g->is_shared && ((g->writers && (all & (all - 1))) || nr_unshared > MAX_UNSHARED)) {
		if (nr_shared == MAX_SHARED)
			fail("too much memory is shared");
		g->is_shared = true;
		shared[nr_shared++] = number;
		have_grown = true;
	}
	return g->is_shared;
}

/* Whether an access is a step. */
static bool is_step(const void *address, size_t bytes, bool writes)
{
	uintptr_t from = (uintptr_t)address;
	int thread = bed ? bed->thread() : -1;
	bool any = false;

	if (thread < 0 || bed->is_private(from))
		return false;
	for (uintptr_t n = from / GRANULE_BYTES; n <= (from + bytes - 1) / GRANULE_BYTES; n++)
		any |= touch(n, (unsigned)thread, writes);
	nr_unshared = any ? 0 : nr_unshared + 1;
	return any;
}

static uint32_t granule_value(uintptr_t number)
{
	uint32_t value;

	memcpy(&value, (const void *)(number * GRANULE_BYTES), sizeof(value));
	return value;
}

void accesses_reset(void)
{
	for (unsigned t = 0; t < EXPLORE_MAX_THREADS; t++) {
		accesses_of[t].by_host.nr_loads = 0;
		accesses_of[t].by_guest.nr_loads = 0;
		accesses_of[t].buffered = NULL;
	}
	for (unsigned i = 0; i < nr_shared; i++)
		shown[i] = granule_value(shared[i]);
}

static uint64_t mix(uint64_t hash, uint64_t value)
{
	hash = (hash ^ value) * 0x9e3779b97f4a7c15ull;
	return hash ^ (hash >> 29);
}

uint64_t accesses_hash(void)
{
	uint64_t hash = 1;

	for (unsigned i = 0; i < nr_shared; i++)
		hash = mix(hash, granule_value(shared[i]));
	if (buffers_stores)
		for (unsigned t = 0; t < EXPLORE_MAX_THREADS; t++)
			hash = mix(hash,
				   accesses_of[t].buffered ? accesses_of[t].buffered_value + 1 : 0);
	return hash;
}

/* ---- names ----------------------------------------------------------------- */

static const char *name_of(enum access access, const void *address)
{
	static const char *const verb[NR_ACCESSES] = {
		[READS] = "reads", [WRITES] = "writes", [EXCHANGES] = "exchanges"
	};
	uintptr_t at = (uintptr_t)address;
	unsigned i = 0;

	while (i < nr_names && (names[i].address != at || names[i].access != access))
		i++;
	if (i == MAX_NAMES)
		fail("too many names");
	if (i == nr_names) {
		int length = snprintf(names[i].text, NAME_BYTES, "%s ", verb[access]);

		names[nr_names++] = (struct name){ at, access, "" };
		snprintf(names[i].text, NAME_BYTES, "%s ", verb[access]);
		bed->name(at, names[i].text + length, NAME_BYTES - (size_t)length);
	}
	return names[i].text;
}

void accesses_print_changes(void)
{
	for (unsigned i = 0; i < nr_shared; i++) {
		uint32_t value = granule_value(shared[i]);
		char name[NAME_BYTES];

		if (value == shown[i])
			continue;
		bed->name(shared[i] * GRANULE_BYTES, name, sizeof(name));
		printf(", %s: %u -> %u", name, shown[i], value);
		shown[i] = value;
	}
}

/* ---- store buffers --------------------------------------------------------- */

static void write_value(void *address, unsigned bytes, uint64_t value)
{
	memcpy(address, &value, bytes);
}

static uint64_t read_value(const struct thread_accesses *t, const void *address, unsigned bytes)
{
	uint64_t value = 0;

	memcpy(&value, address, bytes);
	return t->buffered == address ? t->buffered_value : value;
}

bool accesses_buffer_is_full(unsigned thread)
{
	return accesses_of[thread].buffered;
}

void accesses_drain(unsigned thread)
{
	struct thread_accesses *t = &accesses_of[thread];

	if (t->buffered)
		write_value(t->buffered, t->buffered_bytes, t->buffered_value);
	t->buffered = NULL;
}

/* ---- the accesses ---------------------------------------------------------- */

static struct loads *own_loads(void)
{
	struct thread_accesses *t = &accesses_of[bed->thread()];

	return bed->is_in_guest() ? &t->by_guest : &t->by_host;
}

static bool may_go_on(unsigned thread, const struct loads *l)
{
	const struct thread_accesses *t = &accesses_of[thread];

	for (unsigned i = l->awaits; i < l->nr_loads; i++)
		if (read_value(t, l->load[i].address, l->load[i].bytes) != l->load[i].value)
			return true;
	return false;
}

static bool guest_may_go_on(unsigned thread)
{
	return may_go_on(thread, &accesses_of[thread].by_guest);
}

static bool host_may_go_on(unsigned thread)
{
	return may_go_on(thread, &accesses_of[thread].by_host);
}

static bool always(unsigned thread)
{
	(void)thread;
	return true;
}

/* The thread reads again what it has read before: from there on it has seen nothing. */
static bool begins_again(struct loads *t, const void *pc, const void *address)
{
	for (unsigned i = 0; i < t->nr_loads; i++) {
		if (t->load[i].pc == pc && t->load[i].address == address) {
			t->awaits = i;
			return true;
		}
	}
	return false;
}

static uint64_t load(const void *address, unsigned bytes, const void *pc)
{
	uint64_t value = 0;

	if (!is_step(address, bytes, false)) {
		memcpy(&value, address, bytes);
		return value;
	}
	struct loads *l = own_loads();
	if (begins_again(l, pc, address)) {
		explore_forget(l->load[l->awaits].memory_before);
		bed->step(name_of(READS, address),
			  bed->is_in_guest() ? guest_may_go_on : host_may_go_on);
		l->nr_loads = l->awaits;
	} else {
		if (l->nr_loads == MAX_LOADS)
			l->nr_loads = 0; /* no loop that waits is so long */
		l->load[l->nr_loads].memory_before = explore_memory();
		bed->step(name_of(READS, address), always);
	}
	value = read_value(&accesses_of[bed->thread()], address, bytes);
	explore_observe((uintptr_t)pc);
	explore_observe(value);
	l->load[l->nr_loads] = (struct load){ pc, address, value,
					      l->load[l->nr_loads].memory_before, bytes };
	l->nr_loads++;
	return value;
}

static void before_write(const void *address, size_t bytes, enum access access, const void *pc)
{
	if (!is_step(address, bytes, true))
		return;
	bed->step(name_of(access, address), always);
	own_loads()->nr_loads = 0;
	accesses_drain((unsigned)bed->thread());
	explore_observe((uintptr_t)pc);
}

/* A plain store: it may stay in the buffer. */
static void store(void *address, unsigned bytes, uint64_t value, bool is_locked, const void *pc)
{
	if (!is_step(address, bytes, true)) {
		write_value(address, bytes, value);
		return;
	}
	before_write(address, bytes, is_locked ? EXCHANGES : WRITES, pc);
	if (!buffers_stores || is_locked) {
		write_value(address, bytes, value);
		return;
	}
	struct thread_accesses *t = &accesses_of[bed->thread()];
	t->buffered = address;
	t->buffered_bytes = bytes;
	t->buffered_value = value;
}

void accesses_store8(uint8_t *address, uint8_t value)
{
	store(address, 1, value, false, PC);
}

void accesses_note(const void *address, size_t bytes, bool writes)
{
	is_step(address, bytes, writes);
}

/* What a locked operation found there, which its thread learns. */
static uint64_t exchange_begins(void *address, unsigned bytes, const void *pc)
{
	bool step = is_step(address, bytes, true);
	uint64_t value = 0;

	if (step)
		before_write(address, bytes, EXCHANGES, pc);
	memcpy(&value, address, bytes);
	if (step)
		explore_observe(value);
	return value;
}

/* ---- what the compilers call ----------------------------------------------- */

void __tsan_init(void);
void __tsan_init(void)
{
}

void __tsan_func_entry(void *pc);
void __tsan_func_entry(void *pc)
{
	(void)pc;
}

void __tsan_func_exit(void);
void __tsan_func_exit(void)
{
}

void __tsan_atomic_thread_fence(int order);
void __tsan_atomic_thread_fence(int order)
{
	int thread = bed ? bed->thread() : -1;

	if (thread >= 0 && order == __ATOMIC_SEQ_CST)
		accesses_drain((unsigned)thread);
}

void __tsan_atomic_signal_fence(int order);
void __tsan_atomic_signal_fence(int order)
{
	(void)order;
}

void __tsan_read_range(void *address, unsigned long bytes);
void __tsan_read_range(void *address, unsigned long bytes)
{
	for (unsigned long i = 0; i < bytes; i += 8)
		load((char *)address + i, bytes - i < 8 ? (unsigned)(bytes - i) : 8, PC);
}

void __tsan_write_range(void *address, unsigned long bytes);
void __tsan_write_range(void *address, unsigned long bytes)
{
	before_write(address, bytes, WRITES, PC);
}

#define PLAIN(prefix, bytes)                               \
	void __tsan_##prefix##read##bytes(void *address);  \
	void __tsan_##prefix##read##bytes(void *address)   \
	{                                                  \
		load(address, bytes, PC);                  \
	}                                                  \
	void __tsan_##prefix##write##bytes(void *address); \
	void __tsan_##prefix##write##bytes(void *address)  \
	{                                                  \
		before_write(address, bytes, WRITES, PC);  \
	}
#define PLAIN_OF(bytes)          \
	PLAIN(, bytes)           \
	PLAIN(unaligned_, bytes) \
	PLAIN(volatile_, bytes)  \
	PLAIN(unaligned_volatile_, bytes)
PLAIN_OF(1)
PLAIN_OF(2)
PLAIN_OF(4)
PLAIN_OF(8)

void __tsan_read16(void *address);
void __tsan_read16(void *address)
{
	__tsan_read_range(address, 16);
}

void __tsan_write16(void *address);
void __tsan_write16(void *address)
{
	before_write(address, 16, WRITES, PC);
}

void __tsan_unaligned_read16(void *address);
void __tsan_unaligned_read16(void *address)
{
	__tsan_read_range(address, 16);
}

void __tsan_unaligned_write16(void *address);
void __tsan_unaligned_write16(void *address)
{
	before_write(address, 16, WRITES, PC);
}

#define FETCH(bits, name, expression)                                                          \
	uint##bits##_t __tsan_atomic##bits##_##name(uint##bits##_t *a, uint##bits##_t v, int); \
	uint##bits##_t __tsan_atomic##bits##_##name(uint##bits##_t *a, uint##bits##_t v,       \
						    int order)                                 \
	{                                                                                      \
		uint##bits##_t old = (uint##bits##_t)exchange_begins(a, bits / 8, PC);         \
		(void)order;                                                                   \
		*a = (uint##bits##_t)(expression);                                             \
		return old;                                                                    \
	}

#define COMPARE(bits, strength)                                                                   \
	int __tsan_atomic##bits##_compare_exchange_##strength(uint##bits##_t *, uint##bits##_t *, \
							      uint##bits##_t, int, int);          \
	int __tsan_atomic##bits##_compare_exchange_##strength(                                    \
		uint##bits##_t *a, uint##bits##_t *expected, uint##bits##_t v, int order,         \
		int failure_order)                                                                \
	{                                                                                         \
		uint##bits##_t old = (uint##bits##_t)exchange_begins(a, bits / 8, PC);            \
		(void)order, (void)failure_order;                                                 \
		if (old == *expected) {                                                           \
			*a = v;                                                                   \
			return 1;                                                                 \
		}                                                                                 \
		*expected = old;                                                                  \
		return 0;                                                                         \
	}

#define ATOMICS(bits)                                                                     \
	uint##bits##_t __tsan_atomic##bits##_load(const uint##bits##_t *a, int order);    \
	uint##bits##_t __tsan_atomic##bits##_load(const uint##bits##_t *a, int order)     \
	{                                                                                 \
		(void)order;                                                              \
		return (uint##bits##_t)load(a, bits / 8, PC);                             \
	}                                                                                 \
	void __tsan_atomic##bits##_store(uint##bits##_t *a, uint##bits##_t v, int order); \
	void __tsan_atomic##bits##_store(uint##bits##_t *a, uint##bits##_t v, int order)  \
	{                                                                                 \
		store(a, bits / 8, v, order == __ATOMIC_SEQ_CST, PC);                     \
	}                                                                                 \
	FETCH(bits, exchange, v)                                                          \
	FETCH(bits, fetch_add, old + v)                                                   \
	FETCH(bits, fetch_sub, old - v)                                                   \
	FETCH(bits, fetch_or, old | v)                                                    \
	FETCH(bits, fetch_and, old &v)                                                    \
	FETCH(bits, fetch_xor, old ^ v)                                                   \
	COMPARE(bits, strong)                                                             \
	COMPARE(bits, weak)                                                               \
	uint##bits##_t __tsan_atomic##bits##_compare_exchange_val(                        \
		uint##bits##_t *, uint##bits##_t, uint##bits##_t, int, int);              \
	uint##bits##_t __tsan_atomic##bits##_compare_exchange_val(                        \
		uint##bits##_t *a, uint##bits##_t expected, uint##bits##_t v, int order,  \
		int failure_order)                                                        \
	{                                                                                 \
		uint##bits##_t old = (uint##bits##_t)exchange_begins(a, bits / 8, PC);    \
		(void)order, (void)failure_order;                                         \
		if (old == expected)                                                      \
			*a = v;                                                           \
		return old;                                                               \
	}
ATOMICS(8)
ATOMICS(16)
ATOMICS(32)
ATOMICS(64)
