/* SPDX-License-Identifier: MIT */
/* One virtual CPU: every KVM call made on its behalf. */
#define _GNU_SOURCE
#include "vcpu/cpu/vcpu.h"

#include <asm/kvm_para.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "minivmm/x86.h"
#include "vcpu/base/kvm_ioctl.h"

#define NS_PER_S 1000000000ull

#define CPUID_1_EBX_APIC_ID 24
#define X2APIC_MSR_LVT0	    0x835
#define START_CHECK_NS	    1000000 /* how often a vCPU that INIT has reset is looked at */
#define KERNEL_SIGSET_BYTES 8	    /* of the kernel's sigset_t, which KVM_SET_SIGNAL_MASK takes */

/*
 * What the guest learns about its CPU: whatever KVM supports, its APIC id, and
 * KVM's paravirtual features cut down to the two that minivmm provides itself.
 * PCID is hidden because a flush that is asked for names no address space, and
 * MWAIT because a CPU that waits in it may be woken without its flush (40cd58dbf121).
 */
static void adjust_cpuid(struct kvm_cpuid_entry2 *e, unsigned apic_id)
{
	switch (e->function) {
	case 1:
		e->ebx = (e->ebx & 0x00ffffff) | apic_id << CPUID_1_EBX_APIC_ID;
		e->ecx &= ~(CPUID_1_ECX_MWAIT | CPUID_1_ECX_PCID);
		break;
	case 0xb:
	case 0x1f:
		e->edx = apic_id;
		break;
	case KVM_CPUID_FEATURES:
		e->eax = 1u << KVM_FEATURE_STEAL_TIME | 1u << KVM_FEATURE_PV_TLB_FLUSH;
		e->edx = 0;
		break;
	}
}

static int set_cpuid(struct vcpu *v, const struct kvm_cpuid_table *supported, struct error *err)
{
	struct kvm_cpuid_table cpuid = *supported;

	for (unsigned i = 0; i < cpuid.head.nent; i++)
		adjust_cpuid(&cpuid.leaf[i], vcpu_apic_id(v->index));
	return kvm_ioctl(err, v->fd, KVM_SET_CPUID2, &cpuid);
}

/* The kick signal is open inside KVM_RUN and nowhere else. */
static int set_signal_mask(struct vcpu *v, struct error *err)
{
	_Alignas(struct kvm_signal_mask)
		uint8_t buffer[sizeof(struct kvm_signal_mask) + KERNEL_SIGSET_BYTES];
	struct kvm_signal_mask *mask = (struct kvm_signal_mask *)buffer;
	sigset_t set;

	sigfillset(&set);
	sigdelset(&set, VCPU_KICK_SIGNAL);
	mask->len = KERNEL_SIGSET_BYTES;
	memcpy(mask->sigset, &set, KERNEL_SIGSET_BYTES);
	return kvm_ioctl(err, v->fd, KVM_SET_SIGNAL_MASK, mask);
}

/*
 * Opens LINT0 for an external interrupt controller, which nobody has: KVM then
 * tells when a halted vCPU could take an interrupt, see vcpu_wait_halted().
 */
static int open_lint0(struct vcpu *v, struct error *err)
{
	struct kvm_lapic_state lapic;

	if (kvm_ioctl(err, v->fd, KVM_GET_LAPIC, &lapic) < 0)
		return -1;
	memcpy(&lapic.regs[XAPIC_LVT_LINT0], &(uint32_t){ LVT_EXTINT }, sizeof(uint32_t));
	return kvm_ioctl(err, v->fd, KVM_SET_LAPIC, &lapic);
}

/*
 * The same where the guest has closed it. As the MSR of x2APIC, since that is one register:
 * KVM_SET_LAPIC would undo an interrupt that arrives meanwhile. KVM refuses while the
 * guest is in xAPIC mode; then it runs on without a pCPU, up to its next exit.
 */
static void open_lint0_again(struct vcpu *v)
{
	struct {
		struct kvm_msrs head;
		struct kvm_msr_entry entry;
	} msrs = {
		.head.nmsrs = 1,
		.entry = { .index = X2APIC_MSR_LVT0, .data = LVT_EXTINT },
	};

	ioctl(v->fd, KVM_SET_MSRS, &msrs);
}

/* Guest and host read the same TSC, so that their times can be compared. */
static int share_tsc(struct vcpu *v, struct error *err)
{
	struct kvm_device_attr attr = {
		.group = KVM_VCPU_TSC_CTRL,
		.attr = KVM_VCPU_TSC_OFFSET,
		.addr = (uintptr_t) & (uint64_t){ 0 },
	};

	return kvm_ioctl(err, v->fd, KVM_SET_DEVICE_ATTR, &attr);
}

static int set_mp_state(struct vcpu *v, uint32_t mp_state, struct error *err)
{
	struct kvm_mp_state state = { .mp_state = mp_state };

	return kvm_ioctl(err, v->fd, KVM_SET_MP_STATE, &state);
}

static int map_run(struct vcpu *v, size_t bytes, struct error *err)
{
	v->run = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, v->fd, 0);
	if (v->run == MAP_FAILED) {
		v->run = NULL;
		return error_set_errno(err, EXIT_HOST, errno, "cannot map vCPU %u of VM %u",
				       v->index, v->vm);
	}
	v->run_bytes = bytes;
	return 0;
}

int vcpu_init(struct vcpu *v, const struct kvm *kvm, int vm_fd, unsigned vm, unsigned index,
	      struct error *err)
{
	*v = (struct vcpu){ .vm = vm, .index = index, .protocol = &host_protocol };
	v->fd = kvm_ioctl(err, vm_fd, KVM_CREATE_VCPU, vcpu_apic_id(index));
	if (v->fd < 0)
		return -1;
	if (map_run(v, kvm->run_bytes, err) || set_cpuid(v, &kvm->supported, err) ||
	    set_signal_mask(v, err) || open_lint0(v, err) || share_tsc(v, err) ||
	    set_mp_state(v, KVM_MP_STATE_RUNNABLE, err)) {
		vcpu_finish(v);
		return -1;
	}
	return 0;
}

int vcpu_hide_features(struct vcpu *v, uint32_t features, struct error *err)
{
	struct kvm_cpuid_table cpuid = { .head.nent = KVM_MAX_CPUID_LEAVES };

	if (kvm_ioctl(err, v->fd, KVM_GET_CPUID2, &cpuid) < 0)
		return -1;
	for (unsigned i = 0; i < cpuid.head.nent; i++) {
		if (cpuid.leaf[i].function == KVM_CPUID_FEATURES)
			cpuid.leaf[i].eax &= ~features;
	}
	return kvm_ioctl(err, v->fd, KVM_SET_CPUID2, &cpuid);
}

int vcpu_get_cpuid(const struct vcpu *v, struct kvm_cpuid_table *ret_cpuid, struct error *err)
{
	ret_cpuid->head = (struct kvm_cpuid2){ .nent = KVM_MAX_CPUID_LEAVES };
	return kvm_ioctl(err, v->fd, KVM_GET_CPUID2, ret_cpuid);
}

int vcpu_set_cpuid(struct vcpu *v, struct kvm_cpuid_table *cpuid, struct error *err)
{
	return kvm_ioctl(err, v->fd, KVM_SET_CPUID2, cpuid);
}

void vcpu_finish(struct vcpu *v)
{
	if (v->run)
		munmap(v->run, v->run_bytes);
	if (v->fd >= 0)
		close(v->fd);
	trace_ring_destroy(v->trace);
	v->trace = NULL;
	v->run = NULL;
	v->fd = -1;
}

static void decode_error(struct vcpu_exit *e, const struct kvm_run *run)
{
	e->kind = VCPU_EXIT_ERROR;
	switch (run->exit_reason) {
	case KVM_EXIT_INTERNAL_ERROR:
		snprintf(e->text, sizeof(e->text),
			 "KVM cannot emulate an instruction (suberror %u)", run->internal.suberror);
		break;
	case KVM_EXIT_FAIL_ENTRY:
		snprintf(e->text, sizeof(e->text),
			 "the CPU refused to enter the guest (reason 0x%llx)",
			 run->fail_entry.hardware_entry_failure_reason);
		break;
	default:
		snprintf(e->text, sizeof(e->text), "an exit that minivmm does not know (reason %u)",
			 run->exit_reason);
	}
}

static void decode_exit(struct vcpu_exit *e, struct kvm_run *run)
{
	switch (run->exit_reason) {
	case KVM_EXIT_MMIO:
		*e = (struct vcpu_exit){
			.kind = VCPU_EXIT_MMIO,
			.is_write = run->mmio.is_write,
			.gpa = run->mmio.phys_addr,
			.size = run->mmio.len,
			.count = 1,
			.data = run->mmio.data,
		};
		break;
	case KVM_EXIT_IO:
		*e = (struct vcpu_exit){
			.kind = VCPU_EXIT_IO,
			.is_write = run->io.direction == KVM_EXIT_IO_OUT,
			.port = run->io.port,
			.size = run->io.size,
			.count = run->io.count,
			.data = (uint8_t *)run + run->io.data_offset,
		};
		break;
	case KVM_EXIT_X86_WRMSR:
		run->msr.error = 0;
		*e = (struct vcpu_exit){
			.kind = VCPU_EXIT_MSR_WRITE,
			.msr = run->msr.index,
			.value = run->msr.data,
		};
		break;
	case KVM_EXIT_IRQ_WINDOW_OPEN:
		e->kind = VCPU_EXIT_WAKEUP;
		break;
	case KVM_EXIT_DIRTY_RING_FULL:
		e->kind = VCPU_EXIT_RING_FULL;
		break;
	case KVM_EXIT_SHUTDOWN:
		e->kind = VCPU_EXIT_SHUTDOWN;
		break;
	default:
		decode_error(e, run);
	}
}

static bool leaves_access_open(enum vcpu_exit_kind kind)
{
	return kind == VCPU_EXIT_MMIO || kind == VCPU_EXIT_IO || kind == VCPU_EXIT_MSR_WRITE;
}

static void enter_kvm(struct vcpu *v, struct vcpu_exit *ret_exit)
{
	int result = ioctl(v->fd, KVM_RUN, 0);

	v->stats.exits++;
	v->access_is_open = false;
	if (result == 0) {
		decode_exit(ret_exit, v->run);
		v->access_is_open = leaves_access_open(ret_exit->kind);
		return;
	}
	if (errno == EINTR || errno == EAGAIN) {
		v->stats.exits_kick++;
		ret_exit->kind = VCPU_EXIT_KICK;
		return;
	}
	ret_exit->kind = VCPU_EXIT_ERROR;
	snprintf(ret_exit->text, sizeof(ret_exit->text), "KVM_RUN failed: %s", strerror(errno));
}

const struct vcpu_exit vcpu_second_access = {
	.kind = VCPU_EXIT_ERROR,
	.text = "an instruction makes more than one access that ends in an exit",
};

static bool flush_on_request(struct vcpu *v)
{
	if (!vcpu_complete_io(v))
		return false;
	__atomic_store_n(&v->must_flush, 0, __ATOMIC_SEQ_CST);
	v->flush->flush(v);
	v->stats.flushes++;
	trace(v->trace, TRACE_FLUSH, 0);
	return true;
}

/*
 * in_guest is set before must_flush is looked at, and whoever asks for a flush sets
 * must_flush before it looks at in_guest: one of the two notices the other.
 */
void vcpu_run(struct vcpu *v, struct vcpu_exit *ret_exit)
{
	__atomic_store_n(&v->in_guest, 1, __ATOMIC_SEQ_CST);
	if (__atomic_load_n(&v->must_flush, __ATOMIC_SEQ_CST) && !flush_on_request(v))
		*ret_exit = vcpu_second_access;
	else
		enter_kvm(v, ret_exit);
	__atomic_store_n(&v->in_guest, 0, __ATOMIC_RELEASE);
}

void vcpu_request_flush(struct vcpu *v)
{
	__atomic_store_n(&v->must_flush, 1, __ATOMIC_SEQ_CST);
	if (__atomic_load_n(&v->in_guest, __ATOMIC_SEQ_CST))
		vcpu_kick(v);
}

/* Outside it flushes on its way in; and once it has seen the request it has done so. */
bool vcpu_flush_is_safe(const struct vcpu *v)
{
	return !__atomic_load_n(&v->in_guest, __ATOMIC_SEQ_CST) ||
	       !__atomic_load_n(&v->must_flush, __ATOMIC_SEQ_CST);
}

void vcpu_wait_kick(uint64_t wait_ns)
{
	struct timespec wait = {
		.tv_sec = (time_t)(wait_ns / NS_PER_S),
		.tv_nsec = (long)(wait_ns % NS_PER_S),
	};
	sigset_t kick;

	sigemptyset(&kick);
	sigaddset(&kick, VCPU_KICK_SIGNAL);
	sigtimedwait(&kick, NULL, &wait);
}

void vcpu_drain_kick(void)
{
	vcpu_wait_kick(0);
}

/* KVM is interrupted once the instruction is over; before, it exits as it would without. */
bool vcpu_complete_io(struct vcpu *v)
{
	if (!v->access_is_open)
		return true;
	v->run->immediate_exit = 1;
	v->access_is_open = ioctl(v->fd, KVM_RUN, 0) == 0;
	v->run->immediate_exit = 0;
	return !v->access_is_open;
}

/*
 * KVM tells that an external interrupt could be injected (KVM_EXIT_IRQ_WINDOW_OPEN)
 * once the vCPU has been woken, before it executes anything: so the interrupt that
 * woke it is still pending when the vCPU is given a pCPU.
 */
void vcpu_wait_halted(struct vcpu *v, struct vcpu_exit *ret_exit)
{
	struct kvm_mp_state state = { .mp_state = KVM_MP_STATE_HALTED };

	if (v->closes_lint0)
		open_lint0_again(v);
	ioctl(v->fd, KVM_SET_MP_STATE, &state);
	v->run->request_interrupt_window = 1;
	enter_kvm(v, ret_exit);
	v->run->request_interrupt_window = 0;
}

/*
 * To answer, KVM carries out an INIT or a start-up IPI that is pending, and changes
 * registers: what it left in kvm_run at the last exit is out of date, and a flush by
 * sync-regs would undo the reset.
 */
enum vcpu_idleness vcpu_idleness(struct vcpu *v)
{
	struct kvm_mp_state state;

	if (ioctl(v->fd, KVM_GET_MP_STATE, &state))
		return VCPU_NOT_IDLE;
	if (v->run->kvm_valid_regs & KVM_SYNC_X86_SREGS)
		ioctl(v->fd, KVM_GET_SREGS, &v->run->s.regs.sregs);
	switch (state.mp_state) {
	case KVM_MP_STATE_HALTED:
		return VCPU_HALTED;
	case KVM_MP_STATE_UNINITIALIZED:
		return VCPU_AWAITS_INIT;
	case KVM_MP_STATE_INIT_RECEIVED:
		return VCPU_AWAITS_START;
	}
	return VCPU_NOT_IDLE;
}

int vcpu_hold(struct vcpu *v, struct error *err)
{
	return set_mp_state(v, KVM_MP_STATE_UNINITIALIZED, err);
}

/*
 * KVM_RUN sleeps until the INIT arrives, and returns. After it nothing wakes us: KVM
 * would start the vCPU inside KVM_RUN, where it has no pCPU. So we look now and then.
 *
 * INIT closes LINT0, which vcpu_wait_halted() needs open. Before the vCPU's first
 * instruction its APIC accepts no interrupt that rewriting its registers could lose.
 */
bool vcpu_wait_started(struct vcpu *v)
{
	struct vcpu_exit exit;
	struct error ignored; /* it worked once */

	switch (vcpu_idleness(v)) {
	case VCPU_AWAITS_INIT:
		enter_kvm(v, &exit);
		vcpu_drain_kick();
		return false;
	case VCPU_AWAITS_START:
		vcpu_wait_kick(START_CHECK_NS);
		return false;
	case VCPU_HALTED:
	case VCPU_NOT_IDLE:
		break;
	}
	open_lint0(v, &ignored);
	return true;
}

void vcpu_kick(const struct vcpu *v)
{
	syscall(SYS_tgkill, getpid(), v->tid, VCPU_KICK_SIGNAL);
}

void vcpu_let_kernel_keep_steal(struct vcpu *v, const struct guest_mem *mem, bool yes)
{
	struct {
		struct kvm_msrs head;
		struct kvm_msr_entry entry;
	} msrs = {
		.head.nmsrs = 1,
		.entry = { .index = MSR_KVM_STEAL_TIME, .data = yes ? v->steal.msr : 0 },
	};
	struct error ignored; /* it worked once */

	if (yes == v->kernel_has_steal)
		return;
	v->kernel_has_steal = yes;
	ioctl(v->fd, KVM_SET_MSRS, &msrs);
	if (yes) {
		v->steal.page = NULL;
		return;
	}
	steal_set_msr(&v->steal, mem, v->steal.msr);
	v->flush->prepare(v, mem, v->flush_page_gpa, &ignored);
}

int vcpu_tsc_khz(const struct vcpu *v)
{
	return ioctl(v->fd, KVM_GET_TSC_KHZ, 0);
}

uint64_t vcpu_rip(struct vcpu *v)
{
	struct kvm_regs regs;

	return ioctl(v->fd, KVM_GET_REGS, &regs) == 0 ? regs.rip : 0;
}
