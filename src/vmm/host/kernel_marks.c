/* SPDX-License-Identifier: MIT */
/* A probe: does this host's kernel mark the vCPUs that it preempts by itself? */
#define _GNU_SOURCE
#include "vmm/host/kernel_marks.h"

#include <asm/kvm_para.h>
#include <linux/kvm.h>
#include <pthread.h>
#include <sched.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "minivmm/abi.h"
#include "vcpu/sched/pcpu.h"
#include "vmm/host/ring_start.h"
#include "vmm/machine/vm.h"
#include "vmm/machine/x86_boot.h"

#define CODE_GPA  MV_IMAGE_GPA
#define STEAL_GPA (CODE_GPA + 0x1000)
#define PROBE_NS  500000000ull

/* 1: jmp 1b */
static const uint8_t spin_for_ever[] = { 0xeb, 0xfe };

struct probe {
	struct vm vm;
	int host_cpu;
	bool attached; /* atomic: the thread runs where it should, and its tid is known */
	bool stop;     /* atomic */
};

static void pin_self(int host_cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(host_cpu, &set);
	sched_setaffinity(0, sizeof(set), &set);
}

static void *run_guest_thread(void *argument)
{
	struct probe *p = argument;
	struct vcpu_exit exit = { .kind = VCPU_EXIT_KICK };

	pin_self(p->host_cpu);
	p->vm.vcpu[0].tid = (pid_t)syscall(SYS_gettid);
	__atomic_store_n(&p->attached, true, __ATOMIC_RELEASE);
	while (!__atomic_load_n(&p->stop, __ATOMIC_ACQUIRE) && exit.kind == VCPU_EXIT_KICK)
		vcpu_run(&p->vm.vcpu[0], &exit);
	return NULL;
}

/*
 * On the same CPU as the guest: whenever this loop runs, the guest does not. So every
 * look finds a preempted vCPU, once the guest has run at all.
 */
static bool see_mark(struct probe *p)
{
	const struct kvm_steal_time *page = guest_mem_own(&p->vm.mem, STEAL_GPA, sizeof(*page));
	uint64_t end_ns = monotonic_ns() + PROBE_NS;
	bool marked = false;

	while (!marked && monotonic_ns() < end_ns) {
		marked = __atomic_load_n(&page->preempted, __ATOMIC_RELAXED) & KVM_VCPU_PREEMPTED;
		if (!__atomic_load_n(&p->attached, __ATOMIC_ACQUIRE))
			sched_yield();
	}
	return marked;
}

static void *look_from_same_cpu(void *argument)
{
	struct probe *p = argument;

	pin_self(p->host_cpu);
	return (void *)(uintptr_t)see_mark(p);
}

static int start_spinning(struct probe *p, struct error *err)
{
	struct vcpu *v = &p->vm.vcpu[0];

	boot_build_page_tables(&p->vm.mem);
	memcpy(guest_mem_own(&p->vm.mem, CODE_GPA, sizeof(spin_for_ever)), spin_for_ever,
	       sizeof(spin_for_ever));
	v->steal.msr = STEAL_GPA | KVM_MSR_ENABLED;
	vcpu_let_kernel_keep_steal(v, &p->vm.mem, true);
	return ring_start(v, 3, &(struct kvm_regs){ .rip = CODE_GPA }, err);
}

int kernel_marks_probe(const struct kvm *kvm, int host_cpu, bool *ret_marks, struct error *err)
{
	struct probe p = { .host_cpu = host_cpu };
	pthread_t guest, looker;
	void *marked;

	if (vm_init(&p.vm, kvm, 0, 1, MV_MEM_MIN_BYTES, err))
		return -1;
	int result = start_spinning(&p, err);
	if (result == 0) {
		pthread_create(&guest, NULL, run_guest_thread, &p);
		pthread_create(&looker, NULL, look_from_same_cpu, &p);
		pthread_join(looker, &marked);
		*ret_marks = marked != NULL;
		__atomic_store_n(&p.stop, true, __ATOMIC_RELEASE);
		vcpu_kick(&p.vm.vcpu[0]);
		pthread_join(guest, NULL);
	}
	vm_finish(&p.vm);
	return result;
}
