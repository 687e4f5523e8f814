/* SPDX-License-Identifier: MIT */
/*
 * A guest that is out to hurt: everything that a guest may do, at random, by all
 * vCPUs, for ever. The VMM has to end the run in time and to report.
 *
 * vCPUs wait for the first phase before they begin, so that all have read their
 * orders by the time that somebody scribbles over the boot information.
 */
#include "guest.h"

#define FIRST_VECTOR 32
#define NR_VECTORS   256
#define STACK_BYTES  4096
#define NMI_VECTOR   2

#define PORT_SERIAL	   0x3f8
#define PORT_DEBUG_CONSOLE 0xe9

#define SEND_INIT      (ICR_ASSERT | ICR_INIT)
#define SEND_SIPI      (ICR_ASSERT | ICR_STARTUP)
#define ICR_SHORTHANDS 18

static _Alignas(64) struct kvm_steal_time steal_page[MV_MAX_VCPUS];

/* Overwritten while the VMM reads it. */
static volatile struct mv_flush_mask flush_mask;

/* A vCPU, with copies of what it needs of the boot information. */
struct attacker {
	uint32_t vcpu, nr_vcpus;
	uint64_t mem_bytes, results_gpa, results_bytes;
	uint64_t random;
};

static uint64_t draw(struct attacker *a)
{
	a->random ^= a->random << 13;
	a->random ^= a->random >> 7;
	a->random ^= a->random << 17;
	return a->random;
}

static uint32_t draw_below(struct attacker *a, uint32_t limit)
{
	return (uint32_t)(draw(a) >> 32) % limit;
}

/* ---- interrupts, from ring 3 too ---------------------------------------------------- */

struct interrupt_frame;

__attribute__((interrupt)) static void on_interrupt(struct interrupt_frame *frame)
{
	(void)frame;
	write_xapic(XAPIC_EOI, 0);
}

__attribute__((interrupt)) static void on_nmi(struct interrupt_frame *frame)
{
	(void)frame;
}

static struct {
	uint16_t offset_low, selector, attributes, offset_mid;
	uint32_t offset_high, zero;
} idt[NR_VECTORS];

static void set_gate(unsigned vector, void (*handler)(struct interrupt_frame *))
{
	uint64_t address = (uintptr_t)handler;

	idt[vector].offset_low = (uint16_t)address;
	idt[vector].selector = 0x10;
	idt[vector].attributes = 0x8e00;
	idt[vector].offset_mid = (uint16_t)(address >> 16);
	idt[vector].offset_high = (uint32_t)(address >> 32);
}

/* A task segment for each vCPU, which names the stack for interrupts in ring 3. */
struct __attribute__((packed)) task {
	uint32_t reserved;
	uint64_t rsp0;
	uint8_t rest[92];
};

static struct task task[MV_MAX_VCPUS];
static _Alignas(16) uint8_t stack[MV_MAX_VCPUS][STACK_BYTES];
static uint64_t gdt[MV_MAX_VCPUS][9];

static void load_descriptors(uint32_t vcpu)
{
	static const uint64_t segments[] = { 0,
					     0,
					     0x00af9b000000ffff, /* 0x10: ring 0, code */
					     0x00cf93000000ffff, /* 0x18: ring 0, data */
					     0,
					     0x00cff3000000ffff, /* 0x28: ring 3, data */
					     0x00affb000000ffff, /* 0x30: ring 3, code */
					     0x0000890000000067, /* 0x38: task, its base below */
					     0 };
	const struct __attribute__((packed)) {
		uint16_t limit;
		uint64_t base;
	} gdtr = { sizeof(gdt[0]) - 1, (uintptr_t)gdt[vcpu] },
	  idtr = { sizeof(idt) - 1, (uintptr_t)idt };
	uint64_t base = (uintptr_t)&task[vcpu];

	for (unsigned i = 0; i < COUNT_OF(segments); i++)
		gdt[vcpu][i] = segments[i];
	gdt[vcpu][7] |= (base & 0xffffff) << 16 | (base >> 24 & 0xff) << 56;
	task[vcpu].rsp0 = (uintptr_t)stack[vcpu] + STACK_BYTES;
	asm volatile("lgdt %0; lidt %1; ltr %w2" ::"m"(gdtr), "m"(idtr), "r"(0x38));
}

static struct attacker prepare(const struct mv_boot_info *boot, uint32_t vcpu)
{
	struct attacker a = {
		.vcpu = vcpu,
		.nr_vcpus = boot->nr_vcpus,
		.mem_bytes = boot->mem_bytes,
		.results_gpa = boot->results_gpa,
		.results_bytes = boot->results_bytes,
		.random = boot->seed * (2 * vcpu + 3) | 1,
	};

	for (unsigned i = FIRST_VECTOR; i < NR_VECTORS; i++)
		set_gate(i, on_interrupt);
	set_gate(NMI_VECTOR, on_nmi);
	load_descriptors(vcpu);
	write_xapic(XAPIC_SPURIOUS, 0x1ff);
	write_msr(MSR_KVM_STEAL_TIME, (uintptr_t)&steal_page[vcpu] | KVM_MSR_ENABLED);
	doorbell_load(MV_DB_PHASE);
	return a;
}

/* ---- what ring 3 can do ---------------------------------------------------------------- */

/* An address that the VMM or KVM reads while the guest runs, and that is no code of ours. */
static uint64_t draw_shared_gpa(struct attacker *a)
{
	switch (draw_below(a, 7)) {
	case 0:
		return MV_BOOT_INFO_GPA + draw_below(a, 4096);
	case 1:
		return MV_CONTROL_GPA + draw_below(a, 4096);
	case 2: /* the upper half of the top page table */
		return MV_PAGE_TABLES_GPA + 2048 + draw_below(a, 2048);
	case 3: /* what the VMM keeps between the stacks and the results */
		return a->results_gpa - draw_below(a, 4096) - 1;
	case 4:
		return a->results_gpa + draw_below(a, (uint32_t)a->results_bytes);
	case 5:
		return a->mem_bytes - 64;
	}
	return (uintptr_t)&steal_page[draw_below(a, a->nr_vcpus)];
}

static void scribble(struct attacker *a)
{
	uint64_t gpa = draw_shared_gpa(a) & ~7ull;

	*(volatile uint64_t *)gpa = draw(a);
}

static void ring_doorbell(struct attacker *a)
{
	switch (draw_below(a, 6)) {
	case 0:
		doorbell_store(MV_DB_NOP, draw(a));
		break;
	case 1:
		doorbell_load(MV_DB_NOP);
		break;
	case 2:
		doorbell_store(MV_DB_PUTS, draw(a));
		flush_mask.word[draw_below(a, COUNT_OF(flush_mask.word))] = draw(a);
		break;
	case 3:
		doorbell_store(MV_DB_YIELD,
			       draw_below(a, 2) ? draw_below(a, a->nr_vcpus) : MV_YIELD_ANY);
		break;
	case 5:
		doorbell_store(MV_DB_FLUSH, (uintptr_t)&flush_mask);
		break;
	case 4:
		doorbell_store(MV_DB_IPI,
			       (uint64_t)draw_below(a, a->nr_vcpus) << 8 |
				       (FIRST_VECTOR + draw_below(a, NR_VECTORS - FIRST_VECTOR)));
		break;
	}
}

/* To one, to itself, to all, to all others; now and then an NMI. */
static void interrupt_others(struct attacker *a)
{
	uint32_t vector = FIRST_VECTOR + draw_below(a, NR_VECTORS - FIRST_VECTOR);
	uint32_t mode = draw_below(a, 8) ? vector : ICR_NMI;

	send_ipi(draw_below(a, a->nr_vcpus),
		 ICR_ASSERT | mode | draw_below(a, 4) << ICR_SHORTHANDS);
}

/* ---- what only ring 0 can do --------------------------------------------------------- */

/* Any page will do: others' steal pages, the page tables, the VMM's own, the very last. */
static void move_steal_page(struct attacker *a)
{
	write_msr(MSR_KVM_STEAL_TIME, (draw_shared_gpa(a) & ~63ull) | KVM_MSR_ENABLED);
}

static void out(uint16_t port, uint8_t value)
{
	asm volatile("outb %0, %1" ::"a"(value), "Nd"(port));
}

static void write_port(struct attacker *a)
{
	out(draw_below(a, 2) ? PORT_SERIAL : PORT_DEBUG_CONSOLE, (uint8_t)draw(a));
}

static void let_interrupts_in(struct attacker *a)
{
	(void)a;
	asm volatile("sti; nop; cli");
}

/* ---- cases ------------------------------------------------------------------------------ */

typedef void attack(struct attacker *a);

static _Noreturn void attack_for_ever(struct attacker *a, attack *const *attacks, uint32_t nr)
{
	for (;;)
		attacks[draw_below(a, nr)](a);
}

static _Noreturn void from_ring3(const struct mv_boot_info *boot, uint32_t vcpu,
				 attack *const *attacks, uint32_t nr)
{
	struct attacker a = prepare(boot, vcpu);

	/* Not enter_ring3(): load_gdt() would take the task segment away again. */
	go_to_ring3();
	attack_for_ever(&a, attacks, nr);
}

static void all_scribble(const struct mv_boot_info *boot, uint32_t vcpu)
{
	static attack *const attacks[] = { scribble };

	from_ring3(boot, vcpu, attacks, COUNT_OF(attacks));
}

static void all_ring(const struct mv_boot_info *boot, uint32_t vcpu)
{
	static attack *const attacks[] = { ring_doorbell };

	from_ring3(boot, vcpu, attacks, COUNT_OF(attacks));
}

static void all_interrupt(const struct mv_boot_info *boot, uint32_t vcpu)
{
	static attack *const attacks[] = { interrupt_others };

	from_ring3(boot, vcpu, attacks, COUNT_OF(attacks));
}

static void all_move(const struct mv_boot_info *boot, uint32_t vcpu)
{
	struct attacker a = prepare(boot, vcpu);

	for (;;)
		move_steal_page(&a);
}

/* Every fourth vCPU does what takes ring 0, the others what does not. */
static void everything(const struct mv_boot_info *boot, uint32_t vcpu)
{
	static attack *const in_ring0[] = { move_steal_page, move_steal_page, write_port,
					    let_interrupts_in };
	static attack *const in_ring3[] = { scribble, ring_doorbell, interrupt_others };
	struct attacker a;

	if (vcpu % 4)
		from_ring3(boot, vcpu, in_ring3, COUNT_OF(in_ring3));
	a = prepare(boot, vcpu);
	attack_for_ever(&a, in_ring0, COUNT_OF(in_ring0));
}

/* vCPU 0 resets the others for ever, in whatever they do. */
static void reset_others(const struct mv_boot_info *boot, uint32_t vcpu)
{
	if (vcpu)
		everything(boot, vcpu);
	struct attacker a = prepare(boot, vcpu);
	for (;;)
		send_ipi(1 + draw_below(&a, a.nr_vcpus - 1), SEND_INIT);
}

/* ... and has them start again, in real mode, at a page of zeros or of anything. */
static void restart_others(const struct mv_boot_info *boot, uint32_t vcpu)
{
	if (vcpu)
		everything(boot, vcpu);
	struct attacker a = prepare(boot, vcpu);
	for (;;) {
		uint32_t target = 1 + draw_below(&a, a.nr_vcpus - 1);

		send_ipi(target, SEND_INIT);
		send_ipi(target, SEND_SIPI | draw_below(&a, 256));
	}
}

/* Random entries in the page tables that are in use: this cannot end well for the guest. */
static void destroy_page_tables(const struct mv_boot_info *boot, uint32_t vcpu)
{
	struct attacker a = prepare(boot, vcpu);

	go_to_ring3();
	for (;;) {
		uint64_t gpa = MV_PAGE_TABLES_GPA + draw_below(&a, 6 * 512) * 8;

		*(volatile uint64_t *)gpa = draw(&a);
	}
}

static const struct guest_case cases[] = {
	{ "scribble", all_scribble },	      { "exits", all_ring },
	{ "interrupts", all_interrupt },      { "move-steal-page", all_move },
	{ "everything", everything },	      { "reset-others", reset_others },
	{ "restart-others", restart_others }, { "destroy-page-tables", destroy_page_tables },
};
GUEST_CASES(cases)
