/* SPDX-License-Identifier: MIT */
/*
 * What perf tells of one thread: its context switches, read out of a ring of records. Pure.
 *
 * Layouts are those of perf_event_open(2), with sample_type TID, TIME, CPU and REGS_USER,
 * and sample_id_all.
 */
#ifndef VMM_SWITCH_RECORD_H
#define VMM_SWITCH_RECORD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* ioctl(vcpu, KVM_RUN): _IO(0xae, 0x80) of <linux/kvm.h>. */
#define KVM_RUN_REQUEST 0xae80u

/* The registers that a sample has, in the order in which perf stores them. */
#define SWITCH_RECORD_REGS(X) X(AX) X(SI) X(DI) X(IP)

enum switch_kind {
	SWITCH_SAMPLE, /* just before a switch out: what the thread was doing */
	SWITCH_OUT,
	SWITCH_IN,
	SWITCH_LOST, /* records that found the ring full */
	SWITCH_OTHER,
};

struct switch_record {
	enum switch_kind kind;
	uint64_t time_ns; /* CLOCK_MONOTONIC; of all but SWITCH_LOST and SWITCH_OTHER */
	uint32_t cpu;
	bool preempted;	 /* SWITCH_OUT: it could have gone on */
	bool in_kvm_run; /* SWITCH_SAMPLE */
	uint64_t fd;	 /* SWITCH_SAMPLE in KVM_RUN: the descriptor of the vCPU */
	uint64_t lost;	 /* SWITCH_LOST: how many */
};

/* A ring as the kernel fills it, and how far it has been read. */
struct switch_ring {
	const uint8_t *data;
	size_t bytes; /* a power of two */
	uint64_t tail;
	uint64_t head;
};

/* The next record; false at the end, or when the rest makes no sense, which is then skipped. */
bool switch_record_next(struct switch_ring *ring, struct switch_record *ret_record);

/*
 * Whether a thread with these registers of user space is inside ioctl(fd, KVM_RUN). Linux keeps
 * -ENOSYS in RAX until the call returns (arch/x86/entry/entry_64.S). Threads that KVM starts for
 * itself copy the registers of the one that made them, but for RIP, which is 0 (copy_thread()).
 */
bool is_in_kvm_run(uint64_t rax, uint64_t rsi, uint64_t rip);

#endif
