/* SPDX-License-Identifier: MIT */
/* The options of a run: one row of a table, and one setter, for each. */
#include "vmm/cli/options.h"

#include <string.h>

#include "minivmm/nearest.h"
#include "minivmm/x86.h"
#include "vcpu/base/clock.h"
#include "vmm/cli/names.h"
#include "vmm/cli/parse.h"

#define TIME_MAX_NS  (24 * 3600 * NS_PER_S)
#define SLICE_MIN_NS 10000ull
#define SLICE_MAX_NS (10 * NS_PER_S)
#define JITTER_MAX   90

static int bad_value(struct error *err, const char *option, const char *value, const char *why)
{
	return error_set(err, EXIT_USAGE, "--%s '%s' %s", option, value, why);
}

/* ---- setters: one for each row of the table ------------------------------- */

static int take_count(const char *option, const char *value, uint64_t max, unsigned *ret_count,
		      struct error *err)
{
	uint64_t number;
	const char *why = parse_number(value, &number);

	if (why)
		return bad_value(err, option, value, why);
	if (number == 0 || number > max)
		return error_set(err, EXIT_USAGE, "--%s '%s' is out of range: give 1 to %ju",
				 option, value, (uintmax_t)max);
	*ret_count = (unsigned)number;
	return 0;
}

static int take_time(const char *option, const char *value, uint64_t *ret_ns, struct error *err)
{
	uint64_t ns;
	const char *why = parse_time(value, &ns);

	if (!why && ns == 0)
		why = "is no time at all: give more than 0";
	if (!why && ns > TIME_MAX_NS)
		why = "is too long: 24h are the most";
	if (why)
		return bad_value(err, option, value, why);
	*ret_ns = ns;
	return 0;
}

static int unknown_name(const char *option, const struct name_table *table, const char *name,
			struct error *err)
{
	const char *nearest = mv_nearest(name, table->name, table->nr);

	if (nearest)
		return error_set(err, EXIT_USAGE, "--%s: there is no %s '%s': did you mean '%s'?",
				 option, table->one, name, nearest);
	return error_set(err, EXIT_USAGE, "--%s: there is no %s '%s': --list names them all",
			 option, table->one, name);
}

static int take_name(const char *option, const struct name_table *table, const char *value,
		     unsigned *ret_index, struct error *err)
{
	int index = name_table_index(table, value);

	if (index < 0)
		return unknown_name(option, table, value, err);
	*ret_index = (unsigned)index;
	return 0;
}

static int set_vcpus(struct options *o, const char *value, struct error *err)
{
	return take_count("vcpus", value, MV_MAX_VCPUS, &o->nr_vcpus, err);
}

static int set_vms(struct options *o, const char *value, struct error *err)
{
	return take_count("vms", value, MAX_VMS, &o->nr_vms, err);
}

/* Whether they may be used is checked at the end, against the CPUs that are allowed. */
static int set_pcpus(struct options *o, const char *value, struct error *err)
{
	const char *why = parse_cpu_list(value, &o->pcpus);

	return why ? bad_value(err, "pcpus", value, why) : 0;
}

static int set_mem(struct options *o, const char *value, struct error *err)
{
	uint64_t bytes;
	const char *why = parse_size(value, &bytes);

	if (!why && (bytes < MV_MEM_MIN_BYTES || bytes > MV_MEM_MAX_BYTES))
		why = "is out of range: give 4M to 3G";
	if (!why && bytes % PAGE_BYTES)
		why = "is not a whole number of 4K pages";
	if (why)
		return bad_value(err, "mem", value, why);
	o->mem_bytes = bytes;
	o->mem_given = true;
	return 0;
}

static int set_slice(struct options *o, const char *value, struct error *err)
{
	uint64_t ns = 0;

	if (take_time("slice", value, &ns, err))
		return -1;
	if (ns < SLICE_MIN_NS || ns > SLICE_MAX_NS)
		return bad_value(err, "slice", value, "is out of range: give 10us to 10s");
	o->slice_ns = ns;
	return 0;
}

static int set_slice_jitter(struct options *o, const char *value, struct error *err)
{
	uint64_t pct;
	const char *why = parse_percent(value, &pct);

	if (!why && pct > JITTER_MAX)
		why = "is out of range: give 0 to 90";
	if (why)
		return bad_value(err, "slice-jitter", value, why);
	o->slice_jitter_pct = (unsigned)pct;
	return 0;
}

static int set_slice_alignment(struct options *o, const char *value, struct error *err)
{
	unsigned index;

	if (take_name("slice-alignment", &slice_alignment_names, value, &index, err))
		return -1;
	o->slice_alignment = (enum slice_alignment)index;
	o->slice_alignment_given = true;
	return 0;
}

static int set_grace(struct options *o, const char *value, struct error *err)
{
	if (strcmp(value, "0") == 0) { /* what goes without saying, for lists of a sweep */
		o->grace_ns = 0;
		return 0;
	}
	return take_time("grace", value, &o->grace_ns, err);
}

static int set_sched(struct options *o, const char *value, struct error *err)
{
	unsigned index;

	if (take_name("sched", &policy_names, value, &index, err))
		return -1;
	o->sched = &sched_policies[index];
	return 0;
}

static int set_background(struct options *o, const char *value, struct error *err)
{
	const char *why = parse_background(value, &o->background);

	return why ? bad_value(err, "background", value, why) : 0;
}

int options_add_mechanism(struct options *o, enum mechanism_id mechanism, struct error *err)
{
	const char *name = mechanism_names.name[mechanism];

	for (unsigned i = 0; i < o->nr_mechanisms; i++) {
		if (o->mechanism[i] == mechanism)
			return error_set(err, EXIT_USAGE,
					 "--shootdown names '%s' twice: name each mechanism once",
					 name);
	}
	o->mechanism[o->nr_mechanisms] = mechanism;
	o->mechanism_label[o->nr_mechanisms++] = name;
	return 0;
}

static int set_shootdown(struct options *o, const char *value, struct error *err)
{
	struct word_list words;
	const char *why = parse_word_list(value, &words);
	unsigned index;

	if (!why && words.nr > MV_MAX_MECHANISMS)
		why = "has too many names in it: one run compares at most 8";
	if (why)
		return bad_value(err, "shootdown", value, why);
	o->nr_mechanisms = 0;
	for (unsigned i = 0; i < words.nr; i++) {
		if (take_name("shootdown", &mechanism_names, words.word[i], &index, err) ||
		    options_add_mechanism(o, (enum mechanism_id)index, err))
			return -1;
	}
	return 0;
}

static int set_flush_via(struct options *o, const char *value, struct error *err)
{
	return take_name("flush-via", &flush_prim_names, value, &o->flush_via, err);
}

static int set_dirty(struct options *o, const char *value, struct error *err)
{
	unsigned index;

	if (take_name("dirty", &dirty_names, value, &index, err))
		return -1;
	o->dirty = (enum dirty_kind)index;
	return 0;
}

static int set_dirty_every(struct options *o, const char *value, struct error *err)
{
	return take_time("dirty-every", value, &o->dirty_every_ns, err);
}

static int set_hide(struct options *o, const char *value, struct error *err)
{
	struct word_list words;
	const char *why = parse_word_list(value, &words);
	unsigned index;

	if (why)
		return bad_value(err, "hide", value, why);
	for (unsigned i = 0; i < words.nr; i++) {
		if (take_name("hide", &feature_names, words.word[i], &index, err))
			return -1;
		o->hidden_features |= feature_bit(index);
	}
	return 0;
}

static int set_duration(struct options *o, const char *value, struct error *err)
{
	return take_time("duration", value, &o->duration_ns, err);
}

static int set_count(struct options *o, const char *value, struct error *err)
{
	uint64_t count;
	const char *why = parse_number(value, &count);

	if (!why && count == 0)
		why = "measures nothing: give 1 or more";
	if (why)
		return bad_value(err, "count", value, why);
	o->count = count;
	return 0;
}

static int set_seed(struct options *o, const char *value, struct error *err)
{
	const char *why = parse_number(value, &o->seed);

	o->seed_given = true;
	return why ? bad_value(err, "seed", value, why) : 0;
}

static int set_inject(struct options *o, const char *value, struct error *err)
{
	unsigned index;

	if (take_name("inject", &fault_names, value, &index, err))
		return -1;
	o->fault = (enum fault)index;
	return 0;
}

static int set_timeout(struct options *o, const char *value, struct error *err)
{
	return take_time("timeout", value, &o->timeout_ns, err);
}

static int take_path(const char *option, const char *value, const char **ret_path,
		     struct error *err)
{
	if (!*value)
		return bad_value(err, option, value, "is not the name of a file");
	*ret_path = value;
	return 0;
}

#define PATH_SETTER(name)                                                              \
	static int set_##name(struct options *o, const char *value, struct error *err) \
	{                                                                              \
		return take_path(#name, value, &o->name##_path, err);                  \
	}

PATH_SETTER(initrd)
PATH_SETTER(json)
PATH_SETTER(record)
PATH_SETTER(replay)
PATH_SETTER(trace)

/* Of options without a value. */
#define FLAG_SETTER(name, field, set)                                                  \
	static int set_##name(struct options *o, const char *value, struct error *err) \
	{                                                                              \
		(void)value, (void)err;                                                \
		o->field = set;                                                        \
		return 0;                                                              \
	}

FLAG_SETTER(mark_exits, mark_exits, true)
FLAG_SETTER(strict_io, strict_io, true)
FLAG_SETTER(no_sandbox, no_sandbox, true)
FLAG_SETTER(list, command, COMMAND_LIST)
FLAG_SETTER(quiet, quiet, true)
FLAG_SETTER(verbose, verbose, true)
FLAG_SETTER(version, command, COMMAND_VERSION)
FLAG_SETTER(help, command, COMMAND_HELP)

const struct option_row option_table[] = {
	{ "vcpus", "N", "vCPUs of each VM (twice the pCPUs)", set_vcpus, 0 },
	{ "vms", "N", "VMs that share the pCPUs (1)", set_vms, 0 },
	{ "pcpus", "LIST", "host CPUs to use as pCPUs, as in 0-1,3 (all allowed)", set_pcpus, 0 },
	{ "mem", "SIZE", "memory of each guest, 4M to 3G (64M)", set_mem, 0 },
	{ "initrd", "FILE", "a kernel's initial RAM file system (none)", set_initrd, 0 },
	{ "strict-io", NULL, "end a PVH guest that looks for a missing device", set_strict_io, 0 },
	{ "slice", "TIME", "time slice of a vCPU, 10us to 10s (4ms)", set_slice, OPTION_OF_SLICES },
	{ "slice-jitter", "PCT", "vary each slice by up to this share (25)", set_slice_jitter,
	  OPTION_OF_SLICES },
	{ "slice-alignment", "KIND", "how the pCPUs' slices lie (independent)", set_slice_alignment,
	  OPTION_OF_SLICES },
	{ "grace", "TIME", "extend a slice once inside a shootdown (never)", set_grace,
	  OPTION_OF_ABI | OPTION_OF_SLICES },
	{ "sched", "POLICY", "which vCPU runs next (round-robin)", set_sched, 0 },
	{ "background", "LOAD", "busy threads on each pCPU, N or N:NICE (none)", set_background,
	  0 },
	{ "shootdown", "LIST", "mechanisms to measure in turn (ipi,pv)", set_shootdown, 0 },
	{ "flush-via", "PRIM", "how the host flushes a guest's TLB (auto)", set_flush_via, 0 },
	{ "dirty", "KIND", "measure all again while dirty pages are tracked (none)", set_dirty,
	  OPTION_OF_ABI },
	{ "dirty-every", "TIME", "how often dirty pages are harvested (20ms)", set_dirty_every,
	  OPTION_OF_ABI },
	{ "mark-exits", NULL, "mark vCPUs while the VMM serves a store of theirs, too",
	  set_mark_exits, 0 },
	{ "hide", "LIST", "hide features from the guests' CPUID (none)", set_hide, 0 },
	{ "duration", "TIME", "how long each mechanism runs (2s)", set_duration, OPTION_OF_ABI },
	{ "count", "N", "end each mechanism after N shootdowns, once checked", set_count,
	  OPTION_OF_ABI },
	{ "seed", "N", "everything random comes from it (drawn, and reported)", set_seed, 0 },
	{ "record", "FILE", "write the schedule of the run, for --replay", set_record,
	  OPTION_OF_RUN | OPTION_OF_SLICES },
	{ "replay", "FILE", "repeat a recorded schedule, with its options", set_replay,
	  OPTION_OF_RUN | OPTION_OF_SLICES },
	{ "inject", "FAULT", "break the protocol on purpose (none)", set_inject, 0 },
	{ "timeout", "TIME", "give up on a guest that hangs (all durations + 30s)", set_timeout,
	  0 },
	{ "json", "FILE", "write the whole result as JSON", set_json, OPTION_OF_RUN },
	{ "trace", "FILE", "write what happened as a trace for Perfetto", set_trace,
	  OPTION_OF_RUN },
	{ "no-sandbox", NULL, "let the process make any system call while guests run",
	  set_no_sandbox, 0 },
	{ "list", NULL, "list what can be named above, and the scenarios", set_list,
	  OPTION_OF_RUN },
	{ "quiet", NULL, "print the verdict, and how to repeat a failure", set_quiet, 0 },
	{ "verbose", NULL, "print more: self-check, each vCPU, the guest's console", set_verbose,
	  OPTION_OF_RUN },
	{ "version", NULL, "print the version", set_version, OPTION_OF_RUN },
	{ "help", NULL, "print this", set_help, 0 },
};
const unsigned nr_option_rows = sizeof(option_table) / sizeof(option_table[0]);

const struct option_row *option_find(const char *name)
{
	for (unsigned i = 0; i < nr_option_rows; i++) {
		if (strcmp(option_table[i].name, name) == 0)
			return &option_table[i];
	}
	return NULL;
}
