/* SPDX-License-Identifier: MIT */
/* The table of mechanisms. */
#include "guest-kernel/mechanisms/mechanisms.h"

#include "guest-kernel/base/lib.h"

static const struct mechanism mechanisms[] = {
#define X(id, name, host, summary) { name, host, id##_flush_others },
	MV_MECHANISMS(X)
#undef X
};

const struct mechanism *mechanism_find(const char *name)
{
	for (unsigned i = 0; i < ARRAY_SIZE(mechanisms); i++)
		if (str_equal(mechanisms[i].name, name))
			return &mechanisms[i];
	return NULL;
}
