/* SPDX-License-Identifier: MIT */
/*
 * Lets a call of libc fail, or do less, that nothing else does so to in a test. The linker puts
 * these wrappers in the place of calloc(), malloc(), read() and others (`--wrap`).
 */
#ifndef TESTS_LIBC_FAILURES_H
#define TESTS_LIBC_FAILURES_H

#include <stddef.h>

/* The allocation after `more` others fails, and all are well again; of this thread alone. */
void fail_allocation_after(unsigned more);

/* Likewise the next read(), with this errno. */
void fail_next_read(int with_errno);

/* From now on no read() of this thread gives more bytes than this. */
void read_at_most(size_t bytes);

/* How many bytes the last read() of this thread asked for. */
size_t last_read_asked_for(void);

/* Likewise the next fsync(), with this errno. */
void fail_next_fsync(int with_errno);

/* The calls since the last question that make a result durable: f for fsync(), l for
 * linkat(), r for renameat(). */
const char *durability_calls(void);

/* From now on sched_getscheduler() tells all threads this policy; -1: the real one. */
void pretend_policy(int policy);

/* How often the calling thread has called sched_yield(). */
unsigned times_yielded(void);

/* Besides, pthread_mutex_unlock() fails the test if nobody has locked the mutex. */

#endif
