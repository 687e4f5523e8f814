/* SPDX-License-Identifier: MIT */
/* The vCPUs under the guest's C in unit tests: see guest_cpu.h. */
#include "guest_cpu.h"

#include <check.h>
#include <string.h>

#include "guest-kernel/cpu/instructions.h"
#include "guest-kernel/cpu/paging.h"

enum { TLB_ENTRIES = 64, PAGE_OFFSET = 4095 };

struct guest_cpu guest_cpu;

static struct tlb {
	struct {
		uint64_t gva;
		const uint64_t *page; /* NULL: the entry is free */
	} entry[TLB_ENTRIES];
} tlbs[MV_MAX_VCPUS];

static uint32_t running;

void guest_cpu_run_as(uint32_t vcpu)
{
	running = vcpu;
}

void guest_cpu_flush(uint32_t vcpu)
{
	memset(&tlbs[vcpu], 0, sizeof(tlbs[vcpu]));
}

const uint64_t *guest_cpu_walk(uint32_t vcpu, uint64_t gva)
{
	const uint64_t *table = percpus[vcpu].pml4;

	for (int level = 3; level >= 0; level--) {
		uint64_t entry = table[gva >> (12 + 9 * level) & (PTES_PER_TABLE - 1)];

		ck_assert_msg(entry & 1, "0x%llx is not mapped", (unsigned long long)gva);
		table = paging_page(entry);
	}
	return table + (gva & PAGE_OFFSET) / sizeof(*table);
}

/* Where this vCPU's translation of a page is or would be kept. */
static unsigned find_entry(uint32_t vcpu, uint64_t gva)
{
	const struct tlb *tlb = &tlbs[vcpu];
	unsigned i = 0;

	while (i < TLB_ENTRIES && tlb->entry[i].page && tlb->entry[i].gva != gva)
		i++;
	ck_assert_msg(i < TLB_ENTRIES, "the TLB of a unit test is full");
	return i;
}

bool guest_cpu_has_cached(uint32_t vcpu, uint64_t gva)
{
	return tlbs[vcpu].entry[find_entry(vcpu, gva)].page != NULL;
}

uint64_t read_mapped64(uint64_t gva)
{
	unsigned i = find_entry(running, gva);
	struct tlb *tlb = &tlbs[running];

	if (!tlb->entry[i].page) {
		tlb->entry[i].gva = gva;
		tlb->entry[i].page = guest_cpu_walk(running, gva);
	}
	return *tlb->entry[i].page;
}

static void about_to_flush(void)
{
	if (guest_cpu.flushes)
		guest_cpu.flushes();
}

/* Entries have no gaps: the last one moves into the place of the one that goes. */
static void drop(uint64_t gva)
{
	struct tlb *tlb = &tlbs[running];
	unsigned i = find_entry(running, gva), last = i;

	if (!tlb->entry[i].page)
		return;
	while (last + 1 < TLB_ENTRIES && tlb->entry[last + 1].page)
		last++;
	tlb->entry[i] = tlb->entry[last];
	tlb->entry[last].page = NULL;
}

void flush_page(uint64_t gva)
{
	about_to_flush();
	drop(gva);
}

void kernel_call(uint64_t call, uint64_t rdi, uint64_t rsi)
{
	switch (call) {
	case KERNEL_CALL_WRMSR:
		if (guest_cpu.wrmsr)
			guest_cpu.wrmsr((uint32_t)rdi, rsi);
		break;
	case KERNEL_CALL_LOAD_CR3:
		guest_cpu.cr3 = rdi;
		/* fallthrough */
	case KERNEL_CALL_FLUSH_ALL:
		about_to_flush();
		guest_cpu_flush(running);
		break;
	case KERNEL_CALL_FLUSH_RANGE:
		about_to_flush();
		for (uint64_t i = 0; i < rsi; i++)
			drop(rdi + i * 4096);
		break;
	default:
		break;
	}
}

uint64_t rdtsc(void)
{
	if (guest_cpu.reads_tsc)
		guest_cpu.reads_tsc();
	return guest_cpu.tsc;
}

void cpu_relax(void)
{
	if (guest_cpu.relax)
		guest_cpu.relax();
}

struct cpuid cpuid(uint32_t leaf)
{
	return guest_cpu.cpuid ? guest_cpu.cpuid(leaf) : (struct cpuid){ 0 };
}

static void device_write(uint64_t gpa, uint64_t value)
{
	if (guest_cpu.write)
		guest_cpu.write(gpa, value);
}

void mmio_write32(uint64_t gpa, uint32_t value)
{
	device_write(gpa, value);
}

void mmio_write64(uint64_t gpa, uint64_t value)
{
	device_write(gpa, value);
}

uint32_t mmio_read32(uint64_t gpa)
{
	return guest_cpu.read ? guest_cpu.read(gpa) : 0;
}
