/* SPDX-License-Identifier: MIT */
/* Interrupts and exceptions: the table of handlers, and the end of a guest that faults. */
#include "guest-kernel/cpu/traps.h"

#include <stddef.h>

#include "guest-kernel/base/console.h"
#include "guest-kernel/base/layout.h"
#include "minivmm/abi.h"

struct idt_gate {
	uint16_t offset_low;
	uint16_t selector;
	uint8_t stack_table; /* 0: the stack in TSS.RSP0 */
	uint8_t type;
	uint16_t offset_middle;
	uint32_t offset_high;
	uint32_t reserved;
};

_Static_assert(sizeof(struct idt_gate) == 16, "defined by the CPU");

/* Interrupt gates, which turn interrupts off. Ring 3 may use those of the second kind by INT. */
enum { GATE_RING0 = 0x8e, GATE_RING3 = 0xee };

extern struct idt_gate idt[NR_VECTORS]; /* loaded by entry.S */
_Alignas(16) struct idt_gate idt[NR_VECTORS];

extern const uint64_t exception_entries[NR_EXCEPTIONS];
extern vector_entry vector_local_flush, vector_kernel_call, vector_timer, vector_spurious;

struct flush_range shootdown_range;

_Static_assert(offsetof(struct flush_range, gva) == FLUSH_RANGE_GVA, "used by vectors.S");
_Static_assert(offsetof(struct flush_range, nr_pages) == FLUSH_RANGE_PAGES, "used by vectors.S");

static void set_gate(unsigned vector, uint64_t handler, uint8_t type)
{
	idt[vector] = (struct idt_gate){
		.offset_low = (uint16_t)handler,
		.selector = SEL_KERNEL_CODE,
		.type = type,
		.offset_middle = (uint16_t)(handler >> 16),
		.offset_high = (uint32_t)(handler >> 32),
	};
}

void traps_answer_shootdown(vector_entry *shootdown)
{
	set_gate(VECTOR_SHOOTDOWN, (uint64_t)shootdown, GATE_RING0);
}

void traps_init(vector_entry *shootdown)
{
	for (unsigned vector = 0; vector < NR_EXCEPTIONS; vector++)
		set_gate(vector, exception_entries[vector], GATE_RING0);

	set_gate(VECTOR_BREAKPOINT, (uint64_t)vector_local_flush, GATE_RING3);
	set_gate(VECTOR_INVALID_OPCODE, (uint64_t)vector_kernel_call, GATE_RING0);
	set_gate(VECTOR_TIMER, (uint64_t)vector_timer, GATE_RING0);
	traps_answer_shootdown(shootdown);
	set_gate(VECTOR_SPURIOUS, (uint64_t)vector_spurious, GATE_RING0);
}

_Noreturn void trap_report(const struct trap_frame *frame, uint64_t cr2, uint32_t index)
{
	struct line line = { 0 };

	line_add(&line, "guest: vCPU ");
	line_add_dec(&line, index);
	line_add(&line, ": unexpected exception ");
	line_add_dec(&line, frame->vector);
	line_add(&line, ", error code ");
	line_add_hex(&line, frame->error_code);
	line_add(&line, ", rip ");
	line_add_hex(&line, frame->rip);
	line_add(&line, ", ring ");
	line_add_dec(&line, frame->cs & 3);
	line_add(&line, ", cr2 ");
	line_add_hex(&line, cr2);
	line_exit(&line, MV_EXIT_FAILED);
}
