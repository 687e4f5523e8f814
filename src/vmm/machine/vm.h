/* SPDX-License-Identifier: MIT */
/* One virtual machine: memory, vCPUs, and what they share. */
#ifndef VMM_VM_H
#define VMM_VM_H

#include <stdbool.h>
#include <stdint.h>

#include "minivmm/abi.h"
#include "vcpu/base/error.h"
#include "vcpu/base/guest_mem.h"
#include "vcpu/base/kvm.h"
#include "vcpu/cpu/vcpu.h"
#include "vmm/dirty/dirty_kinds.h"
#include "vmm/linux/pc.h"
#include "vmm/machine/console.h"

/* Where the VMM keeps its own things in guest memory, from the top down. */
struct vm_layout {
	uint64_t stacks_gpa;  /* MV_BOOT_STACK_BYTES for each vCPU */
	uint64_t flush_gpa;   /* FLUSH_PAGES_BYTES for each vCPU, for steal-msr */
	uint64_t hints_gpa;   /* struct mv_hint for each vCPU */
	uint64_t results_gpa; /* struct mv_results */
	uint64_t results_bytes;
	uint64_t trace_gpa;    /* struct mv_trace_ring for each vCPU ... */
	uint32_t trace_events; /* ... of this size; 0: there are none */
	uint64_t reserved_gpa; /* the lowest of these: the guest has what is below */
};

struct vm {
	unsigned index;
	int fd;
	struct guest_mem mem;
	struct vm_layout layout;
	unsigned nr_vcpus;
	struct vcpu *vcpu;
	bool wp_clear; /* in CR0, of vCPUs that start as abi.h says */
	struct console console;
	struct pc *pc; /* the board of a PVH guest; NULL: this one has none */
	bool exited; /* the guest rang MV_DB_EXIT; atomic */
	uint64_t exit_code;
};

/*
 * Lays out the VMM's part of guest memory. 0, or -1 with an error (EXIT_USAGE) if
 * mem_bytes is too little for so many vCPUs and mechanisms.
 */
int vm_layout_init(struct vm_layout *ret_layout, uint64_t mem_bytes, unsigned nr_vcpus,
		   unsigned nr_mechanisms, struct error *err);

/* Adds rings for the guest's trace: at most a quarter of what is left to it. */
void vm_layout_add_trace(struct vm_layout *layout, unsigned nr_vcpus);

/*
 * Creates a VM with memory and vCPUs, none of which has run: their registers are
 * KVM's reset state. `dirty`: how pages can be tracked later. 0, or -1 with an error.
 */
int vm_init(struct vm *vm, const struct kvm *kvm, unsigned index, unsigned nr_vcpus,
	    uint64_t mem_bytes, enum dirty_kind dirty, struct error *err);
void vm_finish(struct vm *vm);

/* Sets a vCPU up to start as abi.h says. 0, or -1 with an error. */
int vm_boot_vcpu(struct vm *vm, unsigned vcpu, uint64_t entry_gpa, struct error *err);

/* The same for a PVH guest: the first vCPU starts, the others wait for INIT and SIPI. */
int vm_boot_vcpu_by_pvh(struct vm *vm, unsigned vcpu, uint64_t entry_gpa, struct error *err);

static inline struct mv_boot_info *vm_boot_info(struct vm *vm)
{
	return guest_mem_own(&vm->mem, MV_BOOT_INFO_GPA, sizeof(struct mv_boot_info));
}

static inline struct mv_control *vm_control(struct vm *vm)
{
	return guest_mem_own(&vm->mem, MV_CONTROL_GPA, sizeof(struct mv_control));
}

#endif
