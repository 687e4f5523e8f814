/* SPDX-License-Identifier: MIT */
/* A guest that registers steal-time pages where they must not be, and spoils them. */
#include "guest.h"

#include "minivmm/pv_flush.h"

#define NR_PAGES    16
#define NR_MOVES    6000
#define NR_SWITCHES 20
#define NR_RINGS    2000
#define UNTOUCHED   0xa5a5a5a5a5a5a5a5

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

/* What is read is what was written, as on a KVM that has the page itself. */
static void read_back(const struct mv_boot_info *boot, uint32_t vcpu)
{
	uint64_t value = (uintptr_t)pages[vcpu] | KVM_MSR_ENABLED;

	(void)boot;
	expect(read_msr(MSR_KVM_STEAL_TIME) == 0, "the MSR has a value before it was written");
	register_gpa(value);
	expect(read_msr(MSR_KVM_STEAL_TIME) == value, "the MSR reads as something else");
	register_gpa(0);
	expect(read_msr(MSR_KVM_STEAL_TIME) == 0, "the MSR keeps a value that was taken back");
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

/* The same for a guest that does not know of deferred flushes: its byte is cleared all
 * the same (1eff0ada). Run with --hide. */
static void hidden_flush(const struct mv_boot_info *boot, uint32_t vcpu)
{
	expect(has_feature(KVM_FEATURE_STEAL_TIME), "no STEAL_TIME in CPUID");
	expect(!has_feature(KVM_FEATURE_PV_TLB_FLUSH), "PV_TLB_FLUSH is not hidden");
	truthful(boot, vcpu);
}

static void hidden_both(const struct mv_boot_info *boot, uint32_t vcpu)
{
	expect(!has_feature(KVM_FEATURE_STEAL_TIME), "STEAL_TIME is not hidden");
	expect(!has_feature(KVM_FEATURE_PV_TLB_FLUSH), "PV_TLB_FLUSH is not hidden");
	truthful(boot, vcpu);
}

/* ---- switched off ----------------------------------------------------------------------- */

/* To others and back, which takes a mark and an exchange each time. */
static void lose_pcpu(unsigned times)
{
	for (unsigned i = 0; i < times; i++)
		doorbell_store(MV_DB_YIELD, MV_YIELD_ANY);
}

/*
 * The page is switched off and on: off, nothing is written to it, however often the vCPU
 * is preempted; on, it is in use as before.
 */
static void silenced(const struct mv_boot_info *boot, uint32_t vcpu)
{
	struct kvm_steal_time *page = pages[vcpu];
	static uint32_t finished;

	for (unsigned i = 0; i < NR_SWITCHES; i++) {
		*page = (struct kvm_steal_time){ 0 };
		register_page(page);
		while (pv_read_steal(page) == 0)
			lose_pcpu(1);
		register_gpa(0);
		fill(page);
		lose_pcpu(20);
		expect(is_untouched(page), "a steal-time page that is switched off was written");
	}
	if (__atomic_add_fetch(&finished, 1, __ATOMIC_SEQ_CST) != boot->nr_vcpus)
		idle();
}

/* ---- who is marked ---------------------------------------------------------------------- */

/* vCPU 1 rings a doorbell that asks for nothing, and vCPU 0 looks at its byte meanwhile. */
static bool is_seen_marked(uint32_t vcpu)
{
	static uint32_t rung;
	bool marked = false;

	register_page(pages[vcpu]);
	enter_ring3();
	if (vcpu != 0) {
		for (;; __atomic_add_fetch(&rung, 1, __ATOMIC_SEQ_CST))
			doorbell_store(MV_DB_NOP, 0);
	}
	while (__atomic_load_n(&rung, __ATOMIC_SEQ_CST) < NR_RINGS)
		marked |= __atomic_load_n(&pages[1]->preempted, __ATOMIC_RELAXED) != 0;
	return marked;
}

/* Run with two pCPUs, where nobody is preempted, and without --mark-exits or with it. */
static void exits_unmarked(const struct mv_boot_info *boot, uint32_t vcpu)
{
	(void)boot;
	expect(!is_seen_marked(vcpu), "a vCPU is marked while its doorbell is served");
}

static void exits_marked(const struct mv_boot_info *boot, uint32_t vcpu)
{
	(void)boot;
	expect(is_seen_marked(vcpu), "a vCPU is not marked while its doorbell is served");
}

static const struct guest_case cases[] = {
	{ "misaligned", misaligned },
	{ "reserved-bit", reserved_bit },
	{ "beyond-memory", beyond_memory },
	{ "far-beyond-memory", far_beyond_memory },
	{ "over-doorbell", over_doorbell },
	{ "end-of-memory", end_of_memory },
	{ "read-back", read_back },
	{ "disabled", disabled },
	{ "moved", moved },
	{ "rubbish", rubbish },
	{ "truthful", truthful },
	{ "hidden-flush", hidden_flush },
	{ "hidden-both", hidden_both },
	{ "silenced", silenced },
	{ "exits-unmarked", exits_unmarked },
	{ "exits-marked", exits_marked },
};
GUEST_CASES(cases)
