/* SPDX-License-Identifier: MIT */
/*
 * What ebizzy does (Valerie Henson, 2006): threads that map a chunk, copy records into it, search
 * them, and unmap it; how many records are searched in a second.
 */
#define _GNU_SOURCE
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "linux_guest.h"

#define CHUNKS	      16	    /* to copy from */
#define CHUNK_BYTES   (128u * 1024) /* more than malloc() keeps: each is mapped and unmapped */
#define CHUNK_RECORDS (CHUNK_BYTES / sizeof(uint64_t))

static uint64_t *chunk[CHUNKS];
static uint64_t nr_records[MAX_CPUS];
static uint64_t end_ns;

static void *map_chunk(void)
{
	void *at = mmap(NULL, CHUNK_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1,
			0);

	if (at == MAP_FAILED)
		fail("mmap");
	return at;
}

static int compare(const void *key, const void *record)
{
	uint64_t a = *(const uint64_t *)key, b = *(const uint64_t *)record;

	return (a > b) - (a < b);
}

/* One record: a chunk is copied into fresh memory, and the key is found there. */
static void search_one(uint64_t *random)
{
	*random = *random * 6364136223846793005u + 1442695040888963407u;
	const uint64_t *from = chunk[*random >> 60];
	uint64_t key = from[(*random >> 32) % CHUNK_RECORDS];
	uint64_t *copy = map_chunk();

	memcpy(copy, from, CHUNK_BYTES);
	const uint64_t *found = bsearch(&key, copy, CHUNK_RECORDS, sizeof(key), compare);
	if (!found || *found != key)
		fail("a record is not where it was copied to");
	munmap(copy, CHUNK_BYTES);
}

static void *work(void *argument)
{
	uint64_t *records = argument;
	unsigned cpu = (unsigned)(records - nr_records);
	uint64_t random = cpu + 1;

	pin_to_cpu(cpu);
	while (now_ns() < end_ns) {
		search_one(&random);
		++*records;
	}
	return NULL;
}

bool search_chunks(unsigned nr_cpus, uint64_t ns)
{
	pthread_t thread[MAX_CPUS];
	uint64_t sum = 0;

	for (unsigned i = 0; i < CHUNKS; i++) {
		chunk[i] = map_chunk();
		for (unsigned r = 0; r < CHUNK_RECORDS; r++)
			chunk[i][r] = (uint64_t)r * CHUNKS + i;
	}
	uint64_t start_ns = now_ns();
	end_ns = start_ns + ns;
	for (unsigned i = 0; i < nr_cpus; i++) {
		if (pthread_create(&thread[i], NULL, work, &nr_records[i]))
			fail("pthread_create");
	}
	for (unsigned i = 0; i < nr_cpus; i++) {
		pthread_join(thread[i], NULL);
		sum += nr_records[i];
	}
	printf("linux-guest: begun=%llu records=%llu ns=%llu\n", (unsigned long long)start_ns,
	       (unsigned long long)sum, (unsigned long long)(now_ns() - start_ns));
	return sum > 0;
}
