/* SPDX-License-Identifier: MIT */
/*
 * The guest of the self-check: produces a stale translation, in ring 3.
 *
 * Position-independent; copied into guest memory by selfcheck.c, which also sets
 * the registers:
 *
 *	rdi = a virtual address, mapped to page A
 *	rsi = address of its PTE
 *	r8  = the PTE that maps page A, r9 = the PTE that maps page B
 *	r10 = the doorbell; rdx = where to leave the two values read
 *
 * It runs in ring 3 because only there every KVM executes it natively, through a
 * TLB: an emulated instruction may walk the page tables afresh.
 */
	.section .rodata
	.global selfcheck_guest, selfcheck_guest_end

selfcheck_guest:
	mov	(%rdi), %rax		/* fills the TLB, or finds what the last pass left there */
	mov	%rax, 0(%rdx)
	xchg	%r8, %r9
	mov	%r8, (%rsi)		/* maps the other page; nobody flushes */
	mov	(%rdi), %rax
	mov	%rax, 8(%rdx)		/* the old page's value if the TLB is stale */
	movl	$0, (%r10)		/* exit: the VMM applies a primitive, or not */
	jmp	selfcheck_guest
selfcheck_guest_end:

	.section .note.GNU-stack, "", @progbits
