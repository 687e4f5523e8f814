/* SPDX-License-Identifier: MIT */
/* The options of a run as words again. */
#include "vmm/cli/options_format.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "vmm/base/human.h"
#include "vmm/cli/names.h"

/* "0-1,3" of all pCPUs, or the longest name list: each fits. */
#define VALUE_BYTES 2048

/* Exactly, unlike human_time(): the largest unit that leaves a whole number. */
static void format_time(char value[VALUE_BYTES], uint64_t ns)
{
	static const char *const units[] = { "ns", "us", "ms", "s" };
	unsigned unit = 0;

	while (unit < 3 && ns % 1000 == 0) {
		ns /= 1000;
		unit++;
	}
	snprintf(value, VALUE_BYTES, "%" PRIu64 "%s", ns, units[unit]);
}

static void format_number(char value[VALUE_BYTES], uint64_t number)
{
	snprintf(value, VALUE_BYTES, "%" PRIu64, number);
}

static void format_name(char value[VALUE_BYTES], const char *name)
{
	snprintf(value, VALUE_BYTES, "%s", name);
}

/* ---- one for each option: its value in words; "" if it is not set ------------- */

static void vms(const struct options *o, char value[VALUE_BYTES])
{
	format_number(value, o->nr_vms);
}

static void vcpus(const struct options *o, char value[VALUE_BYTES])
{
	format_number(value, o->nr_vcpus);
}

static void pcpus(const struct options *o, char value[VALUE_BYTES])
{
	cpu_list_format(&o->pcpus, value, VALUE_BYTES);
}

static void mem(const struct options *o, char value[VALUE_BYTES])
{
	format_name(value, human_size(o->mem_bytes).text);
}

static void initrd(const struct options *o, char value[VALUE_BYTES])
{
	if (o->initrd_path)
		format_name(value, o->initrd_path);
}

static void strict_io(const struct options *o, char value[VALUE_BYTES])
{
	if (o->strict_io)
		format_name(value, "set");
}

static void slice(const struct options *o, char value[VALUE_BYTES])
{
	format_time(value, o->slice_ns);
}

static void slice_jitter(const struct options *o, char value[VALUE_BYTES])
{
	format_number(value, o->slice_jitter_pct);
}

/* The default is left out: it follows from --sched, and a replay may be given another. */
static void slice_alignment(const struct options *o, char value[VALUE_BYTES])
{
	if (o->slice_alignment != options_default_slice_alignment(o))
		format_name(value, slice_alignment_names.name[o->slice_alignment]);
}

static void grace(const struct options *o, char value[VALUE_BYTES])
{
	if (o->grace_ns)
		format_time(value, o->grace_ns);
}

static void sched(const struct options *o, char value[VALUE_BYTES])
{
	format_name(value, o->sched->name);
}

/* The default is left out, as above: it follows from --inject. */
static void shootdown(const struct options *o, char value[VALUE_BYTES])
{
	size_t used = 0;

	for (unsigned i = 0; i < o->nr_mechanisms - o->nr_tracked && used < VALUE_BYTES; i++)
		used += (size_t)snprintf(value + used, VALUE_BYTES - used, "%s%s", i ? "," : "",
					 o->mechanism_label[i]);
	if (strcmp(value, fault_shootdown(o->fault)) == 0)
		value[0] = 0;
}

static void flush_via(const struct options *o, char value[VALUE_BYTES])
{
	format_name(value, flush_prim_names.name[o->flush_via]);
}

static void dirty(const struct options *o, char value[VALUE_BYTES])
{
	if (o->dirty != DIRTY_none)
		format_name(value, dirty_names.name[o->dirty]);
}

static void dirty_every(const struct options *o, char value[VALUE_BYTES])
{
	if (o->dirty != DIRTY_none)
		format_time(value, o->dirty_every_ns);
}

static void background(const struct options *o, char value[VALUE_BYTES])
{
	const struct background_load *load = &o->background;

	if (load->per_cpu && load->has_nice)
		snprintf(value, VALUE_BYTES, "%u:%d", load->per_cpu, load->nice);
	else if (load->per_cpu)
		format_number(value, load->per_cpu);
}

static void mark_exits(const struct options *o, char value[VALUE_BYTES])
{
	if (o->mark_exits)
		format_name(value, "set");
}

static void hide(const struct options *o, char value[VALUE_BYTES])
{
	size_t used = 0;

	for (unsigned i = 0; i < feature_names.nr; i++) {
		const char *name = feature_names.name[i];

		if (o->hidden_features & feature_bit(i))
			used += (size_t)snprintf(value + used, VALUE_BYTES - used, "%s%s",
						 used ? "," : "", name);
	}
}

static void duration(const struct options *o, char value[VALUE_BYTES])
{
	format_time(value, o->duration_ns);
}

static void count(const struct options *o, char value[VALUE_BYTES])
{
	if (o->count)
		format_number(value, o->count);
}

static void seed(const struct options *o, char value[VALUE_BYTES])
{
	format_number(value, o->seed);
}

static void inject(const struct options *o, char value[VALUE_BYTES])
{
	format_name(value, fault_names.name[o->fault]);
}

static void timeout(const struct options *o, char value[VALUE_BYTES])
{
	if (o->timeout_ns != options_default_timeout_ns(o))
		format_time(value, o->timeout_ns);
}

/* ALWAYS: its default depends on the machine, or is drawn. FLAG: it takes no value. */
static const struct visited {
	const char *name;
	enum { PLAIN, ALWAYS, FLAG } kind;
	void (*format)(const struct options *o, char value[VALUE_BYTES]);
} visited[] = {
	{ "vms", PLAIN, vms },
	{ "vcpus", ALWAYS, vcpus },
	{ "pcpus", ALWAYS, pcpus },
	{ "mem", PLAIN, mem },
	{ "initrd", PLAIN, initrd },
	{ "strict-io", FLAG, strict_io },
	{ "slice", PLAIN, slice },
	{ "slice-jitter", PLAIN, slice_jitter },
	{ "slice-alignment", PLAIN, slice_alignment },
	{ "grace", PLAIN, grace },
	{ "sched", PLAIN, sched },
	{ "shootdown", PLAIN, shootdown },
	{ "background", PLAIN, background },
	{ "flush-via", PLAIN, flush_via },
	{ "dirty", PLAIN, dirty },
	{ "dirty-every", PLAIN, dirty_every },
	{ "mark-exits", FLAG, mark_exits },
	{ "hide", PLAIN, hide },
	{ "duration", PLAIN, duration },
	{ "count", PLAIN, count },
	{ "seed", ALWAYS, seed },
	{ "inject", PLAIN, inject },
	{ "timeout", ALWAYS, timeout },
};
#define NR_VISITED (sizeof(visited) / sizeof(visited[0]))

/* The default memory depends on how the guest starts, so that a size given is always named. */
static bool is_given(const struct visited *v, const struct options *o)
{
	return v->format == mem && o->mem_given;
}

void options_visit(const struct options *o, bool all, option_visitor *visit, void *context)
{
	struct options defaults;

	options_set_defaults(&defaults);
	for (unsigned i = 0; i < NR_VISITED; i++) {
		char value[VALUE_BYTES] = "", standard[VALUE_BYTES] = "";

		visited[i].format(o, value);
		if (!all && visited[i].kind != ALWAYS && !is_given(&visited[i], o))
			visited[i].format(&defaults, standard);
		if (value[0] && strcmp(value, standard) != 0)
			visit(context, visited[i].name, visited[i].kind == FLAG ? "" : value);
	}
}

static const struct visited *find(const char *name)
{
	for (unsigned i = 0; i < NR_VISITED; i++) {
		if (strcmp(visited[i].name, name) == 0)
			return &visited[i];
	}
	return NULL;
}

const char *options_find_visited(const char *name)
{
	const struct visited *found = find(name);

	return found ? found->name : NULL;
}

bool options_visited_is_flag(const char *name)
{
	const struct visited *found = find(name);

	return found && found->kind == FLAG;
}
