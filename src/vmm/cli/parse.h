/* SPDX-License-Identifier: MIT */
/*
 * Numbers, sizes, times and lists as a user writes them. Pure.
 *
 * Each function returns NULL if the whole text was understood; otherwise a
 * constant phrase that says why it was not and what would be, for the caller to
 * put behind the name of the option. Outputs are written only on success.
 */
#ifndef VMM_PARSE_H
#define VMM_PARSE_H

#include <stddef.h>
#include <stdint.h>

#include "vmm/base/background_load.h"
#include "vmm/cli/cpu_list.h"

/* "42": decimal digits and nothing else. */
const char *parse_number(const char *text, uint64_t *ret_number);

/* "4096", "512K", "64M", "1G" (powers of 1024), in bytes. */
const char *parse_size(const char *text, uint64_t *ret_bytes);

/* "500ns", "250us", "4ms", "2s", "1m", "1h"; a number without a unit is refused. */
const char *parse_time(const char *text, uint64_t *ret_ns);

/* "25" or "25%": a share in percent. */
const char *parse_percent(const char *text, uint64_t *ret_pct);

/* "0-1,3". Whether the CPUs exist and are named once is for the caller to check. */
const char *parse_cpu_list(const char *text, struct cpu_list *ret_cpus);

/*
 * "ipi,pv": copies each word into ret_word. A word that is too long for
 * PARSE_WORD_BYTES is cut off, which leaves a name that nobody has.
 */
#define PARSE_WORD_BYTES 48
#define PARSE_WORDS	 16

struct word_list {
	unsigned nr;
	char word[PARSE_WORDS][PARSE_WORD_BYTES];
};

const char *parse_word_list(const char *text, struct word_list *ret_words);

/* "2" busy threads or "2:5", of nice value 5; "0" is none. NULL, or why not. */
const char *parse_background(const char *text, struct background_load *ret_load);

#endif
