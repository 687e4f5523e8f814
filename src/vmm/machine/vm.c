/* SPDX-License-Identifier: MIT */
/* One virtual machine: memory, vCPUs, and what they share. */
#define _GNU_SOURCE
#include "vmm/machine/vm.h"

#include <errno.h>
#include <linux/kvm.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "minivmm/x86.h"
#include "vcpu/base/kvm_ioctl.h"
#include "vcpu/protocol/flush.h"
#include "vcpu/protocol/steal_msr.h"
#include "vmm/dirty/dirty_vm.h"
#include "vmm/machine/x86_boot.h"

#define IOAPIC_PINS 24

int vm_layout_init(struct vm_layout *ret_layout, uint64_t mem_bytes, unsigned nr_vcpus,
		   unsigned nr_mechanisms, struct error *err)
{
	uint64_t stacks = nr_vcpus * MV_BOOT_STACK_BYTES;
	uint64_t flush = page_align(nr_vcpus * FLUSH_PAGES_BYTES);
	uint64_t hints = page_align(nr_vcpus * sizeof(struct mv_hint));
	uint64_t results = page_align(MV_RESULTS_BYTES(nr_vcpus, nr_mechanisms));
	uint64_t own = stacks + flush + hints + results;
	uint64_t least = MV_IMAGE_GPA + own;

	if (mem_bytes < least + MV_IMAGE_GPA)
		return error_set(err, EXIT_USAGE,
				 "--mem: %u vCPUs and %u mechanisms need at least %lluM of guest "
				 "memory",
				 nr_vcpus, nr_mechanisms,
				 (unsigned long long)((least + 2 * MV_IMAGE_GPA - 1) >> 20));
	*ret_layout = (struct vm_layout){ .results_bytes = results };
	ret_layout->results_gpa = mem_bytes - results;
	ret_layout->hints_gpa = ret_layout->results_gpa - hints;
	ret_layout->flush_gpa = ret_layout->hints_gpa - flush;
	ret_layout->stacks_gpa = ret_layout->flush_gpa - stacks;
	ret_layout->reserved_gpa = ret_layout->stacks_gpa;
	return 0;
}

void vm_layout_add_trace(struct vm_layout *layout, unsigned nr_vcpus)
{
	layout->trace_events = trace_ring_size(nr_vcpus, layout->reserved_gpa / 4);
	layout->trace_gpa = layout->reserved_gpa -
			    page_align(nr_vcpus * MV_TRACE_RING_BYTES(layout->trace_events));
	layout->reserved_gpa = layout->trace_gpa;
}

/* Never executable in this process: only the guest's own page tables run it. */
static int map_memory(struct vm *vm, uint64_t mem_bytes, struct error *err)
{
	void *ram = mmap(NULL, mem_bytes, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (ram == MAP_FAILED)
		return error_set_errno(err, EXIT_HOST, errno,
				       "cannot allocate %lluM of guest memory",
				       (unsigned long long)(mem_bytes >> 20));
	vm->mem = (struct guest_mem){ .ram = ram, .bytes = mem_bytes };

	struct kvm_userspace_memory_region region = {
		.memory_size = mem_bytes,
		.userspace_addr = (uintptr_t)ram,
	};
	return kvm_ioctl(err, vm->fd, KVM_SET_USER_MEMORY_REGION, &region);
}

/* The local APICs are in the kernel, so that an IPI costs what it costs under any
 * VMM; there is no device that would need the PIC, the IOAPIC or the PIT. */
static int split_irqchip(struct vm *vm, struct error *err)
{
	struct kvm_enable_cap split = { .cap = KVM_CAP_SPLIT_IRQCHIP, .args = { IOAPIC_PINS } };

	return kvm_ioctl(err, vm->fd, KVM_ENABLE_CAP, &split);
}

/* vCPUs can be named by 32 bits, and 255 is everybody only where the hardware says so. */
static int widen_apic_ids(struct vm *vm, struct error *err)
{
	struct kvm_enable_cap wide = {
		.cap = KVM_CAP_X2APIC_API,
		.args = { KVM_X2APIC_API_USE_32BIT_IDS | KVM_X2APIC_API_DISABLE_BROADCAST_QUIRK },
	};

	return kvm_ioctl(err, vm->fd, KVM_ENABLE_CAP, &wide);
}

static int create_vcpus(struct vm *vm, const struct kvm *kvm, unsigned nr_vcpus, struct error *err)
{
	vm->vcpu = calloc(nr_vcpus, sizeof(*vm->vcpu));
	if (!vm->vcpu)
		return error_set(err, EXIT_HOST, "not enough memory for %u vCPUs", nr_vcpus);
	for (; vm->nr_vcpus < nr_vcpus; vm->nr_vcpus++) {
		struct vcpu *v = &vm->vcpu[vm->nr_vcpus];

		if (vcpu_init(v, kvm, vm->fd, vm->index, vm->nr_vcpus, err))
			return -1;
	}
	return 0;
}

int vm_init(struct vm *vm, const struct kvm *kvm, unsigned index, unsigned nr_vcpus,
	    uint64_t mem_bytes, enum dirty_kind dirty, struct error *err)
{
	*vm = (struct vm){ .index = index, .wp_clear = kvm->needs_wp_clear };
	vm->fd = kvm_ioctl(err, kvm->fd, KVM_CREATE_VM, 0);
	if (vm->fd < 0)
		return -1;
	if (dirty_prepare_vm(vm->fd, dirty, err) || split_irqchip(vm, err) < 0 ||
	    widen_apic_ids(vm, err) < 0 || steal_msr_catch(vm->fd, err) < 0 ||
	    map_memory(vm, mem_bytes, err) < 0 || create_vcpus(vm, kvm, nr_vcpus, err)) {
		vm_finish(vm);
		return -1;
	}
	return 0;
}

void vm_finish(struct vm *vm)
{
	for (unsigned i = 0; i < vm->nr_vcpus; i++)
		vcpu_finish(&vm->vcpu[i]);
	free(vm->vcpu);
	console_finish(&vm->console);
	if (vm->pc)
		pc_finish(vm->pc);
	free(vm->pc);
	if (vm->mem.ram)
		munmap(vm->mem.ram, vm->mem.bytes);
	if (vm->fd >= 0)
		close(vm->fd);
	*vm = (struct vm){ .fd = -1 };
}

static int set_registers(const struct vcpu *v, void (*set_sregs)(struct kvm_sregs *sregs),
			 struct kvm_regs *regs, struct error *err)
{
	struct kvm_sregs sregs;

	if (kvm_ioctl(err, v->fd, KVM_GET_SREGS, &sregs) < 0)
		return -1;
	set_sregs(&sregs);
	if (kvm_ioctl(err, v->fd, KVM_SET_SREGS, &sregs) < 0)
		return -1;
	return kvm_ioctl(err, v->fd, KVM_SET_REGS, regs);
}

int vm_boot_vcpu(struct vm *vm, unsigned vcpu, uint64_t entry_gpa, struct error *err)
{
	struct kvm_regs regs;

	boot_set_regs(&regs, entry_gpa, vcpu,
		      vm->layout.stacks_gpa + (vcpu + 1) * MV_BOOT_STACK_BYTES);
	return set_registers(&vm->vcpu[vcpu],
			     vm->wp_clear ? boot_set_sregs_without_wp : boot_set_sregs, &regs, err);
}

int vm_boot_vcpu_by_pvh(struct vm *vm, unsigned vcpu, uint64_t entry_gpa, struct error *err)
{
	struct kvm_regs regs;

	if (vcpu > 0)
		return vcpu_hold(&vm->vcpu[vcpu], err);
	boot_set_pvh_regs(&regs, entry_gpa);
	return set_registers(&vm->vcpu[vcpu], boot_set_pvh_sregs, &regs, err);
}
