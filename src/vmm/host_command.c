/* SPDX-License-Identifier: MIT */
/* `minivmm host`: what this host's KVM is, and what it was seen to do. */
#define _GNU_SOURCE
#include "vmm/host_command.h"

#include <cpuid.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "vcpu/base/error.h"
#include "vcpu/cpu/vcpu.h"
#include "vmm/base/json.h"
#include "vmm/base/printing.h"
#include "vmm/cli/host_cpus.h"
#include "vmm/host/host_check.h"
#include "vmm/host/host_info.h"
#include "vmm/host/probe.h"
#include "vmm/report/report.h"
#include "vmm/report/report_parts.h"

#define SCHEMA "minivmm.host/1"

/* CPUID.80000001:ECX.SVM (AMD APM, volume 3). */
#define CPUID_80000001_ECX_SVM (1u << 2)

/* What is asked of KVM by trying it out; the name is also the one in the JSON. */
#define FINDINGS(X)  \
	X(ring0)     \
	X(ring3)     \
	X(selfcheck) \
	X(cr3_moves) \
	X(kernel_marks_preemption)

enum finding {
#define X(name) FINDING_##name,
	FINDINGS(X)
#undef X
		NR_FINDINGS
};

struct host {
	struct host_info info;
	const char *virtualization; /* of the CPU that this runs on: "VMX", "SVM" or "neither" */
	struct ring_speed ring0, ring3;
	struct selfcheck selfcheck;
	enum cr3_moves cr3_moves;
	bool kernel_marks;
	bool unknown[NR_FINDINGS]; /* it could not be found out, ... */
	struct error why[NR_FINDINGS];
};

/* ---- finding out ------------------------------------------------------------------- */

static const char *read_virtualization(void)
{
	unsigned eax, ebx, ecx, edx;

	if (__get_cpuid(1, &eax, &ebx, &ecx, &edx) && ecx & CPUID_1_ECX_VMX)
		return "VMX";
	if (__get_cpuid(0x80000001, &eax, &ebx, &ecx, &edx) && ecx & CPUID_80000001_ECX_SVM)
		return "SVM";
	return "neither VMX nor SVM";
}

/* Only KVM_RUN lets kicks in, as in a run. */
static void block_kicks(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, VCPU_KICK_SIGNAL);
	sigprocmask(SIG_BLOCK, &set, NULL);
}

/* Each probe runs whether or not another one failed or hung. */
static void try_out(struct host *h, const struct kvm *kvm, int host_cpu)
{
	struct probe probe = { 0 };

	h->unknown[FINDING_ring0] = probe_ring_speed(kvm, 0, &h->ring0, &h->why[FINDING_ring0]);
	h->unknown[FINDING_ring3] = probe_ring_speed(kvm, 3, &h->ring3, &h->why[FINDING_ring3]);
	h->unknown[FINDING_selfcheck] = probe_selfcheck(&probe, kvm, &h->selfcheck,
							&h->why[FINDING_selfcheck]);
	probe_finish(&probe);
	h->unknown[FINDING_cr3_moves] = probe_cr3_moves(kvm, h->info.intercepts_cr3, &h->cr3_moves,
							&h->why[FINDING_cr3_moves]);
	h->unknown[FINDING_kernel_marks_preemption] = probe_kernel_marks(
		kvm, host_cpu, &h->kernel_marks, &h->why[FINDING_kernel_marks_preemption]);
}

static int examine(struct host *host, int host_cpu, struct error *err)
{
	struct kvm kvm;

	if (host_open_kvm(&kvm, err))
		return -1;
	block_kicks();
	host_info_read(&host->info);
	host->virtualization = read_virtualization();
	try_out(host, &kvm, host_cpu);
	host_close_kvm(&kvm);
	return 0;
}

/* ---- saying it --------------------------------------------------------------------- */

static bool is_virtual_machine(const struct host *host)
{
	return strcmp(host->info.hypervisor, "none") != 0;
}

static void print_unknown(const struct host *host, const char *what, enum finding finding)
{
	printf("  %-31snot found out: %s\n", what, host->why[finding].text);
}

static const char *cr3_moves_name(const struct host *host)
{
	static const char *const name[] = {
		[CR3_MOVES_RIGHT] = "right",
		[CR3_MOVES_RIGHT_WITHOUT_WP] = "right with CR0.WP clear: so guests start",
		[CR3_MOVES_WRONG] = "wrong: guests cannot run",
	};

	return name[host->cr3_moves];
}

static void print_ring(const struct host *host, unsigned ring)
{
	const struct ring_speed *speed = ring ? &host->ring3 : &host->ring0;
	enum finding finding = ring ? FINDING_ring3 : FINDING_ring0;

	if (host->unknown[finding]) {
		print_unknown(host, ring ? "ring 3" : "ring 0", finding);
		return;
	}
	printf("  ring %u                         %s, %.*f ns per instruction\n", ring,
	       speed->emulated ? "emulated" : "native", speed->emulated ? 0 : 2,
	       speed->ns_per_instruction);
}

static void print_capabilities(const struct host_info *info)
{
	printf("\n  capabilities (API version %d)\n", info->kvm_api_version);
#define X(field, capability) printf("    %-29s%d\n", #field, info->kvm_caps.field);
	HOST_KVM_CAPS(X)
#undef X
}

static void print_what_works(const struct host *host)
{
	bool known = !host->unknown[FINDING_selfcheck];
	bool defers = selfcheck_best(&host->selfcheck) >= 0;
	const char *why_not = known ? "; nothing flushes, so no flush is deferred"
				    : "; what defers flushes, perhaps";

	printf("\n  what works here: ipi and ipi-yield%s%s\n",
	       defers ? ", whatever defers flushes" : why_not,
	       host->kernel_marks ? ", and pv-kernel" : "");
	if (!host->kernel_marks && !host->unknown[FINDING_kernel_marks_preemption])
		printf("  pv-kernel does not: the kernel marks nobody preempted\n");
}

static void print_selfcheck(const struct host *host)
{
	if (host->unknown[FINDING_selfcheck]) {
		print_unknown(host, "what flushes", FINDING_selfcheck);
		return;
	}
	printf("  a plain exit flushes           %s\n",
	       host->selfcheck.exit_alone_flushes ? "yes" : "no");
	report_print_selfcheck(stdout, &host->selfcheck);
}

static void print_text(const struct host *host)
{
	const struct host_info *info = &host->info;

	printf("%s, %u CPUs, %s\n", info->cpu_model, info->online_cpus, info->kernel);
	printf("  KVM module                     %s, %s\n", info->kvm_module, info->paging);
	printf("  CPU                            has %s%s%s%s\n", host->virtualization,
	       is_virtual_machine(host) ? ", is virtual itself (" : "",
	       is_virtual_machine(host) ? info->hypervisor : "",
	       is_virtual_machine(host) ? ")" : "");
	print_ring(host, 0);
	print_ring(host, 3);
	if (host->unknown[FINDING_kernel_marks_preemption])
		print_unknown(host, "the kernel marks preemption", FINDING_kernel_marks_preemption);
	else
		printf("  the kernel marks preemption    %s\n", host->kernel_marks ? "yes" : "no");
	if (host->unknown[FINDING_cr3_moves])
		print_unknown(host, "MOV to and from CR3", FINDING_cr3_moves);
	else
		printf("  MOV to and from CR3            %s\n", cr3_moves_name(host));
	print_selfcheck(host);
	print_capabilities(info);
	print_what_works(host);
}

static json_object *ring_json(const struct ring_speed *speed)
{
	json_object *o = json_object_new_object();

	json_add_bool(o, "emulated", speed->emulated);
	json_add_number(o, "ns_per_instruction", speed->ns_per_instruction);
	return o;
}

/* Why, for each of those that are null. */
static json_object *not_found_out_json(const struct host *host)
{
	static const char *const name[] = {
#define X(name) #name,
		FINDINGS(X)
#undef X
	};
	json_object *o = json_object_new_object();

	for (unsigned i = 0; i < NR_FINDINGS; i++) {
		if (host->unknown[i])
			json_add(o, name[i], json_new_text(host->why[i].text));
	}
	return o;
}

static void add_finding(json_object *o, const struct host *host, enum finding finding,
			const char *name, json_object *value)
{
	if (host->unknown[finding]) {
		json_object_put(value);
		value = NULL;
	}
	json_add(o, name, value);
}

static void print_json(const struct host *host)
{
	json_object *o = json_object_new_object();

	json_add(o, "schema", json_new_text(SCHEMA));
	json_add(o, "host", report_host_json(&host->info));
	json_add(o, "virtualization", json_new_text(host->virtualization));
	json_add_bool(o, "virtual_machine", is_virtual_machine(host));
	json_add(o, "paging", json_new_text(host->info.paging));
	add_finding(o, host, FINDING_ring0, "ring0", ring_json(&host->ring0));
	add_finding(o, host, FINDING_ring3, "ring3", ring_json(&host->ring3));
	add_finding(o, host, FINDING_cr3_moves, "cr3_moves", json_new_text(cr3_moves_name(host)));
	add_finding(o, host, FINDING_kernel_marks_preemption, "kernel_marks_preemption",
		    json_object_new_boolean(host->kernel_marks));
	add_finding(o, host, FINDING_selfcheck, "selfcheck",
		    report_selfcheck_json(&host->selfcheck));
	json_add(o, "not_found_out", not_found_out_json(host));
	char *text = json_print(o);
	fputs(text ? text : "", stdout);
	free(text);
	json_object_put(o);
}

/* ---- the command ------------------------------------------------------------------- */

static void print_help(void)
{
	puts("Usage: minivmm host [--json]\n"
	     "\n"
	     "Says what this host's KVM is, how it executes guest code, which primitives\n"
	     "were seen to flush a guest's TLB, and whether the kernel marks preempted vCPUs.\n"
	     "\n"
	     "  --json  print it as JSON, schema " SCHEMA "\n"
	     "  --help  print this");
}

static int parse(int argc, char *argv[], bool *ret_json, bool *ret_help, struct error *err)
{
	*ret_json = *ret_help = false;
	for (int i = 1; i < argc; i++) {
		if (strcmp(argv[i], "--json") == 0)
			*ret_json = true;
		else if (strcmp(argv[i], "--help") == 0)
			*ret_help = true;
		else
			return error_set(err, EXIT_USAGE,
					 "host: unknown argument '%s': it takes --json or --help",
					 argv[i]);
	}
	return 0;
}

int host_command(int argc, char *argv[])
{
	struct host_cpus allowed;
	struct host host = { 0 };
	struct error err;
	bool json, help;

	host_cpus_read(&allowed);
	host_cpus_finish(&allowed); /* those inherited will do */
	if (parse(argc, argv, &json, &help, &err) ||
	    (!help &&
	     (host_cpus_check(&allowed, &err) || examine(&host, allowed.inherited.cpu[0], &err)))) {
		fprintf(stderr, "minivmm: %s\n", err.text);
		return err.status;
	}
	if (help)
		print_help();
	else if (json)
		print_json(&host);
	else
		print_text(&host);
	return finish_printing();
}
