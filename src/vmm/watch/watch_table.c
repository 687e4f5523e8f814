/* SPDX-License-Identifier: MIT */
/* What was counted of a VMM, as a table and as JSON. */
#include "vmm/watch/watch_table.h"

#include <inttypes.h>
#include <stdlib.h>

#include "vcpu/base/clock.h"
#include "vmm/base/human.h"
#include "vmm/base/json.h"

#define WATCH_SCHEMA "minivmm.watch/1"

/* ---- rows ------------------------------------------------------------------------------ */

static int compare(const void *left, const void *right)
{
	const struct watched_thread *a = *(struct watched_thread *const *)left;
	const struct watched_thread *b = *(struct watched_thread *const *)right;

	if (a->has_number != b->has_number)
		return a->has_number ? -1 : 1;
	if (a->has_number && a->number != b->number)
		return a->number < b->number ? -1 : 1;
	return a->tid < b->tid ? -1 : a->tid > b->tid;
}

struct watched_thread **watch_table_rows(const struct watched *w, size_t *ret_nr)
{
	struct watched_thread **rows = calloc(w->nr + 1, sizeof(struct watched_thread *));
	size_t nr = 0;

	for (size_t i = 0; rows && i < w->nr; i++) {
		if (watched_shows(w, w->thread[i]))
			rows[nr++] = w->thread[i];
	}
	if (rows)
		qsort(rows, nr, sizeof(rows[0]), compare);
	*ret_nr = nr;
	return rows;
}

static uint64_t count_lost(const struct watched *w)
{
	uint64_t lost = 0;

	for (size_t i = 0; i < w->nr; i++)
		lost += w->thread[i]->counts.lost;
	return lost;
}

static const char *state_name(const struct watched_thread *t)
{
	static const char *const name[] = {
		[THREAD_UNKNOWN] = "unknown",
		[THREAD_RUNS] = "running",
		[THREAD_PREEMPTED] = "preempted",
		[THREAD_SLEEPS] = "sleeping",
	};

	return t->has_ended ? "ended" : name[t->counts.state];
}

/* ---- the table -------------------------------------------------------------------------- */

static void print_head(FILE *out, const struct watched *w, size_t nr, uint64_t now_ns,
		       const char *line_end)
{
	fprintf(out, "%s (process %d): %zu thread%s watched for %s%s%s", w->name, w->options->pid,
		nr, nr == 1 ? "" : "s", human_time(now_ns - w->start_ns).text, line_end, line_end);
	fprintf(out, "%38s %s%s", "", "--------------------- preempted ---------------------",
		line_end);
	fprintf(out, "%4s  %-15s %7s  %-9s %7s %7s %10s %9s %6s %9s %9s%s", "vCPU", "thread", "TID",
		"now", "times", "per s", "in KVM_RUN", "for", "share", "longest", "slept",
		line_end);
}

static struct human in_kvm_run(const struct watched *w, const struct absences *a)
{
	return w->sees_kvm_run ? human_count(a->in_kvm_run) : (struct human){ "not seen" };
}

static void print_row(FILE *out, const struct watched *w, const struct watched_thread *t,
		      const struct switch_counts *c, double per_s)
{
	char number[16] = "-";

	if (t->has_number)
		snprintf(number, sizeof(number), "%u", t->number);
	fprintf(out, "%4s  %-15s %7d  %-9s %7s %7s %10s %9s %6s %9s %9s", number, t->name, t->tid,
		state_name(t), human_count(c->preempted.nr).text, human_rate(per_s).text,
		in_kvm_run(w, &c->preempted).text, human_time(c->preempted.ns).text,
		human_share(c->preempted.ns, c->known_ns).text,
		human_time(c->preempted.longest_ns).text, human_time(c->slept.ns).text);
}

static void print_notes(FILE *out, const struct watched *w, const char *line_end)
{
	uint64_t lost = count_lost(w);

	if (!w->sees_kvm_run)
		fprintf(out,
			"KVM_RUN is not seen: that needs root, CAP_PERFMON or "
			"kernel.perf_event_paranoid <= 1%s",
			line_end);
	if (lost)
		fprintf(out, "%s records were lost: counts and times are too low%s",
			human_count(lost).text, line_end);
	if (w->nr_missed)
		fprintf(out, "some new threads could not be watched%s", line_end);
}

void watch_table_print(FILE *out, struct watched *w, uint64_t now_ns, uint64_t interval_ns,
		       size_t max_rows, const char *line_end)
{
	size_t nr;
	struct watched_thread **rows = watch_table_rows(w, &nr);

	print_head(out, w, nr, now_ns, line_end);
	for (size_t i = 0; rows && i < nr && i < max_rows; i++) {
		struct switch_counts c = switch_counts_until(&rows[i]->counts, now_ns);
		uint64_t since = interval_ns ? rows[i]->shown.preempted.nr : 0;
		uint64_t ns = interval_ns ? interval_ns : now_ns - w->start_ns;

		print_row(out, w, rows[i], &c,
			  ns ? (double)(c.preempted.nr - since) * (double)NS_PER_S / (double)ns
			     : 0);
		fputs(line_end, out);
		rows[i]->shown = c;
	}
	if (nr > max_rows)
		fprintf(out, "and %zu more%s", nr - max_rows, line_end);
	print_notes(out, w, line_end);
	free(rows);
}

/* ---- JSON ------------------------------------------------------------------------------- */

static json_object *absences_json(const struct watched *w, const struct absences *a)
{
	json_object *o = json_object_new_object();

	json_add_u64(o, "count", a->nr);
	if (w->sees_kvm_run)
		json_add_u64(o, "in_kvm_run", a->in_kvm_run);
	else
		json_add(o, "in_kvm_run", NULL);
	json_add_u64(o, "ns", a->ns);
	json_add_u64(o, "longest_ns", a->longest_ns);
	return o;
}

static json_object *thread_json(const struct watched *w, const struct watched_thread *t,
				uint64_t now_ns)
{
	struct switch_counts c = switch_counts_until(&t->counts, now_ns);
	json_object *o = json_object_new_object();

	json_add_u64(o, "tid", (uint64_t)t->tid);
	json_add(o, "name", json_new_text(t->name));
	if (t->has_number)
		json_add_u64(o, "vcpu", t->number);
	else
		json_add(o, "vcpu", NULL);
	json_add(o, "state", json_new_text(state_name(t)));
	json_add_u64(o, "known_ns", c.known_ns);
	json_add(o, "preempted", absences_json(w, &c.preempted));
	json_add(o, "slept", absences_json(w, &c.slept));
	json_add_u64(o, "records_lost", c.lost);
	return o;
}

int watch_table_print_json(FILE *out, const struct watched *w, uint64_t now_ns)
{
	json_object *o = json_object_new_object(), *threads = json_object_new_array();
	size_t nr;
	struct watched_thread **rows = watch_table_rows(w, &nr);

	json_add(o, "schema", json_new_text(WATCH_SCHEMA));
	json_add_u64(o, "pid", (uint64_t)w->options->pid);
	json_add(o, "name", json_new_text(w->name));
	json_add_u64(o, "watched_ns", now_ns - w->start_ns);
	json_add_bool(o, "has_ended", w->has_ended);
	json_add_bool(o, "sees_kvm_run", w->sees_kvm_run);
	json_add_u64(o, "records_lost", count_lost(w));
	json_add_bool(o, "missed_threads", w->nr_missed > 0);
	for (size_t i = 0; rows && i < nr; i++)
		json_object_array_add(threads, thread_json(w, rows[i], now_ns));
	json_add(o, "threads", threads);
	char *text = rows ? json_print(o) : NULL;
	fputs(text ? text : "", out);
	int failed = text ? 0 : -1;
	free(text);
	free(rows);
	json_object_put(o);
	return failed;
}
