/* SPDX-License-Identifier: MIT */
/* A guest whose vCPUs halt and are woken, or are reset, by IPIs. */
#include "guest.h"

#include "minivmm/pv_flush.h"

#define WAKE_VECTOR 0x40
#define NR_WAKE_UPS 500

#define ICR_FIXED (1u << 14 | WAKE_VECTOR)
#define SEND_NMI  (ICR_ASSERT | ICR_NMI)
#define SEND_INIT (ICR_ASSERT | ICR_INIT)
#define SEND_SIPI (ICR_ASSERT | ICR_STARTUP | START_GPA >> 12)

#define START_GPA      0xf0000 /* free: the image begins above it */
#define OUT_AL_TO_0X77 0x77e6

static uint32_t woken;	 /* times that the handler ran */
static uint32_t early;	 /* of those, between STI and the instruction that halts */
static uint32_t halting; /* number of the halt that vCPU 1 is about to begin; 0: not ready */

/* ---- interrupts ------------------------------------------------------------------------ */

struct interrupt_frame {
	volatile uint64_t rip;
	uint64_t cs, rflags, rsp, ss;
};

/* The instructions below that halt, right behind STI, and their ends. */
extern const char hlt_begin[], hlt_end[], store_begin[], store_end[];

/*
 * No interrupt should come between STI and the next instruction, which would then halt
 * with nothing left to wake it. But a CPU may lose that shadow: that of QEMU's emulated SVM
 * does if an exit comes right then, since VMRUN does not restore it. Then we step over the
 * instruction that halts.
 */
static void do_not_halt(struct interrupt_frame *frame)
{
	if (frame->rip == (uintptr_t)hlt_begin)
		frame->rip = (uintptr_t)hlt_end;
	else if (frame->rip == (uintptr_t)store_begin)
		frame->rip = (uintptr_t)store_end;
	else
		return;
	early++;
}

__attribute__((interrupt)) static void on_wake(struct interrupt_frame *frame)
{
	do_not_halt(frame);
	__atomic_add_fetch(&woken, 1, __ATOMIC_SEQ_CST);
	write_xapic(XAPIC_EOI, 0);
}

static struct {
	uint16_t offset_low, selector, attributes, offset_mid;
	uint32_t offset_high, zero;
} idt[256];

static void set_gate(unsigned vector, void (*handler)(struct interrupt_frame *frame))
{
	uint64_t address = (uintptr_t)handler;

	idt[vector].offset_low = (uint16_t)address;
	idt[vector].selector = 0x10;
	idt[vector].attributes = 0x8e00;
	idt[vector].offset_mid = (uint16_t)(address >> 16);
	idt[vector].offset_high = (uint32_t)(address >> 32);
}

static void take_interrupts(void)
{
	const struct __attribute__((packed)) {
		uint16_t limit;
		uint64_t base;
	} idtr = { sizeof(idt) - 1, (uintptr_t)idt };

	set_gate(WAKE_VECTOR, on_wake);
	load_gdt();
	asm volatile("lidt %0" ::"m"(idtr));
	write_xapic(XAPIC_SPURIOUS, 0x1ff);
}

/* ---- waking -------------------------------------------------------------------------- */

__attribute__((noinline)) static void halt_by_hlt(void)
{
	asm volatile("sti\n"
		     "hlt_begin: hlt\n"
		     "hlt_end: cli" ::
			     : "memory");
}

__attribute__((noinline)) static void halt_by_doorbell(void)
{
	asm volatile("sti\n"
		     "store_begin: movl $0, (%0)\n"
		     "store_end: cli" ::"r"(MV_DOORBELL_GPA + (uint64_t)MV_DB_IDLE)
		     : "memory");
}

/* vCPU 1 halts until woken, again and again. An IPI may come before the halt or after
 * it: either way vCPU 1 has to go on. */
static _Noreturn void sleep_and_wake(void (*halt)(void))
{
	take_interrupts();
	for (uint32_t n = 1;; n++) {
		__atomic_store_n(&halting, n, __ATOMIC_SEQ_CST);
		while (__atomic_load_n(&woken, __ATOMIC_SEQ_CST) < n)
			halt();
	}
}

static void wake(uint32_t vcpu, void (*halt)(void), void (*send)(void))
{
	if (vcpu == 1)
		sleep_and_wake(halt);
	if (vcpu != 0)
		idle();
	for (uint32_t n = 1; n <= NR_WAKE_UPS; n++) {
		while (__atomic_load_n(&halting, __ATOMIC_SEQ_CST) < n)
			doorbell_store(MV_DB_YIELD, MV_YIELD_ANY);
		send();
	}
	while (__atomic_load_n(&woken, __ATOMIC_SEQ_CST) < NR_WAKE_UPS)
		doorbell_store(MV_DB_YIELD, MV_YIELD_ANY);
	expect(woken == NR_WAKE_UPS, "an interrupt came twice");
	if (early)
		say("the shadow of STI was lost\n");
}

static void send_by_xapic(void)
{
	send_ipi(1, ICR_FIXED);
}

static void send_by_doorbell(void)
{
	doorbell_store(MV_DB_IPI, 1 << 8 | WAKE_VECTOR);
}

static void hlt_xapic(const struct mv_boot_info *boot, uint32_t vcpu)
{
	(void)boot;
	wake(vcpu, halt_by_hlt, send_by_xapic);
}

static void doorbell_xapic(const struct mv_boot_info *boot, uint32_t vcpu)
{
	(void)boot;
	wake(vcpu, halt_by_doorbell, send_by_xapic);
}

static void hlt_doorbell(const struct mv_boot_info *boot, uint32_t vcpu)
{
	(void)boot;
	wake(vcpu, halt_by_hlt, send_by_doorbell);
}

/* ---- marks ------------------------------------------------------------------------- */

static _Alignas(64) struct kvm_steal_time pages[2];

static void switch_on(uint32_t vcpu)
{
	write_msr(MSR_KVM_STEAL_TIME, (uintptr_t)&pages[vcpu] | KVM_MSR_ENABLED);
}

static bool is_marked(void)
{
	return __atomic_load_n(&pages[1].preempted, __ATOMIC_RELAXED) & KVM_VCPU_PREEMPTED;
}

/* Whether vCPU 1 is marked at any moment within a time that is long for a halt. */
static bool becomes_marked(uint64_t ticks)
{
	uint64_t end = read_tsc() + ticks;

	while (read_tsc() < end) {
		if (is_marked())
			return true;
	}
	return false;
}

static bool phase_begins(uint64_t *ret_mechanism)
{
	*ret_mechanism = (uint32_t)doorbell_load(MV_DB_PHASE);
	return *ret_mechanism != MV_PHASE_END;
}

/* Halts once in each phase until it is woken. */
static _Noreturn void halt_in_each_phase(void)
{
	uint64_t mechanism;

	take_interrupts();
	for (uint32_t n = 1; phase_begins(&mechanism); n++) {
		__atomic_store_n(&halting, n, __ATOMIC_SEQ_CST);
		while (__atomic_load_n(&woken, __ATOMIC_SEQ_CST) < n)
			halt_by_doorbell();
	}
	idle();
}

/*
 * Halted is not preempted (9ee83635d872), unless the mechanism says so. Run with
 * --shootdown pv,pv-halted and as many pCPUs as vCPUs, so that nobody is preempted.
 */
static void halted_marks(const struct mv_boot_info *boot, uint32_t vcpu)
{
	uint64_t mechanism;

	switch_on(vcpu);
	if (vcpu == 1)
		halt_in_each_phase();
	enter_ring3();
	for (uint32_t n = 1; phase_begins(&mechanism); n++) {
		while (__atomic_load_n(&halting, __ATOMIC_SEQ_CST) < n)
			doorbell_store(MV_DB_NOP, 0);
		if (mechanism == 0)
			expect(!becomes_marked(boot->tsc_hz / 50), "pv: a halted vCPU is marked");
		else
			expect(becomes_marked(boot->tsc_hz), "pv-halted: no halted vCPU is marked");
		send_ipi(1, ICR_FIXED);
	}
}

/* ---- woken while it is marked -------------------------------------------------------- */

#define NR_DEFERS      200
#define WINDOW_GVA     0x3fe00000ull
#define PTE_FLAGS      0x67 /* present, writable, ring 3, accessed, dirty */
#define NMI_VECTOR     2
#define TASK_SELECTOR  0x38
#define NOPS_TO_RESEND 100

static _Alignas(4096) uint64_t window_table[512];
static _Alignas(4096) uint64_t window_page[2][512];
static _Alignas(16) uint8_t interrupt_stack[4096];
static uint32_t deferred; /* number of the halt for which vCPU 0 has deferred a flush */

/* The first instructions that a vCPU executes when it is woken. */
static void expect_no_mark(void)
{
	expect(!is_marked(), "a vCPU that was woken is marked preempted while it runs");
}

__attribute__((interrupt)) static void on_nmi(struct interrupt_frame *frame)
{
	(void)frame;
	expect_no_mark();
}

__attribute__((interrupt)) static void on_wake_of_marked(struct interrupt_frame *frame)
{
	(void)frame;
	expect_no_mark();
	write_xapic(XAPIC_EOI, 0);
}

/* As load_gdt(), with a task segment, which names the stack for what comes in ring 3. */
static void load_gdt_with_task(void)
{
	static struct __attribute__((packed)) {
		uint32_t reserved;
		uint64_t rsp0;
		uint8_t rest[92];
	} task;
	static uint64_t gdt[] = {
		0,
		0,
		0x00af9b000000ffff, /* 0x10: ring 0, code */
		0x00cf93000000ffff, /* 0x18: ring 0, data */
		0,
		0x00cff3000000ffff, /* 0x28: ring 3, data */
		0x00affb000000ffff, /* 0x30: ring 3, code */
		0x0000890000000067, /* 0x38: task, below 4 GiB */
		0,
	};
	const struct __attribute__((packed)) {
		uint16_t limit;
		uint64_t base;
	} gdtr = { sizeof(gdt) - 1, (uintptr_t)gdt };
	uint64_t base = (uintptr_t)&task;

	task.rsp0 = (uintptr_t)interrupt_stack + sizeof(interrupt_stack);
	gdt[TASK_SELECTOR / 8] |= (base & 0xffffff) << 16 | (base >> 24 & 0xff) << 56;
	asm volatile("lgdt %0; ltr %w1" ::"m"(gdtr), "r"(TASK_SELECTOR));
}

static uint64_t read_window(void)
{
	return *(const volatile uint64_t *)WINDOW_GVA;
}

static void map_window(unsigned page)
{
	__atomic_store_n(window_table, (uintptr_t)window_page[page] | PTE_FLAGS, __ATOMIC_SEQ_CST);
}

/* In ring 3, where a stale translation shows on every KVM. */
static _Noreturn void halt_and_read(uint64_t rflags)
{
	uint64_t mechanism;

	take_interrupts();
	set_gate(NMI_VECTOR, on_nmi);
	set_gate(WAKE_VECTOR, on_wake_of_marked);
	load_gdt_with_task();
	phase_begins(&mechanism);
	go_to_ring3_with(rflags);
	for (uint32_t n = 1;; n++) {
		read_window();
		__atomic_store_n(&halting, n, __ATOMIC_SEQ_CST);
		do
			doorbell_store(MV_DB_IDLE, 0);
		while (__atomic_load_n(&deferred, __ATOMIC_SEQ_CST) < n);
		expect(read_window() == n % 2, "a vCPU that was woken has a stale translation");
	}
}

/* It may be marked for another reason, and halt after the first: then it is woken again. */
static void wake_until_next_halt(uint32_t n, uint32_t icr)
{
	while (__atomic_load_n(&halting, __ATOMIC_SEQ_CST) == n) {
		send_ipi(1, icr);
		for (unsigned i = 0; i < NOPS_TO_RESEND; i++)
			doorbell_store(MV_DB_NOP, 0);
	}
}

static void defer_and_wake(uint32_t icr)
{
	uint64_t *directory = (uint64_t *)(MV_PAGE_TABLES_GPA + 2 * 4096);
	uint64_t mechanism;

	for (unsigned i = 0; i < COUNT_OF(window_page); i++)
		window_page[i][0] = i;
	directory[WINDOW_GVA >> 21] = (uintptr_t)window_table | PTE_FLAGS;
	map_window(0);
	write_xapic(XAPIC_SPURIOUS, 0x1ff);
	enter_ring3();
	phase_begins(&mechanism);
	for (uint32_t n = 1; n <= NR_DEFERS; n++) {
		while (__atomic_load_n(&halting, __ATOMIC_SEQ_CST) < n)
			doorbell_store(MV_DB_NOP, 0);
		map_window(n % 2);
		while (pv_try_defer(&pages[1].preempted) != PV_DEFERRED)
			doorbell_store(MV_DB_NOP, 0);
		__atomic_store_n(&deferred, n, __ATOMIC_SEQ_CST);
		wake_until_next_halt(n, icr);
	}
}

/*
 * A halt with interrupts off, which an NMI ends, while a flush is deferred. Run with
 * --shootdown pv-halted and as many pCPUs as vCPUs.
 */
static void nmi_marked(const struct mv_boot_info *boot, uint32_t vcpu)
{
	(void)boot;
	switch_on(vcpu);
	if (vcpu == 1)
		halt_and_read(RFLAGS_FIXED);
	defer_and_wake(SEND_NMI);
}

/* The same with LINT0 closed, so that no external interrupt could be injected. */
static void lint0_closed(const struct mv_boot_info *boot, uint32_t vcpu)
{
	(void)boot;
	switch_on(vcpu);
	if (vcpu == 1) {
		write_xapic(XAPIC_LVT_LINT0, LVT_MASKED);
		halt_and_read(RFLAGS_FIXED | RFLAGS_IF);
	}
	defer_and_wake(ICR_FIXED);
}

/* ---- INIT ------------------------------------------------------------------------------ */

static void wait_until_halting(void)
{
	while (!__atomic_load_n(&halting, __ATOMIC_SEQ_CST))
		doorbell_store(MV_DB_YIELD, MV_YIELD_ANY);
}

/* vCPU 1 loops in ring 3 when it is reset, and waits for a SIPI ever after. */
static void init_running(const struct mv_boot_info *boot, uint32_t vcpu)
{
	(void)boot;
	if (vcpu == 1) {
		enter_ring3();
		for (;;)
			__atomic_store_n(&halting, 1, __ATOMIC_SEQ_CST);
	}
	if (vcpu != 0)
		idle();
	wait_until_halting();
	write_xapic(XAPIC_SPURIOUS, 0x1ff);
	send_ipi(1, SEND_INIT);
	__atomic_store_n(&halting, 0, __ATOMIC_SEQ_CST);
	for (unsigned i = 0; i < 100; i++)
		doorbell_store(MV_DB_YIELD, MV_YIELD_ANY);
}

static void init_halted(const struct mv_boot_info *boot, uint32_t vcpu)
{
	(void)boot;
	if (vcpu == 1) {
		__atomic_store_n(&halting, 1, __ATOMIC_SEQ_CST);
		idle();
	}
	if (vcpu != 0)
		idle();
	wait_until_halting();
	write_xapic(XAPIC_SPURIOUS, 0x1ff);
	for (unsigned i = 0; i < 100; i++) {
		send_ipi(1, SEND_INIT);
		doorbell_store(MV_DB_YIELD, MV_YIELD_ANY);
	}
}

/* After the reset it starts in real mode, with an instruction that ends the run. */
static void init_and_start(const struct mv_boot_info *boot, uint32_t vcpu)
{
	if (vcpu == 0)
		*(volatile uint16_t *)START_GPA = OUT_AL_TO_0X77;
	init_running(boot, vcpu);
	send_ipi(1, SEND_SIPI);
	for (;;)
		doorbell_store(MV_DB_YIELD, MV_YIELD_ANY);
}

static const struct guest_case cases[] = {
	{ "hlt-xapic", hlt_xapic },	      { "doorbell-xapic", doorbell_xapic },
	{ "hlt-doorbell", hlt_doorbell },     { "init-running", init_running },
	{ "halted-marks", halted_marks },     { "init-halted", init_halted },
	{ "init-and-start", init_and_start }, { "nmi-marked", nmi_marked },
	{ "lint0-closed", lint0_closed },
};
GUEST_CASES(cases)
