/* SPDX-License-Identifier: MIT */
/* How much memory a run takes: the guests' and the VMM's own. */
#define _GNU_SOURCE
#include "vmm/machine/memory_use.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "minivmm/x86.h"

static uint64_t resident_bytes_of(const struct guest_mem *mem)
{
	size_t nr_pages = mem->bytes / PAGE_BYTES;
	unsigned char *resident = malloc(nr_pages);
	uint64_t bytes = 0;

	if (!resident)
		return 0;
	if (mincore(mem->ram, mem->bytes, resident) == 0) {
		for (size_t i = 0; i < nr_pages; i++)
			bytes += (resident[i] & 1) * PAGE_BYTES;
	}
	free(resident);
	return bytes;
}

/* The second number in statm. */
static uint64_t resident_bytes_of_process(int statm_fd)
{
	uint64_t pages = 0;
	char text[128];
	ssize_t n = read(statm_fd, text, sizeof(text) - 1);

	if (n <= 0)
		return 0;
	text[n] = 0;
	return sscanf(text, "%*u %" SCNu64, &pages) == 1 ? pages * PAGE_BYTES : 0;
}

int memory_use_open(void)
{
	return open("/proc/self/statm", O_RDONLY | O_CLOEXEC);
}

void memory_use_read(const struct machine *m, int statm_fd, uint64_t *ret_guest_bytes,
		     uint64_t *ret_vmm_bytes)
{
	uint64_t all = resident_bytes_of_process(statm_fd);
	uint64_t guest = 0;

	for (unsigned i = 0; i < m->nr_vms; i++)
		guest += resident_bytes_of(&m->vm[i].mem);
	*ret_guest_bytes = guest;
	*ret_vmm_bytes = all > guest ? all - guest : 0;
}
