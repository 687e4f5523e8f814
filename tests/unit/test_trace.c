/* SPDX-License-Identifier: MIT */
/* Traces: rings, what is believed of a guest's, the file made of them, and its figures. */
#include "unit.h"

#include <json-c/json.h>
#include <stdlib.h>
#include <string.h>

#include "vmm/trace/trace_export.h"
#include "vmm/trace/trace_stats.h"

#define RING_EVENTS 16
#define NR_VCPUS    3
#define TSC_HZ	    1000000000 /* a tick is a nanosecond */
#define START	    1000000
#define END	    9000000

/* A machine of one VM, three vCPUs and two pCPUs, with its rings. */
static struct mv_trace_ring *host[NR_VCPUS], *guest[NR_VCPUS], *phases;
static struct trace_view host_view[NR_VCPUS], guest_view[NR_VCPUS];
static struct trace_log machine;

static struct trace_view make_ring(struct mv_trace_ring **ret_ring)
{
	*ret_ring = calloc(1, MV_TRACE_RING_BYTES(RING_EVENTS));
	(*ret_ring)->nr_events = RING_EVENTS;
	return (struct trace_view){ .ring = *ret_ring, .nr_events = RING_EVENTS };
}

static void make_machine(void)
{
	static const int host_cpu[] = { 4, 5 };
	static const char *const mechanism[] = { "ipi", "pv" };

	for (unsigned i = 0; i < NR_VCPUS; i++) {
		host_view[i] = make_ring(&host[i]);
		guest_view[i] = make_ring(&guest[i]);
	}
	machine = (struct trace_log){
		.nr_vms = 1,
		.nr_vcpus = NR_VCPUS,
		.nr_pcpus = 2,
		.host_cpu = host_cpu,
		.nr_mechanisms = 2,
		.mechanism = mechanism,
		.tsc_hz = TSC_HZ,
		.start_tsc = START,
		.end_tsc = END,
		.host = host_view,
		.guest = guest_view,
		.phases = make_ring(&phases),
	};
}

static void free_machine(void)
{
	for (unsigned i = 0; i < NR_VCPUS; i++) {
		free(host[i]);
		free(guest[i]);
	}
	free(phases);
}

/* Times in these tests are microseconds since the start. */
static void record(struct mv_trace_ring *ring, unsigned us, unsigned kind, unsigned index,
		   uint64_t value)
{
	mv_trace_record(ring, START + us * 1000ull, kind, index, value);
}

/* vCPU 0 and 1 run all the time, vCPU 2 from 200 us on only. */
static void record_schedule(void)
{
	record(phases, 0, TRACE_PHASE_BEGIN, 0, 1);
	record(host[0], 0, TRACE_RUN, 0, 0);
	record(host[1], 0, TRACE_RUN, 0, 1);
	record(host[1], 200, TRACE_MARK, 0, 0);
	record(host[1], 200, TRACE_WAIT, 0, 0);
	record(host[2], 0, TRACE_WAIT, 0, 0);
	record(host[2], 201, TRACE_EXCHANGE, 0, 3);
	record(host[2], 202, TRACE_FLUSH, 0, 0);
	record(host[2], 203, TRACE_RUN, 0, 1);
}

/* From 100 us to 150 us: the flush of vCPU 2 is deferred, vCPU 1 answers after 40 us. */
static void record_shootdown(void)
{
	record(guest[0], 100, MV_TRACE_SHOOTDOWN_BEGIN, 0, 2);
	record(guest[0], 105, MV_TRACE_DEFER, 0, 1 << 2);
	record(guest[0], 108, MV_TRACE_IPI, 0, 1 << 1);
	record(guest[0], 148, MV_TRACE_ACK, 1, 0);
	record(guest[0], 150, MV_TRACE_SHOOTDOWN_END, 0, 0);
}

/* ---- the file ------------------------------------------------------------------------------ */

static char *text;
static size_t text_bytes;

static struct trace_counts export_machine(void)
{
	struct trace_counts counts;
	FILE *out = open_memstream(&text, &text_bytes);

	ck_assert_int_eq(trace_export(out, &machine, &counts), 0);
	fclose(out);
	return counts;
}

static json_object *export_events(json_object **ret_file)
{
	json_object *events;

	export_machine();
	*ret_file = json_tokener_parse(text);
	ck_assert_msg(*ret_file, "no JSON: %s", text);
	ck_assert(json_object_object_get_ex(*ret_file, "traceEvents", &events));
	return events;
}

static const char *field(json_object *event, const char *key)
{
	json_object *value;

	return json_object_object_get_ex(event, key, &value) ? json_object_get_string(value) : "";
}

static double time_us(json_object *event)
{
	return atof(field(event, "ts"));
}

/* The n-th event of this phase and name, counting from 0; NULL if there are not so many. */
static json_object *find(json_object *events, const char *phase, const char *name, unsigned n)
{
	for (size_t i = 0; i < json_object_array_length(events); i++) {
		json_object *event = json_object_array_get_idx(events, i);

		if (strcmp(field(event, "ph"), phase) == 0 &&
		    strcmp(field(event, "name"), name) == 0 && n-- == 0)
			return event;
	}
	return NULL;
}

static struct trace_data read_back(void)
{
	struct trace_data data;
	struct error err;
	FILE *in = fmemopen(text, text_bytes, "r");

	ck_assert_msg(!trace_read(in, "test", &data, &err), "%s", err.text);
	fclose(in);
	return data;
}

/* Every slice ends on its own track, and times never go back on one; arrows aside. */
static void assert_slices_nest(json_object *events)
{
	struct {
		int depth;
		double us;
	} track[4][16] = { 0 };

	for (size_t i = 0; i < json_object_array_length(events); i++) {
		json_object *e = json_object_array_get_idx(events, i);
		int pid = atoi(field(e, "pid")), tid = atoi(field(e, "tid"));
		char phase = field(e, "ph")[0];

		if (!strchr("BEi", phase))
			continue;
		ck_assert_double_ge(time_us(e), track[pid][tid].us);
		track[pid][tid].us = time_us(e);
		track[pid][tid].depth += phase == 'B' ? 1 : phase == 'E' ? -1 : 0;
		ck_assert_int_ge(track[pid][tid].depth, 0);
	}
	for (unsigned n = 0; n < 4 * 16; n++)
		ck_assert_int_eq(track[n / 16][n % 16].depth, 0);
}

/* ---- rings ---------------------------------------------------------------------------------- */

START_TEST(full_ring_overwrites_its_oldest)
{
	struct mv_trace_event e;

	make_machine();
	for (unsigned n = 0; n < RING_EVENTS + 5; n++)
		record(host[0], n, TRACE_EXIT, 0, n);
	struct trace_cursor c = trace_cursor_host(&machine, 0);
	for (unsigned n = 5; n < RING_EVENTS + 5; n++) {
		ck_assert(trace_cursor_next(&c, &e));
		ck_assert_uint_eq(e.value, n);
	}
	ck_assert(!trace_cursor_next(&c, &e));
	free_machine();
}
END_TEST

START_TEST(loss_is_counted_and_begins_the_window)
{
	make_machine();
	record(host[1], 1, TRACE_RUN, 0, 0);
	record(host[1], 9, TRACE_EXIT, 0, 0);
	for (unsigned n = 0; n < RING_EVENTS + 5; n++)
		record(host[0], n, TRACE_EXIT, 0, n);
	ck_assert_uint_eq(trace_log_window(&machine), START + 5000);
	struct trace_counts n = trace_log_count(&machine, START + 5000);
	ck_assert_uint_eq(n.recorded, RING_EVENTS + 5 + 2);
	ck_assert_uint_eq(n.lost, 5);
	ck_assert_uint_eq(n.cut, 1);
	ck_assert_uint_eq(n.invalid, 0);
	free_machine();
}
END_TEST

START_TEST(no_ring_records_nothing)
{
	trace(NULL, TRACE_MARK, 0);
}
END_TEST

START_TEST(ring_size_fits)
{
	ck_assert_uint_eq(trace_ring_size(1, UINT64_MAX), 64 << 10);
	for (unsigned nr = 1; nr <= 256; nr *= 2) {
		uint32_t events = trace_ring_size(nr, 1 << 20);

		ck_assert_uint_eq(events & (events - 1), 0);
		ck_assert_uint_le(nr * MV_TRACE_RING_BYTES(events), 1 << 20);
	}
}
END_TEST

/* ---- a guest that lies ---------------------------------------------------- */

static const struct {
	struct mv_trace_event event;
	bool valid;
} claims[] = {
	{ { .tsc = START + 5, .kind = MV_TRACE_SHOOTDOWN_END }, true },
	{ { .tsc = START - 1, .kind = MV_TRACE_SHOOTDOWN_END }, false },
	{ { .tsc = END + 1, .kind = MV_TRACE_SHOOTDOWN_END }, false },
	{ { .tsc = START, .kind = MV_TRACE_SHOOTDOWN_BEGIN, .value = NR_VCPUS - 1 }, true },
	{ { .tsc = START, .kind = MV_TRACE_SHOOTDOWN_BEGIN, .value = NR_VCPUS }, false },
	{ { .tsc = START, .kind = MV_TRACE_DEFER, .value = 7 }, true },
	{ { .tsc = START, .kind = MV_TRACE_DEFER, .value = 8 }, false },
	{ { .tsc = START, .kind = MV_TRACE_IPI, .index = 1, .value = 1 }, false },
	{ { .tsc = START, .kind = MV_TRACE_IPI, .index = 65535, .value = 1 }, false },
	{ { .tsc = START, .kind = MV_TRACE_ACK, .index = NR_VCPUS - 1 }, true },
	{ { .tsc = START, .kind = MV_TRACE_ACK, .index = NR_VCPUS }, false },
	{ { .tsc = START, .kind = MV_TRACE_DEFER_LATE, .index = 65535 }, false },
	{ { .tsc = START, .kind = TRACE_RUN }, false },
	{ { .tsc = START, .kind = 65535 }, false },
};

START_TEST(guest_events_are_checked)
{
	struct mv_trace_event e;

	make_machine();
	guest[0]->event[0] = claims[_i].event;
	guest[0]->head = 1;
	struct trace_cursor c = trace_cursor_guest(&machine, 0);
	ck_assert_int_eq(trace_cursor_next(&c, &e), claims[_i].valid);
	ck_assert_uint_eq(c.invalid, !claims[_i].valid);
	free_machine();
}
END_TEST

START_TEST(guest_time_does_not_go_back)
{
	make_machine();
	record(guest[0], 10, MV_TRACE_SHOOTDOWN_BEGIN, 0, 2);
	record(guest[0], 9, MV_TRACE_SHOOTDOWN_END, 0, 0);
	ck_assert_uint_eq(export_machine().invalid, 1);
	free(text);
	free_machine();
}
END_TEST

/* Whatever the ring holds, the file is one that can be read back. */
START_TEST(scribbled_ring_gives_a_sound_file)
{
	json_object *file;
	uint64_t random = (uint64_t)_i + 1;

	make_machine();
	record_schedule();
	guest[0]->head = _i % 2 ? UINT64_MAX - RING_EVENTS + 1 : RING_EVENTS;
	guest[0]->nr_events = UINT32_MAX; /* ours counts */
	for (unsigned n = 0; n < RING_EVENTS; n++) {
		random = random * 6364136223846793005ull + 1442695040888963407ull;
		guest[0]->event[n] = (struct mv_trace_event){
			.tsc = START + n * 1000 + (random >> 60),
			.value = random >> 58 & (random >> 62 ? 3 : 63),
			.kind = (random >> 40) % 7,
			.index = random >> 50 & 1,
		};
	}
	assert_slices_nest(export_events(&file));
	struct trace_data data = read_back();
	FILE *nowhere = fopen("/dev/null", "w");
	trace_stats_print(nowhere, &data);
	fclose(nowhere);
	trace_data_finish(&data);
	json_object_put(file);
	free(text);
	free_machine();
}
END_TEST

/* ---- the file ------------------------------------------------------------- */

START_TEST(shootdown_is_a_slice_with_its_waits)
{
	json_object *file;

	make_machine();
	record_schedule();
	record_shootdown();
	json_object *events = export_events(&file);
	assert_slices_nest(events);
	ck_assert_double_eq(time_us(find(events, "B", "pv", 1)), 100); /* 0 is the phase */
	ck_assert_double_eq(time_us(find(events, "B", "waits for vCPU 1", 0)), 108);
	ck_assert_double_eq(time_us(find(events, "i", "defer", 0)), 105);
	ck_assert_double_eq(time_us(find(events, "i", "IPI", 0)), 108);
	ck_assert_ptr_null(find(events, "B", "waits for vCPU 2", 0));
	json_object_put(file);
	free(text);
	free_machine();
}
END_TEST

START_TEST(arrows_lead_from_initiator_to_targets)
{
	json_object *file;

	make_machine();
	record_schedule();
	record_shootdown();
	json_object *events = export_events(&file);
	json_object *from = find(events, "s", "IPI", 0), *to = find(events, "f", "IPI", 0);
	ck_assert_str_eq(field(from, "id"), field(to, "id"));
	ck_assert_double_eq(time_us(from), 108);
	ck_assert_double_eq(time_us(to), 148);
	ck_assert_int_eq(atoi(field(from, "tid")), TID_SHOOT(0));
	ck_assert_int_eq(atoi(field(to, "tid")), TID_STATE(1));

	from = find(events, "s", "deferred flush", 0), to = find(events, "f", "deferred flush", 0);
	ck_assert_str_eq(field(from, "id"), field(to, "id"));
	ck_assert_double_eq(time_us(from), 105);
	ck_assert_double_eq(time_us(to), 201);
	ck_assert_int_eq(atoi(field(to, "tid")), TID_STATE(2));
	json_object_put(file);
	free(text);
	free_machine();
}
END_TEST

START_TEST(exchange_shows_the_value_exchanged)
{
	json_object *file, *args;

	make_machine();
	record_schedule();
	json_object *exchange = find(export_events(&file), "i", "exchange", 0);
	ck_assert(json_object_object_get_ex(exchange, "args", &args));
	ck_assert_str_eq(field(args, "preempted"), "3");
	json_object_put(file);
	free(text);
	free_machine();
}
END_TEST

START_TEST(pcpu_shows_who_runs_on_it)
{
	json_object *file;

	make_machine();
	record_schedule();
	json_object *events = export_events(&file);
	json_object *second = find(events, "B", "VM 0 vCPU 2", 0);
	ck_assert_int_eq(atoi(field(second, "tid")), TID_PCPU(1));
	ck_assert_double_eq(time_us(second), 203);
	ck_assert_double_eq(time_us(find(events, "B", "VM 0 vCPU 1", 0)), 0);
	assert_slices_nest(events);
	json_object_put(file);
	free(text);
	free_machine();
}
END_TEST

START_TEST(unfinished_shootdown_is_closed_and_does_not_count)
{
	json_object *file;

	make_machine();
	record_schedule();
	record(guest[0], 100, MV_TRACE_SHOOTDOWN_BEGIN, 0, 2);
	record(guest[0], 108, MV_TRACE_IPI, 0, 6);
	assert_slices_nest(export_events(&file));
	struct trace_data data = read_back();
	ck_assert_uint_eq(data.nr_shootdowns, 0);
	ck_assert_uint_eq(data.nr_unfinished, 1);
	trace_data_finish(&data);
	json_object_put(file);
	free(text);
	free_machine();
}
END_TEST

START_TEST(what_began_before_the_window_is_left_out)
{
	json_object *file;

	make_machine();
	record_schedule();
	record_shootdown();
	for (unsigned n = 0; n < RING_EVENTS + 1; n++)
		record(guest[1], 119 + n, MV_TRACE_SHOOTDOWN_END, 0, 0); /* from 120 us on */
	json_object *events = export_events(&file);
	assert_slices_nest(events);
	ck_assert_ptr_null(find(events, "B", "pv", 1));
	ck_assert_double_eq(time_us(find(events, "B", "running", 0)), 120);
	json_object_put(file);
	free(text);
	free_machine();
}
END_TEST

/* ---- where the time went -------------------------------------------------- */

static struct trace_costs cost_of_first(void)
{
	export_machine();
	struct trace_data data = read_back();
	ck_assert_uint_eq(data.nr_shootdowns, 1);
	struct trace_costs costs = trace_cost_of(&data, &data.shootdown[0]);
	trace_data_finish(&data);
	free(text);
	return costs;
}

START_TEST(time_of_a_running_target_is_handling)
{
	make_machine();
	record_schedule();
	record_shootdown();
	struct trace_costs c = cost_of_first();
	ck_assert_uint_eq(c.ns[COST_HANDLING], 40000);
	ck_assert_uint_eq(c.ns[COST_SENDING], 10000);
	free_machine();
}
END_TEST

/* vCPU 1 is preempted 92 us after the IPI and not resumed; vCPU 2 was before, until 203 us. */
START_TEST(time_is_told_apart_by_when_a_target_was_preempted)
{
	make_machine();
	record_schedule();
	record(guest[0], 100, MV_TRACE_SHOOTDOWN_BEGIN, 0, 2);
	record(guest[0], 108, MV_TRACE_IPI, 0, 6);
	record(guest[0], 300, MV_TRACE_DEFER_LATE, 1, 0);
	record(guest[0], 300, MV_TRACE_SHOOTDOWN_END, 0, 0);
	struct trace_costs c = cost_of_first();
	ck_assert_uint_eq(c.ns[COST_SENDING], 8000);
	ck_assert_uint_eq(c.ns[COST_HANDLING], 92000);
	ck_assert_uint_eq(c.ns[COST_PREEMPTED_AFTER], 100000);
	free_machine();

	make_machine();
	record_schedule();
	record(guest[0], 100, MV_TRACE_SHOOTDOWN_BEGIN, 0, 1);
	record(guest[0], 108, MV_TRACE_IPI, 0, 4);
	record(guest[0], 210, MV_TRACE_ACK, 2, 0);
	record(guest[0], 210, MV_TRACE_SHOOTDOWN_END, 0, 0);
	c = cost_of_first();
	ck_assert_uint_eq(c.ns[COST_PREEMPTED_BEFORE], 95000);
	ck_assert_uint_eq(c.ns[COST_HANDLING], 7000);
	free_machine();
}
END_TEST

/* While the initiator is off its pCPU nothing is the targets' fault. */
START_TEST(time_without_a_pcpu_is_the_initiators_own)
{
	make_machine();
	record_schedule();
	record(host[0], 120, TRACE_WAIT, 0, 0);
	record(host[0], 140, TRACE_RUN, 0, 0);
	record_shootdown();
	struct trace_costs c = cost_of_first();
	ck_assert_uint_eq(c.ns[COST_SENDER_OFF], 20000);
	ck_assert_uint_eq(c.ns[COST_HANDLING], 20000);
	ck_assert_uint_eq(c.ns[COST_SENDING], 10000);
	free_machine();
}
END_TEST

/* ---- what is no trace ----------------------------------------------------- */

START_TEST(file_that_ends_early_is_refused)
{
	struct trace_data data;
	struct error err;

	make_machine();
	record_schedule();
	record_shootdown();
	export_machine();
	for (size_t bytes = 1; bytes < text_bytes - 1; bytes += 7) {
		FILE *in = fmemopen(text, bytes, "r");

		ck_assert_int_eq(trace_read(in, "cut", &data, &err), -1);
		ck_assert_int_eq(err.status, EXIT_USAGE);
		fclose(in);
	}
	free(text);
	free_machine();
}
END_TEST

#define HEAD                                                                                       \
	"{\"otherData\":{\"schema\":\"" TRACE_SCHEMA "\",\"events_recorded\":0,\"events_lost\":0," \
	"\"events_cut\":0,\"events_invalid\":0,\"vms\":1,\"vcpus\":2},\"traceEvents\":[\n"
#define EVENT(phase, tid, rest) \
	"{\"ph\":\"" phase "\",\"pid\":2,\"tid\":" tid ",\"ts\":1.000" rest "},\n"

static const char *const nonsense[] = {
	"",
	"[]",
	"{}\n]}\n",
	HEAD "5\n]}\n",
	HEAD "[]\n]}\n",
	HEAD EVENT("E", "1", "") "]}\n",
	HEAD EVENT("B", "1", "") "]}\n",
	HEAD EVENT("B", "9", "") "]}\n",
	HEAD EVENT("B", "0", "") "]}\n",
	HEAD EVENT("B", "2", "") EVENT("B", "2", "") "]}\n",
	HEAD EVENT("B", "2", ",\"cat\":\"wait\",\"args\":{\"vcpu\":1}") "]}\n",
	HEAD EVENT("B", "2", "") EVENT("B", "2", ",\"cat\":\"wait\",\"args\":{\"vcpu\":2}") "]}\n",
	HEAD EVENT("B", "2", "") EVENT("B", "2", ",\"cat\":\"wait\",\"args\":{\"vcpu\":-1}") "]}\n",
	HEAD EVENT("B", "2", ",\"name\":\"a-name-that-is-longer-than-any-mechanism\"") "]}\n",
	HEAD "{\"ph\":\"B\",\"pid\":99,\"tid\":1,\"ts\":1.0}\n]}\n",
	HEAD "{\"ph\":\"B\",\"pid\":2,\"tid\":1,\"ts\":-1.0}\n]}\n",
	HEAD "{\"ph\":\"B\",\"pid\":2,\"tid\":1,\"ts\":1e300}\n]}\n",
};

START_TEST(nonsense_is_refused)
{
	struct trace_data data;
	struct error err;
	FILE *in = tmpfile();

	fputs(nonsense[_i], in);
	rewind(in);
	ck_assert_msg(trace_read(in, "nonsense", &data, &err) == -1, "taken: %s", nonsense[_i]);
	ck_assert_int_eq(err.status, EXIT_USAGE);
	fclose(in);
}
END_TEST

Suite *trace_suite(void)
{
	Suite *suite = suite_create("trace");
	TCase *tcase = tcase_create("trace");

	tcase_set_timeout(tcase, 100);
	tcase_add_test(tcase, full_ring_overwrites_its_oldest);
	tcase_add_test(tcase, loss_is_counted_and_begins_the_window);
	tcase_add_test(tcase, no_ring_records_nothing);
	tcase_add_test(tcase, ring_size_fits);
	tcase_add_loop_test(tcase, guest_events_are_checked, 0, COUNT_OF(claims));
	tcase_add_test(tcase, guest_time_does_not_go_back);
	tcase_add_loop_test(tcase, scribbled_ring_gives_a_sound_file, 0, 500);
	tcase_add_test(tcase, shootdown_is_a_slice_with_its_waits);
	tcase_add_test(tcase, arrows_lead_from_initiator_to_targets);
	tcase_add_test(tcase, exchange_shows_the_value_exchanged);
	tcase_add_test(tcase, pcpu_shows_who_runs_on_it);
	tcase_add_test(tcase, unfinished_shootdown_is_closed_and_does_not_count);
	tcase_add_test(tcase, what_began_before_the_window_is_left_out);
	tcase_add_test(tcase, time_of_a_running_target_is_handling);
	tcase_add_test(tcase, time_is_told_apart_by_when_a_target_was_preempted);
	tcase_add_test(tcase, time_without_a_pcpu_is_the_initiators_own);
	tcase_add_test(tcase, file_that_ends_early_is_refused);
	tcase_add_loop_test(tcase, nonsense_is_refused, 0, COUNT_OF(nonsense));
	suite_add_tcase(suite, tcase);
	return suite;
}
