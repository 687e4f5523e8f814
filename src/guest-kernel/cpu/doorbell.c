/* SPDX-License-Identifier: MIT */
/* The machine that minivmm provides: everything goes through the doorbell. */
#include "guest-kernel/base/platform.h"

#include "guest-kernel/cpu/x86.h"

/* Eight characters for each exit, lowest byte first; a zero byte ends them early. */
static void doorbell_puts(const char *text)
{
	while (*text) {
		uint64_t chunk = 0;

		for (unsigned shift = 0; shift < 64 && *text; shift += 8)
			chunk |= (uint64_t)(uint8_t)*text++ << shift;
		mmio_write64(MV_DOORBELL_GPA + MV_DB_PUTS, chunk);
	}
}

static __attribute__((noreturn)) void doorbell_exit(uint32_t code)
{
	for (;;)
		mmio_write32(MV_DOORBELL_GPA + MV_DB_EXIT, code);
}

static uint32_t doorbell_wait_phase(void)
{
	return mmio_read32(MV_DOORBELL_GPA + MV_DB_PHASE);
}

static void doorbell_yield(void)
{
	mmio_write32(MV_DOORBELL_GPA + MV_DB_YIELD, MV_YIELD_ANY);
}

static void doorbell_yield_to(uint32_t vcpu)
{
	mmio_write32(MV_DOORBELL_GPA + MV_DB_YIELD, vcpu);
}

static void doorbell_flush(const struct targets *targets)
{
	mmio_write64(MV_DOORBELL_GPA + MV_DB_FLUSH, (uint64_t)targets);
}

static void doorbell_halt(void)
{
	mmio_write32(MV_DOORBELL_GPA + MV_DB_IDLE, 0);
}

static __attribute__((noreturn)) void doorbell_idle(void)
{
	for (;;)
		doorbell_halt();
}

static void doorbell_send_ipi(uint32_t vcpu, uint32_t vector)
{
	mmio_write32(MV_DOORBELL_GPA + MV_DB_IPI, vcpu << 8 | vector);
}

static const struct platform doorbell_platform = {
	.puts = doorbell_puts,
	.exit = doorbell_exit,
	.wait_phase = doorbell_wait_phase,
	.yield = doorbell_yield,
	.yield_to = doorbell_yield_to,
	.flush = doorbell_flush,
	.halt = doorbell_halt,
	.idle = doorbell_idle,
	.send_ipi = doorbell_send_ipi,
};

const struct platform *platform = &doorbell_platform;
