/* SPDX-License-Identifier: MIT */
/* The reader of recorded schedules: an input is a file of --record. */
#include "fuzz.h"

#include <string.h>

#include "vcpu/sched/replay.h"
#include "vmm/replay/schedule_file.h"

#define MAX_STEPS 10000

static void check_file(const struct schedule_file *file)
{
	unsigned nr_vcpus = file->nr_vms * file->nr_vcpus;

	must_hold(file->nr_vms >= 1 && file->nr_vms <= MAX_VMS, "VMs are in range");
	must_hold(file->nr_vcpus >= 1 && file->nr_vcpus <= MV_MAX_VCPUS, "vCPUs are in range");
	must_hold(file->nr_pcpus >= 1 && file->nr_pcpus <= MAX_PCPUS, "pCPUs are in range");
	for (size_t k = 0; k < file->log.nr; k++) {
		const struct schedule_entry *e = &file->log.entry[k];

		must_hold(e->end < NR_SLICE_ENDS, "an end is one");
		must_hold(e->pcpu < file->nr_pcpus, "a pCPU is one");
		must_hold(e->end == SLICE_begins_phase
				  ? e->vcpu < file->nr_mechanisms || e->vcpu == SCHEDULE_NO_PHASE
				  : e->vcpu < nr_vcpus,
			  "a vCPU is one");
	}
}

/* What was read is printed so that the same is read again. */
static void check_round_trip(const struct schedule_file *file)
{
	struct schedule_file again;
	struct error err;
	char *text;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	schedule_file_print(out, file);
	fclose(out);
	FILE *in = fmemopen(text, size, "r");
	must_hold(schedule_file_read(in, "again", &again, &err) == 0, "what is printed is read");
	fclose(in);
	must_hold(
		again.log.nr == file->log.nr &&
			(again.log.nr == 0 || memcmp(again.log.entry, file->log.entry,
						     file->log.nr * sizeof(*file->log.entry)) == 0),
		"entries stay what they are");
	schedule_file_finish(&again);
	free(text);
}

/* Every vCPU is ready at any time, so that all is followed, or waits for ever. */
static void check_followed(const struct schedule_file *file)
{
	unsigned nr_vcpus = file->nr_vms * file->nr_vcpus;
	struct sched_entity *entity = calloc(nr_vcpus, sizeof(*entity));
	struct replay replay;
	unsigned steps = 0;

	for (unsigned i = 0; entity && i < nr_vcpus; i++)
		entity[i].state = SCHED_READY;
	if (!entity || replay_init(&replay, &file->log, file->nr_pcpus, nr_vcpus, 1)) {
		free(entity);
		return;
	}
	for (size_t part = 0; part <= file->log.nr && steps < MAX_STEPS; part++) {
		uint64_t before;

		do {
			before = replay.counts.followed;
			for (unsigned c = 0; c < file->nr_pcpus; c++, steps++) {
				int next = replay_pick(&replay, entity, c, 1);
				if (next >= 0)
					must_hold(replay_take(&replay, c)->vcpu == (unsigned)next,
						  "who is picked is taken");
			}
		} while (replay.counts.followed != before && steps < MAX_STEPS);
		replay_begin_part(&replay);
	}
	must_hold(steps >= MAX_STEPS || replay.counts.followed == replay.counts.decisions,
		  "vCPUs that are always ready follow the whole schedule");
	replay_finish(&replay);
	free(entity);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	FILE *in = size ? fmemopen((void *)data, size, "r") : NULL;
	struct schedule_file file;
	struct error err;

	if (!in)
		return 0;
	if (schedule_file_read(in, "fuzz", &file, &err) == 0) {
		check_file(&file);
		check_round_trip(&file);
		check_followed(&file);
		schedule_file_finish(&file);
	} else {
		must_hold(err.status == EXIT_USAGE && err.text[0] && !strchr(err.text, '\n'),
			  "what is refused is explained in a line");
	}
	fclose(in);
	return 0;
}
