/* SPDX-License-Identifier: MIT */
/*
 * All that runs in ring 0 after start-up: short handlers, some of them on the hot path.
 *
 * On KVMs that emulate ring 0 every instruction here costs 0.2 to 2.3 us, by host, and
 * only simple instructions are emulated at all (no bit scans, multiplications or
 * SSE). Interrupts stay off. What is rare or long goes to ring 3.
 */
#include "guest-kernel/base/layout.h"
#include "minivmm/x86.h"

	.text

/*
 * void local_flush(gva in rdi): the int3 gate, see flush_page() in instructions.h.
 * Preserves every register.
 */
	.globl	vector_local_flush
vector_local_flush:
	invlpg	(%rdi)
	iretq

/*
 * The shootdown IPI: flush everything and acknowledge.
 *
 * The ticket is read before the flush. Whoever asked for it, or for an earlier
 * one, had stored its page-table entries before it took the ticket, so this flush
 * serves all of them; whoever asks later takes a later ticket and sends another
 * interrupt. That is also why the whole TLB goes: there may be many initiators,
 * and each has its own address. No page is global, so reloading CR3 is enough.
 *
 * The acknowledgment comes before the EOI, since an initiator is waiting for it.
 */
	.globl	vector_shootdown
vector_shootdown:
	push	%rax
	push	%rdx
	mov	%gs:PERCPU_REQUESTED, %rax
	mov	%cr3, %rdx
	mov	%rdx, %cr3
	mov	%rax, %gs:PERCPU_ACKED
	movl	$0, %fs:XAPIC_EOI
	pop	%rdx
	pop	%rax
	iretq

/*
 * The same for one range of pages, INVLPG by INVLPG. It serves scenarios in which all
 * shootdowns are of the same range.
 */
	.globl	vector_shootdown_range
vector_shootdown_range:
	push	%rax
	push	%rcx
	push	%rdx
	mov	%gs:PERCPU_REQUESTED, %rax
	mov	shootdown_range + FLUSH_RANGE_GVA, %rcx
	mov	shootdown_range + FLUSH_RANGE_PAGES, %rdx
1:	invlpg	(%rcx)
	add	$PAGE_BYTES, %rcx
	dec	%rdx
	jnz	1b
	mov	%rax, %gs:PERCPU_ACKED
	movl	$0, %fs:XAPIC_EOI
	pop	%rdx
	pop	%rcx
	pop	%rax
	iretq

/* The same without the flush: what --inject skip-ipi-flush puts into the IDT. */
	.globl	vector_shootdown_skipping_flush
vector_shootdown_skipping_flush:
	push	%rax
	mov	%gs:PERCPU_REQUESTED, %rax
	mov	%rax, %gs:PERCPU_ACKED
	movl	$0, %fs:XAPIC_EOI
	pop	%rax
	iretq

/* The timer has nothing to do but end a halt. */
	.globl	vector_timer
vector_timer:
	movl	$0, %fs:XAPIC_EOI
	iretq

/* A spurious interrupt of the APIC wants no EOI. */
	.globl	vector_spurious
vector_spurious:
	iretq

/*
 * uint64_t kernel_call(call in rax, rdi, rsi): the ud2 gate, see x86.h, for what
 * ring 3 may not do and rarely needs. Clobbers rax, rcx, rdx, rdi and rsi. The most
 * frequent call is tested for first.
 */
	.globl	vector_kernel_call
vector_kernel_call:
	cmp	$KERNEL_CALL_FLUSH_ALL, %rax
	jne	1f
	mov	%cr3, %rax
	mov	%rax, %cr3
	jmp	3f
1:	cmp	$KERNEL_CALL_FLUSH_RANGE, %rax
	je	4f
	cmp	$KERNEL_CALL_LOAD_CR3, %rax
	jne	2f
	mov	%rdi, %cr3
	jmp	3f
2:	cmp	$KERNEL_CALL_WRMSR, %rax
	jne	5f
	mov	%edi, %ecx
	mov	%esi, %eax
	mov	%rsi, %rdx
	shr	$32, %rdx
	wrmsr
3:	addq	$2, (%rsp)			/* go on behind the ud2 */
	iretq
4:	invlpg	(%rdi)
	add	$PAGE_BYTES, %rdi
	dec	%rsi
	jnz	4b
	jmp	3b
5:	cmp	$KERNEL_CALL_OUT, %rax
	jne	exception_6			/* a real invalid opcode */
	mov	%edi, %edx
	mov	%esi, %eax
	outb	%al, %dx
	jmp	3b

/*
 * Exceptions that nobody expects: make a struct trap_frame on the stack of ring 0
 * and go on in ring 3, at the end of its stack, as
 *
 *	void trap_report(const struct trap_frame *frame, uint64_t cr2, uint32_t index)
 *
 * with interrupts off: the next one would overwrite the frame. It never returns.
 */
exception:
	mov	%rsp, %rdi
	mov	%cr2, %rsi
	mov	%gs:PERCPU_INDEX, %edx
	lea	-RING0_STACK_BYTES(%rsp), %rax
	and	$-16, %rax
	sub	$8, %rax
	push	$SEL_USER_DATA
	push	%rax
	push	$RFLAGS_FIXED
	push	$SEL_USER_CODE
	push	$trap_report
	iretq

/* One entry for each exception: push a zero where the CPU pushes no error code. */
	.macro	exception_entry vector
exception_\vector:
	.if	!((\vector == 8) || (\vector >= 10 && \vector <= 14) || \
		  (\vector == 17) || (\vector == 21) || (\vector == 29) || (\vector == 30))
	push	$0
	.endif
	push	$\vector
	jmp	exception
	.endm

	.irp	vector, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, \
			16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31
	exception_entry \vector
	.endr

/* const uint64_t exception_entries[NR_EXCEPTIONS]: their addresses, for the IDT. */
	.section .rodata
	.balign	8
	.globl	exception_entries
exception_entries:
	.irp	vector, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, \
			16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31
	.quad	exception_\vector
	.endr

	.section .note.GNU-stack, "", @progbits
