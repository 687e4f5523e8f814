/* SPDX-License-Identifier: MIT */
/* The machine that minivmm provides: everything goes through the doorbell. */
#include "platform.h"

#include "minivmm/abi.h"
#include "x86.h"

/* Eight characters for each exit, lowest byte first; a zero byte ends them early. */
void platform_puts(const char *text)
{
	while (*text) {
		uint64_t chunk = 0;

		for (unsigned shift = 0; shift < 64 && *text; shift += 8)
			chunk |= (uint64_t)(uint8_t)*text++ << shift;
		mmio_write64(MV_DOORBELL_GPA + MV_DB_PUTS, chunk);
	}
}

_Noreturn void platform_exit(uint32_t code)
{
	for (;;)
		mmio_write32(MV_DOORBELL_GPA + MV_DB_EXIT, code);
}

uint32_t platform_wait_phase(void)
{
	return mmio_read32(MV_DOORBELL_GPA + MV_DB_PHASE);
}

void platform_yield(void)
{
	mmio_write32(MV_DOORBELL_GPA + MV_DB_YIELD, MV_YIELD_ANY);
}

void platform_yield_to(uint32_t vcpu)
{
	mmio_write32(MV_DOORBELL_GPA + MV_DB_YIELD, vcpu);
}

void platform_flush(const struct targets *targets)
{
	mmio_write64(MV_DOORBELL_GPA + MV_DB_FLUSH, (uint64_t)targets);
}

void platform_halt(void)
{
	mmio_write32(MV_DOORBELL_GPA + MV_DB_IDLE, 0);
}

_Noreturn void platform_idle(void)
{
	for (;;)
		platform_halt();
}

void platform_send_ipi(uint32_t vcpu, uint32_t vector)
{
	mmio_write32(MV_DOORBELL_GPA + MV_DB_IPI, vcpu << 8 | vector);
}
