/* SPDX-License-Identifier: MIT */
/* The few functions of a C library that a freestanding guest needs. */
#include "guest-kernel/base/lib.h"

/* The string instructions keep compilers from turning these into calls of themselves. */
void *memcpy(void *to, const void *from, size_t bytes)
{
	void *start = to;

	asm volatile("rep movsb" : "+D"(to), "+S"(from), "+c"(bytes) : : "memory");
	return start;
}

void *memset(void *to, int byte, size_t bytes)
{
	void *start = to;

	asm volatile("rep stosb" : "+D"(to), "+c"(bytes) : "a"(byte) : "memory");
	return start;
}

void *memmove(void *to, const void *from, size_t bytes)
{
	if ((size_t)to - (size_t)from >= bytes)
		return memcpy(to, from, bytes);

	char *to_end = (char *)to + bytes - 1;
	const char *from_end = (const char *)from + bytes - 1;
	asm volatile("std; rep movsb; cld"
		     : "+D"(to_end), "+S"(from_end), "+c"(bytes)
		     :
		     : "memory");
	return to;
}

int memcmp(const void *a, const void *b, size_t bytes)
{
	const unsigned char *x = a, *y = b;

	for (size_t i = 0; i < bytes; i++)
		if (x[i] != y[i])
			return x[i] - y[i];
	return 0;
}

bool str_equal(const char *a, const char *b)
{
	while (*a && *a == *b) {
		a++;
		b++;
	}
	return *a == *b;
}

void str_copy(char *to, const char *from, size_t to_bytes)
{
	while (to_bytes-- > 1 && *from)
		*to++ = *from++;
	*to = '\0';
}
