/* SPDX-License-Identifier: MIT */
/* The few functions of a C library that a freestanding guest needs. */
#ifndef GUEST_LIB_H
#define GUEST_LIB_H

#include <stdbool.h>
#include <stddef.h>

#define ARRAY_SIZE(array) (sizeof(array) / sizeof((array)[0]))

/* The compilers call these four even in freestanding code. */
void *memcpy(void *to, const void *from, size_t bytes);
void *memmove(void *to, const void *from, size_t bytes);
void *memset(void *to, int byte, size_t bytes);
int memcmp(const void *a, const void *b, size_t bytes);

bool str_equal(const char *a, const char *b);

/* Copies a string into an array, cut to its size; always terminated. */
void str_copy(char *to, const char *from, size_t to_bytes);

#endif
