/* SPDX-License-Identifier: MIT */
/* A probe: does this host's kernel mark the vCPUs that it preempts by itself? */
#define _GNU_SOURCE
#include "vmm/host/kernel_marks.h"

#include <asm/kvm_para.h>
#include <linux/kvm.h>
#include <pthread.h>
#include <sched.h>
#include <string.h>

#include "minivmm/abi.h"
#include "vcpu/base/clock.h"
#include "vcpu/base/cpu_mask.h"
#include "vcpu/protocol/steal_msr.h"
#include "vmm/host/ring_start.h"
#include "vmm/machine/vm.h"
#include "vmm/machine/x86_boot.h"

#define CODE_GPA  MV_IMAGE_GPA
#define STEAL_GPA (CODE_GPA + 0x1000)
#define LOOK_NS	  250000000ull

/* 1: jmp 1b */
static const uint8_t spin_for_ever[] = { 0xeb, 0xfe };

struct marks_probe {
	struct vm vm;
	struct cpu_mask cpu;
	bool attached; /* atomic: the thread runs where it should, and its tid is known */
	bool stop;     /* atomic */
	bool marked;   /* somebody looked, and saw a mark */
	struct vcpu_exit exit;
};

/*
 * Both threads have to get their share of the CPU, whatever policy the user chose for us: of
 * two of SCHED_FIFO the second would not run before the first has ended.
 */
static void share_cpu(const struct cpu_mask *cpu)
{
	sched_setscheduler(0, SCHED_OTHER, &(struct sched_param){ 0 });

	cpu_mask_apply(cpu, 0);
}

static void *run_guest_thread(void *argument)
{
	struct marks_probe *p = argument;

	p->exit.kind = VCPU_EXIT_KICK;
	share_cpu(&p->cpu);
	vcpu_attach(&p->vm.vcpu[0]);
	__atomic_store_n(&p->attached, true, __ATOMIC_RELEASE);
	while (!__atomic_load_n(&p->stop, __ATOMIC_ACQUIRE) && p->exit.kind == VCPU_EXIT_KICK)
		vcpu_run(&p->vm.vcpu[0], &p->exit);
	return NULL;
}

/*
 * On the same CPU as the guest: whenever this loop runs, the guest does not. So every
 * look finds a preempted vCPU, once the guest has run at all. The bound is on this thread's
 * CPU time, which stands still while the process is stopped or another has the CPU.
 */
static bool see_mark(struct marks_probe *p)
{
	const struct kvm_steal_time *page = guest_mem_own(&p->vm.mem, STEAL_GPA, sizeof(*page));
	bool marked = false;

	while (!__atomic_load_n(&p->attached, __ATOMIC_ACQUIRE))
		sched_yield();
	uint64_t end_ns = thread_cpu_ns() + LOOK_NS;
	while (!marked && thread_cpu_ns() < end_ns)
		marked = __atomic_load_n(&page->preempted, __ATOMIC_RELAXED) & KVM_VCPU_PREEMPTED;
	return marked;
}

static void *look_from_same_cpu(void *argument)
{
	struct marks_probe *p = argument;

	share_cpu(&p->cpu);
	p->marked = see_mark(p);
	return NULL;
}

static int start_spinning(struct marks_probe *p, struct error *err)
{
	struct vcpu *v = &p->vm.vcpu[0];

	boot_build_page_tables(&p->vm.mem);
	memcpy(guest_mem_own(&p->vm.mem, CODE_GPA, sizeof(spin_for_ever)), spin_for_ever,
	       sizeof(spin_for_ever));
	v->steal.msr = STEAL_GPA | KVM_MSR_ENABLED;
	steal_msr_let_kernel_keep(v, &p->vm.mem, true);
	return ring_start(v, 3, &(struct kvm_regs){ .rip = CODE_GPA }, err);
}

/* The guest spins, and on the same CPU somebody looks. 0, or an errno. */
static int look(struct marks_probe *p)
{
	pthread_t guest, looker;
	int failed = pthread_create(&guest, NULL, run_guest_thread, p);

	if (failed)
		return failed;
	failed = pthread_create(&looker, NULL, look_from_same_cpu, p);
	if (!failed)
		pthread_join(looker, NULL);
	__atomic_store_n(&p->stop, true, __ATOMIC_RELEASE);
	while (!__atomic_load_n(&p->attached, __ATOMIC_ACQUIRE))
		sched_yield();
	vcpu_kick(&p->vm.vcpu[0]);
	pthread_join(guest, NULL);
	return failed;
}

int kernel_marks_probe(const struct kvm *kvm, int host_cpu, bool *ret_marks, struct error *err)
{
	struct marks_probe p = { 0 };

	if (cpu_mask_init(&p.cpu, host_cpu))
		return error_set(err, EXIT_HOST, "not enough memory for a mask of CPUs");
	if (vm_init(&p.vm, kvm, 0, 1, MV_MEM_MIN_BYTES, DIRTY_none, err))
		return -1;
	int result = start_spinning(&p, err);
	int failed = result ? 0 : look(&p);
	vm_finish(&p.vm);
	cpu_mask_finish(&p.cpu);
	if (failed)
		return error_set_errno(err, EXIT_HOST, failed, "cannot create a thread");
	if (!result && p.exit.kind != VCPU_EXIT_KICK)
		return error_set(err, EXIT_HOST, "this KVM cannot execute a loop in ring 3");
	*ret_marks = p.marked;
	return result;
}
