/* SPDX-License-Identifier: MIT */
/*
 * A guest with nothing but a PVH note, in 32-bit mode throughout: how it was started,
 * and other CPUs that it starts itself. `-- case=NAME` chooses what it does.
 */
#include "minivmm/pvh.h"

#define PORT_SERIAL	0x3f8
#define PORT_DEBUG_EXIT 0xf4
#define UNEXPECTED	100	/* and the number of what was expected: its exit code */

#define XAPIC		0xfee00000
#define XAPIC_EOI	(XAPIC + 0x0b0)
#define XAPIC_SPURIOUS	(XAPIC + 0x0f0)
#define XAPIC_ICR_LOW	(XAPIC + 0x300)
#define XAPIC_ICR_HIGH	(XAPIC + 0x310)
#define XAPIC_LINT0	(XAPIC + 0x350)
#define APIC_ON		0x1ff
#define LINT0_MASKED	0x10700
#define ICR_INIT	0x4500
#define ICR_START	(0x4600 | TRAMPOLINE_GPA >> 12)
#define ICR_WAKE	(0x4000 | WAKE_VECTOR)
#define WAKE_VECTOR	0x40
#define NR_WAKE_UPS	10
#define TRAMPOLINE_GPA	0x8000
#define SEL_CODE	0x08
#define SEL_DATA	0x10
#define CR0_PE		0x1
#define CR0_PG_PE	0x80000001
#define CR4_MCE		0x40
#define EFLAGS_IF	0x200
#define LONG_TICKS	50000000	/* of the TSC: several slices */

	.section .note.pvh, "a", @note
	.balign	4
	.long	4, 4, PVH_NOTE_ENTRY
	.asciz	"Xen"
	.long	pvh_entry

	.text
	.globl	_start
_start:
	ud2				/* nobody starts it here */

	.code32
	.macro	expect_equal number, value, place
	mov	$UNEXPECTED + \number, %eax
	cmpl	\value, \place
	jne	end_run
	.endm

pvh_entry:
	cld
	mov	$stack_end, %esp
	pushf
	pop	%edx
	and	$EFLAGS_IF, %edx
	expect_equal 0, $0, %edx
	mov	%cr0, %edx
	and	$CR0_PG_PE, %edx
	expect_equal 1, $CR0_PE, %edx
	mov	%cr4, %edx
	and	$~CR4_MCE, %edx		/* KVM's own, which shows in QEMU 10: docs/hosts.md */
	expect_equal 2, $0, %edx

	expect_equal 3, $PVH_START_MAGIC, (%ebx)
	expect_equal 4, $1, 4(%ebx)
	expect_equal 5, $0, 8(%ebx)	/* flags */
	expect_equal 6, $0, 12(%ebx)	/* modules */
	mov	32(%ebx), %esi
	expect_equal 7, $0x20445352, (%esi)	/* the RSDP: "RSD " */
	expect_equal 8, $4, 48(%ebx)
	mov	40(%ebx), %esi		/* the memory map: low RAM, a hole, RAM, the VMM's */
	expect_equal 9, $0, (%esi)
	expect_equal 10, $PVH_MEMORY_RAM, 16(%esi)
	expect_equal 11, $PVH_MEMORY_RESERVED, 40(%esi)
	add	$2 * 24, %esi
	expect_equal 12, $1 << 20, (%esi)
	expect_equal 16, $PVH_MEMORY_RAM, 16(%esi)
	mov	(%esi), %edx
	add	8(%esi), %edx
	expect_equal 17, %edx, 24(%esi)
	expect_equal 18, $PVH_MEMORY_RESERVED, 40(%esi)
	movl	$0x12345678, -4(%edx)	/* all of it is memory */
	expect_equal 14, $0x12345678, -4(%edx)
	add	32(%esi), %edx
	expect_equal 13, $512 << 20, %edx

	mov	24(%ebx), %esi
	expect_equal 15, $0x65736163, (%esi)	/* "case" */
	mov	5(%esi), %eax
	cmp	$0x72617473, %eax	/* "start" */
	je	case_start
	cmp	$0x61746166, %eax	/* "fatal" */
	je	case_fatal
	cmp	$0x65646f63, %eax	/* "code" */
	je	case_code
	cmp	$0x656b6177, %eax	/* "wake" */
	je	case_wake
	cmp	$0x6b73616d, %eax	/* "mask" */
	je	case_mask
	mov	$2, %eax		/* MV_EXIT_BAD_ARGS */

/* eax: the code. */
end_run:
	out	%al, $PORT_DEBUG_EXIT
1:	hlt
	jmp	1b

case_start:
	mov	$text_started, %esi
	mov	$text_started_end - text_started, %ecx
	mov	$PORT_SERIAL, %edx
	rep outsb
	xor	%eax, %eax
	jmp	end_run

case_code:
	mov	$77, %eax
	jmp	end_run

case_fatal:
	lidt	no_idt
	ud2

/*
 * The first CPU starts the second, which halts, is woken, prints a letter, and so on, and
 * ends the run. It is let sleep until it has lost its pCPU, and once awake works for some
 * slices. With "mask" it closes LINT0 first, and prints at once.
 */
case_mask:
	movl	$LINT0_MASKED, lint0
case_wake:
	mov	$trampoline, %esi
	mov	$TRAMPOLINE_GPA, %edi
	mov	$trampoline_end - trampoline, %ecx
	rep movsb
	movl	$APIC_ON, XAPIC_SPURIOUS
	mov	$ICR_INIT, %eax
	call	send
	call	wait_long
	mov	$ICR_START, %eax
	call	send
	xor	%ebx, %ebx
1:	inc	%ebx
2:	pause
	cmp	%ebx, halting
	jb	2b
	call	wait_long
	mov	$ICR_WAKE, %eax
	call	send
	jmp	1b

/* eax: what, to CPU 1. */
send:
	movl	$1 << 24, XAPIC_ICR_HIGH
	mov	%eax, XAPIC_ICR_LOW
	ret

wait_long:
	rdtsc
	mov	%eax, %ecx
1:	pause
	rdtsc
	sub	%ecx, %eax
	cmp	$LONG_TICKS, %eax
	jb	1b
	ret

	.code16
trampoline:
	cli
	mov	%cs, %ax
	mov	%ax, %ds
	lgdtl	gdt_pointer_16 - trampoline
	mov	$CR0_PE, %eax
	mov	%eax, %cr0
	ljmpl	$SEL_CODE, $second
gdt_pointer_16:
	.word	gdt_end - gdt - 1
	.long	gdt
trampoline_end:

	.code32
second:
	mov	$SEL_DATA, %eax
	mov	%eax, %ds
	mov	%eax, %es
	mov	%eax, %ss
	mov	$second_stack_end, %esp

	mov	$on_wake, %eax
	mov	%ax, idt + 8 * WAKE_VECTOR
	movw	$SEL_CODE, idt + 8 * WAKE_VECTOR + 2
	movw	$0x8e00, idt + 8 * WAKE_VECTOR + 4
	shr	$16, %eax
	mov	%ax, idt + 8 * WAKE_VECTOR + 6
	lidt	idt_pointer
	movl	$APIC_ON, XAPIC_SPURIOUS
	mov	lint0, %eax
	test	%eax, %eax
	jz	1f
	mov	%eax, XAPIC_LINT0
1:	incl	halting
	sti
2:	hlt
	jmp	2b

/* Does not return: not every KVM that emulates ring 0 knows the 32-bit iret. */
on_wake:
	add	$12, %esp
	movl	$0, XAPIC_EOI
	cmpl	$0, lint0
	jne	3f
	call	wait_long
3:
	mov	$PORT_SERIAL, %edx
	mov	$'w', %eax
	out	%al, %dx
	cmpl	$NR_WAKE_UPS, halting
	jb	1b
	xor	%eax, %eax
	jmp	end_run

	.section .rodata
text_started:
	.ascii	"started by PVH\n"
text_started_end:
gdt:
	.quad	0
	.quad	0x00cf9b000000ffff
	.quad	0x00cf93000000ffff
gdt_end:
idt_pointer:
	.word	256 * 8 - 1
	.long	idt
no_idt:
	.word	0
	.long	0

	.bss
	.balign	16
idt:
	.skip	256 * 8
	.skip	4096
stack_end:
	.skip	4096
second_stack_end:
lint0:	.skip	4			/* 0: as it is */
halting:
	.skip	4			/* times that CPU 1 was about to halt */

	.section .note.GNU-stack, "", @progbits
