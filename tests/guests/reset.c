/* SPDX-License-Identifier: MIT */
/*
 * A guest that resets vCPU 1, by INIT, while a deferred flush is pending for it, and starts
 * it again. Run with two vCPUs on one pCPU: while vCPU 0 runs, vCPU 1 is parked.
 *
 * vCPU 1 reads through a window of one page, in ring 3, where a stale translation shows on
 * every KVM. It is started again in real mode, goes on into 64-bit mode with the same page
 * tables, and reads again. Its steal-time page stays registered all the while: an MSR
 * survives INIT, and it is the guest that switches the page off before it lets a CPU go.
 */
#include "guest.h"

#include "minivmm/pv_flush.h"

#define NR_RESETS 10
#define UNTOUCHED 0xa5

#define START_GPA  0xf0000 /* free: the image begins above it */
#define WINDOW_GVA 0x3fe00000ull
#define MAP_RAM	   (PTE_TABLE | PTE_ACCESSED | PTE_DIRTY)
#define SEND_INIT  (ICR_ASSERT | ICR_INIT)
#define SEND_SIPI  (ICR_ASSERT | ICR_STARTUP | START_GPA >> 12)

static _Alignas(64) struct kvm_steal_time pages[2];
static _Alignas(4096) uint64_t window_table[512];
static _Alignas(4096) uint64_t window_page[2][512];

static uint32_t reads;	   /* through the window, by vCPU 1, since it was started last */
static uint64_t last_seen; /* by the last of them */

/* ---- the way back into 64-bit mode ------------------------------------------------------ */

extern const uint8_t restart_code[], restart_code_end[];
uint8_t restart_stack[8192] __attribute__((aligned(16)));
_Noreturn void restarted(void);

/* For the code below: 32-bit code, 64-bit code, data. */
const uint64_t restart_gdt[] = { 0, 0x00cf9b000000ffff, 0x00af9b000000ffff, 0x00cf93000000ffff };

/* Copied to START_GPA: from there by way of 32-bit mode, with the VMM's page tables. */
asm(".pushsection .text\n"
    ".code16\n"
    "restart_code:\n\t"
    "cli\n\t"
    "mov %cs, %ax\n\t"
    "mov %ax, %ds\n\t"
    "lgdtl 2f - restart_code\n\t"
    "mov $1, %eax\n\t"
    "mov %eax, %cr0\n\t"
    "ljmpl $0x08, $3f\n"
    "2:\t.word 31\n\t"
    ".long restart_gdt\n"
    "restart_code_end:\n"
    ".code32\n"
    "3:\t"
    "mov $0x18, %eax\n\t"
    "mov %eax, %ds\n\t"
    "mov %eax, %es\n\t"
    "mov %eax, %ss\n\t"
    "mov $0x6a0, %eax\n\t" /* OSXMMEXCPT, OSFXSR, PGE, PAE */
    "mov %eax, %cr4\n\t"
    "mov $0x3000, %eax\n\t" /* MV_PAGE_TABLES_GPA */
    "mov %eax, %cr3\n\t"
    "mov $0xc0000080, %ecx\n\t"
    "mov $0x101, %eax\n\t" /* LME, SCE */
    "xor %edx, %edx\n\t"
    "wrmsr\n\t"
    "mov $0x80010033, %eax\n\t" /* PG, WP, NE, ET, MP, PE */
    "mov %eax, %cr0\n\t"
    "ljmp $0x10, $4f\n"
    ".code64\n"
    "4:\t"
    "mov $restart_stack + 8192, %esp\n\t"
    "call restarted\n"
    ".popsection");

_Static_assert(MV_PAGE_TABLES_GPA == 0x3000, "as in the code above");

/* ---- the window --------------------------------------------------------------------------- */

/* Below the directory that the VMM's page tables have for the first gigabyte. */
static void build_window(void)
{
	uint64_t *directory = (uint64_t *)(MV_PAGE_TABLES_GPA + 2 * 4096);

	for (unsigned i = 0; i < COUNT_OF(window_page); i++)
		window_page[i][0] = i;
	directory[WINDOW_GVA >> 21] = (uintptr_t)window_table | MAP_RAM;
}

static void map_window(unsigned page)
{
	__atomic_store_n(window_table, (uintptr_t)window_page[page] | MAP_RAM, __ATOMIC_SEQ_CST);
}

static bool halts_between_reads;

static _Noreturn void read_for_ever(void)
{
	for (;;) {
		last_seen = *(const volatile uint64_t *)WINDOW_GVA;
		__atomic_add_fetch(&reads, 1, __ATOMIC_SEQ_CST);
		if (halts_between_reads)
			doorbell_store(MV_DB_IDLE, 0);
	}
}

static void forget_reads(void)
{
	__atomic_store_n(&reads, 0, __ATOMIC_SEQ_CST);
}

static void await_read(void)
{
	while (!__atomic_load_n(&reads, __ATOMIC_SEQ_CST))
		doorbell_store(MV_DB_YIELD, MV_YIELD_ANY);
}

/* Runs vCPU 1, and comes back when it has read. */
static void let_it_read(void)
{
	forget_reads();
	await_read();
}

/* ---- vCPU 1 ------------------------------------------------------------------------------- */

static bool is_switched_off, is_prepared;

static void switch_on(uint32_t vcpu)
{
	write_msr(MSR_KVM_STEAL_TIME, (uintptr_t)&pages[vcpu] | KVM_MSR_ENABLED);
}

/* As a guest does that takes a CPU offline (kvm_guest_cpu_offline() in Linux). */
static void switch_off(void)
{
	volatile uint8_t *byte = (volatile uint8_t *)&pages[1];

	write_msr(MSR_KVM_STEAL_TIME, 0);
	for (unsigned i = 0; i < sizeof(pages[1]); i++)
		byte[i] = UNTOUCHED;
	is_switched_off = true;
}

static bool is_untouched(void)
{
	for (unsigned i = 0; i < sizeof(pages[1]); i++) {
		if (((const volatile uint8_t *)&pages[1])[i] != UNTOUCHED)
			return false;
	}
	return true;
}

/* Where it goes on after INIT and SIPI, and a page that was on is on. */
_Noreturn void restarted(void)
{
	uint8_t byte = __atomic_load_n(&pages[1].preempted, __ATOMIC_SEQ_CST);

	if (is_switched_off)
		expect(is_untouched(), "a page that was switched off before INIT was written");
	else
		expect(byte == 0, "a vCPU that was reset keeps its mark, or the request");
	enter_ring3();
	read_for_ever();
}

static _Noreturn void be_reset(bool offline)
{
	switch_on(1);
	if (offline)
		switch_off();
	enter_ring3();
	while (!__atomic_load_n(&is_prepared, __ATOMIC_ACQUIRE))
		doorbell_store(MV_DB_YIELD, MV_YIELD_ANY);
	read_for_ever();
}

/* ---- vCPU 0 ------------------------------------------------------------------------------- */

static void prepare(void)
{
	for (unsigned i = 0; i < (unsigned)(restart_code_end - restart_code); i++)
		((volatile uint8_t *)START_GPA)[i] = restart_code[i];
	write_xapic(XAPIC_SPURIOUS, 0x1ff);
	build_window();
	map_window(0);
	enter_ring3();
	__atomic_store_n(&is_prepared, true, __ATOMIC_RELEASE);
}

/* Should it run in between, it is parked again soon. */
static void defer_flush(void)
{
	while (pv_try_defer(&pages[1].preempted) != PV_DEFERRED)
		doorbell_store(MV_DB_NOP, 0);
}

/* It runs no more: it is neither parked nor does it hold the only pCPU. */
static void await_reset(void)
{
	do
		doorbell_store(MV_DB_YIELD, MV_YIELD_ANY);
	while (__atomic_load_n(&pages[1].preempted, __ATOMIC_SEQ_CST));
}

/* The request is pending when the INIT arrives. */
static void defer_and_reset(unsigned page)
{
	map_window(page);
	defer_flush();
	send_ipi(1, SEND_INIT);
	await_reset();
	send_ipi(1, SEND_SIPI);
}

/* The request is made between the SIPI and the first instruction after it. */
static void reset_and_defer(unsigned page)
{
	send_ipi(1, SEND_INIT);
	await_reset();
	map_window(page);
	send_ipi(1, SEND_SIPI);
	defer_flush();
}

static void reset_often(uint32_t vcpu, void (*reset)(unsigned page))
{
	if (vcpu == 1)
		be_reset(false);
	prepare();
	let_it_read();
	for (unsigned i = 1; i <= NR_RESETS; i++) {
		uint64_t stolen_ns = pv_read_steal(&pages[1]);

		reset(i % 2);
		let_it_read();
		expect(last_seen == i % 2, "a vCPU that was reset has a stale translation");
		while (pv_read_steal(&pages[1]) == stolen_ns)
			doorbell_store(MV_DB_YIELD, MV_YIELD_ANY);
	}
}

static void defer_then_init(const struct mv_boot_info *boot, uint32_t vcpu)
{
	(void)boot;
	reset_often(vcpu, defer_and_reset);
}

static void start_then_defer(const struct mv_boot_info *boot, uint32_t vcpu)
{
	(void)boot;
	reset_often(vcpu, reset_and_defer);
}

/*
 * The request is pending, and the vCPU marked because it has halted, when the INIT arrives.
 * Run with --shootdown pv-halted.
 */
static void halted_then_init(const struct mv_boot_info *boot, uint32_t vcpu)
{
	(void)boot;
	if (vcpu == 1) {
		switch_on(1);
		doorbell_load(MV_DB_PHASE);
		enter_ring3();
		read_for_ever();
	}
	halts_between_reads = true;
	prepare();
	doorbell_load(MV_DB_PHASE);
	await_read();
	for (unsigned i = 1; i <= NR_RESETS; i++) {
		map_window(i % 2);
		defer_flush();
		forget_reads();
		send_ipi(1, SEND_INIT);
		send_ipi(1, SEND_SIPI);
		await_read();
		expect(last_seen == i % 2, "a vCPU that was reset has a stale translation");
	}
}

/* Nothing is written to the page of a vCPU that was taken offline, whatever becomes of it. */
static void offline(const struct mv_boot_info *boot, uint32_t vcpu)
{
	if (vcpu == 1)
		be_reset(true);
	prepare();
	let_it_read();
	for (unsigned i = 0; i < NR_RESETS; i++) {
		send_ipi(1, SEND_INIT);
		for (uint64_t end = read_tsc() + boot->tsc_hz / 100; read_tsc() < end;)
			doorbell_store(MV_DB_YIELD, MV_YIELD_ANY);
		send_ipi(1, SEND_SIPI);
		let_it_read();
	}
	expect(is_untouched(), "the page of a vCPU that is offline was written");
}

static const struct guest_case cases[] = {
	{ "defer-then-init", defer_then_init },
	{ "start-then-defer", start_then_defer },
	{ "offline", offline },
	{ "halted-then-init", halted_then_init },
};
GUEST_CASES(cases)
