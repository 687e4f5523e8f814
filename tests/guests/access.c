/* SPDX-License-Identifier: MIT */
/* A guest that asks for flushes while an access of the target is being served. */
#include "guest.h"

#include "minivmm/pv_flush.h"

#define WINDOW_GVA 0x3fe00000ull
#define MAP_RAM	   (PTE_TABLE | PTE_ACCESSED | PTE_DIRTY)
#define MAP_DEVICE (MAP_RAM | PTE_WRITE_THROUGH | PTE_CACHE_DISABLE)
#define NO_MASK	   0xbadull
#define NR_PAGES   8
#define NR_DEFERS  500

static _Alignas(64) struct kvm_steal_time pages[2];
static _Alignas(4096) uint64_t window_table[512];
static _Alignas(4096) uint64_t window_page[NR_PAGES][512]; /* in rotation */

static void map_window(uint64_t entry)
{
	__atomic_store_n(window_table, entry, __ATOMIC_SEQ_CST);
}

/* Below the directory that the VMM's page tables have for the first gigabyte. */
static void build_window(void)
{
	uint64_t *directory = (uint64_t *)(MV_PAGE_TABLES_GPA + 2 * 4096);

	directory[WINDOW_GVA >> 21] = (uintptr_t)window_table | MAP_RAM;
}

static void start(uint32_t vcpu)
{
	write_msr(MSR_KVM_STEAL_TIME, (uintptr_t)&pages[vcpu] | KVM_MSR_ENABLED);
	if (vcpu == 0)
		build_window();
	enter_ring3();
}

/* ---- a store of one register ---------------------------------------------------------- */

static uint64_t generation; /* the lowest that vCPU 1 may find in the window; 0: none yet */

static _Noreturn void ring_and_read(void)
{
	for (;;) {
		uint64_t allowed = __atomic_load_n(&generation, __ATOMIC_SEQ_CST);

		doorbell_store(MV_DB_NOP, 0);
		expect(!__atomic_load_n(&pages[1].preempted, __ATOMIC_RELAXED),
		       "a vCPU that runs is marked preempted");
		if (allowed)
			expect(*(const volatile uint64_t *)WINDOW_GVA >= allowed,
			       "a translation outlived a flush that was deferred in an exit");
	}
}

/*
 * vCPU 1 exits again and again, and reads through a window in between. vCPU 0 maps other
 * pages there, and leaves the flush to the exits. Run with --mark-exits and two pCPUs,
 * where there is no other mark.
 */
static void deferred_in_exit(const struct mv_boot_info *boot, uint32_t vcpu)
{
	(void)boot;
	start(vcpu);
	if (vcpu == 1)
		ring_and_read();
	for (uint64_t n = 1; n <= NR_DEFERS; n++) {
		window_page[n % NR_PAGES][0] = n;
		map_window((uintptr_t)window_page[n % NR_PAGES] | MAP_RAM);
		while (pv_try_defer(&pages[1].preempted) != PV_DEFERRED)
			;
		__atomic_store_n(&generation, n, __ATOMIC_SEQ_CST);
	}
}

/* ---- one store of two registers ------------------------------------------------------- */

/*
 * Sixteen bytes are two accesses: KVM translates the address once and then exits twice.
 * Between the two the vCPU stands in the middle of an instruction, with a translation in
 * hand that no flush takes from it. That is what CVE-2022-39189 was about.
 */
static void store_16_bytes(uint64_t gva, uint64_t low, uint64_t high)
{
	const uint64_t both[2] = { low, high };

	asm volatile("movups %0, %%xmm0; movups %%xmm0, (%1)" : : "m"(both), "r"(gva) : "memory");
}

/*
 * vCPU 1 stores through the window: the lower half is a yield, the upper half asks for a
 * flush, of a mask that is none. vCPU 0 waits until it is marked, maps memory there instead,
 * and defers the flush. From then on nothing may reach the doorbell through the window: a
 * host that marks a vCPU in the middle of the store finds a request there without a mask,
 * a sound one has ended the run. If vCPU 1 loses its only pCPU before the store, that goes
 * to memory, rightly, and they try again.
 */
static uint32_t is_mapped; /* to the doorbell, and vCPU 1 has not stored yet */

static _Noreturn void store_again_and_again(void)
{
	for (;;) {
		while (!__atomic_load_n(&is_mapped, __ATOMIC_SEQ_CST))
			doorbell_store(MV_DB_YIELD, MV_YIELD_ANY);
		__atomic_store_n(&is_mapped, 0, __ATOMIC_SEQ_CST);
		store_16_bytes(WINDOW_GVA + MV_DB_YIELD, MV_YIELD_ANY, NO_MASK);
	}
}

static void defer_flush(void)
{
	while (pv_try_defer(&pages[1].preempted) != PV_DEFERRED)
		doorbell_store(MV_DB_NOP, 0);
}

static void two_in_one(const struct mv_boot_info *boot, uint32_t vcpu)
{
	(void)boot;
	start(vcpu);
	if (vcpu == 1)
		store_again_and_again();
	for (;;) {
		map_window(MV_DOORBELL_GPA | MAP_DEVICE);
		__atomic_store_n(&is_mapped, 1, __ATOMIC_SEQ_CST);
		while (__atomic_load_n(&is_mapped, __ATOMIC_SEQ_CST))
			doorbell_store(MV_DB_YIELD, MV_YIELD_ANY);
		map_window((uintptr_t)window_page[0] | MAP_RAM);
		defer_flush();
		doorbell_store(MV_DB_YIELD, MV_YIELD_ANY);
	}
}

static const struct guest_case cases[] = {
	{ "deferred-in-exit", deferred_in_exit },
	{ "two-in-one", two_in_one },
};
GUEST_CASES(cases)
