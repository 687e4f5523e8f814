/* SPDX-License-Identifier: MIT */
/* What an exit from KVM_RUN was for, read from kvm_run. */
#include "vcpu/cpu/exit.h"

#include <stddef.h>
#include <stdio.h>

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

/* Accepted; a read is answered in `data`. */
static void decode_msr(struct vcpu_exit *e, struct kvm_run *run)
{
	bool is_write = run->exit_reason == KVM_EXIT_X86_WRMSR;

	run->msr.error = 0;
	*e = (struct vcpu_exit){
		.kind = VCPU_EXIT_MSR,
		.is_write = is_write,
		.value = is_write ? run->msr.data : 0,
		.data = (uint8_t *)run + offsetof(struct kvm_run, msr.data),
	};
}

void exit_decode(struct vcpu_exit *ret_exit, struct kvm_run *run)
{
	struct vcpu_exit *e = ret_exit;

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
	case KVM_EXIT_X86_RDMSR:
	case KVM_EXIT_X86_WRMSR:
		decode_msr(e, run);
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
