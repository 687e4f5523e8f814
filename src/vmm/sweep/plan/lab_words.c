/* SPDX-License-Identifier: MIT */
#include "vmm/sweep/plan/lab_words.h"

#include <stdio.h>
#include <string.h>

#include "vmm/lab/lab_options.h"

static int take_apart(const char *text, struct lab_words *words, struct error *err)
{
	size_t used = 0;

	for (;;) {
		text += strspn(text, " \t\n");
		size_t length = strcspn(text, " \t\n");

		if (length == 0)
			return 0;
		if (words->nr == LAB_WORDS_MAX || used + length >= LAB_WORDS_BYTES)
			return error_set(err, EXIT_USAGE,
					 "--lab has too many options: at most %d words of %d "
					 "bytes together",
					 LAB_WORDS_MAX, LAB_WORDS_BYTES - 1);
		words->at[words->nr++] = (unsigned)used;
		memcpy(words->text + used, text, length);
		used += length;
		words->text[used++] = 0;
		text += length;
	}
}

/* A sweep has each machine run minivmm, at times several beside each other. */
static int check_options(const struct lab_options *o, struct error *err)
{
	const char *unfit = o->help	     ? "help"
			    : o->shell	     ? "shell"
			    : o->exec	     ? "exec"
			    : o->keep	     ? "keep"
			    : o->nr_includes ? "include"
					     : NULL;

	if (!unfit)
		return 0;
	return error_set(err, EXIT_USAGE, "--lab: --%s does not go with a sweep: leave it out",
			 unfit);
}

static int parse_words(struct lab_words *words, struct error *err)
{
	static struct lab_options options;
	char *argv[LAB_WORDS_MAX + 4] = { (char *)"lab" };
	int argc = 1, rest;

	for (unsigned i = 0; i < words->nr; i++)
		argv[argc++] = words->text + words->at[i];
	argv[argc++] = (char *)"--";
	argv[argc++] = (char *)"sweep"; /* the command in the machine */
	if (lab_options_parse(argc, argv, &options, &rest, err) || check_options(&options, err))
		return -1;
	if (rest != argc - 1)
		return error_set(err, EXIT_USAGE,
				 "--lab: '%s' is no option: give those of minivmm lab, in one "
				 "word, as in --lab \"--machine vmx --pcpus 4\"",
				 argv[rest < argc ? rest : argc - 1]);
	words->pcpus = options.pcpus;
	words->repeatable = options.repeatable;
	return 0;
}

int lab_words_parse(const char *text, struct lab_words *ret_words, struct error *err)
{
	*ret_words = (struct lab_words){ 0 };
	return take_apart(text, ret_words, err) || parse_words(ret_words, err) ? -1 : 0;
}

void lab_words_format(const struct lab_words *words, char text[LAB_WORDS_BYTES])
{
	size_t used = 0;

	text[0] = 0;
	for (unsigned i = 0; i < words->nr; i++)
		used += (size_t)snprintf(text + used, LAB_WORDS_BYTES - used, "%s%s", i ? " " : "",
					 words->text + words->at[i]);
}
