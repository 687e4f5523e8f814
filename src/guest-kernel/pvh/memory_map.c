/* SPDX-License-Identifier: MIT */
/* Memory as the VMM says it is. */
#include "guest-kernel/pvh/memory_map.h"

#include "guest-kernel/base/lib.h"
#include "guest-kernel/base/memory.h"
#include "guest-kernel/pvh/serial.h"
#include "guest-kernel/pvh/shared.h"

extern const uint8_t image_end[]; /* guest.ld */

void memory_map_all(void)
{
	for (uint64_t i = 0; i < PVH_NR_LARGE_PAGES; i++) {
		uint64_t gpa = i * LARGE_PAGE_BYTES;

		pvh_directories[i] = gpa | (gpa < MV_MEM_MAX_BYTES ? PTE_RAM : PTE_DEVICE);
	}
	for (uint64_t i = 0; i < PVH_NR_LARGE_PAGES / PTES_PER_TABLE; i++)
		pvh_pointers[i] = (uint64_t)&pvh_directories[i * PTES_PER_TABLE] | PTE_TABLE;
}

/* The end of the RAM that holds the image. */
static uint64_t find_mem_end(const struct pvh_start_info *info)
{
	const struct pvh_memory *map = (const void *)info->memory_map_gpa;

	for (uint32_t i = 0; info->version >= 1 && i < info->nr_memory_map; i++) {
		uint64_t end = map[i].gpa + map[i].bytes;

		if (map[i].type == PVH_MEMORY_RAM && map[i].gpa <= MV_IMAGE_GPA &&
		    end > MV_IMAGE_GPA)
			return end < MV_MEM_MAX_BYTES ? end : MV_MEM_MAX_BYTES;
	}
	serial_refuse("the VMM's start info says nothing about memory");
}

void memory_map_lay_out(const struct pvh_start_info *info)
{
	pvh_boot.mem_bytes = find_mem_end(info) & ~(PAGE_BYTES - 1ull);
	pvh_boot.free_gpa = page_align((uint64_t)image_end);
	pvh_boot.free_bytes = pvh_boot.mem_bytes - pvh_boot.free_gpa;
}

uint64_t memory_map_take(uint64_t bytes)
{
	uint64_t pages = page_align(bytes);

	if (pages > pvh_boot.free_bytes)
		serial_refuse("too little memory for so many CPUs");
	pvh_boot.free_bytes -= pages;
	uint64_t gpa = pvh_boot.free_gpa + pvh_boot.free_bytes;
	memset((void *)gpa, 0, pages);
	return gpa;
}
