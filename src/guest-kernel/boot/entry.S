/* SPDX-License-Identifier: MIT */
/* Where every vCPU starts: set up ring 0, then leave it for kmain() in ring 3. */
#include "guest-kernel/base/layout.h"
#include "minivmm/abi.h"
#include "minivmm/x86.h"

/*
 * void _start(const struct mv_boot_info *boot, uint32_t index), in ring 0
 *
 * State on entry: see minivmm/abi.h. Never returns; goes on in ring 3 as
 *
 *	void kmain(const struct mv_boot_info *boot, uint32_t index, uint64_t boot_cr3)
 *
 * with IF set. No interrupt can arrive before kmain() has filled the IDT, since
 * the APIC is still disabled.
 *
 * On some KVMs each ring-0 instruction is emulated and takes microseconds, so
 * ring 0 does what ring 3 may not, and nothing else. Afterwards ring 0 consists of
 * the handlers in vectors.S.
 *
 * GS points to this vCPU's struct percpu and FS to the xAPIC page, in both rings,
 * for the sake of short handlers. Their selectors are null: iretq to ring 3 would
 * clear the base of a ring-0 selector.
 */
	.text
	.globl _start
_start:
	/* rax = own struct percpu; all addresses of the image fit into 31 bits. */
	mov	%esi, %eax
	shl	$PERCPU_SHIFT, %eax
	add	$percpus, %eax

	/* TSS: ring 0 uses the top of the boot stack; no I/O bitmap. */
	mov	%rsp, PERCPU_TSS + TSS_RSP0(%rax)
	movw	$TSS_BYTES, PERCPU_TSS + TSS_IOMAP_BASE(%rax)

	/* Its descriptor, in the slot of this vCPU: base, limit, type 0x89. */
	mov	%esi, %ecx
	shl	$4, %ecx
	lea	PERCPU_TSS(%rax), %edx
	movw	$TSS_BYTES - 1, gdt + SEL_TSS(%rcx)
	movw	%dx, gdt + SEL_TSS + 2(%rcx)
	shr	$16, %edx
	movb	%dl, gdt + SEL_TSS + 4(%rcx)
	movb	$0x89, gdt + SEL_TSS + 5(%rcx)
	movb	%dh, gdt + SEL_TSS + 7(%rcx)

	lgdt	gdt_pointer
	lidt	idt_pointer
	add	$SEL_TSS, %ecx
	ltr	%cx

	mov	$SEL_USER_DATA, %ecx
	mov	%ecx, %ds
	mov	%ecx, %es
	xor	%edx, %edx
	mov	%edx, %fs
	mov	%edx, %gs
	mov	$MSR_GS_BASE, %ecx
	wrmsr				/* edx:eax = own struct percpu */
	mov	$MSR_FS_BASE, %ecx
	mov	$MV_XAPIC_GPA, %eax
	wrmsr

	/* The stack pointer of ring 3 is as a call would leave it. */
	mov	%cr3, %rdx
	lea	-RING0_STACK_BYTES - 8(%rsp), %rax
	push	$SEL_USER_DATA
	push	%rax
	push	$RFLAGS_FIXED | RFLAGS_IF
	push	$SEL_USER_CODE
	push	$kmain
	iretq

/* Flat 64-bit segments. Entries that nothing selects are zero. */
	.data
	.balign	16
	.globl	gdt
gdt:
	.quad	0
	.quad	0x00cf9b000000ffff	/* 0x08: ring 0 code of 32 bits, for pvh.S */
	.quad	0x00af9b000000ffff	/* 0x10: ring 0 code */
	.quad	0x00cf93000000ffff	/* 0x18: ring 0 data */
	.quad	0
	.quad	0x00cff3000000ffff	/* 0x28: ring 3 data */
	.quad	0x00affb000000ffff	/* 0x30: ring 3 code */
	.quad	0
	.fill	MV_MAX_VCPUS * 2, 8, 0	/* 0x40: a TSS descriptor for each vCPU */
gdt_end:

	.section .rodata
	.globl	gdt_pointer
gdt_pointer:
	.word	gdt_end - gdt - 1
	.quad	gdt
idt_pointer:
	.word	NR_VECTORS * 16 - 1
	.quad	idt

	.section .note.GNU-stack, "", @progbits
