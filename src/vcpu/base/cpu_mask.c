/* SPDX-License-Identifier: MIT */
/* Sets of host CPUs, as large as the kernel's. */
#define _GNU_SOURCE /* sched_getaffinity() */
#include "vcpu/base/cpu_mask.h"

#include <errno.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>

#define WORD_BITS   (8 * sizeof(unsigned long))
#define FIRST_BYTES 128	      /* cpu_set_t's */
#define MOST_BYTES  (1 << 20) /* eight million CPUs: no kernel asks for so many */

static size_t words_for(int cpu)
{
	return cpu < 0 ? 1 : (size_t)cpu / WORD_BITS + 1;
}

int cpu_mask_init(struct cpu_mask *ret_mask, int cpu)
{
	size_t words = words_for(cpu);
	unsigned long *word = calloc(words, sizeof(*word));

	if (!word)
		return -ENOMEM;
	if (cpu >= 0)
		word[(size_t)cpu / WORD_BITS] = 1ul << (size_t)cpu % WORD_BITS;
	*ret_mask = (struct cpu_mask){ .word = word, .bytes = words * sizeof(*word) };
	return 0;
}

int cpu_mask_add(struct cpu_mask *mask, int cpu)
{
	size_t bytes = words_for(cpu) * sizeof(*mask->word);

	if (bytes > mask->bytes) {
		unsigned long *word = calloc(1, bytes);

		if (!word)
			return -ENOMEM;
		memcpy(word, mask->word, mask->bytes);
		free(mask->word);
		*mask = (struct cpu_mask){ .word = word, .bytes = bytes };
	}
	mask->word[(size_t)cpu / WORD_BITS] |= 1ul << (size_t)cpu % WORD_BITS;
	return 0;
}

void cpu_mask_finish(struct cpu_mask *mask)
{
	free(mask->word);
	*mask = (struct cpu_mask){ 0 };
}

bool cpu_mask_has(const struct cpu_mask *mask, int cpu)
{
	if (cpu < 0 || (size_t)cpu / 8 >= mask->bytes)
		return false;
	return mask->word[(size_t)cpu / WORD_BITS] >> (size_t)cpu % WORD_BITS & 1;
}

/* The kernel refuses a set that has no room for each CPU that it might have (EINVAL). */
int cpu_mask_read(struct cpu_mask *ret_mask)
{
	for (size_t bytes = FIRST_BYTES; bytes <= MOST_BYTES; bytes *= 2) {
		unsigned long *word = calloc(1, bytes);

		if (!word)
			return -ENOMEM;
		if (sched_getaffinity(0, bytes, (cpu_set_t *)word) == 0) {
			*ret_mask = (struct cpu_mask){ .word = word, .bytes = bytes };
			return 0;
		}
		int failed = errno;
		free(word);
		if (failed != EINVAL)
			return -failed;
	}
	return -EINVAL;
}

int cpu_mask_read_widest(struct cpu_mask *ret_mask)
{
	struct cpu_mask before, all;
	int failed = cpu_mask_read(&before);

	if (failed)
		return failed;
	all = (struct cpu_mask){ .word = malloc(before.bytes), .bytes = before.bytes };
	failed = all.word ? 0 : -ENOMEM;
	if (!failed) {
		memset(all.word, 0xff, all.bytes);
		failed = cpu_mask_apply(&all, 0);
	}
	if (!failed)
		failed = cpu_mask_read(ret_mask);
	cpu_mask_apply(&before, 0);
	cpu_mask_finish(&all);
	cpu_mask_finish(&before);
	return failed;
}

int cpu_mask_apply(const struct cpu_mask *mask, pid_t tid)
{
	return sched_setaffinity(tid, mask->bytes, (const cpu_set_t *)mask->word) ? -errno : 0;
}
