/* SPDX-License-Identifier: MIT */
/* Whether a guest's MOV to and from CR3 do what they should on this host. */
#include "vmm/host/cr3_moves.h"

#include <string.h>

#include "minivmm/abi.h"
#include "minivmm/x86.h"
#include "vcpu/base/kvm_ioctl.h"
#include "vmm/host/ring_start.h"
#include "vmm/machine/vm.h"
#include "vmm/machine/x86_boot.h"

#define CODE_GPA    MV_IMAGE_GPA
#define READING_GPA (CODE_GPA + 0x1000)

/* CR3.PWT: a CR3 that differs from the one before and has the same page tables. */
#define CR3_PWT 0x8ull

/*
 *	mov	%cr3, %rax
 *	mov	%rax, (%rdi)	the reading
 *	movl	$0, (%rbx)	the doorbell
 *	mov	%rcx, %cr3
 *	mov	%cr3, %rax
 *	mov	%rax, (%rdi)
 *	movl	$0, (%rbx)
 */
static const uint8_t store_and_load[] = {
	0x0f, 0x20, 0xd8, 0x48, 0x89, 0x07, 0xc7, 0x03, 0,    0,    0,	  0, 0x0f, 0x22,
	0xd9, 0x0f, 0x20, 0xd8, 0x48, 0x89, 0x07, 0xc7, 0x03, 0,    0,	  0, 0,
};

static int start_guest(struct vcpu *v, bool wp, struct error *err)
{
	const struct kvm_regs regs = {
		.rip = CODE_GPA,
		.rdi = READING_GPA,
		.rbx = MV_DOORBELL_GPA + MV_DB_NOP,
		.rcx = MV_PAGE_TABLES_GPA | CR3_PWT,
	};
	struct kvm_sregs sregs;

	if (ring_start(v, 0, &regs, err) || kvm_ioctl(err, v->fd, KVM_GET_SREGS, &sregs) < 0)
		return -1;
	if (!wp)
		sregs.cr0 &= ~(uint64_t)CR0_WP;
	return kvm_ioctl(err, v->fd, KVM_SET_SREGS, &sregs);
}

/* Whether the guest comes to its next doorbell, and has stored this there. */
static bool stores(struct vm *vm, uint64_t cr3)
{
	const volatile uint64_t *reading = guest_mem_own(&vm->mem, READING_GPA, sizeof(*reading));
	struct vcpu *v = &vm->vcpu[0];
	struct vcpu_exit exit;

	vcpu_complete_io(v);
	do
		vcpu_run(v, &exit);
	while (exit.kind == VCPU_EXIT_KICK);
	return exit.kind == VCPU_EXIT_MMIO && exit.gpa == MV_DOORBELL_GPA + MV_DB_NOP &&
	       *reading == cr3;
}

static int try_with(const struct kvm *kvm, bool wp, bool *ret_right, struct error *err)
{
	struct vm vm;

	if (vm_init(&vm, kvm, 0, 1, MV_MEM_MIN_BYTES, DIRTY_none, err))
		return -1;
	boot_build_page_tables(&vm.mem);
	memcpy(guest_mem_own(&vm.mem, CODE_GPA, sizeof(store_and_load)), store_and_load,
	       sizeof(store_and_load));
	int failed = start_guest(&vm.vcpu[0], wp, err);
	/* Where the first goes wrong, the guest must not come to load an address of the host's. */
	*ret_right = !failed && stores(&vm, MV_PAGE_TABLES_GPA) &&
		     stores(&vm, MV_PAGE_TABLES_GPA | CR3_PWT);
	vm_finish(&vm);
	return failed;
}

int cr3_moves_try(const struct kvm *kvm, enum cr3_moves *ret_moves, struct error *err)
{
	bool right;

	if (try_with(kvm, true, &right, err))
		return -1;
	*ret_moves = CR3_MOVES_RIGHT;
	if (right)
		return 0;
	if (try_with(kvm, false, &right, err))
		return -1;
	*ret_moves = right ? CR3_MOVES_RIGHT_WITHOUT_WP : CR3_MOVES_WRONG;
	return 0;
}
