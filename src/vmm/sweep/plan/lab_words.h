/* SPDX-License-Identifier: MIT */
/* The emulated machines of a sweep: options of `minivmm lab` in one text. Pure. */
#ifndef SWEEP_LAB_WORDS_H
#define SWEEP_LAB_WORDS_H

#include <stdbool.h>

#include "vcpu/base/error.h"

#define LAB_WORDS_MAX	32
#define LAB_WORDS_BYTES 1024

struct lab_words {
	unsigned nr;
	unsigned at[LAB_WORDS_MAX]; /* where each begins in `text`, a 0 behind it */
	char text[LAB_WORDS_BYTES];
	unsigned pcpus;	 /* of the machine */
	bool repeatable; /* it gives the same results everywhere */
};

/*
 * Takes a text apart at its blanks, as in "--machine vmx --pcpus 4", and has lab's own parser look
 * at the words. 0, or -1 with EXIT_USAGE.
 */
int lab_words_parse(const char *text, struct lab_words *ret_words, struct error *err);

/* The words with one blank between each two. */
void lab_words_format(const struct lab_words *words, char text[LAB_WORDS_BYTES]);

#endif
