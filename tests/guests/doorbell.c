/* SPDX-License-Identifier: MIT */
/* A guest that rings the doorbell with nonsense. */
#include "guest.h"

#define AT(type, offset) (*(volatile type *)(MV_DOORBELL_GPA + (uint64_t)(offset)))

static void no_such_register(const struct mv_boot_info *boot, uint32_t vcpu)
{
	(void)boot, (void)vcpu;
	AT(uint64_t, 0xff8) = 0;
}

static void one_byte(const struct mv_boot_info *boot, uint32_t vcpu)
{
	(void)boot, (void)vcpu;
	AT(uint8_t, MV_DB_EXIT) = 0;
}

static void two_bytes(const struct mv_boot_info *boot, uint32_t vcpu)
{
	(void)boot, (void)vcpu;
	AT(uint16_t, MV_DB_EXIT) = 0;
}

static void upper_half(const struct mv_boot_info *boot, uint32_t vcpu)
{
	(void)boot, (void)vcpu;
	AT(uint32_t, MV_DB_EXIT + 4) = 0;
}

static void across_registers(const struct mv_boot_info *boot, uint32_t vcpu)
{
	(void)boot, (void)vcpu;
	AT(uint64_t, MV_DB_PUTS + 3) = 0;
}

static void across_the_end(const struct mv_boot_info *boot, uint32_t vcpu)
{
	(void)boot, (void)vcpu;
	AT(uint64_t, 0xffc) = 0;
}

static void load_exit(const struct mv_boot_info *boot, uint32_t vcpu)
{
	(void)boot, (void)vcpu;
	(void)AT(uint64_t, MV_DB_EXIT);
}

static void load_idle(const struct mv_boot_info *boot, uint32_t vcpu)
{
	(void)boot, (void)vcpu;
	(void)AT(uint32_t, MV_DB_IDLE);
}

static void store_phase(const struct mv_boot_info *boot, uint32_t vcpu)
{
	(void)boot, (void)vcpu;
	AT(uint64_t, MV_DB_PHASE) = 0;
}

static void ipi_to_nobody(const struct mv_boot_info *boot, uint32_t vcpu)
{
	(void)vcpu;
	AT(uint64_t, MV_DB_IPI) = (uint64_t)boot->nr_vcpus << 8 | 0x40;
}

static void ipi_far_away(const struct mv_boot_info *boot, uint32_t vcpu)
{
	(void)boot, (void)vcpu;
	AT(uint64_t, MV_DB_IPI) = 1ull << 63 | 0x40;
}

static void ipi_bad_vector(const struct mv_boot_info *boot, uint32_t vcpu)
{
	(void)boot, (void)vcpu;
	AT(uint64_t, MV_DB_IPI) = 3;
}

/* Loads and stores of both sizes that are fine, for good measure. */
static void good(const struct mv_boot_info *boot, uint32_t vcpu)
{
	(void)boot, (void)vcpu;
	AT(uint32_t, MV_DB_NOP) = 1;
	AT(uint64_t, MV_DB_NOP) = 1;
	expect(AT(uint32_t, MV_DB_NOP) == 0, "a load of MV_DB_NOP is not 0");
	expect(AT(uint64_t, MV_DB_NOP) == 0, "a load of MV_DB_NOP is not 0");
	AT(uint32_t, MV_DB_PUTS) = 'o' | 'k' << 8 | '\n' << 16;
}

static const struct guest_case cases[] = {
	{ "no-such-register", no_such_register },
	{ "one-byte", one_byte },
	{ "two-bytes", two_bytes },
	{ "upper-half", upper_half },
	{ "across-registers", across_registers },
	{ "across-the-end", across_the_end },
	{ "load-exit", load_exit },
	{ "load-idle", load_idle },
	{ "store-phase", store_phase },
	{ "ipi-to-nobody", ipi_to_nobody },
	{ "ipi-far-away", ipi_far_away },
	{ "ipi-bad-vector", ipi_bad_vector },
	{ "good", good },
};
GUEST_CASES(cases)
