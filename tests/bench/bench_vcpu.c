/* SPDX-License-Identifier: MIT */
/*
 * Benchmarks of the vCPU layer: what its run loop costs, and a change of vCPU.
 *
 *	bench_vcpu [N]
 *
 * With N it takes one in N of its samples: enough where time is counted in instructions.
 *
 * Everything that is compared is measured in turn in one run, since the speed of a
 * machine drifts. Prints one line of JSON; times in nanoseconds.
 */
#define _GNU_SOURCE
#include <linux/kvm.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>

#include "vcpu/base/clock.h"
#include "vcpu/protocol/host_protocol.h"
#include "vcpu/protocol/steal_msr.h"
#include "vmm/host/host_check.h"
#include "vmm/host/ring_start.h"
#include "vmm/host/selfcheck.h"
#include "vmm/machine/exits.h"
#include "vmm/machine/machine.h"
#include "vmm/machine/x86_boot.h"

#define MEM_BYTES MV_MEM_MIN_BYTES
#define CODE_GPA  MV_IMAGE_GPA
#define DATA_GPA  (CODE_GPA + 0x1000)
#define FLUSH_GPA (CODE_GPA + 0x2000)
#define STEAL_GPA (CODE_GPA + 0x3000)

#define MAX_EXIT_BLOCKS	  60
#define EXITS_PER_BLOCK	  1000
#define MAX_SWITCHES	  6000
#define SWITCH_WARM_UP	  100
#define SWITCHES_PER_TURN 16 /* with a flush, and then without */
#define SLICE_NS	  500000

static unsigned exit_blocks = MAX_EXIT_BLOCKS;
static unsigned switches = MAX_SWITCHES;

static void fail(const struct error *err)
{
	fprintf(stderr, "bench_vcpu: %s\n", err->text);
	exit(err->status);
}

static void build(struct vm *vm, const struct kvm *kvm, unsigned nr_vcpus, const uint8_t *code,
		  size_t bytes)
{
	struct error err;

	if (vm_init(vm, kvm, 0, nr_vcpus, MEM_BYTES, DIRTY_none, &err))
		fail(&err);
	boot_build_page_tables(&vm->mem);
	memcpy(guest_mem_own(&vm->mem, CODE_GPA, bytes), code, bytes);
}

static void start(struct vcpu *v, const struct kvm_regs *regs)
{
	struct error err;

	if (ring_start(v, 3, regs, &err))
		fail(&err);
}

static uint64_t median(uint64_t *value, unsigned nr)
{
	for (unsigned i = 1; i < nr; i++) {
		for (unsigned k = i; k > 0 && value[k] < value[k - 1]; k--) {
			uint64_t swap = value[k];
			value[k] = value[k - 1];
			value[k - 1] = swap;
		}
	}
	return value[nr / 2];
}

/* ---- the run loop against a bare KVM_RUN loop on the same exit ------------------- */

/* 1: movl $0, (%rdi); jmp 1b */
static const uint8_t ring_for_ever[] = { 0xc7, 0x07, 0, 0, 0, 0, 0xeb, 0xf8 };

struct exit_bench {
	struct vcpu_thread thread;
	unsigned left;
};

/* The handler that minivmm has, until enough exits have been counted. */
static enum vcpu_action count_exit(void *context, struct vcpu *v, const struct vcpu_exit *e)
{
	struct exit_bench *bench = context;
	enum vcpu_action action = exits_handle(&bench->thread, v, e);

	return --bench->left ? action : VCPU_STOP;
}

static uint64_t time_run_loop(struct exit_bench *bench, struct pcpus *pcpus)
{
	struct vcpu_handler handler = { .context = bench, .exit = count_exit };
	uint64_t start_ns = monotonic_ns();

	bench->left = EXITS_PER_BLOCK;
	vcpu_run_loop(bench->thread.vcpu, pcpus, 0, &handler);
	uint64_t ns = monotonic_ns() - start_ns;
	pcpus_release(pcpus, 0, SLICE_blocked);
	return ns / EXITS_PER_BLOCK;
}

static uint64_t time_bare_loop(struct vcpu *v)
{
	uint64_t start_ns = monotonic_ns();

	for (unsigned i = 0; i < EXITS_PER_BLOCK; i++) {
		if (ioctl(v->fd, KVM_RUN, 0) || v->run->exit_reason != KVM_EXIT_MMIO)
			abort();
	}
	return (monotonic_ns() - start_ns) / EXITS_PER_BLOCK;
}

static struct pcpus *create_pcpus(unsigned nr_vcpus)
{
	static const int host_cpu[] = { 0 };
	struct error err;
	struct pcpu_config config = {
		.host_cpu = host_cpu,
		.nr_pcpus = 1,
		.nr_vms = 1,
		.nr_vcpus = nr_vcpus,
		.slices.slice_ns = SLICE_NS,
		.policy = &sched_policies[POLICY_round_robin],
	};

	struct pcpus *pcpus = pcpus_create(&config, &err);
	if (!pcpus)
		fail(&err);
	return pcpus;
}

static void bench_exits(const struct kvm *kvm, enum flush_prim flush_via)
{
	struct vm vm;
	struct pcpus *pcpus;
	struct error err;
	uint64_t loop_ns[MAX_EXIT_BLOCKS], bare_ns[MAX_EXIT_BLOCKS];
	struct exit_bench bench = { 0 };

	build(&vm, kvm, 1, ring_for_ever, sizeof(ring_for_ever));
	start(&vm.vcpu[0],
	      &(struct kvm_regs){ .rip = CODE_GPA, .rdi = MV_DOORBELL_GPA + MV_DB_NOP });
	vm.vcpu[0].protocol = &host_protocol;
	pcpus = create_pcpus(1);
	bench.thread.vm = &vm;
	bench.thread.vcpu = &vm.vcpu[0];
	if (pcpus_attach(pcpus, 0, &err))
		fail(&err);
	for (unsigned i = 0; i < exit_blocks; i++) {
		vm.vcpu[0].run->kvm_valid_regs = 0;
		bare_ns[i] = time_bare_loop(&vm.vcpu[0]);
		if (flush_primitives[flush_via].prepare(&vm.vcpu[0], &vm.mem, FLUSH_GPA, &err))
			fail(&err);
		loop_ns[i] = time_run_loop(&bench, pcpus);
	}
	printf("\"exit_run_loop_ns\": %llu, \"exit_bare_loop_ns\": %llu, ",
	       (unsigned long long)median(loop_ns, exit_blocks),
	       (unsigned long long)median(bare_ns, exit_blocks));
	pcpus_destroy(pcpus);
	vm_finish(&vm);
}

/* ---- a change of vCPU at the end of a slice, guest to guest ------------------------ */

/* What each vCPU leaves for us. */
struct stamps {
	uint64_t last;	/* TSC, stored over and over */
	uint64_t first; /* TSC at the first store since this was zeroed */
};

/*
 * 1: rdtsc; shl $32, %rdx; or %rdx, %rax; mov %rax, (%rdi)
 *    cmpq $0, 8(%rdi); jne 1b
 *    rdtsc; shl $32, %rdx; or %rdx, %rax; mov %rax, 8(%rdi); jmp 1b
 *
 * The TSC is read anew for the first stamp: most slices end right behind the first
 * rdtsc, so that what it read is older than the slice that the store belongs to.
 */
static const uint8_t stamp_for_ever[] = {
	0x0f, 0x31, 0x48, 0xc1, 0xe2, 0x20, 0x48, 0x09, 0xd0, 0x48, 0x89, 0x07,
	0x48, 0x83, 0x7f, 0x08, 0x00, 0x75, 0xed, 0x0f, 0x31, 0x48, 0xc1, 0xe2,
	0x20, 0x48, 0x09, 0xd0, 0x48, 0x89, 0x47, 0x08, 0xeb, 0xde,
};

static struct {
	struct vm vm;
	struct pcpus *pcpus;
	unsigned switches;
	bool flushes;		 /* the last hand-over had a flush */
	struct mv_hist ticks[2]; /* guest to guest: without and with a flush */
} change;

static struct stamps *stamps_of(const struct vcpu *v)
{
	struct stamps *first = guest_mem_own(&change.vm.mem, DATA_GPA,
					     (v->index + 1) * sizeof(*first));

	return first + v->index;
}

/* v leaves: it has noted when it began, and the other has left its last stamp. */
static void note_switch(struct vcpu *v)
{
	struct stamps *mine = stamps_of(v);
	const struct stamps *other = stamps_of(&change.vm.vcpu[!v->index]);

	if (mine->first && other->last && ++change.switches > SWITCH_WARM_UP)
		mv_hist_record(&change.ticks[change.flushes], mine->first - other->last);
	if (change.switches >= switches) {
		pcpus_stop(change.pcpus);
		vcpu_kick(&change.vm.vcpu[0]);
		vcpu_kick(&change.vm.vcpu[1]);
	}
}

static void maybe_flush(struct vcpu *v)
{
	stamps_of(v)->first = 0;
	change.flushes = change.switches / SWITCHES_PER_TURN % 2;
	if (change.flushes)
		v->flush->flush(v);
}

static const struct host_protocol measuring = { .leave = note_switch, .enter = maybe_flush };

static void *run_vcpu(void *argument)
{
	struct vcpu *v = argument;
	struct vcpu_handler handler = { 0 };
	struct error err;

	if (pcpus_attach(change.pcpus, v->index, &err))
		fail(&err);
	vcpu_attach(v);
	vcpu_run_loop(v, change.pcpus, v->index, &handler);
	return NULL;
}

static double mean(const struct mv_hist *h)
{
	return h->count ? (double)h->sum / (double)h->count : 0;
}

static void bench_change(const struct kvm *kvm, enum flush_prim flush_via)
{
	pthread_t thread[2];
	struct mv_hist handover = { 0 };
	struct error err;

	build(&change.vm, kvm, 2, stamp_for_ever, sizeof(stamp_for_ever));
	change.pcpus = create_pcpus(2);
	double ns_per_tick = 1e6 / vcpu_tsc_khz(&change.vm.vcpu[0]);
	for (unsigned i = 0; i < 2; i++) {
		struct vcpu *v = &change.vm.vcpu[i];

		start(v, &(struct kvm_regs){ .rip = CODE_GPA,
					     .rdi = DATA_GPA + i * sizeof(struct stamps) });
		v->flush = &flush_primitives[flush_via];
		v->protocol = &measuring;
		if (steal_msr_write(&v->steal, &change.vm.mem, (STEAL_GPA + i * 64) | 1) ||
		    v->flush->prepare(v, &change.vm.mem, FLUSH_GPA + i * FLUSH_PAGES_BYTES, &err))
			fail(&err);
	}
	for (unsigned i = 0; i < 2; i++)
		pthread_create(&thread[i], NULL, run_vcpu, &change.vm.vcpu[i]);
	for (unsigned i = 0; i < 2; i++) {
		pthread_join(thread[i], NULL);
		mv_hist_merge(&handover, &change.vm.vcpu[i].handover);
	}
	for (unsigned f = 0; f < 2; f++)
		printf("\"guest_to_guest_%s_ns\": {\"mean\": %.0f, \"p50\": %.0f, \"p99\": %.0f}, ",
		       f ? "flush" : "plain", mean(&change.ticks[f]) * ns_per_tick,
		       (double)mv_hist_quantile(&change.ticks[f], 500000) * ns_per_tick,
		       (double)mv_hist_quantile(&change.ticks[f], 990000) * ns_per_tick);
	printf("\"expiry_to_run_ns\": {\"mean\": %.0f, \"p50\": %llu, \"p99\": %llu}",
	       mean(&handover), (unsigned long long)mv_hist_quantile(&handover, 500000),
	       (unsigned long long)mv_hist_quantile(&handover, 990000));
	pcpus_destroy(change.pcpus);
	vm_finish(&change.vm);
}

int main(int argc, char *argv[])
{
	unsigned one_in = argc > 1 ? (unsigned)atoi(argv[1]) : 1;
	struct selfcheck check;
	struct kvm kvm;
	struct vm vm;
	struct error err;
	sigset_t kick;

	if (one_in < 1 || one_in > MAX_EXIT_BLOCKS) {
		fprintf(stderr, "usage: bench_vcpu [N], N from 1 to %d\n", MAX_EXIT_BLOCKS);
		return EXIT_USAGE;
	}
	exit_blocks /= one_in;
	switches /= one_in;
	sigemptyset(&kick);
	sigaddset(&kick, VCPU_KICK_SIGNAL);
	sigprocmask(SIG_BLOCK, &kick, NULL);

	if (host_open_kvm(&kvm, &err) || selfcheck_run(&kvm, &vm, &check, &err))
		fail(&err);
	vm_finish(&vm);
	int best = selfcheck_best(&check);
	if (best < 0)
		best = FLUSH_VIA_sregs;
	printf("{\"flush_via\": \"%s\", ", flush_primitives[best].name);
	bench_exits(&kvm, (enum flush_prim)best);
	bench_change(&kvm, (enum flush_prim)best);
	puts("}");
	return 0;
}
