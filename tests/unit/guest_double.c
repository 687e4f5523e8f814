/* SPDX-License-Identifier: MIT */
/* What the guest's C files need around them to run in a process. */
#include "guest_double.h"

#include <stdlib.h>
#include <string.h>

#include "guest-kernel/base/lib.h"
#include "guest-kernel/base/memory.h"
#include "guest-kernel/cpu/platform.h"
#include "guest-kernel/scenarios/scenario.h"
#include "guest-kernel/shootdown/fault.h"

enum { MOST_PAGES = 512 };

jmp_buf guest_exit_point;
uint32_t guest_exit_code;
char guest_said[1024];

struct percpu percpus[MV_MAX_VCPUS];
struct protocol protocol = { .scenario = &scenario_storm };

static _Alignas(PAGE_BYTES) unsigned char memory[MOST_PAGES * PAGE_BYTES];
static uint64_t pages_given;

#define X(id, scenario_name, summary) \
	const struct scenario scenario_##id = { .name = scenario_name };
MV_SCENARIOS(X)
#undef X

const struct scenario *scenario_find(const char *name)
{
#define X(id, scenario_name, summary)         \
	if (strcmp(name, scenario_name) == 0) \
		return &scenario_##id;
	MV_SCENARIOS(X)
#undef X
	return NULL;
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

const struct platform *platform = &(const struct platform){
	.puts = double_puts,
	.exit = double_exit,
};

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

uint64_t guest_double_pages_left(void)
{
	uint64_t taken = 0;

	while (taken < pages_given && memory[taken * PAGE_BYTES + PAGE_BYTES - 1] != 0xa5)
		taken++;
	return pages_given - taken;
}
