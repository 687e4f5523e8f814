/* SPDX-License-Identifier: MIT */
/*
 * The first process of a Linux guest: looks for reads through translations that should be gone.
 *
 * A thread on each CPU has a window, one page of a file in memory, and replaces it again and
 * again: the next page of the file is given a higher generation, mapped over the window, and
 * once mmap() has returned the page given up is poisoned. All threads read all windows. Whoever
 * sees a generation below the one that was published before it looked has read through a
 * translation that every CPU should have dropped.
 *
 * All is well: the machine is turned off. If not it returns, and the kernel panics.
 */
#define _GNU_SOURCE
#include <pthread.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/reboot.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#define MAX_CPUS	64
#define PAGE_BYTES	4096
#define PAGES		8   /* of a window, in turn: two could not tell old from early */
#define READS_PER_REMAP 400 /* rounds over all windows */
#define STANDARD_MS	2000
#define POISON		0

struct window {
	uint64_t *page; /* what is read */
	uint64_t *all;	/* the file's pages, mapped for ever: written there */
	off_t file_offset;
	uint64_t generation; /* published: atomic, its owner's to write */
	uint64_t reads, remaps, stale;
	uint64_t stale_due, stale_seen; /* of the first stale read */
};

static struct window window[MAX_CPUS];
static unsigned nr_cpus;
static int file;
static uint64_t end_ns;

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static void fail(const char *what)
{
	perror(what);
	exit(1);
}

static uint64_t *page_of(const struct window *w, uint64_t generation)
{
	return w->all + generation % PAGES * (PAGE_BYTES / sizeof(uint64_t));
}

static void map_page(struct window *w, uint64_t generation)
{
	off_t offset = w->file_offset + (off_t)(generation % PAGES * PAGE_BYTES);
	int fixed = w->page ? MAP_FIXED : 0;
	void *at = mmap(w->page, PAGE_BYTES, PROT_READ, MAP_SHARED | MAP_POPULATE | fixed, file,
			offset);

	if (at == MAP_FAILED)
		fail("mmap");
	w->page = at;
}

static void prepare(struct window *w, unsigned index)
{
	w->file_offset = (off_t)index * PAGES * PAGE_BYTES;
	w->all = mmap(NULL, PAGES * PAGE_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE,
		      file, w->file_offset);
	if (w->all == MAP_FAILED)
		fail("mmap");
	*page_of(w, 1) = 1;
	map_page(w, 1);
	w->generation = 1;
}

/* The old page is poisoned only once no CPU may have it any more. */
static void remap(struct window *w)
{
	uint64_t next = w->generation + 1;

	__atomic_store_n(page_of(w, next), next, __ATOMIC_RELEASE);
	map_page(w, next);
	__atomic_store_n(&w->generation, next, __ATOMIC_SEQ_CST);
	__atomic_store_n(page_of(w, next - 1), POISON, __ATOMIC_SEQ_CST);
	w->remaps++;
}

static void read_all(struct window *own)
{
	for (unsigned i = 0; i < nr_cpus; i++) {
		uint64_t due = __atomic_load_n(&window[i].generation, __ATOMIC_SEQ_CST);
		uint64_t seen = __atomic_load_n(window[i].page, __ATOMIC_SEQ_CST);

		own->reads++;
		if (seen >= due)
			continue;
		if (own->stale++ == 0) {
			own->stale_due = due;
			own->stale_seen = seen;
		}
	}
}

static void *work(void *argument)
{
	struct window *own = argument;
	cpu_set_t cpu;

	CPU_ZERO(&cpu);
	CPU_SET(own - window, &cpu);
	sched_setaffinity(0, sizeof(cpu), &cpu);
	while (now_ns() < end_ns) {
		for (unsigned i = 0; i < READS_PER_REMAP; i++)
			read_all(own);
		remap(own);
	}
	return NULL;
}

static void report(void)
{
	struct window sum = { 0 };

	for (unsigned i = 0; i < nr_cpus; i++) {
		const struct window *w = &window[i];

		if (w->stale && !sum.stale) {
			sum.stale_due = w->stale_due;
			sum.stale_seen = w->stale_seen;
		}
		sum.stale += w->stale;
		sum.reads += w->reads;
		sum.remaps += w->remaps;
	}
	printf("linux-guest: cpus=%u remaps=%llu reads=%llu stale=%llu\n", nr_cpus,
	       (unsigned long long)sum.remaps, (unsigned long long)sum.reads,
	       (unsigned long long)sum.stale);
	if (sum.stale)
		printf("linux-guest: the first saw generation %llu where %llu was due\n",
		       (unsigned long long)sum.stale_seen, (unsigned long long)sum.stale_due);
	fflush(stdout);
	tcdrain(STDOUT_FILENO); /* a panic or the end would cut it off */
	if (!sum.stale && sum.reads)
		reboot(RB_POWER_OFF);
}

int main(int argc, char *argv[])
{
	pthread_t thread[MAX_CPUS];
	unsigned long ms = argc > 1 ? strtoul(argv[1], NULL, 10) : 0;
	long online = sysconf(_SC_NPROCESSORS_ONLN);

	puts("linux-guest: first line of init");
	fflush(stdout);
	nr_cpus = online < MAX_CPUS ? (unsigned)online : MAX_CPUS;
	file = memfd_create("windows", 0);
	if (file < 0 || ftruncate(file, (off_t)nr_cpus * PAGES * PAGE_BYTES))
		fail("memfd_create");
	for (unsigned i = 0; i < nr_cpus; i++)
		prepare(&window[i], i);
	end_ns = now_ns() + (ms ? ms : STANDARD_MS) * 1000000u;
	for (unsigned i = 0; i < nr_cpus; i++) {
		if (pthread_create(&thread[i], NULL, work, &window[i]))
			fail("pthread_create");
	}
	for (unsigned i = 0; i < nr_cpus; i++)
		pthread_join(thread[i], NULL);
	report();
	return 1;
}
