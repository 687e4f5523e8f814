/* SPDX-License-Identifier: MIT */
/*
 * Something that happens between two instructions of the code under test: the CPU traps behind
 * each of them (RFLAGS.TF), and the test comes in there. So what is done in two steps is found
 * out on one CPU as well, whenever the two are instructions.
 */
#ifndef TESTS_SINGLE_STEP_H
#define TESTS_SINGLE_STEP_H

/* From now on `behind_each` is called behind each instruction, which it may not single-step. */
void single_step_begin(void (*behind_each)(void));

/* No more. May be called by `behind_each` too. */
void single_step_end(void);

#endif
