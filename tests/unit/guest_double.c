/* SPDX-License-Identifier: MIT */
/* What the guest's C files need around them to run in a process. */
#include "guest_double.h"

#include "guest_cpu.h"

#include <stdlib.h>
#include <string.h>

#include "guest-kernel/base/lib.h"
#include "guest-kernel/base/memory.h"
#include "guest-kernel/base/platform.h"
#include "guest-kernel/cpu/clock.h"
#include "guest-kernel/cpu/paging.h"
#include "guest-kernel/scenarios/scenario.h"
#include "guest-kernel/scenarios/work.h"
#include "guest-kernel/shootdown/fault.h"
#include "guest-kernel/shootdown/hint.h"
#include "guest-kernel/shootdown/oracle.h"

enum { MOST_PAGES = 512 };

jmp_buf guest_exit_point;
uint32_t guest_exit_code;
char guest_said[1024];
unsigned guest_yields;
void (*guest_works)(uint64_t us);
const struct platform *guest_doorbell;

struct percpu percpus[MV_MAX_VCPUS];
uint64_t clock_ns_per_tick_32 = 1ull << 32;
static struct mv_hint own_hints[MV_MAX_VCPUS];
struct mv_hint *hints = own_hints;

static _Alignas(PAGE_BYTES) unsigned char memory[MOST_PAGES * PAGE_BYTES];
static uint64_t pages_given;

/* Scenarios without contents, where a test does not link the real one. */
#define X(id, name, summary) __attribute__((weak)) const struct scenario scenario_##id = { 0 };
MV_SCENARIOS(X)
#undef X

/* Handlers are addresses here. */
void vector_shootdown(void)
{
}

void vector_shootdown_skipping_flush(void)
{
}

void work_calibrate(void)
{
}

void work_for_us(uint64_t us)
{
	if (guest_works)
		guest_works(us);
}

bool str_equal(const char *a, const char *b)
{
	return strcmp(a, b) == 0;
}

void str_copy(char *to, const char *from, size_t to_bytes)
{
	size_t length = strnlen(from, to_bytes - 1);

	memcpy(to, from, length);
	to[length] = '\0';
}

static void double_puts(const char *text)
{
	strncat(guest_said, text, sizeof(guest_said) - strlen(guest_said) - 1);
}

static __attribute__((noreturn)) void double_exit(uint32_t code)
{
	guest_exit_code = code;
	longjmp(guest_exit_point, 1);
}

static void double_yield(void)
{
	guest_yields++;
	guest_cpu.tsc += 1000000; /* whoever yields is away for long */
}

static const struct platform double_platform = {
	.puts = double_puts,
	.exit = double_exit,
	.yield = double_yield,
};

/* Before main(): no test sees the doorbell that does not ask for it. */
static __attribute__((constructor)) void replace_doorbell(void)
{
	guest_doorbell = platform;
	platform = &double_platform;
}

void guest_double_memory(uint64_t nr_pages)
{
	struct mv_boot_info boot = {
		.mem_bytes = 64u << 20,
		.free_gpa = (uintptr_t)memory,
		.free_bytes = nr_pages * PAGE_BYTES,
	};

	pages_given = nr_pages;
	memset(memory, 0xa5, sizeof(memory));
	memory_init(&boot);
}

void guest_double_vcpus(uint32_t nr_vcpus, uint32_t nr_targets)
{
	static struct mv_result results[MV_MAX_VCPUS];

	guest_double_memory(256);
	uint64_t boot_cr3 = (uint64_t)memory_take_page();

	memset(percpus, 0, sizeof(percpus));
	memset(results, 0, sizeof(results));
	for (uint32_t i = 0; i < nr_vcpus; i++) {
		percpus[i].index = i;
		percpus[i].nr_vcpus = nr_vcpus;
		percpus[i].nr_targets = nr_targets;
		percpus[i].result = &results[i];
		for (uint32_t n = 1; n <= nr_targets; n++)
			targets_add(&percpus[i].targets, targets_after(i, n, nr_vcpus));
		guest_cpu_flush(i);
	}
	paging_init(boot_cr3, nr_vcpus);
	oracle_init(nr_vcpus);
}

uint64_t guest_double_pages_left(void)
{
	uint64_t taken = 0;

	while (taken < pages_given && memory[taken * PAGE_BYTES + PAGE_BYTES - 1] != 0xa5)
		taken++;
	return pages_given - taken;
}
