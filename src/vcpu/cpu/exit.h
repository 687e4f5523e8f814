/* SPDX-License-Identifier: MIT */
/* What an exit from KVM_RUN was for. */
#ifndef VCPU_EXIT_H
#define VCPU_EXIT_H

#include <linux/kvm.h>
#include <stdbool.h>
#include <stdint.h>

enum vcpu_exit_kind {
	VCPU_EXIT_KICK,	     /* forced; at an instruction boundary, any access is completed */
	VCPU_EXIT_WAKEUP,    /* something has arrived that a halted vCPU may have to execute for */
	VCPU_EXIT_MMIO,	     /* not completed before the next vcpu_run() or vcpu_complete_io() */
	VCPU_EXIT_IO,	     /* likewise */
	VCPU_EXIT_MSR,	     /* likewise; an access to the MSR that steal_msr.h catches */
	VCPU_EXIT_SHUTDOWN,  /* triple fault */
	VCPU_EXIT_ERROR,     /* KVM cannot go on: text says why */
	VCPU_EXIT_RING_FULL, /* of dirty pages: it goes on once they are harvested */
};

/* An exit, decoded. Pointers lead into kvm_run and hold until the next run. */
struct vcpu_exit {
	enum vcpu_exit_kind kind;
	bool is_write; /* MMIO, IO, MSR */
	uint64_t gpa;  /* MMIO */
	uint16_t port; /* IO */
	uint32_t size; /* MMIO, IO: bytes, of each of the `count` items */
	uint32_t count;
	uint8_t *data;	/* MMIO, IO, read of an MSR (8 bytes): to be read or filled in */
	uint64_t value; /* MSR, written */
	char text[128]; /* ERROR */
};

/* Reads from kvm_run what the last KVM_RUN, which returned 0, came back for. */
void exit_decode(struct vcpu_exit *ret_exit, struct kvm_run *run);

#endif
