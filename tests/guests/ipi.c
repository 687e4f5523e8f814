/* SPDX-License-Identifier: MIT */
/* A guest that asks the doorbell for an interrupt, to each of some vCPUs in turn. */
#include "guest.h"

#define VECTOR	 0x50
#define MOST_ASK 100000 /* times that others are let run until a target has its interrupt */
#define LINGER	 2000	/* and after that, for interrupts that nobody should have */

static uint32_t handled[MV_MAX_VCPUS]; /* by the id that the xAPIC of the vCPU tells */
static uint32_t ready;

struct interrupt_frame;

__attribute__((interrupt)) static void on_interrupt(struct interrupt_frame *frame)
{
	uint32_t id = read_xapic(XAPIC_ID) >> XAPIC_ID_SHIFT;

	(void)frame;
	__atomic_add_fetch(&handled[id], 1, __ATOMIC_SEQ_CST);
	write_xapic(XAPIC_EOI, 0);
}

static struct {
	uint16_t offset_low, selector, attributes, offset_mid;
	uint32_t offset_high, zero;
} idt[MV_MAX_VCPUS];

static void take_interrupts(void)
{
	const struct __attribute__((packed)) {
		uint16_t limit;
		uint64_t base;
	} idtr = { sizeof(idt) - 1, (uintptr_t)idt };

	load_gdt();
	asm volatile("lidt %0" ::"m"(idtr));
	write_xapic(XAPIC_SPURIOUS, XAPIC_ENABLED | 0xff);
	__atomic_add_fetch(&ready, 1, __ATOMIC_SEQ_CST);
	asm volatile("sti");
}

static void let_others_run(void)
{
	doorbell_store(MV_DB_YIELD, MV_YIELD_ANY);
}

static uint32_t handled_by_all(uint32_t nr_vcpus)
{
	uint32_t sum = 0;

	for (uint32_t i = 0; i < nr_vcpus; i++)
		sum += __atomic_load_n(&handled[i], __ATOMIC_SEQ_CST);
	return sum;
}

static void interrupt_one(uint32_t target, uint32_t nr_vcpus)
{
	uint32_t before = handled_by_all(nr_vcpus), had = handled[target];

	doorbell_store(MV_DB_IPI, (uint64_t)target << 8 | VECTOR);
	for (unsigned i = 0; i < MOST_ASK; i++) {
		if (__atomic_load_n(&handled[target], __ATOMIC_SEQ_CST) != had)
			break;
		let_others_run();
	}
	for (unsigned i = 0; i < LINGER; i++)
		let_others_run();
	expect(handled[target] == had + 1, "the target has handled one interrupt");
	expect(handled_by_all(nr_vcpus) == before + 1, "nobody else has");
}

/* The first, the last, and two in between. */
static void each(const struct mv_boot_info *boot, uint32_t vcpu)
{
	uint32_t nr = boot->nr_vcpus;

	if (vcpu == 0) {
		uint64_t handler = (uintptr_t)on_interrupt;

		idt[VECTOR].offset_low = (uint16_t)handler;
		idt[VECTOR].selector = 0x10;
		idt[VECTOR].attributes = 0x8e00;
		idt[VECTOR].offset_mid = (uint16_t)(handler >> 16);
	}
	take_interrupts();
	while (vcpu != 0)
		asm volatile("hlt");
	while (__atomic_load_n(&ready, __ATOMIC_SEQ_CST) < nr)
		let_others_run();
	interrupt_one(0, nr);
	interrupt_one(nr / 2, nr);
	interrupt_one(nr - 2, nr);
	interrupt_one(nr - 1, nr);
	end_run(MV_EXIT_OK);
}

static const struct guest_case cases[] = {
	{ "each", each },
};

GUEST_CASES(cases)
