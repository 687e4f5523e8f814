/* SPDX-License-Identifier: MIT */
/* A schedule as it was carried out, in memory. */
#include "vcpu/sched/schedule_log.h"

#include <stdlib.h>
#include <string.h>

#define FIRST_ROOM 4096

static const struct {
	const char *name;
	bool forced;
} ends[] = {
#define X(id, end_name, is_forced, summary) { end_name, is_forced },
	SLICE_ENDS(X)
#undef X
};

static bool make_room(struct schedule_log *log)
{
	size_t more = log->room ? 2 * log->room : FIRST_ROOM;

	if (log->nr < log->room)
		return true;
	if (more > SCHEDULE_MAX_ENTRIES)
		return false;
	struct schedule_entry *larger = realloc(log->entry, more * sizeof(*larger));
	if (!larger)
		return false;
	log->entry = larger;
	log->room = more;
	return true;
}

/* After the first loss all are lost: a log with a hole in it could not be followed. */
size_t schedule_log_add(struct schedule_log *log, const struct schedule_entry *entry)
{
	if (log->lost || !make_room(log)) {
		log->lost++;
		return SCHEDULE_NO_ENTRY;
	}
	log->entry[log->nr] = *entry;
	return log->nr++;
}

void schedule_log_end(struct schedule_log *log, size_t index, enum slice_end end, uint64_t ran_ns)
{
	if (index == SCHEDULE_NO_ENTRY)
		return;
	log->entry[index].end = (uint16_t)end;
	log->entry[index].ran_ns = ran_ns;
}

void schedule_log_finish(struct schedule_log *log)
{
	free(log->entry);
	*log = (struct schedule_log){ 0 };
}

bool slice_end_is_forced(unsigned end)
{
	return ends[end].forced;
}

const char *slice_end_name(unsigned end)
{
	return ends[end].name;
}

int slice_end_find(const char *name)
{
	for (int i = 0; i < NR_SLICE_ENDS; i++) {
		if (strcmp(ends[i].name, name) == 0)
			return i;
	}
	return -1;
}
