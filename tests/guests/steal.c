/* SPDX-License-Identifier: MIT */
/* A guest that registers steal-time pages where they must not be, and spoils them. */
#include "guest.h"

#include "minivmm/pv_flush.h"

#define NR_PAGES  16
#define NR_MOVES  6000
#define UNTOUCHED 0xa5a5a5a5a5a5a5a5

static _Alignas(64) struct kvm_steal_time pages[MV_MAX_VCPUS][NR_PAGES];

static void register_gpa(uint64_t value)
{
	write_msr(MSR_KVM_STEAL_TIME, value);
}

static void register_page(const struct kvm_steal_time *page)
{
	register_gpa((uintptr_t)page | KVM_MSR_ENABLED);
}

/* ---- addresses that the VMM must refuse ------------------------------------------- */

static void misaligned(const struct mv_boot_info *boot, uint32_t vcpu)
{
	(void)boot;
	register_gpa(((uintptr_t)pages[vcpu] + 32) | KVM_MSR_ENABLED);
}

static void reserved_bit(const struct mv_boot_info *boot, uint32_t vcpu)
{
	(void)boot;
	register_gpa((uintptr_t)pages[vcpu] | 2 | KVM_MSR_ENABLED);
}

static void beyond_memory(const struct mv_boot_info *boot, uint32_t vcpu)
{
	(void)vcpu;
	register_gpa(boot->mem_bytes | KVM_MSR_ENABLED);
}

static void far_beyond_memory(const struct mv_boot_info *boot, uint32_t vcpu)
{
	(void)boot, (void)vcpu;
	register_gpa(0xffffffffffffffc0 | KVM_MSR_ENABLED);
}

static void over_doorbell(const struct mv_boot_info *boot, uint32_t vcpu)
{
	(void)boot, (void)vcpu;
	register_gpa(MV_DOORBELL_GPA | KVM_MSR_ENABLED);
}

/* ---- addresses that are good -------------------------------------------------------- */

/* The last 64 bytes of memory. They are the VMM's, but nothing there is looked at. */
static void end_of_memory(const struct mv_boot_info *boot, uint32_t vcpu)
{
	(void)vcpu;
	register_gpa((boot->mem_bytes - 64) | KVM_MSR_ENABLED);
}

/* Not enabled: the address means nothing. */
static void disabled(const struct mv_boot_info *boot, uint32_t vcpu)
{
	register_page(pages[vcpu]);
	register_gpa(boot->mem_bytes);
	register_gpa(0);
}

static void fill(struct kvm_steal_time *page)
{
	for (unsigned i = 0; i < sizeof(*page) / sizeof(uint64_t); i++)
		((volatile uint64_t *)page)[i] = UNTOUCHED;
}

static bool is_untouched(const struct kvm_steal_time *page)
{
	for (unsigned i = 0; i < sizeof(*page) / sizeof(uint64_t); i++) {
		if (((const volatile uint64_t *)page)[i] != UNTOUCHED)
			return false;
	}
	return true;
}

/*
 * The page moves again and again, under preemption. Nothing may be written to a page
 * that has been left (7e2175ebd695): it is filled on leaving, and looked at before
 * it is used again.
 */
static void moved(const struct mv_boot_info *boot, uint32_t vcpu)
{
	static uint32_t finished;

	for (unsigned i = 0; i < NR_PAGES; i++)
		fill(&pages[vcpu][i]);
	for (unsigned i = 0; i < NR_MOVES / boot->nr_vcpus; i++) {
		struct kvm_steal_time *old = &pages[vcpu][i % NR_PAGES];
		struct kvm_steal_time *new = &pages[vcpu][(i + 1) % NR_PAGES];

		expect(is_untouched(new), "a steal-time page that had been left was written");
		*new = (struct kvm_steal_time){ 0 };
		register_page(new);
		fill(old);
	}
	if (__atomic_add_fetch(&finished, 1, __ATOMIC_SEQ_CST) != boot->nr_vcpus)
		idle();
}

/* ---- contents ------------------------------------------------------------------------- */

/* Random values over the whole page, in ring 3 at full speed, while the host uses it. */
static void rubbish(const struct mv_boot_info *boot, uint32_t vcpu)
{
	volatile uint64_t *word = (volatile uint64_t *)pages[vcpu];
	uint64_t random = boot->seed ^ (vcpu + 1), end_tsc = read_tsc() + boot->tsc_hz;

	register_page(pages[vcpu]);
	enter_ring3();
	while (read_tsc() < end_tsc) {
		for (unsigned i = 0; i < 1000; i++) {
			random ^= random << 13;
			random ^= random >> 7;
			random ^= random << 17;
			word[i % (sizeof(pages[0][0]) / sizeof(*word))] = random;
		}
	}
}

/*
 * What the page promises, seen from inside while vCPUs outnumber pCPUs: steal time
 * never goes back, its version is even for whoever runs, and who runs is not
 * preempted.
 */
static void truthful(const struct mv_boot_info *boot, uint32_t vcpu)
{
	const struct kvm_steal_time *st = pages[vcpu];
	uint64_t end_tsc = read_tsc() + boot->tsc_hz / 2, last = 0;
	static uint32_t finished;

	register_page(st);
	enter_ring3();
	while (read_tsc() < end_tsc || last == 0) {
		uint64_t now = pv_read_steal(st);

		expect(now >= last, "steal time went back");
		expect(!(__atomic_load_n(&st->version, __ATOMIC_RELAXED) & 1),
		       "the version is odd while the vCPU runs");
		expect(__atomic_load_n(&st->preempted, __ATOMIC_RELAXED) == 0,
		       "a vCPU that runs is marked preempted");
		last = now;
	}
	if (__atomic_add_fetch(&finished, 1, __ATOMIC_SEQ_CST) != boot->nr_vcpus)
		idle();
}

static const struct guest_case cases[] = {
	{ "misaligned", misaligned },
	{ "reserved-bit", reserved_bit },
	{ "beyond-memory", beyond_memory },
	{ "far-beyond-memory", far_beyond_memory },
	{ "over-doorbell", over_doorbell },
	{ "end-of-memory", end_of_memory },
	{ "disabled", disabled },
	{ "moved", moved },
	{ "rubbish", rubbish },
	{ "truthful", truthful },
};
GUEST_CASES(cases)
