/* SPDX-License-Identifier: MIT */
/*
 * Lets a call of libc fail that nothing else makes fail in a test. The linker puts these
 * wrappers in the place of calloc(), malloc(), realloc() and read() (`--wrap`).
 */
#ifndef TESTS_LIBC_FAILURES_H
#define TESTS_LIBC_FAILURES_H

/* The allocation after `more` others fails, and all are well again; of this thread alone. */
void fail_allocation_after(unsigned more);

/* Likewise the next read(), with this errno. */
void fail_next_read(int with_errno);

#endif
