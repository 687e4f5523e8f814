/* SPDX-License-Identifier: MIT */
/* --record and --replay: the schedule of a run, into a file and out of one. */
#define _GNU_SOURCE
#include "vmm/replay/record_replay.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define PATIENCE_SLICES 4
#define PATIENCE_MIN_NS 100000000ull

/* ---- the options of the run that was recorded -------------------------------------- */

static int set_mechanisms(struct options *o, const struct schedule_file *file, struct error *err)
{
	for (unsigned i = 0; i < file->nr_mechanisms; i++) {
		if (options_add_mechanism(o, file->mechanism[i], err))
			return -1;
	}
	return 0;
}

/* As many host CPUs as the recorded run had; which ones depends on this machine. */
static int set_recorded(struct options *o, const struct schedule_file *file,
			const struct host_cpus *allowed, struct error *err)
{
	options_set_defaults(o);
	o->nr_vms = file->nr_vms;
	o->nr_vcpus = file->nr_vcpus;
	o->pcpus = allowed->inherited;
	if (o->pcpus.nr > file->nr_pcpus)
		o->pcpus.nr = file->nr_pcpus;
	memcpy(o->guest_args, file->guest_args, sizeof(o->guest_args));
	for (unsigned i = 0; i < file->nr_options; i++) {
		if (options_set(o, file->option[i].name, file->option[i].value, err))
			return -1;
	}
	return set_mechanisms(o, file, err);
}

static int complete_options(int argc, char *const argv[], const struct host_cpus *allowed,
			    const struct schedule_file *file, struct options *options,
			    struct error *err)
{
	const char *path = options->replay_path;
	struct options recorded;
	struct error why;

	if (set_recorded(&recorded, file, allowed, &why) ||
	    options_parse_over(&recorded, argc, argv, allowed, options, &why))
		return error_set(err, why.status, "--replay '%s': %s", path, why.text);
	if (options->nr_vms != file->nr_vms || options->nr_vcpus != file->nr_vcpus ||
	    options->pcpus.nr != file->nr_pcpus)
		return error_set(err, EXIT_USAGE,
				 "--replay '%s' was recorded with --vms %u --vcpus %u on %u pCPUs, "
				 "and cannot be followed with --vms %u --vcpus %u on %u",
				 path, file->nr_vms, file->nr_vcpus, file->nr_pcpus,
				 options->nr_vms, options->nr_vcpus, options->pcpus.nr);
	return 0;
}

/* ---- reading -------------------------------------------------------------------------- */

/* O_NONBLOCK: a FIFO that nobody writes to must not keep us waiting. */
static FILE *open_schedule(const char *path, struct error *err)
{
	struct stat st;
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	FILE *in = fd >= 0 && fstat(fd, &st) == 0 ? fdopen(fd, "r") : NULL;

	if (!in) {
		error_set_errno(err, EXIT_USAGE, errno, "--replay '%s' cannot be read", path);
		if (fd >= 0)
			close(fd);
	} else if (!S_ISREG(st.st_mode)) {
		error_set(err, EXIT_USAGE, "--replay '%s' is not a regular file", path);
		fclose(in);
		in = NULL;
	}
	return in;
}

int record_replay_load(int argc, char *const argv[], const struct host_cpus *allowed,
		       struct options *options, struct schedule_file *ret_file, struct error *err)
{
	FILE *in = open_schedule(options->replay_path, err);

	if (!in)
		return -1;
	int failed = schedule_file_read(in, options->replay_path, ret_file, err);
	fclose(in);
	if (failed)
		return -1;
	failed = complete_options(argc, argv, allowed, ret_file, options, err);
	if (failed)
		schedule_file_finish(ret_file);
	return failed;
}

/* ---- the run ---------------------------------------------------------------------------- */

int record_replay_open(struct record_replay *r, const struct options *o,
		       const struct schedule_file *source, struct error *err)
{
	*r = (struct record_replay){
		.options = o, .source = source, .output.fd = -1, .output.dir_fd = -1
	};
	if (!o->record_path)
		return 0;
	return output_file_open_for(&r->output, "record", o->record_path, err);
}

static int prepare_replay(struct record_replay *r, struct error *err)
{
	const struct options *o = r->options;
	uint64_t patience_ns = PATIENCE_SLICES * o->slice_ns;

	if (patience_ns < PATIENCE_MIN_NS)
		patience_ns = PATIENCE_MIN_NS;
	if (replay_init(&r->replay, &r->source->log, o->pcpus.nr, o->nr_vms * o->nr_vcpus,
			patience_ns))
		return error_set(err, EXIT_HOST, "not enough memory to follow '%s'",
				 o->replay_path);
	r->replays = true;
	r->guest_is_recorded = strcmp(r->recorded.guest_sha256, r->source->guest_sha256) == 0;
	return 0;
}

int record_replay_prepare(struct record_replay *r, const struct elf_file *guest,
			  struct pcpus *pcpus, struct error *err)
{
	/* Not in record_replay_open(): some options are settled only when the guest is loaded. */
	if (r->options->record_path)
		schedule_file_describe(&r->recorded, r->options);
	if (r->options->record_path || r->source)
		sha256_text(guest->bytes, guest->nr_bytes, r->recorded.guest_sha256);
	if (r->source && prepare_replay(r, err))
		return -1;
	pcpus_set_schedule(pcpus, r->options->record_path ? &r->recorded.log : NULL,
			   r->source ? &r->replay : NULL);
	return 0;
}

void record_replay_collect(const struct record_replay *r, struct run_result *result)
{
	result->recorded = r->recorded.log.nr;
	result->record_lost = r->recorded.log.lost;
	result->replay = r->replay.counts;
	result->guest_is_recorded = r->guest_is_recorded;
}

static int print_schedule(FILE *out, void *context)
{
	return schedule_file_print(out, context);
}

int record_replay_write(struct record_replay *r, struct error *err)
{
	if (!r->options->record_path)
		return 0;
	return output_file_commit_printed(&r->output, print_schedule, &r->recorded, err);
}

void record_replay_finish(struct record_replay *r)
{
	if (!r->options) /* it was never opened */
		return;
	output_file_discard(&r->output);
	schedule_file_finish(&r->recorded);
	if (r->replays)
		replay_finish(&r->replay);
}
