/* SPDX-License-Identifier: MIT */
/*
 * The protocol: paravirtual TLB shootdown through one byte per vCPU.
 *
 * Guest and host share a struct kvm_steal_time for each vCPU. Its `preempted`
 * byte has two bits, and who may write them depends on where the vCPU is:
 *
 *	                 host: mark (or PREEMPTED)
 *	  RUNNING (0) ------------------------------> PREEMPTED (1)
 *	     ^  ^                                       |      |
 *	     |  |       host: take (exchange with 0)    |      | guest initiator: defer
 *	     |  +---------------------------------------+      | (compare 1, exchange 3)
 *	     |                                                 v
 *	     |  host: take, then flush, then enter    PREEMPTED|FLUSH_TLB (3)
 *	     +------------------------------------------------+
 *
 *   - The host marks a vCPU when it takes the pCPU away, at an instruction
 *     boundary only: an instruction that is half emulated would go on with a
 *     translation made before the flush (CVE-2022-39189).
 *   - An initiator that finds the mark asks for a deferred flush instead of
 *     sending an IPI, with a single compare-and-exchange. If that fails the host
 *     has taken the byte in between: the vCPU runs, and needs the IPI.
 *   - The host takes the byte before it lets the vCPU enter the guest, flushes
 *     if it was asked to, and enters only then.
 *
 * Both bits are in one word because "is it still preempted?" and "flush it then"
 * have to be one step: with two words the host could take the first before the
 * guest had written the second, and the request would be missed.
 *
 * Ordering. The initiator's PTE store comes before its locked exchange, and the
 * host's locked exchange comes before the flush and the entry. Either the host's
 * exchange sees FLUSH_TLB, and the flush removes whatever the vCPU had cached;
 * or it came first, the initiator's compare fails, and the IPI is sent to a vCPU
 * that takes it. A plain store on either side breaks this, and so does looking
 * at the byte without a locked operation when it already says 3: the load may be
 * satisfied before the PTE store is visible.
 *
 * docs/protocol.md has the argument in full, with the kernel commits that fixed
 * each rule where it was broken.
 *
 * Sources: Linux Documentation/virt/kvm/x86/msr.rst (MSR_KVM_STEAL_TIME), and
 * Linux 858a43aae236 (guest), f38a7b75267f (host), 8c6de56a42e0, b043138246a4.
 */
#ifndef MINIVMM_PV_FLUSH_H
#define MINIVMM_PV_FLUSH_H

#include <asm/kvm_para.h>
#include <stdbool.h>
#include <stdint.h>

/*
 * Stands before every access at which the other side may come in between, and says
 * which kind comes next: a plain LOAD or STORE, or a LOCKED operation. Nothing in
 * the product; the model checker in tests/ defines it to hand control to another
 * thread, and so runs this very code through every interleaving.
 */
#ifndef PV_STEP
#define PV_STEP(access, address) ((void)0)
#endif

/* ---- the guest's side ---------------------------------------------------- */

enum pv_defer {
	PV_RUNNING,  /* not preempted: interrupt it */
	PV_DEFERRED, /* it will flush before it next executes an instruction */
	PV_RACED,    /* it was preempted but has been resumed: interrupt it */
};

/*
 * Asks a vCPU to flush later if it is preempted now. Call it after the PTE store.
 *
 * The byte is read once: a second read could see another state than the one that
 * is compared. A request that is already there (3) is made again, since only the
 * locked exchange proves that it had not been taken before our PTE store.
 */
static inline enum pv_defer pv_try_defer(uint8_t *preempted)
{
	PV_STEP(LOAD, preempted);
	uint8_t state = __atomic_load_n(preempted, __ATOMIC_RELAXED);
	if (!(state & KVM_VCPU_PREEMPTED))
		return PV_RUNNING;

	PV_STEP(LOCKED, preempted);
	bool ok = __atomic_compare_exchange_n(preempted, &state, state | KVM_VCPU_FLUSH_TLB, false,
					      __ATOMIC_SEQ_CST, __ATOMIC_RELAXED);
	return ok ? PV_DEFERRED : PV_RACED;
}

/* ---- the host's side ----------------------------------------------------- */

/*
 * Says that a vCPU is preempted. Call it once the vCPU has left the guest at an
 * instruction boundary. An atomic OR: a store would erase a request that arrived
 * after an earlier mark (CVE-2019-3016), and on hosts whose kernel marks the same
 * byte there is an earlier mark.
 */
static inline void pv_mark_preempted(uint8_t *preempted)
{
	PV_STEP(LOCKED, preempted);
	__atomic_fetch_or(preempted, KVM_VCPU_PREEMPTED, __ATOMIC_SEQ_CST);
}

/*
 * Says that a vCPU is about to run, and returns the byte as it was. If FLUSH_TLB
 * is set in it the caller flushes the vCPU's whole TLB between this call and the
 * entry: the request names no address space.
 *
 * The byte is exchanged in place, never read and then cleared (Linux b043138246a4).
 */
static inline uint8_t pv_take(uint8_t *preempted)
{
	PV_STEP(LOCKED, preempted);
	return __atomic_exchange_n(preempted, 0, __ATOMIC_SEQ_CST);
}

/*
 * Adds to the steal time of a vCPU that is not running. `version` is odd for as
 * long as the update takes, so that a reader of `steal` can tell (msr.rst).
 */
static inline void pv_add_steal(struct kvm_steal_time *st, uint64_t ns)
{
	uint32_t version = __atomic_load_n(&st->version, __ATOMIC_RELAXED) | 1;

	PV_STEP(STORE, &st->version);
	__atomic_store_n(&st->version, version, __ATOMIC_RELAXED);
	__atomic_thread_fence(__ATOMIC_RELEASE);
	PV_STEP(STORE, &st->steal);
	__atomic_store_n(&st->steal, __atomic_load_n(&st->steal, __ATOMIC_RELAXED) + ns,
			 __ATOMIC_RELAXED);
	PV_STEP(STORE, &st->version);
	__atomic_store_n(&st->version, version + 1, __ATOMIC_RELEASE);
}

/* A consistent reading of a vCPU's steal time, in nanoseconds. */
static inline uint64_t pv_read_steal(const struct kvm_steal_time *st)
{
	uint32_t before, after;
	uint64_t steal;

	do {
		PV_STEP(LOAD, &st->version);
		before = __atomic_load_n(&st->version, __ATOMIC_ACQUIRE);
		PV_STEP(LOAD, &st->steal);
		steal = __atomic_load_n(&st->steal, __ATOMIC_RELAXED);
		__atomic_thread_fence(__ATOMIC_ACQUIRE);
		PV_STEP(LOAD, &st->version);
		after = __atomic_load_n(&st->version, __ATOMIC_RELAXED);
	} while ((before & 1) || before != after);
	return steal;
}

#endif
