/* SPDX-License-Identifier: MIT */
/* What was recorded: events read from the rings of a machine that has stopped, and checked. */
#include "vmm/trace/trace_log.h"

static unsigned nr_all(const struct trace_log *log)
{
	return log->nr_vms * log->nr_vcpus;
}

/* ---- reading a ring -------------------------------------------------------------- */

static struct trace_cursor cursor(const struct trace_log *log, const struct trace_view *view)
{
	uint64_t head = view->ring ? view->ring->head : 0;
	uint64_t left = head < view->nr_events ? head : view->nr_events;

	return (struct trace_cursor){
		.ring = view->ring,
		.nr_events = view->nr_events,
		.next = head - left,
		.left = left,
		.nr_vcpus = log->nr_vcpus,
		.last_tsc = log->start_tsc,
		.end_tsc = log->end_tsc,
	};
}

struct trace_cursor trace_cursor_host(const struct trace_log *log, unsigned i)
{
	return cursor(log, &log->host[i]);
}

struct trace_cursor trace_cursor_guest(const struct trace_log *log, unsigned i)
{
	struct trace_cursor c = cursor(log, &log->guest[i]);

	c.is_guest = true;
	return c;
}

struct trace_cursor trace_cursor_phases(const struct trace_log *log)
{
	return cursor(log, &log->phases);
}

/* Whether all vCPUs named by a mask exist. */
static bool mask_is_valid(const struct mv_trace_event *e, unsigned nr_vcpus)
{
	unsigned first = e->index * 64u;

	if (first >= nr_vcpus)
		return false;
	return nr_vcpus - first >= 64 || e->value >> (nr_vcpus - first) == 0;
}

static bool guest_event_is_valid(const struct trace_cursor *c, const struct mv_trace_event *e)
{
	if (e->tsc < c->last_tsc || e->tsc > c->end_tsc)
		return false;
	switch (e->kind) {
	case MV_TRACE_SHOOTDOWN_BEGIN:
		return e->value < c->nr_vcpus;
	case MV_TRACE_SHOOTDOWN_END:
		return true;
	case MV_TRACE_DEFER:
	case MV_TRACE_IPI:
		return mask_is_valid(e, c->nr_vcpus);
	case MV_TRACE_ACK:
	case MV_TRACE_DEFER_LATE:
		return e->index < c->nr_vcpus;
	}
	return false;
}

bool trace_cursor_next(struct trace_cursor *c, struct mv_trace_event *ret_event)
{
	while (c->left > 0) {
		struct mv_trace_event e = c->ring->event[c->next % c->nr_events];

		c->next++;
		c->left--;
		if (!c->is_guest || guest_event_is_valid(c, &e)) {
			c->last_tsc = e.tsc;
			*ret_event = e;
			return true;
		}
		c->invalid++;
	}
	return false;
}

/* ---- what is missing --------------------------------------------------------------- */

/* The time of the oldest event of a ring that has lost older ones; 0 if it has lost none. */
static uint64_t oldest_after_loss(struct trace_cursor c)
{
	struct mv_trace_event e;

	return c.next > 0 && trace_cursor_next(&c, &e) ? e.tsc : 0;
}

static uint64_t later(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

uint64_t trace_log_window(const struct trace_log *log)
{
	uint64_t tsc = later(log->start_tsc, oldest_after_loss(trace_cursor_phases(log)));

	for (unsigned i = 0; i < nr_all(log); i++) {
		tsc = later(tsc, oldest_after_loss(trace_cursor_host(log, i)));
		tsc = later(tsc, oldest_after_loss(trace_cursor_guest(log, i)));
	}
	return tsc;
}

static void count(struct trace_counts *n, struct trace_cursor c, uint64_t window_tsc)
{
	struct mv_trace_event e;

	n->recorded += c.next + c.left;
	n->lost += c.next;
	while (trace_cursor_next(&c, &e))
		n->cut += e.tsc < window_tsc;
	n->invalid += c.invalid;
}

struct trace_counts trace_log_count(const struct trace_log *log, uint64_t window_tsc)
{
	struct trace_counts n = { 0 };

	count(&n, trace_cursor_phases(log), log->start_tsc);
	for (unsigned i = 0; i < nr_all(log); i++) {
		count(&n, trace_cursor_host(log, i), window_tsc);
		count(&n, trace_cursor_guest(log, i), window_tsc);
	}
	return n;
}
