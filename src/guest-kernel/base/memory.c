/* SPDX-License-Identifier: MIT */
/* Physical memory: pages handed out from what the VMM left free, never taken back. */
#include "guest-kernel/base/memory.h"

#include "guest-kernel/base/console.h"
#include "guest-kernel/base/lib.h"

static uint64_t next_gpa, end_gpa, mem_bytes;

void memory_init(const struct mv_boot_info *boot)
{
	next_gpa = boot->free_gpa;
	end_gpa = boot->free_gpa + boot->free_bytes;
	mem_bytes = boot->mem_bytes;
}

static _Noreturn void memory_exhausted(void)
{
	struct line line = { 0 };

	line_add(&line, "guest: ");
	line_add_dec(&line, mem_bytes >> 20);
	line_add(&line, " MiB of memory are too few for so many vCPUs: give more (--mem)");
	line_exit(&line, MV_EXIT_BAD_ARGS);
}

void *memory_take_pages(uint64_t nr_pages)
{
	uint64_t bytes = nr_pages * PAGE_BYTES;

	if (end_gpa - next_gpa < bytes)
		memory_exhausted();

	void *pages = (void *)next_gpa;
	next_gpa += bytes;
	return memset(pages, 0, bytes);
}
