/* SPDX-License-Identifier: MIT */
/* A guest whose vCPUs halt and are woken, or are reset, by IPIs. */
#include "guest.h"

#define WAKE_VECTOR 0x40
#define NR_WAKE_UPS 500

#define ICR_FIXED (1u << 14 | WAKE_VECTOR)
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

static void take_interrupts(void)
{
	static struct {
		uint16_t offset_low, selector, attributes, offset_mid;
		uint32_t offset_high, zero;
	} idt[256];
	const struct __attribute__((packed)) {
		uint16_t limit;
		uint64_t base;
	} idtr = { sizeof(idt) - 1, (uintptr_t)idt };
	uintptr_t handler = (uintptr_t)on_wake;

	idt[WAKE_VECTOR].offset_low = (uint16_t)handler;
	idt[WAKE_VECTOR].selector = 0x10;
	idt[WAKE_VECTOR].attributes = 0x8e00;
	idt[WAKE_VECTOR].offset_mid = (uint16_t)(handler >> 16);
	idt[WAKE_VECTOR].offset_high = (uint32_t)((uint64_t)handler >> 32);
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

	write_msr(MSR_KVM_STEAL_TIME, (uintptr_t)&pages[vcpu] | KVM_MSR_ENABLED);
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
	{ "init-and-start", init_and_start },
};
GUEST_CASES(cases)
