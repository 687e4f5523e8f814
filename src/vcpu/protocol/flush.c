/* SPDX-License-Identifier: MIT */
/* Primitives that make KVM flush a vCPU's whole guest TLB before its next entry. */
#include "vcpu/protocol/flush.h"

#include <asm/kvm_para.h>
#include <linux/kvm.h>
#include <string.h>

#include "minivmm/x86.h"
#include "vcpu/cpu/call.h"
#include "vcpu/cpu/vcpu.h"
#include "vcpu/protocol/steal_msr.h"

/*
 * The bit that is changed: page-level write-through of the top page table. It
 * changes where translations come from, so a new CR3 must take effect, and yet
 * nothing that the guest could notice but the bit itself. (CR4.PGE would flush as
 * well, and would turn the guest's global pages on or off.)
 */
#define CR3_PWT (1u << 3)

/*
 * Without paging nothing is translated, and turning it on begins with an empty TLB. Written
 * back all the same, the registers of a vCPU that INIT has reset and a start-up IPI started do
 * harm: kvm_amd takes the DPL of SS from VMCB.CPL, which INIT leaves as it was (3, if ring 3 was
 * interrupted: Linux 6.1), and writes it into SS, whence an emulated SVM (QEMU) takes the CPL.
 */
static bool has_translations(const struct kvm_sregs *sregs)
{
	return sregs->cr0 & CR0_PG;
}

static int sregs_prepare(struct vcpu *v, const struct guest_mem *mem, uint64_t flush_pages_gpa,
			 struct error *err)
{
	(void)v, (void)mem, (void)flush_pages_gpa, (void)err;
	return 0;
}

/* The two calls see the same vCPU: nothing between them lets KVM carry out an INIT, see idle.c. */
static void sregs_flush(struct vcpu *v)
{
	struct kvm_sregs sregs;

	if (vcpu_ioctl(v, KVM_GET_SREGS, &sregs) < 0 || !has_translations(&sregs))
		return;
	sregs.cr3 ^= CR3_PWT;
	vcpu_ioctl(v, KVM_SET_SREGS, &sregs);
}

/* KVM leaves the registers in kvm_run at every exit, so that a flush is a store. */
static int sync_regs_prepare(struct vcpu *v, const struct guest_mem *mem, uint64_t flush_pages_gpa,
			     struct error *err)
{
	(void)mem, (void)flush_pages_gpa, (void)err;
	v->run->kvm_valid_regs = KVM_SYNC_X86_SREGS;
	return 0;
}

/*
 * The registers are those of the last exit, or as idle.c found them later; of the interrupts that
 * were about to be delivered at any exit. Since KVM_GET_SREGS2 came (Linux 5.14) KVM adds to them
 * in kvm_run and takes none away (__get_sregs), and would deliver all anew, to a guest with
 * interrupts disabled, too. Those that still are about to be delivered it has itself, and keeps.
 */
static void sync_regs_flush(struct vcpu *v)
{
	struct kvm_sregs *sregs = &v->run->s.regs.sregs;

	if (!has_translations(sregs))
		return;
	memset(sregs->interrupt_bitmap, 0, sizeof(sregs->interrupt_bitmap));
	sregs->cr3 ^= CR3_PWT;
	v->run->kvm_dirty_regs |= KVM_SYNC_X86_SREGS;
}

static uint64_t flush_page_msr(const struct vcpu *v)
{
	return (v->flush_pages_gpa + v->flush_page * sizeof(*v->flush_pages)) | KVM_MSR_ENABLED;
}

/*
 * The kernel's steal-time code works on two pages of ours in turn, which the guest does
 * not know: the guest's own page stays with minivmm.
 */
static int steal_msr_prepare(struct vcpu *v, const struct guest_mem *mem, uint64_t flush_pages_gpa,
			     struct error *err)
{
	v->flush_pages_gpa = flush_pages_gpa;
	v->flush_pages = guest_mem_at(mem, flush_pages_gpa, FLUSH_PAGES_BYTES,
				      sizeof(*v->flush_pages));
	return steal_msr_give_kernel(v, flush_page_msr(v), err);
}

static bool has_request(const struct kvm_steal_time *page)
{
	return __atomic_load_n(&page->preempted, __ATOMIC_RELAXED) & KVM_VCPU_FLUSH_TLB;
}

/*
 * A request goes to the page that the kernel does not use yet. If the kernel preempts our
 * thread between here and the entry, it may mark the page that it used last, and does so by a
 * plain store (kvm_steal_time_set_preempted), which would erase a request there. A page that it
 * has not turned to yet it does not mark (Linux c3c28d24d910). It turns to the page that the
 * MSR names at the entry (Linux 901d3765fa80), finds the request, flushes, and clears the byte.
 * So a request that is still on its page has not been seen and is out of reach: it stays there.
 *
 * The MSR each time, since an INIT clears it, and KVM may process that where we do not see it.
 */
static void steal_msr_flush(struct vcpu *v)
{
	if (!has_request(&v->flush_pages[v->flush_page]))
		v->flush_page = 1 - v->flush_page;
	__atomic_store_n(&v->flush_pages[v->flush_page].preempted,
			 KVM_VCPU_PREEMPTED | KVM_VCPU_FLUSH_TLB, __ATOMIC_SEQ_CST);
	steal_msr_give_kernel_again(v, flush_page_msr(v));
}

const struct flush_primitive flush_primitives[NR_FLUSH_PRIMS] = {
#define X(id, prim_name, prim_summary)                \
	[FLUSH_VIA_##id] = { .name = prim_name,       \
			     .summary = prim_summary, \
			     .prepare = id##_prepare, \
			     .flush = id##_flush },
	FLUSH_PRIMS(X)
#undef X
};
