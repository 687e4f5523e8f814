/* SPDX-License-Identifier: MIT */
/* Reads back the shootdowns and the states of vCPUs from a trace that minivmm wrote. */
#define _GNU_SOURCE
#include "vmm/trace/trace_read.h"

#include <errno.h>
#include <json-c/json.h>
#include <stdlib.h>
#include <string.h>

#include "vmm/cli/options.h"
#include "vmm/trace/trace_export.h"

#define NONE SIZE_MAX

/* What is open on the tracks of one vCPU. */
struct open_slices {
	bool has_state;
	size_t shootdown; /* NONE: no shootdown */
	bool is_waiting;
};

struct reader {
	struct trace_data *data;
	struct open_slices *open; /* of each vCPU */
};

/* One event, as far as it matters here. */
struct event {
	json_object *json;
	char phase;
	unsigned i; /* the vCPU among all */
	bool is_state_track;
	uint64_t ns;
	const char *category; /* "" if it has none */
	const char *name;
};

/* ---- arrays that grow ------------------------------------------------------------------- */

/* Makes room for one more element; returns the array, or NULL with the old one kept. */
static void *grow(void *array, size_t nr, size_t *room, size_t element_bytes)
{
	if (nr < *room)
		return array;
	size_t more = *room ? 2 * *room : 256;
	void *larger = reallocarray(array, more, element_bytes);

	if (larger)
		*room = more;
	return larger;
}

static struct trace_span *add_span(struct trace_spans *s)
{
	void *larger = grow(s->span, s->nr, &s->room, sizeof(*s->span));

	if (!larger)
		return NULL;
	s->span = larger;
	return &s->span[s->nr++];
}

static struct trace_shootdown *add_shootdown(struct trace_data *d)
{
	void *larger = grow(d->shootdown, d->nr_shootdowns, &d->shootdown_room,
			    sizeof(*d->shootdown));

	if (!larger)
		return NULL;
	d->shootdown = larger;
	return &d->shootdown[d->nr_shootdowns++];
}

static struct trace_wait *add_wait(struct trace_data *d)
{
	void *larger = grow(d->wait, d->nr_waits, &d->wait_room, sizeof(*d->wait));

	if (!larger)
		return NULL;
	d->wait = larger;
	return &d->wait[d->nr_waits++];
}

/* ---- fields of an event ------------------------------------------------------------------ */

static const char *text_of(json_object *o, const char *key)
{
	json_object *field;

	if (!json_object_object_get_ex(o, key, &field) ||
	    !json_object_is_type(field, json_type_string))
		return "";
	return json_object_get_string(field);
}

/* A number from 0 to max, or -EINVAL. */
static int number_of(json_object *o, const char *key, uint64_t max, uint64_t *ret_number)
{
	json_object *field;

	if (!json_object_object_get_ex(o, key, &field) ||
	    !json_object_is_type(field, json_type_int))
		return -EINVAL;
	int64_t number = json_object_get_int64(field);
	if (number < 0 || (uint64_t)number > max)
		return -EINVAL;
	*ret_number = (uint64_t)number;
	return 0;
}

static int argument_of(json_object *event, const char *key, uint64_t max, uint64_t *ret_number)
{
	json_object *args;

	if (!json_object_object_get_ex(event, "args", &args) ||
	    !json_object_is_type(args, json_type_object))
		return -EINVAL;
	return number_of(args, key, max, ret_number);
}

static int time_of(json_object *event, uint64_t *ret_ns)
{
	json_object *field;

	if (!json_object_object_get_ex(event, "ts", &field))
		return -EINVAL;
	double us = json_object_get_double(field);
	if (!(us >= 0 && us < 1e15))
		return -EINVAL;
	*ret_ns = (uint64_t)(us * 1000 + 0.5);
	return 0;
}

/* 1 if the event is about a vCPU, 0 if it is about something else, or -EINVAL. */
static int parse_event(const struct trace_data *d, json_object *json, struct event *ret_event)
{
	uint64_t pid, tid;
	struct event e = {
		.json = json,
		.phase = text_of(json, "ph")[0],
		.category = text_of(json, "cat"),
		.name = text_of(json, "name"),
	};

	if (number_of(json, "pid", PID_VM(d->nr_vms - 1), &pid) ||
	    number_of(json, "tid", UINT32_MAX, &tid))
		return -EINVAL;
	if (e.phase == 'M' || e.phase == 's' || e.phase == 'f' || pid < PID_VM(0))
		return 0;
	if (tid < TID_STATE(0) || tid > TID_SHOOT(d->nr_vcpus - 1) || time_of(json, &e.ns))
		return -EINVAL;
	e.i = (unsigned)((pid - PID_VM(0)) * d->nr_vcpus + (tid - TID_STATE(0)) / 2);
	e.is_state_track = (tid - TID_STATE(0)) % 2 == 0;
	*ret_event = e;
	return 1;
}

/* ---- slices: 0, -EINVAL if they do not nest, or -ENOMEM ------------------------------------ */

static int begin_state(struct reader *r, const struct event *e)
{
	struct trace_spans *s = &r->data->spans[e->i];

	if (r->open[e->i].has_state || (s->nr && e->ns < s->span[s->nr - 1].end_ns))
		return -EINVAL;
	struct trace_span *span = add_span(s);
	if (!span)
		return -ENOMEM;
	*span = (struct trace_span){
		.begin_ns = e->ns,
		.end_ns = e->ns,
		.runs = strcmp(e->name, "running") == 0,
		.is_preempted = strcmp(e->name, "preempted") == 0,
	};
	r->open[e->i].has_state = true;
	return 0;
}

static int end_state(struct reader *r, const struct event *e)
{
	struct trace_spans *s = &r->data->spans[e->i];

	if (!r->open[e->i].has_state || e->ns < s->span[s->nr - 1].begin_ns)
		return -EINVAL;
	s->span[s->nr - 1].end_ns = e->ns;
	r->open[e->i].has_state = false;
	return 0;
}

/* The number of a mechanism, which is added if it is new; -1 if there are too many. */
static int mechanism_number(struct trace_data *d, const char *name)
{
	for (unsigned k = 0; k < d->nr_mechanisms; k++) {
		if (strcmp(d->mechanism[k], name) == 0)
			return (int)k;
	}
	if (d->nr_mechanisms == TRACE_MECHANISMS_MAX || strlen(name) >= MV_NAME_BYTES)
		return -1;
	strcpy(d->mechanism[d->nr_mechanisms], name);
	return (int)d->nr_mechanisms++;
}

static int begin_shootdown(struct reader *r, const struct event *e)
{
	int mechanism = mechanism_number(r->data, e->name);

	if (r->open[e->i].shootdown != NONE || mechanism < 0)
		return -EINVAL;
	struct trace_shootdown *s = add_shootdown(r->data);
	if (!s)
		return -ENOMEM;
	*s = (struct trace_shootdown){
		.mechanism = (unsigned)mechanism,
		.initiator = e->i,
		.begin_ns = e->ns,
		.ipi_ns = e->ns,
		.first_wait = r->data->nr_waits,
	};
	r->open[e->i].shootdown = r->data->nr_shootdowns - 1;
	return 0;
}

/* Initiators follow each other in the file: what is open is the last of its kind. */
static bool is_latest(const struct reader *r, size_t shootdown)
{
	return shootdown != NONE && shootdown == r->data->nr_shootdowns - 1;
}

static int begin_wait(struct reader *r, const struct event *e)
{
	struct open_slices *open = &r->open[e->i];
	uint64_t target;

	if (!is_latest(r, open->shootdown) || open->is_waiting ||
	    argument_of(e->json, "vcpu", r->data->nr_vcpus - 1, &target))
		return -EINVAL;
	struct trace_wait *w = add_wait(r->data);
	if (!w)
		return -ENOMEM;
	*w = (struct trace_wait){
		.begin_ns = e->ns,
		.target = e->i - e->i % r->data->nr_vcpus + (unsigned)target,
	};
	r->data->shootdown[open->shootdown].nr_waits++;
	open->is_waiting = true;
	return 0;
}

static int end_shootdown_or_wait(struct reader *r, const struct event *e)
{
	struct open_slices *open = &r->open[e->i];
	struct trace_data *d = r->data;
	uint64_t unfinished;

	if (!is_latest(r, open->shootdown))
		return -EINVAL;
	if (open->is_waiting) {
		d->wait[d->nr_waits - 1].end_ns = e->ns;
		open->is_waiting = false;
		return e->ns < d->wait[d->nr_waits - 1].begin_ns ? -EINVAL : 0;
	}
	d->shootdown[open->shootdown].end_ns = e->ns;
	if (argument_of(e->json, "unfinished", 1, &unfinished) == 0) {
		d->nr_shootdowns--;
		d->nr_unfinished++;
	} else if (e->ns < d->shootdown[open->shootdown].begin_ns) {
		return -EINVAL;
	}
	open->shootdown = NONE;
	return 0;
}

static int read_begin(struct reader *r, const struct event *e)
{
	if (e->is_state_track)
		return begin_state(r, e);
	return strcmp(e->category, "wait") ? begin_shootdown(r, e) : begin_wait(r, e);
}

static int read_event(struct reader *r, json_object *json)
{
	struct event e;
	int about_vcpu = parse_event(r->data, json, &e);

	if (about_vcpu <= 0)
		return about_vcpu;
	if (e.phase == 'B')
		return read_begin(r, &e);
	if (e.phase == 'E')
		return e.is_state_track ? end_state(r, &e) : end_shootdown_or_wait(r, &e);
	if (strcmp(e.category, "ipi") == 0 && r->open[e.i].shootdown != NONE)
		r->data->shootdown[r->open[e.i].shootdown].ipi_ns = e.ns;
	return 0;
}

/* ---- lines ---------------------------------------------------------------------------------- */

/* The first line, which leaves the object and its array of events open. */
static int read_head(struct trace_data *d, const char *line)
{
	char *closed;
	uint64_t vms, vcpus;
	json_object *other;

	if (asprintf(&closed, "%s]}", line) < 0)
		return -ENOMEM;
	json_object *head = json_tokener_parse(closed);
	free(closed);
	bool valid = head && json_object_object_get_ex(head, "otherData", &other) &&
		     strcmp(text_of(other, "schema"), TRACE_SCHEMA) == 0 &&
		     !number_of(other, "events_recorded", INT64_MAX, &d->counts.recorded) &&
		     !number_of(other, "events_lost", INT64_MAX, &d->counts.lost) &&
		     !number_of(other, "events_cut", INT64_MAX, &d->counts.cut) &&
		     !number_of(other, "events_invalid", INT64_MAX, &d->counts.invalid) &&
		     !number_of(other, "vms", MAX_VMS, &vms) && vms > 0 &&
		     !number_of(other, "vcpus", MV_MAX_VCPUS, &vcpus) && vcpus > 0;
	json_object_put(head);
	if (!valid)
		return -EINVAL;
	d->nr_vms = (unsigned)vms;
	d->nr_vcpus = (unsigned)vcpus;
	return 0;
}

static int prepare(struct reader *r)
{
	unsigned nr_all = r->data->nr_vms * r->data->nr_vcpus;

	r->data->spans = calloc(nr_all, sizeof(*r->data->spans));
	r->open = calloc(nr_all, sizeof(*r->open));
	if (!r->data->spans || !r->open)
		return -ENOMEM;
	for (unsigned i = 0; i < nr_all; i++)
		r->open[i].shootdown = NONE;
	return 0;
}

/* One event and the comma behind it. */
static int read_line(struct reader *r, char *line)
{
	size_t length = strlen(line);

	if (length && line[length - 1] == ',')
		line[length - 1] = 0;
	json_object *json = json_tokener_parse(line);
	int result = json ? read_event(r, json) : -EINVAL;
	json_object_put(json);
	return result;
}

/* At the end of the trace. */
static int check_all_closed(const struct reader *r)
{
	for (unsigned i = 0; i < r->data->nr_vms * r->data->nr_vcpus; i++) {
		if (r->open[i].has_state || r->open[i].shootdown != NONE)
			return -EINVAL;
	}
	return 1;
}

/* 1: the line that ends the trace. */
static int take_line(struct reader *r, unsigned long number, char *line)
{
	if (number == 1) {
		int failed = read_head(r->data, line);

		return failed ? failed : prepare(r);
	}
	return strcmp(line, "]}") ? read_line(r, line) : check_all_closed(r);
}

static int read_lines(struct reader *r, FILE *in, unsigned long *ret_number)
{
	char *line = NULL;
	size_t room = 0;
	ssize_t length;
	int result = -EINVAL; /* of an empty file */

	*ret_number = 0;
	while ((length = getline(&line, &room, in)) > 0) {
		if (line[length - 1] == '\n')
			line[length - 1] = 0;
		result = take_line(r, ++*ret_number, line);
		if (result)
			break;
	}
	free(line);
	return result == 1 ? 0 : result ? result : -EINVAL;
}

int trace_read(FILE *in, const char *path, struct trace_data *ret_data, struct error *err)
{
	struct trace_data data = { 0 };
	struct reader r = { .data = &data };
	unsigned long number;
	int failed = read_lines(&r, in, &number);

	free(r.open);
	if (!failed) {
		*ret_data = data;
		return 0;
	}
	trace_data_finish(&data);
	if (failed == -ENOMEM)
		return error_set(err, EXIT_HOST, "not enough memory for the trace '%s'", path);
	return error_set(err, EXIT_USAGE,
			 "'%s' is not a whole trace as --trace writes it: stopped after line %lu",
			 path, number);
}

void trace_data_finish(struct trace_data *data)
{
	for (unsigned i = 0; data->spans && i < data->nr_vms * data->nr_vcpus; i++)
		free(data->spans[i].span);
	free(data->spans);
	free(data->shootdown);
	free(data->wait);
	*data = (struct trace_data){ 0 };
}
