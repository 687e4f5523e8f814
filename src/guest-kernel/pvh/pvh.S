/* SPDX-License-Identifier: MIT */
/* The way in under other VMMs: from 32-bit protected mode (PVH), and from SIPI, to _start. */
#include "guest-kernel/base/layout.h"
#include "minivmm/abi.h"
#include "minivmm/pvh.h"
#include "minivmm/x86.h"

/*
 * State on entry: see minivmm/pvh.h. This code makes page tables for the first 4 MiB, which
 * hold the image, and enters 64-bit mode; the rest is mapped by memory_map.c, in ring 3 and natively.
 */
#define PORT_SERIAL	0x3f8
#define STACK_SHIFT	14
#if (1 << STACK_SHIFT) != MV_BOOT_STACK_BYTES
#error "pvh.S multiplies by MV_BOOT_STACK_BYTES with a shift"
#endif

	.section .note.pvh, "a", @note
	.balign	4
	.long	4, 4, PVH_NOTE_ENTRY
	.asciz	"Xen"
	.long	pvh_entry

	.text
	.code32
pvh_entry:
	/* A new line on the console: the first sign of life, for whoever takes the time. */
	mov	$PORT_SERIAL, %edx
	mov	$'\n', %eax
	outb	%al, %dx

	mov	%ebx, pvh_start_info_gpa
	movl	$pvh_pointers + PTE_TABLE, pvh_top
	movl	$pvh_directories + PTE_TABLE, pvh_pointers
	movl	$PTE_RAM, pvh_directories
	movl	$LARGE_PAGE_BYTES + PTE_RAM, pvh_directories + 8
	xor	%ebp, %ebp

/* ebp: 0 on the CPU that the VMM started, 1 on the others. */
enter_64_bit:
	lgdt	gdt_pointer
	mov	$CR4_64_BIT, %eax
	mov	%eax, %cr4
	mov	$pvh_top, %eax
	mov	%eax, %cr3
	mov	$MSR_EFER, %ecx
	mov	$EFER_64_BIT, %eax
	xor	%edx, %edx
	wrmsr
	mov	$CR0_64_BIT & ~CR0_WP, %eax	/* for QEMU 10's sake: docs/hosts.md */
	mov	%eax, %cr0
	ljmp	$SEL_KERNEL_CODE, $in_64_bit

	.code64
in_64_bit:
	test	%ebp, %ebp
	jnz	other_cpu
	mov	$pvh_stack + MV_BOOT_STACK_BYTES - 8, %esp
	xor	%edi, %edi		/* no boot information: see kmain() */
	xor	%esi, %esi
	jmp	_start

/* Reports itself, waits for a stack and goes on as if minivmm had started it. */
other_cpu:
	mov	$MV_XAPIC_GPA + XAPIC_ID, %eax
	mov	(%rax), %esi
	shr	$XAPIC_ID_SHIFT, %esi
	movb	$1, pvh_present(%rsi)
	lock incl pvh_nr_arrived
1:	pause
	mov	pvh_stacks_gpa, %rax
	test	%rax, %rax
	jz	1b
	cmp	pvh_boot + BOOT_NR_VCPUS, %esi
	jae	2f
	lea	1(%rsi), %ecx
	shl	$STACK_SHIFT, %ecx
	lea	-8(%rax,%rcx), %rsp
	mov	$pvh_boot, %edi
	jmp	_start
2:	hlt				/* it came too late to be counted */
	jmp	2b

/* The other CPUs' first instructions, copied to PVH_TRAMPOLINE_GPA: 16-bit mode. */
	.globl	pvh_trampoline, pvh_trampoline_end
	.code16
pvh_trampoline:
	cli
	mov	%cs, %ax
	mov	%ax, %ds
	lgdtl	start_gdt_pointer - pvh_trampoline
	mov	$CR0_PE, %eax
	mov	%eax, %cr0
	ljmpl	$SEL_START_CODE, $other_cpu_32
start_gdt_pointer:
	.word	SEL_KERNEL_DATA + 7
	.long	gdt
pvh_trampoline_end:

	.code32
other_cpu_32:
	mov	$SEL_KERNEL_DATA, %eax
	mov	%eax, %ds
	mov	%eax, %es
	mov	%eax, %ss
	mov	$1, %ebp
	jmp	enter_64_bit

	.section .note.GNU-stack, "", @progbits
