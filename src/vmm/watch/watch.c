/* SPDX-License-Identifier: MIT */
/* `minivmm watch PID`: how the host's scheduler treats the vCPUs of a running VMM. */
#define _GNU_SOURCE
#include "vmm/watch/watch.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "minivmm/abi.h"
#include "vcpu/base/clock.h"
#include "vmm/base/output_file.h"
#include "vmm/base/printing.h"
#include "vmm/trace/trace_export.h"
#include "vmm/watch/watch_options.h"
#include "vmm/watch/watch_table.h"
#include "vmm/watch/watched.h"

/* Rings hold what a thread that switches 10,000 times a second leaves in ten times as long. */
#define UPDATE_NS (20 * NS_PER_MS)

/* Of a live table, that are no rows: the head, notes, and a line for the cursor. */
#define OTHER_LINES 7

static volatile sig_atomic_t interrupted, suspended;

static void interrupt(int signal)
{
	if (signal == SIGTSTP)
		suspended = 1;
	else
		interrupted = 1;
}

/*
 * Signals end the watch, or suspend it (Ctrl-Z), and come only while it waits; *ret_mask lets
 * them in.
 */
static void catch_signals(sigset_t *ret_mask)
{
	static const int signals[] = { SIGINT, SIGTERM, SIGHUP, SIGTSTP };
	struct sigaction action = { .sa_handler = interrupt };
	sigset_t blocked;

	sigemptyset(&blocked);
	for (unsigned i = 0; i < sizeof(signals) / sizeof(signals[0]); i++) {
		sigaddset(&blocked, signals[i]);
		sigaction(signals[i], &action, NULL);
	}
	sigprocmask(SIG_BLOCK, &blocked, ret_mask);
	for (unsigned i = 0; i < sizeof(signals) / sizeof(signals[0]); i++)
		sigdelset(ret_mask, signals[i]);
}

/* ---- the live table ----------------------------------------------------------------------- */

/* In a screen of its own, without lines that wrap. */
static void live_begin(void)
{
	fputs("\033[?1049h\033[?7l\033[?25l", stdout);
}

static void live_end(void)
{
	fputs("\033[?25h\033[?7h\033[?1049l", stdout);
}

/* The terminal is the shell's until the watch is continued. */
static void suspend(bool live)
{
	suspended = 0;
	if (live) {
		live_end();
		fflush(stdout);
	}
	raise(SIGSTOP);
	if (live)
		live_begin();
}

static void live_show(struct watched *w, uint64_t now_ns, uint64_t since_ns)
{
	struct winsize size = { 0 };
	size_t rows = 24;

	if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_row > 0)
		rows = size.ws_row;
	fputs("\033[H", stdout);
	watch_table_print(stdout, w, now_ns, now_ns - since_ns,
			  rows > OTHER_LINES ? rows - OTHER_LINES : 1, "\033[K\n");
	fputs("\033[J", stdout);
	fflush(stdout);
}

/* ---- watching ------------------------------------------------------------------------------ */

static bool is_over(const struct watched *w, uint64_t now_ns)
{
	uint64_t limit_ns = w->options->time_ns;

	return interrupted || w->has_ended || (limit_ns && now_ns - w->start_ns >= limit_ns);
}

static void watch(struct watched *w, bool live, const sigset_t *mask)
{
	uint64_t shown_ns = w->start_ns, now_ns = w->start_ns;

	if (live) {
		live_begin();
		live_show(w, now_ns, now_ns);
	}
	while (!is_over(w, now_ns)) {
		watched_wait(w, UPDATE_NS, mask);
		if (suspended)
			suspend(live);
		watched_update(w);
		now_ns = monotonic_ns();
		if (live && now_ns - shown_ns >= w->options->interval_ns) {
			live_show(w, now_ns, shown_ns);
			shown_ns = now_ns;
		}
	}
	if (live)
		live_end();
}

/* ---- the trace ----------------------------------------------------------------------------- */

struct trace_job {
	const struct watched *w;
	uint64_t end_ns;
};

/* Host CPU n is pCPU n. */
static int *number_cpus(unsigned nr)
{
	int *cpu = calloc(nr, sizeof(*cpu));

	for (unsigned i = 0; cpu && i < nr; i++)
		cpu[i] = (int)i;
	return cpu;
}

/* In a trace the clock ticks in nanoseconds, and threads are vCPUs in the order of the table. */
static int print_trace(FILE *out, void *context)
{
	const struct trace_job *job = context;
	static struct trace_view host[MV_MAX_VCPUS], guest[MV_MAX_VCPUS];
	struct trace_counts counts;
	size_t nr;
	struct watched_thread **rows = watch_table_rows(job->w, &nr);
	unsigned nr_cpus = (unsigned)sysconf(_SC_NPROCESSORS_CONF);
	int *host_cpu = number_cpus(nr_cpus);
	int failed = -1;

	nr = nr < MV_MAX_VCPUS ? nr : MV_MAX_VCPUS;
	for (size_t i = 0; rows && i < nr; i++) {
		if (rows[i]->trace)
			host[i] = (struct trace_view){ rows[i]->trace, rows[i]->trace->nr_events };
	}
	struct trace_log log = {
		.nr_vms = 1,
		.nr_vcpus = nr ? (unsigned)nr : 1,
		.nr_pcpus = nr_cpus,
		.host_cpu = host_cpu,
		.tsc_hz = NS_PER_S,
		.start_tsc = job->w->start_ns,
		.end_tsc = job->end_ns,
		.host = host,
		.guest = guest,
	};
	if (rows && host_cpu)
		failed = trace_export(out, &log, &counts);
	free(rows);
	free(host_cpu);
	return failed;
}

/* ---- the command ---------------------------------------------------------------------------- */

static int report(struct watched *w, struct output_file *trace, struct error *err)
{
	uint64_t now_ns = monotonic_ns();
	struct trace_job job = { w, now_ns };

	if (!w->options->json)
		watch_table_print(stdout, w, now_ns, 0, SIZE_MAX, "\n");
	else if (watch_table_print_json(stdout, w, now_ns))
		return error_set(err, EXIT_HOST, "not enough memory for the JSON");
	if (!w->options->trace)
		return 0;
	return output_file_commit_printed(trace, print_trace, &job, err);
}

static int carry_out(const struct watch_options *options, struct error *err)
{
	struct output_file trace = { .fd = -1 };
	struct watched w;
	sigset_t mask;

	if (options->trace && output_file_open_for(&trace, "trace", options->trace, err))
		return -1;
	catch_signals(&mask);
	int failed = watched_init(&w, options, err);
	if (!failed) {
		watch(&w, !options->json && isatty(STDOUT_FILENO), &mask);
		failed = report(&w, &trace, err);
	}
	watched_finish(&w);
	output_file_discard(&trace);
	return failed;
}

int watch_command(int argc, char *argv[])
{
	static struct watch_options options;
	struct error err;

	if (watch_options_parse(argc, argv, &options, &err) ||
	    (!options.help && carry_out(&options, &err))) {
		fprintf(stderr, "minivmm: %s\n", err.text);
		return (int)err.status;
	}
	if (options.help)
		watch_options_print_help(stdout);
	return finish_printing();
}
