/* SPDX-License-Identifier: MIT */
/* `minivmm GUEST.ELF`: one run from the command line to the report. */
#define _GNU_SOURCE
#include "vmm/run.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "minivmm/catalog.h"
#include "vcpu/base/clock.h"
#include "vcpu/sched/host_policy.h"
#include "vmm/base/json.h"
#include "vmm/base/output_file.h"
#include "vmm/cli/names.h"
#include "vmm/host/host_check.h"
#include "vmm/host/host_info.h"
#include "vmm/host/probe.h"
#include "vmm/host/ring_speed.h"
#include "vmm/linux/terminal.h"
#include "vmm/load.h"
#include "vmm/machine/conductor.h"
#include "vmm/machine/machine.h"
#include "vmm/machine/memory_use.h"
#include "vmm/machine/progress.h"
#include "vmm/machine/sandbox.h"
#include "vmm/machine/tracer.h"
#include "vmm/replay/record_replay.h"
#include "vmm/report/gather.h"
#include "vmm/report/report.h"
#include "vmm/report/verdict.h"

/* All that a run owns; each part is empty until its step has been taken. */
struct run {
	struct options own;	       /* what the guest settles is written there */
	const struct options *options; /* the same, to read */
	const struct schedule_file *schedule;
	uint64_t start_ns;
	struct output_file json;
	struct output_file trace;
	struct record_replay record_replay;
	struct elf_file file;
	struct guest_image image;
	struct host_info host;
	struct kvm kvm;
	struct probe selfcheck; /* its process is waited for late, not before the guest starts */
	int statm_fd;
	enum flush_prim flush_via;
	struct machine machine;
	bool machine_is_made; /* or as much of it as there was room for */
	struct terminal terminal;
	struct run_result result;
};

/* Signals are blocked in every thread: the conductor lets in those that end a run while
 * it waits, and KVM_RUN alone lets kicks in. A closed pipe is an error of write(), not a
 * signal. */
static void block_signals(void)
{
	sigset_t set;

	conductor_catch_signals();
	sigemptyset(&set);
	sigaddset(&set, VCPU_KICK_SIGNAL);
	sigprocmask(SIG_BLOCK, &set, NULL);
	signal(SIGPIPE, SIG_IGN);
}

/* What the mechanisms of a run need of the host, as MV_HOST_*. */
static unsigned host_needs(const struct options *o)
{
	unsigned needs = 0;

	for (unsigned i = 0; i < o->nr_mechanisms; i++)
		needs |= mechanism_host_needs(o->mechanism[i]);
	return needs;
}

static int choose_flush(struct run *run, struct error *err)
{
	const struct selfcheck *check = &run->result.selfcheck;
	unsigned wanted = run->options->flush_via;
	int best = selfcheck_best(check);

	if (wanted != FLUSH_CHOICE_auto) {
		best = (int)wanted - FLUSH_CHOICE_first;
		best = selfcheck_allows(check, (enum flush_prim)best) ? best : -1;
	}
	run->result.flush_via = best >= 0 ? flush_primitives[best].name : "none";
	run->flush_via = best >= 0 ? (enum flush_prim)best : FLUSH_VIA_sregs;
	if (best >= 0 || !(host_needs(run->options) & (MV_HOST_MARKS | MV_HOST_FLUSHES)))
		return 0;
	return error_set(
		err, EXIT_HOST,
		"on this host a guest's TLB was still stale after --flush-via %s: deferred "
		"flushes would be lost, so only --shootdown ipi can be run (see %s)",
		flush_prim_names.name[wanted], "docs/caveats.md");
}

/* Threads that the host's scheduler shares out have to take turns by its policy. */
static int check_turns(const struct options *o, struct error *err)
{
	bool all = o->sched->is_hosts;

	if (!(all || host_needs(o) & MV_HOST_KERNEL) || !host_policy_is_fifo())
		return 0;
	return error_set(err, EXIT_HOST,
			 "the kernel preempts no vCPU of a SCHED_FIFO process for another: run %s "
			 "under another policy (chrt --rr or --other), or leave it out%s",
			 all ? "--sched host" : "pv-kernel", all ? "" : " of --shootdown");
}

static int check_kernel_marks(struct run *run, struct error *err)
{
	bool marks = true;

	if (check_turns(run->options, err))
		return -1;
	if (!(host_needs(run->options) & MV_HOST_KERNEL))
		return 0;
	if (probe_kernel_marks(&run->kvm, run->options->pcpus.cpu[0], &marks, err))
		return -1;
	if (marks)
		return 0;
	return error_set(err, EXIT_HOST,
			 "this host's kernel does not mark the vCPUs that it preempts (module %s): "
			 "pv-kernel would defer nothing, leave it out of --shootdown",
			 run->host.kvm_module);
}

static int check_cr3_moves(struct run *run, struct error *err)
{
	enum cr3_moves moves;

	if (probe_cr3_moves(&run->kvm, run->host.intercepts_cr3, &moves, err))
		return -1;
	run->kvm.needs_wp_clear = moves == CR3_MOVES_RIGHT_WITHOUT_WP;
	if (moves != CR3_MOVES_WRONG)
		return 0;
	return error_set(err, EXIT_HOST,
			 "on this host a guest's MOV to and from CR3 go wrong (module %s, %s): "
			 "load the module with nested paging (npt=1 or ept=1)",
			 run->host.kvm_module, run->host.paging);
}

static int check_host(struct run *run, struct error *err)
{
	host_info_read(&run->host);
	if (host_open_kvm(&run->kvm, err) || check_cr3_moves(run, err) ||
	    dirty_check_host(run->kvm.fd, run->options->dirty, err) ||
	    probe_selfcheck(&run->selfcheck, &run->kvm, &run->result.selfcheck, err))
		return -1;
	if (choose_flush(run, err))
		return -1;
	return check_kernel_marks(run, err);
}

/* The threads exist and no guest has run: whatever needs other calls is done. */
static int enter_sandbox(struct run *run, struct error *err)
{
	const char *missing = run->options->no_sandbox ? "--no-sandbox" : sandbox_missing();

	run->result.sandbox_missing = missing;
	json_prepare();
	return missing ? 0 : sandbox_enter(run->options->dirty != DIRTY_none, err);
}

/* With several VMs nobody could say whose the input is. */
static int start_terminal(struct run *run, struct error *err)
{
	struct machine *m = &run->machine;

	if (m->nr_vms > 1 || !m->vm[0].pc)
		return 0;
	return terminal_start(&run->terminal, m->vm[0].pc, err);
}

/* A guest with a console of its own writes where the progress would be shown. */
static conduct_progress *choose_progress(const struct run *run)
{
	bool leads_itself = run->image.elf.start == ELF_START_PVH;

	return leads_itself ? NULL : progress_wanted(run->options);
}

/* Instructions from a distribution's kernel's entry to its first process, roughly. */
#define LINUX_BOOT_INSTRUCTIONS 1e9

/* Nobody should sit before a kernel that boots for an hour without knowing it. */
static int warn_of_slow_kernel(const struct run *run, struct error *err)
{
	struct ring_speed speed;

	if (!run->image.elf.is_linux || run->options->quiet)
		return 0;
	if (ring_speed_measure(&run->kvm, 0, &speed, err))
		return -1;
	if (speed.emulated)
		fprintf(stderr,
			"minivmm: this KVM emulates ring 0, %.0f ns an instruction: a Linux kernel "
			"takes about %.0f minutes to its first process\n",
			speed.ns_per_instruction,
			speed.ns_per_instruction * LINUX_BOOT_INSTRUCTIONS / 60e9);
	return 0;
}

static int run_machine(struct run *run, struct error *err)
{
	struct machine *m = &run->machine;

	if (warn_of_slow_kernel(run, err))
		return -1;
	run->machine_is_made = true;
	if (machine_init(m, &run->kvm, run->options, &run->image, run->flush_via, err) ||
	    record_replay_prepare(&run->record_replay, &run->file, m->pcpus, err))
		return -1;
	run->host.tsc_hz = m->tsc_hz;
	probe_finish(&run->selfcheck);
	if (machine_start(m, err) || start_terminal(run, err) || enter_sandbox(run, err)) {
		machine_stop(m);
		terminal_stop(&run->terminal);
		return -1;
	}
	machine_release(m);
	struct conduct_result conducted = conduct(m, choose_progress(run));
	if (choose_progress(run))
		progress_clear(run->options);
	machine_stop(m);
	terminal_stop(&run->terminal);
	memory_use_read(m, run->statm_fd, &run->result.guest_rss_bytes, &run->result.vmm_rss_bytes);
	run->result.leads_itself = run->image.elf.start == ELF_START_PVH;
	run->result.started_ns = run->start_ns;
	run->result.startup_ns = m->first_run_ns - run->start_ns;
	run->result.elapsed_ns = monotonic_ns() - m->first_run_ns;
	if (gather_results(m, &run->result, err))
		return -1;
	record_replay_collect(&run->record_replay, &run->result);
	judge(m, &conducted, &run->result);
	return 0;
}

static int write_trace(struct run *run, struct error *err)
{
	if (!run->options->trace_path)
		return 0;
	return tracer_write(&run->machine, &run->trace, &run->result.trace, err);
}

static int write_json(struct run *run, const struct report *report, struct error *err)
{
	if (!run->options->json_path)
		return 0;

	char *text = report_make_json(report);
	if (!text)
		return error_set(err, EXIT_HOST, "not enough memory for the JSON");
	int result = output_file_commit(&run->json, text, strlen(text), err);
	free(text);
	return result;
}

/* One line for all that could not be written; returns -1. */
static int add_failure(struct error *err, int failed_before, const struct error *more)
{
	struct error before = *err;

	return error_set(err, EXIT_HOST, "%s%s%s", failed_before ? before.text : "",
			 failed_before ? "; " : "", more->text);
}

/* What cannot be written to one place is still worth having in the others. */
static int report_result(struct run *run, struct error *err)
{
	struct report report = {
		.options = run->options,
		.host = &run->host,
		.result = &run->result,
	};

	struct error more;
	int failed = write_trace(run, err);

	if (record_replay_write(&run->record_replay, &more))
		failed = add_failure(err, failed, &more);
	if (report_print_text(stdout, &report, &more))
		failed = add_failure(err, failed, &more);
	if (write_json(run, &report, &more))
		failed = add_failure(err, failed, &more);
	return failed;
}

static int run_steps(struct run *run, struct error *err)
{
	const struct options *o = run->options;

	if (o->json_path && output_file_open(&run->json, o->json_path, err))
		return -1;
	if (o->trace_path && output_file_open_for(&run->trace, "trace", o->trace_path, err))
		return -1;
	if (record_replay_open(&run->record_replay, o, run->schedule, err))
		return -1;
	if (load_guest(&run->own, &run->file, &run->image, err) || check_host(run, err) ||
	    run_machine(run, err))
		return -1;
	return report_result(run, err);
}

static void finish(struct run *run)
{
	if (run->machine_is_made)
		machine_finish(&run->machine);
	probe_finish(&run->selfcheck);
	result_finish(&run->result);
	finish_guest(&run->file, &run->image);
	output_file_discard(&run->json);
	output_file_discard(&run->trace);
	record_replay_finish(&run->record_replay);
	host_close_kvm(&run->kvm);
	if (run->statm_fd >= 0)
		close(run->statm_fd);
	free(run);
}

/* Large enough that a stack, in a process with little memory, may have no room for it. */
static struct run *create(const struct options *options, const struct schedule_file *schedule)
{
	struct run *run = calloc(1, sizeof(*run));

	if (!run)
		return NULL;
	run->own = *options;
	run->options = &run->own;
	run->schedule = schedule;
	run->start_ns = monotonic_ns();
	run->kvm.fd = -1;
	run->json.fd = run->json.dir_fd = -1;
	run->trace.fd = run->trace.dir_fd = -1;
	run->statm_fd = memory_use_open();
	return run;
}

int run_guest(const struct options *options, const struct schedule_file *schedule)
{
	struct run *run = create(options, schedule);
	struct error err;

	if (!run) {
		fprintf(stderr, "minivmm: not enough memory for a run\n");
		return EXIT_HOST;
	}
	block_signals();
	int status = run_steps(run, &err);
	if (status) {
		fprintf(stderr, "minivmm: %s\n", err.text);
		status = err.status;
	} else {
		status = result_exit_status(&run->result);
	}
	finish(run);
	return status;
}
