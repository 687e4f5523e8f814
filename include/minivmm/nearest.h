/* SPDX-License-Identifier: MIT */
/*
 * "Did you mean ...?": the name in a list that is nearest to a misspelt one.
 *
 * Plain C without a library, because both worlds need it: the VMM for its
 * options, and a guest for the words that followed "--".
 */
#ifndef MINIVMM_NEAREST_H
#define MINIVMM_NEAREST_H

#include <stdbool.h>
#include <stdint.h>

#define MV_NEAREST_CHARS 32 /* longer words are near to nothing */

static inline char mv_fold_case(char c)
{
	return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

static inline uint32_t mv_word_length(const char *word)
{
	uint32_t n = 0;

	while (word[n] && n <= MV_NEAREST_CHARS)
		n++;
	return n;
}

/* Whether `word` is how `name` begins, as typed by somebody who was in a hurry. */
static inline bool mv_is_prefix(const char *word, const char *name)
{
	while (*word && mv_fold_case(*word) == mv_fold_case(*name)) {
		word++;
		name++;
	}
	return *word == 0;
}

/*
 * How many letters have to be added, dropped, replaced or swapped with their
 * neighbour to make one word of the other (optimal string alignment distance);
 * upper and lower case are the same. UINT32_MAX for words that are too long.
 */
static inline uint32_t mv_edit_distance(const char *a, const char *b)
{
	uint32_t length_a = mv_word_length(a), length_b = mv_word_length(b);
	/* Row i is the distance from the first i letters of a; three rows are kept. */
	uint32_t row[3][MV_NEAREST_CHARS + 1];

	if (length_a > MV_NEAREST_CHARS || length_b > MV_NEAREST_CHARS)
		return UINT32_MAX;
	for (uint32_t j = 0; j <= length_b; j++)
		row[0][j] = j;
	for (uint32_t i = 1; i <= length_a; i++) {
		uint32_t *now = row[i % 3], *before = row[(i + 2) % 3], *swap = row[(i + 1) % 3];
		char x = mv_fold_case(a[i - 1]);

		now[0] = i;
		for (uint32_t j = 1; j <= length_b; j++) {
			char y = mv_fold_case(b[j - 1]);
			uint32_t best = before[j - 1] + (x != y);

			best = before[j] + 1 < best ? before[j] + 1 : best;
			best = now[j - 1] + 1 < best ? now[j - 1] + 1 : best;
			if (i > 1 && j > 1 && x == mv_fold_case(b[j - 2]) &&
			    y == mv_fold_case(a[i - 2]) && swap[j - 2] + 1 < best)
				best = swap[j - 2] + 1;
			now[j] = best;
		}
	}
	return row[length_a % 3][length_b];
}

/*
 * The name nearest to `word`, or a null pointer if none of them is near: a name
 * that begins with it, or one that at most a third of its letters, and at least
 * one, keep apart. The first of several that are equally near.
 */
static inline const char *mv_nearest(const char *word, const char *const name[], uint32_t nr_names)
{
	uint32_t allowed = 1 + (mv_word_length(word) - 1) / 3;
	uint32_t best = UINT32_MAX;
	const char *nearest = 0;

	if (!*word)
		return 0;
	for (uint32_t i = 0; i < nr_names; i++) {
		uint32_t distance = mv_is_prefix(word, name[i]) ? 1
								: mv_edit_distance(word, name[i]);

		if (distance < best) {
			best = distance;
			nearest = name[i];
		}
	}
	return best <= allowed ? nearest : 0;
}

#endif
