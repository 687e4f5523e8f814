/* SPDX-License-Identifier: MIT */
/* A trace in the Chrome trace event format, which Perfetto (ui.perfetto.dev) opens. */
#include "vmm/trace/trace_export.h"

#include <asm/kvm_para.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

#include "vcpu/base/clock.h"
#include "vcpu/cpu/vcpu.h"

struct track {
	unsigned pid;
	unsigned tid;
};

/* A vCPU on a pCPU, for the track of the latter. */
struct stay {
	uint32_t pcpu;
	uint32_t i; /* of the vCPU */
	uint64_t begin_tsc;
	uint64_t end_tsc;
};

/* A vCPU to which arrows lead. */
struct target {
	uint64_t known_tsc; /* from when on its track has a slice; UINT64_MAX: it has none */
	uint64_t *take_tsc; /* when the host took requests for a flush, in ascending order */
	size_t nr_takes;
};

struct exporter {
	FILE *out;
	const struct trace_log *log;
	unsigned nr_all; /* vCPUs of all VMs */
	uint64_t window_tsc;
	bool follows; /* an event has been printed already */
	uint64_t next_flow;
	struct stay *stay;
	size_t nr_stays;
	struct target *target; /* each vCPU */
};

/* ---- one event ------------------------------------------------------------------- */

/* Microseconds since the beginning of the run, to the nanosecond. */
static void print_time(const struct exporter *x, uint64_t tsc)
{
	__uint128_t ticks = tsc - x->log->start_tsc;
	uint64_t ns = (uint64_t)(ticks * NS_PER_S / x->log->tsc_hz);

	fprintf(x->out, "%" PRIu64 ".%03u", ns / 1000, (unsigned)(ns % 1000));
}

/* Up to the point where "args" or the end may follow. */
static void event_open(struct exporter *x, const char *phase, struct track track, uint64_t tsc)
{
	fprintf(x->out, "%s{\"ph\":\"%s\",\"pid\":%u,\"tid\":%u,\"ts\":", x->follows ? ",\n" : "\n",
		phase, track.pid, track.tid);
	print_time(x, tsc);
	x->follows = true;
}

static void event_begin(struct exporter *x, struct track track, uint64_t tsc, const char *category,
			const char *name)
{
	event_open(x, "B", track, tsc);
	fprintf(x->out, ",\"cat\":\"%s\",\"name\":\"%s\"", category, name);
}

static void event_end(struct exporter *x, struct track track, uint64_t tsc)
{
	event_open(x, "E", track, tsc);
	fputc('}', x->out);
}

static void event_instant(struct exporter *x, struct track track, uint64_t tsc,
			  const char *category, const char *name)
{
	event_open(x, "i", track, tsc);
	fprintf(x->out, ",\"s\":\"t\",\"cat\":\"%s\",\"name\":\"%s\"", category, name);
}

static void event_args(struct exporter *x, const char *key, uint64_t value)
{
	fprintf(x->out, ",\"args\":{\"%s\":%" PRIu64 "}}", key, value);
}

/* An arrow between the slices that are open at its ends. */
static void flow(struct exporter *x, const char *name, struct track from, uint64_t from_tsc,
		 struct track to, uint64_t to_tsc)
{
	uint64_t id = ++x->next_flow;

	event_open(x, "s", from, from_tsc);
	fprintf(x->out, ",\"cat\":\"flow\",\"name\":\"%s\",\"id\":%" PRIu64 "}", name, id);
	event_open(x, "f", to, to_tsc);
	fprintf(x->out, ",\"bp\":\"e\",\"cat\":\"flow\",\"name\":\"%s\",\"id\":%" PRIu64 "}", name,
		id);
}

static struct track state_track(const struct exporter *x, unsigned i)
{
	unsigned nr_vcpus = x->log->nr_vcpus;

	return (struct track){ PID_VM(i / nr_vcpus), TID_STATE(i % nr_vcpus) };
}

static struct track shoot_track(const struct exporter *x, unsigned i)
{
	unsigned nr_vcpus = x->log->nr_vcpus;

	return (struct track){ PID_VM(i / nr_vcpus), TID_SHOOT(i % nr_vcpus) };
}

/* ---- names of tracks ------------------------------------------------------------- */

static void name_event(struct exporter *x, const char *what, struct track track)
{
	fprintf(x->out, "%s{\"ph\":\"M\",\"pid\":%u,\"tid\":%u,\"name\":\"%s\",\"args\":",
		x->follows ? ",\n" : "\n", track.pid, track.tid, what);
	x->follows = true;
}

/* A track's name, and its place among those of its process. */
#define name_track(x, track, ...)                                       \
	do {                                                            \
		name_event(x, "thread_name", track);                    \
		fprintf((x)->out, "{\"name\":\"" __VA_ARGS__);          \
		fputs("\"}}", (x)->out);                                \
		name_event(x, "thread_sort_index", track);              \
		fprintf((x)->out, "{\"sort_index\":%u}}", (track).tid); \
	} while (0)

static void name_tracks(struct exporter *x)
{
	name_event(x, "process_name", (struct track){ PID_HOST, 0 });
	fputs("{\"name\":\"host\"}}", x->out);
	name_track(x, ((struct track){ PID_HOST, TID_PHASES }), "phases");
	for (unsigned c = 0; c < x->log->nr_pcpus; c++)
		name_track(x, ((struct track){ PID_HOST, TID_PCPU(c) }), "pCPU %u (host CPU %d)", c,
			   x->log->host_cpu[c]);
	for (unsigned vm = 0; vm < x->log->nr_vms; vm++) {
		name_event(x, "process_name", (struct track){ PID_VM(vm), 0 });
		fprintf(x->out, "{\"name\":\"VM %u\"}}", vm);
	}
	for (unsigned i = 0; i < x->nr_all; i++) {
		unsigned vcpu = i % x->log->nr_vcpus;

		name_track(x, state_track(x, i), "vCPU %u", vcpu);
		name_track(x, shoot_track(x, i), "vCPU %u shootdowns", vcpu);
	}
}

/* ---- the host's events of a vCPU --------------------------------------------------- */

static const char *state_name(unsigned kind)
{
	switch (kind) {
	case TRACE_RUN:
		return "running";
	case TRACE_WAIT:
		return "preempted";
	case TRACE_HALT:
		return "halted";
	case TRACE_BLOCK:
		return "waits for a phase";
	}
	return NULL;
}

/* A walk along the events of one vCPU: its state, as the last event of that kind has it. */
struct walk {
	struct exporter *x;
	unsigned i;
	struct mv_trace_event state;
	bool is_known;
	bool is_open; /* its slice has begun in the output */
};

static void open_state(struct walk *w)
{
	struct exporter *x = w->x;

	if (!w->is_known || w->is_open)
		return;
	if (w->state.tsc < x->window_tsc)
		w->state.tsc = x->window_tsc;
	event_begin(x, state_track(x, w->i), w->state.tsc, "state", state_name(w->state.kind));
	if (w->state.kind == TRACE_RUN && w->state.value < x->log->nr_pcpus)
		event_args(x, "pcpu", w->state.value);
	else
		fputc('}', x->out);
	w->is_open = true;
	if (x->target[w->i].known_tsc == UINT64_MAX)
		x->target[w->i].known_tsc = w->state.tsc;
}

static void close_state(struct walk *w, uint64_t tsc)
{
	struct exporter *x = w->x;

	if (!w->is_open)
		return;
	event_end(x, state_track(x, w->i), tsc);
	w->is_open = false;
	if (w->state.kind == TRACE_RUN && w->state.value < x->log->nr_pcpus)
		x->stay[x->nr_stays++] = (struct stay){
			.pcpu = (uint32_t)w->state.value,
			.i = w->i,
			.begin_tsc = w->state.tsc,
			.end_tsc = tsc,
		};
}

static const char *exit_name(uint64_t kind)
{
	static const char *const names[] = {
		[VCPU_EXIT_WAKEUP] = "exit: wake-up",
		[VCPU_EXIT_MMIO] = "exit: MMIO",
		[VCPU_EXIT_IO] = "exit: I/O port",
		[VCPU_EXIT_MSR] = "exit: MSR",
		[VCPU_EXIT_SHUTDOWN] = "exit: shutdown",
		[VCPU_EXIT_ERROR] = "exit: error",
		[VCPU_EXIT_RING_FULL] = "exit: dirty ring full",
	};

	return kind < sizeof(names) / sizeof(names[0]) && names[kind] ? names[kind] : "exit";
}

static void note_take(struct exporter *x, unsigned i, const struct mv_trace_event *e)
{
	struct target *t = &x->target[i];

	if (e->value & KVM_VCPU_FLUSH_TLB)
		t->take_tsc[t->nr_takes++] = e->tsc;
}

static void host_instant(struct walk *w, const struct mv_trace_event *e)
{
	struct exporter *x = w->x;
	struct track track = state_track(x, w->i);

	switch (e->kind) {
	case TRACE_EXIT:
		event_instant(x, track, e->tsc, e->value == VCPU_EXIT_KICK ? "kick" : "exit",
			      e->value == VCPU_EXIT_KICK ? "kick" : exit_name(e->value));
		break;
	case TRACE_MARK:
		event_instant(x, track, e->tsc, "protocol", "mark");
		break;
	case TRACE_EXCHANGE:
		note_take(x, w->i, e);
		event_instant(x, track, e->tsc, "protocol", "exchange");
		event_args(x, "preempted", e->value);
		return;
	case TRACE_FLUSH:
		event_instant(x, track, e->tsc, "protocol", "flush");
		break;
	}
	fputc('}', x->out);
}

static void host_event(struct walk *w, const struct mv_trace_event *e)
{
	bool is_state = state_name(e->kind);

	if (e->tsc >= w->x->window_tsc) {
		open_state(w);
		if (is_state)
			close_state(w, e->tsc);
		else
			host_instant(w, e);
	}
	if (is_state) {
		w->state = *e;
		w->is_known = true;
	}
}

static void export_host_events(struct exporter *x, unsigned i)
{
	struct walk w = { .x = x, .i = i };
	struct trace_cursor c = trace_cursor_host(x->log, i);
	struct mv_trace_event e;

	while (trace_cursor_next(&c, &e))
		host_event(&w, &e);
	open_state(&w);
	close_state(&w, x->log->end_tsc);
}

/* ---- tracks of the host -------------------------------------------------------------- */

static int compare_stays(const void *left, const void *right)
{
	const struct stay *a = left, *b = right;

	if (a->pcpu != b->pcpu)
		return a->pcpu < b->pcpu ? -1 : 1;
	return a->begin_tsc < b->begin_tsc ? -1 : a->begin_tsc > b->begin_tsc;
}

static void export_pcpus(struct exporter *x)
{
	qsort(x->stay, x->nr_stays, sizeof(*x->stay), compare_stays);
	for (size_t n = 0; n < x->nr_stays; n++) {
		const struct stay *stay = &x->stay[n];
		struct track track = { PID_HOST, TID_PCPU(stay->pcpu) };
		char name[32];

		snprintf(name, sizeof(name), "VM %u vCPU %u", stay->i / x->log->nr_vcpus,
			 stay->i % x->log->nr_vcpus);
		event_begin(x, track, stay->begin_tsc, "pcpu", name);
		fputc('}', x->out);
		event_end(x, track, stay->end_tsc);
	}
}

/* The mechanism that is measured at a time; "?" between phases. */
struct phase_walk {
	struct trace_cursor cursor;
	struct mv_trace_event next;
	bool has_next;
	const char *mechanism;
};

static const char *mechanism_name(const struct exporter *x, uint64_t index)
{
	return index < x->log->nr_mechanisms ? x->log->mechanism[index] : "?";
}

static struct phase_walk phase_walk_start(const struct exporter *x)
{
	struct phase_walk w = { .cursor = trace_cursor_phases(x->log), .mechanism = "?" };

	w.has_next = trace_cursor_next(&w.cursor, &w.next);
	return w;
}

/* Times must not go back from call to call. */
static const char *phase_at(const struct exporter *x, struct phase_walk *w, uint64_t tsc)
{
	while (w->has_next && w->next.tsc <= tsc) {
		w->mechanism = w->next.kind == TRACE_PHASE_BEGIN ? mechanism_name(x, w->next.value)
								 : "?";
		w->has_next = trace_cursor_next(&w->cursor, &w->next);
	}
	return w->mechanism;
}

static void export_phases(struct exporter *x)
{
	struct track track = { PID_HOST, TID_PHASES };
	struct trace_cursor c = trace_cursor_phases(x->log);
	struct mv_trace_event e;
	bool is_open = false;

	while (trace_cursor_next(&c, &e)) {
		if (is_open)
			event_end(x, track, e.tsc);
		is_open = e.kind == TRACE_PHASE_BEGIN;
		if (!is_open)
			continue;
		event_begin(x, track, e.tsc, "phase", mechanism_name(x, e.value));
		fputc('}', x->out);
	}
	if (is_open)
		event_end(x, track, x->log->end_tsc);
}

/* ---- the guest's events of a vCPU ----------------------------------------------------- */

/* A walk along the shootdowns that one vCPU initiates. */
struct shoot_walk {
	struct exporter *x;
	unsigned i;
	struct phase_walk phase;
	bool is_open;
	uint64_t begin_tsc;
	uint64_t ipi_tsc;  /* 0: no interrupt has been sent */
	uint64_t wait_tsc; /* since when it waits for the next target */
};

static unsigned target_index(const struct shoot_walk *w, unsigned vcpu)
{
	return w->i - w->i % w->x->log->nr_vcpus + vcpu;
}

static void shootdown_begins(struct shoot_walk *w, const struct mv_trace_event *e)
{
	event_begin(w->x, shoot_track(w->x, w->i), e->tsc, "shootdown",
		    phase_at(w->x, &w->phase, e->tsc));
	event_args(w->x, "targets", e->value);
	w->is_open = true;
	w->begin_tsc = e->tsc;
	w->ipi_tsc = 0;
}

static void shootdown_ends(struct shoot_walk *w, uint64_t tsc)
{
	event_end(w->x, shoot_track(w->x, w->i), tsc);
	w->is_open = false;
}

static void print_targets(struct exporter *x, const struct mv_trace_event *e)
{
	const char *separator = "";

	fputs(",\"args\":{\"targets\":[", x->out);
	for (unsigned bit = 0; bit < 64; bit++) {
		if (!(e->value >> bit & 1))
			continue;
		fprintf(x->out, "%s%u", separator, e->index * 64 + bit);
		separator = ",";
	}
	fputs("]}}", x->out);
}

/* An arrow to a target, if there is something on its track for it to point at. */
static void flow_to(struct shoot_walk *w, const char *name, uint64_t tsc, unsigned target,
		    uint64_t target_tsc)
{
	if (target_tsc >= w->x->target[target].known_tsc)
		flow(w->x, name, shoot_track(w->x, w->i), tsc, state_track(w->x, target),
		     target_tsc);
}

/* When the host took a request made since `tsc`; UINT64_MAX if it has not. */
static uint64_t first_take_since(const struct target *t, uint64_t tsc)
{
	size_t low = 0, high = t->nr_takes;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (t->take_tsc[middle] < tsc)
			low = middle + 1;
		else
			high = middle;
	}
	return low < t->nr_takes ? t->take_tsc[low] : UINT64_MAX;
}

/*
 * From the request to the target's exchange. The exchange may have the earlier time stamp, since
 * the initiator takes its own after the request.
 */
static void deferral_flow(struct shoot_walk *w, uint64_t tsc, unsigned vcpu)
{
	unsigned target = target_index(w, vcpu);
	uint64_t take_tsc = first_take_since(&w->x->target[target], w->begin_tsc);

	if (take_tsc == UINT64_MAX)
		return;
	flow_to(w, "deferred flush", tsc, target, take_tsc > tsc ? take_tsc : tsc);
}

static void targets_deferred(struct shoot_walk *w, const struct mv_trace_event *e)
{
	event_instant(w->x, shoot_track(w->x, w->i), e->tsc, "protocol", "defer");
	print_targets(w->x, e);
	w->wait_tsc = e->tsc; /* a wait begins behind it, whatever the guest claims */
	for (unsigned bit = 0; bit < 64; bit++) {
		if (e->value >> bit & 1)
			deferral_flow(w, e->tsc, e->index * 64u + bit);
	}
}

static void targets_interrupted(struct shoot_walk *w, const struct mv_trace_event *e)
{
	event_instant(w->x, shoot_track(w->x, w->i), e->tsc, "ipi", "IPI");
	print_targets(w->x, e);
	w->ipi_tsc = w->wait_tsc = e->tsc;
}

/* Targets are waited for one after the other: what came before was for others. */
static void target_done(struct shoot_walk *w, const struct mv_trace_event *e)
{
	struct track track = shoot_track(w->x, w->i);
	unsigned target = target_index(w, e->index);

	if (!w->ipi_tsc)
		return;
	event_open(w->x, "B", track, w->wait_tsc);
	fprintf(w->x->out, ",\"cat\":\"wait\",\"name\":\"waits for vCPU %u\"", e->index);
	event_args(w->x, "vcpu", e->index);
	event_end(w->x, track, e->tsc);
	w->wait_tsc = e->tsc;
	if (e->kind == MV_TRACE_ACK) {
		flow_to(w, "IPI", w->ipi_tsc, target, e->tsc);
		return;
	}
	event_instant(w->x, track, e->tsc, "protocol", "defer while waiting");
	event_args(w->x, "vcpu", e->index);
	deferral_flow(w, e->tsc, e->index);
}

/* An event outside a shootdown is skipped: its beginning is lost, or it makes no sense. */
static void guest_event(struct shoot_walk *w, const struct mv_trace_event *e)
{
	if (e->tsc < w->x->window_tsc)
		return;
	if (e->kind == MV_TRACE_SHOOTDOWN_BEGIN) {
		if (w->is_open)
			shootdown_ends(w, e->tsc);
		shootdown_begins(w, e);
		return;
	}
	if (!w->is_open)
		return;
	switch (e->kind) {
	case MV_TRACE_SHOOTDOWN_END:
		shootdown_ends(w, e->tsc);
		break;
	case MV_TRACE_DEFER:
		targets_deferred(w, e);
		break;
	case MV_TRACE_IPI:
		targets_interrupted(w, e);
		break;
	case MV_TRACE_ACK:
	case MV_TRACE_DEFER_LATE:
		target_done(w, e);
		break;
	}
}

/* A shootdown that had not ended when the machine stopped is told from the others. */
static void export_guest_events(struct exporter *x, unsigned i)
{
	struct shoot_walk w = { .x = x, .i = i, .phase = phase_walk_start(x) };
	struct trace_cursor c = trace_cursor_guest(x->log, i);
	struct mv_trace_event e;

	while (trace_cursor_next(&c, &e))
		guest_event(&w, &e);
	if (!w.is_open)
		return;
	event_open(x, "E", shoot_track(x, i), x->log->end_tsc);
	event_args(x, "unfinished", 1);
}

/* ---- the whole --------------------------------------------------------------------------- */

static void print_head(struct exporter *x, const struct trace_counts *n)
{
	fprintf(x->out,
		"{\"displayTimeUnit\":\"ns\",\"otherData\":{\"schema\":\"" TRACE_SCHEMA "\","
		"\"events_recorded\":%" PRIu64 ",\"events_lost\":%" PRIu64
		",\"events_cut\":%" PRIu64 ",\"events_invalid\":%" PRIu64
		",\"vms\":%u,\"vcpus\":%u,\"pcpus\":%u},\"traceEvents\":[",
		n->recorded, n->lost, n->cut, n->invalid, x->log->nr_vms, x->log->nr_vcpus,
		x->log->nr_pcpus);
}

/* How many events a ring holds: the most that can be made of them. */
static size_t ring_fill(struct trace_cursor c)
{
	return c.left;
}

static int allocate_target(struct target *t, size_t nr_events)
{
	t->known_tsc = UINT64_MAX;
	t->take_tsc = malloc((nr_events + 1) * sizeof(*t->take_tsc));
	return t->take_tsc ? 0 : -1;
}

static int allocate(struct exporter *x)
{
	size_t all = 0;

	x->target = calloc(x->nr_all, sizeof(*x->target));
	for (unsigned i = 0; x->target && i < x->nr_all; i++) {
		size_t fill = ring_fill(trace_cursor_host(x->log, i));

		all += fill;
		if (allocate_target(&x->target[i], fill))
			return -1;
	}
	x->stay = malloc((all + 1) * sizeof(*x->stay));
	return x->target && x->stay ? 0 : -1;
}

static void release(struct exporter *x)
{
	for (unsigned i = 0; x->target && i < x->nr_all; i++)
		free(x->target[i].take_tsc);
	free(x->target);
	free(x->stay);
}

static void export_all(struct exporter *x, const struct trace_counts *counts)
{
	print_head(x, counts);
	name_tracks(x);
	export_phases(x);
	for (unsigned i = 0; i < x->nr_all; i++)
		export_host_events(x, i);
	export_pcpus(x);
	for (unsigned i = 0; i < x->nr_all; i++)
		export_guest_events(x, i);
	fputs("\n]}\n", x->out);
}

int trace_export(FILE *out, const struct trace_log *log, struct trace_counts *ret_counts)
{
	struct exporter x = {
		.out = out,
		.log = log,
		.nr_all = log->nr_vms * log->nr_vcpus,
		.window_tsc = trace_log_window(log),
	};

	*ret_counts = trace_log_count(log, x.window_tsc);
	if (allocate(&x)) {
		release(&x);
		errno = ENOMEM;
		return -1;
	}
	export_all(&x, ret_counts);
	release(&x);
	return fflush(out) || ferror(out) ? -1 : 0;
}
