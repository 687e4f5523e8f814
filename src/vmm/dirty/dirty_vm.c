/* SPDX-License-Identifier: MIT */
/* One VM whose pages are tracked: what was found dirty, by either way of asking for it. */
#define _GNU_SOURCE
#include "vmm/dirty/dirty_vm.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>

#include "vcpu/base/kvm_ioctl.h"

#define BITS_PER_WORD 64

/* ---- the host ------------------------------------------------------------------- */

static int extension(int fd, int capability)
{
	return ioctl(fd, KVM_CHECK_EXTENSION, capability);
}

/* Both mean the same on x86, where loads and stores are ordered as the newer one wants it. */
static int ring_capability(int fd)
{
	return extension(fd, KVM_CAP_DIRTY_LOG_RING_ACQ_REL) > 0 ? KVM_CAP_DIRTY_LOG_RING_ACQ_REL
								 : KVM_CAP_DIRTY_LOG_RING;
}

/* In bytes, as KVM counts them. */
static uint64_t ring_bytes(void)
{
	return DIRTY_RING_ENTRIES * sizeof(struct kvm_dirty_gfn);
}

int dirty_check_host(int kvm_fd, enum dirty_kind kind, struct error *err)
{
	int most_bytes = extension(kvm_fd, ring_capability(kvm_fd));

	if (kind != DIRTY_ring || most_bytes >= (int)ring_bytes())
		return 0;
	return error_set(err, EXIT_HOST,
			 "this host's KVM has no dirty rings (KVM_CAP_DIRTY_LOG_RING): take "
			 "--dirty bitmap");
}

static int enable_ring(int vm_fd, struct error *err)
{
	struct kvm_enable_cap ring = { .cap = (uint32_t)ring_capability(vm_fd),
				       .args = { ring_bytes() } };

	return kvm_ioctl(err, vm_fd, KVM_ENABLE_CAP, &ring) < 0 ? -1 : 0;
}

/*
 * KVM_DIRTY_LOG_INITIALLY_SET is left out: it makes all pages dirty at the start, as a migration
 * wants, which sends them all first. Here only pages that were written count.
 */
static int enable_manual_clear(int vm_fd, struct error *err)
{
	struct kvm_enable_cap manual = { .cap = KVM_CAP_MANUAL_DIRTY_LOG_PROTECT2,
					 .args = { KVM_DIRTY_LOG_MANUAL_PROTECT_ENABLE } };

	if (extension(vm_fd, KVM_CAP_MANUAL_DIRTY_LOG_PROTECT2) <= 0)
		return 0;
	return kvm_ioctl(err, vm_fd, KVM_ENABLE_CAP, &manual) < 0 ? -1 : 0;
}

int dirty_prepare_vm(int vm_fd, enum dirty_kind kind, struct error *err)
{
	switch (kind) {
	case DIRTY_bitmap:
		return enable_manual_clear(vm_fd, err);
	case DIRTY_ring:
		return enable_ring(vm_fd, err);
	case DIRTY_none:
		break;
	}
	return 0;
}

/* ---- a VM ------------------------------------------------------------------------- */

static uint64_t bitmap_words(const struct dirty_vm *vm)
{
	return (vm->nr_pages + BITS_PER_WORD - 1) / BITS_PER_WORD;
}

/* A ring yields at most all its entries at a time, and pages may be in several rings. */
int dirty_vm_init(struct dirty_vm *vm, int vm_fd, const struct guest_mem *mem, unsigned nr_rings,
		  struct error *err)
{
	*vm = (struct dirty_vm){ .fd = vm_fd,
				 .mem = mem,
				 .nr_pages = mem->bytes / DIRTY_PAGE_BYTES,
				 .nr_rings = nr_rings };
	vm->found.room = nr_rings ? (size_t)nr_rings * DIRTY_RING_ENTRIES : vm->nr_pages;
	vm->clears_by_itself = extension(vm_fd, KVM_CAP_MANUAL_DIRTY_LOG_PROTECT2) <= 0;
	vm->found.page = calloc(vm->found.room, sizeof(*vm->found.page));
	vm->digest = calloc(vm->nr_pages, sizeof(*vm->digest));
	vm->bitmap = calloc(bitmap_words(vm), sizeof(*vm->bitmap));
	vm->ring = calloc(nr_rings + 1, sizeof(*vm->ring));
	if (vm->found.page && vm->digest && vm->bitmap && vm->ring)
		return 0;
	return error_set(err, EXIT_HOST, "not enough memory to track %llu pages",
			 (unsigned long long)vm->nr_pages);
}

int dirty_vm_map_ring(struct dirty_vm *vm, unsigned vcpu, int vcpu_fd, struct error *err)
{
	void *entries = mmap(NULL, ring_bytes(), PROT_READ | PROT_WRITE, MAP_SHARED, vcpu_fd,
			     KVM_DIRTY_LOG_PAGE_OFFSET * DIRTY_PAGE_BYTES);

	if (entries == MAP_FAILED)
		return error_set_errno(err, EXIT_HOST, errno,
				       "cannot map the dirty ring of vCPU %u", vcpu);
	vm->ring[vcpu].entry = entries;
	return 0;
}

void dirty_vm_finish(struct dirty_vm *vm)
{
	for (unsigned i = 0; i < vm->nr_rings && vm->ring; i++) {
		if (vm->ring[i].entry)
			munmap(vm->ring[i].entry, ring_bytes());
	}
	free(vm->ring);
	free(vm->bitmap);
	free(vm->digest);
	free(vm->found.page);
	*vm = (struct dirty_vm){ .fd = -1 };
}

int dirty_vm_track(struct dirty_vm *vm, bool on, struct error *err)
{
	struct kvm_userspace_memory_region region = {
		.flags = on ? KVM_MEM_LOG_DIRTY_PAGES : 0,
		.memory_size = vm->mem->bytes,
		.userspace_addr = (uintptr_t)vm->mem->ram,
	};

	return kvm_ioctl(err, vm->fd, KVM_SET_USER_MEMORY_REGION, &region) < 0 ? -1 : 0;
}

/* ---- collecting --------------------------------------------------------------------- */

static int collect_bitmap(struct dirty_vm *vm, struct error *err)
{
	struct kvm_dirty_log log = { .dirty_bitmap = vm->bitmap };
	struct kvm_clear_dirty_log clear = {
		.num_pages = (uint32_t)vm->nr_pages,
		.dirty_bitmap = vm->bitmap,
	};

	if (kvm_ioctl(err, vm->fd, KVM_GET_DIRTY_LOG, &log) < 0)
		return -1;
	dirty_list_bits(&vm->found, vm->bitmap, vm->nr_pages);
	if (vm->clears_by_itself || vm->found.nr == 0)
		return 0;
	return kvm_ioctl(err, vm->fd, KVM_CLEAR_DIRTY_LOG, &clear) < 0 ? -1 : 0;
}

/* An entry that is marked as harvested stays, and its page writable, until KVM is told. */
static int collect_rings(struct dirty_vm *vm, struct error *err)
{
	uint32_t entries = 0;

	for (unsigned i = 0; i < vm->nr_rings; i++)
		entries += dirty_list_ring(&vm->found, &vm->ring[i], vm->nr_pages);
	if (entries == 0)
		return 0;
	return kvm_ioctl(err, vm->fd, KVM_RESET_DIRTY_RINGS, 0) < 0 ? -1 : 0;
}

int dirty_vm_collect(struct dirty_vm *vm, enum dirty_kind kind, struct error *err)
{
	vm->found.nr = 0;
	return kind == DIRTY_ring ? collect_rings(vm, err) : collect_bitmap(vm, err);
}
