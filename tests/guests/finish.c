/* SPDX-License-Identifier: MIT */
/* A guest that ends at once: with a code, or with rubbish in the result block. */
#include "guest.h"

static void end_with(uint32_t vcpu, uint64_t code)
{
	if (vcpu == 0)
		end_run(code);
	idle();
}

static void code_0(const struct mv_boot_info *boot, uint32_t vcpu)
{
	(void)boot;
	end_with(vcpu, MV_EXIT_OK);
}

static void code_1(const struct mv_boot_info *boot, uint32_t vcpu)
{
	(void)boot;
	end_with(vcpu, MV_EXIT_FAILED);
}

static void code_2(const struct mv_boot_info *boot, uint32_t vcpu)
{
	(void)boot;
	end_with(vcpu, MV_EXIT_BAD_ARGS);
}

static void code_77(const struct mv_boot_info *boot, uint32_t vcpu)
{
	(void)boot;
	end_with(vcpu, 77);
}

/* Its low half is 0, and it is a failure all the same. */
static void code_2_to_the_32(const struct mv_boot_info *boot, uint32_t vcpu)
{
	(void)boot;
	end_with(vcpu, 1ull << 32);
}

/* VM 0 succeeds and VM 1 fails. */
static void code_is_vm(const struct mv_boot_info *boot, uint32_t vcpu)
{
	end_with(vcpu, 10ull * boot->vm_index);
}

/* ---- the result block ---------------------------------------------------------------- */

static struct mv_results *fill_results(const struct mv_boot_info *boot, uint8_t byte)
{
	volatile uint64_t *words = (volatile uint64_t *)boot->results_gpa;

	enter_ring3();
	for (uint64_t i = 0; i < boot->results_bytes / sizeof(*words); i++)
		words[i] = byte * 0x0101010101010101;
	return (struct mv_results *)boot->results_gpa;
}

static void sign(const struct mv_boot_info *boot, struct mv_results *r)
{
	r->magic = MV_RESULT_MAGIC;
	r->nr_vcpus = boot->nr_vcpus;
	r->nr_mechanisms = boot->nr_mechanisms;
}

static void wrong_magic(const struct mv_boot_info *boot, uint32_t vcpu)
{
	if (vcpu == 0)
		fill_results(boot, 0xff);
	end_with(vcpu, MV_EXIT_OK);
}

static void wrong_counts(const struct mv_boot_info *boot, uint32_t vcpu)
{
	if (vcpu == 0) {
		struct mv_results *r = fill_results(boot, 0);

		sign(boot, r);
		r->nr_vcpus = r->nr_mechanisms = 0xffffffff;
	}
	end_with(vcpu, MV_EXIT_OK);
}

/* Every counter and bucket is as large as can be, and no name ends. */
static void all_ones(const struct mv_boot_info *boot, uint32_t vcpu)
{
	if (vcpu == 0)
		sign(boot, fill_results(boot, 0xff));
	end_with(vcpu, MV_EXIT_OK);
}

static void control_characters(const struct mv_boot_info *boot, uint32_t vcpu)
{
	if (vcpu == 0)
		sign(boot, fill_results(boot, 0x1b));
	end_with(vcpu, MV_EXIT_OK);
}

/* A proper block in which nothing was measured. */
static void empty(const struct mv_boot_info *boot, uint32_t vcpu)
{
	if (vcpu == 0)
		sign(boot, fill_results(boot, 0));
	end_with(vcpu, MV_EXIT_OK);
}

static const struct guest_case cases[] = {
	{ "code-0", code_0 },
	{ "code-1", code_1 },
	{ "code-2", code_2 },
	{ "code-77", code_77 },
	{ "code-2-to-the-32", code_2_to_the_32 },
	{ "code-is-vm", code_is_vm },
	{ "wrong-magic", wrong_magic },
	{ "wrong-counts", wrong_counts },
	{ "all-ones", all_ones },
	{ "control-characters", control_characters },
	{ "empty", empty },
};
GUEST_CASES(cases)
