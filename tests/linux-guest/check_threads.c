/* SPDX-License-Identifier: MIT */
/*
 * Threads of one process: does anybody read through a translation that has been taken back?
 *
 * A thread on each CPU has a window, one page of a file in memory, and replaces it again and again:
 * by mapping the next page over it, or by munmap() or mprotect() and then mapping the next page.
 * Pages have generations. Once the call has returned that takes the old page away, it is
 * poisoned. All threads read all windows. Whoever sees a generation below the one that was
 * published before it looked has read through a translation that every CPU should have dropped.
 */
#define _GNU_SOURCE
#include <pthread.h>
#include <signal.h>
#include <sys/mman.h>
#include <unistd.h>

#include "linux_guest.h"

#define PAGES	       8   /* of a window, in turn: two could not tell old from early */
#define READS_PER_TAKE 400 /* rounds over all windows */
#define POISON	       0

struct window {
	uint64_t *page; /* what is read */
	uint64_t *all;	/* the file's pages, mapped for ever: written there */
	off_t file_offset;
	uint64_t generation; /* published: atomic, its owner's to write */
};

static struct window window[MAX_CPUS];
static struct counts counts[MAX_CPUS];
static unsigned nr_windows;
static int file;
static uint64_t end_ns;

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

/* Takes the page of this generation away, in one of three ways in turn; false: it is left to
 * the mapping that follows. */
static bool take_away(struct window *w, uint64_t generation)
{
	switch (generation % 3) {
	case 0:
		if (munmap(w->page, PAGE_BYTES))
			fail("munmap");
		return true;
	case 1:
		if (mprotect(w->page, PAGE_BYTES, PROT_NONE))
			fail("mprotect");
		return true;
	}
	return false;
}

/* The old page is poisoned only once no CPU may have it any more. */
static void replace(struct window *w)
{
	uint64_t old = w->generation, next = old + 1;

	__atomic_store_n(page_of(w, next), next, __ATOMIC_RELEASE);
	if (take_away(w, old))
		__atomic_store_n(page_of(w, old), POISON, __ATOMIC_SEQ_CST);
	map_page(w, next);
	__atomic_store_n(&w->generation, next, __ATOMIC_SEQ_CST);
	__atomic_store_n(page_of(w, old), POISON, __ATOMIC_SEQ_CST);
}

static void read_all(struct counts *own)
{
	for (unsigned i = 0; i < nr_windows; i++) {
		uint64_t due = __atomic_load_n(&window[i].generation, __ATOMIC_SEQ_CST);
		uint64_t seen = __atomic_load_n(window[i].page, __ATOMIC_SEQ_CST);

		own->reads++;
		if (seen < due)
			count_stale(own, due, seen);
	}
}

static void *work(void *argument)
{
	struct window *own = argument;
	unsigned cpu = (unsigned)(own - window);

	pin_to_cpu(cpu);
	do { /* at least once, however slow the machine is */
		for (unsigned i = 0; i < READS_PER_TAKE; i++)
			read_all(&counts[cpu]);
		replace(own);
		counts[cpu].takes++;
	} while (now_ns() < end_ns);
	return NULL;
}

/* A window whose page was taken away gets another one soon: the read is tried again. */
static void retry(int signal, siginfo_t *info, void *context)
{
	(void)signal, (void)context;
	for (unsigned i = 0; i < nr_windows; i++) {
		if (info->si_addr == window[i].page)
			return;
	}
	static const char text[] = "linux-guest: a segmentation fault outside of all windows\n";
	(void)!write(STDOUT_FILENO, text, sizeof(text) - 1);
	_exit(1);
}

bool check_threads(unsigned nr_cpus, uint64_t ns)
{
	struct sigaction on_fault = { .sa_sigaction = retry, .sa_flags = SA_SIGINFO };
	pthread_t thread[MAX_CPUS];

	file = memfd_create("windows", 0);
	if (file < 0 || ftruncate(file, (off_t)nr_cpus * PAGES * PAGE_BYTES))
		fail("memfd_create");
	nr_windows = nr_cpus;
	for (unsigned i = 0; i < nr_cpus; i++)
		prepare(&window[i], i);
	sigaction(SIGSEGV, &on_fault, NULL);
	end_ns = now_ns() + ns;
	for (unsigned i = 0; i < nr_cpus; i++) {
		if (pthread_create(&thread[i], NULL, work, &window[i]))
			fail("pthread_create");
	}
	for (unsigned i = 0; i < nr_cpus; i++)
		pthread_join(thread[i], NULL);
	return report_counts("threads", counts, nr_cpus);
}
