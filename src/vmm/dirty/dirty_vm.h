/* SPDX-License-Identifier: MIT */
/* One VM whose pages are tracked: what was found dirty, by either way of asking for it. */
#ifndef VMM_DIRTY_VM_H
#define VMM_DIRTY_VM_H

#include <linux/kvm.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "vcpu/base/error.h"
#include "vcpu/base/guest_mem.h"
#include "vmm/dirty/dirty_kinds.h"

#define DIRTY_PAGE_BYTES   4096ull
#define DIRTY_RING_ENTRIES 4096u /* of each vCPU; a power of two, as KVM wants it */

/* Page numbers: gpa / DIRTY_PAGE_BYTES. */
struct dirty_list {
	uint32_t *page;
	size_t nr;
	size_t room;
};

/* A vCPU's ring, which KVM fills and we empty. */
struct dirty_ring {
	struct kvm_dirty_gfn *entry; /* DIRTY_RING_ENTRIES of them; NULL: not mapped */
	uint32_t next;		     /* that KVM fills; grows without end */
};

struct dirty_vm {
	int fd;
	const struct guest_mem *mem; /* slot 0, all of it */
	uint64_t nr_pages;
	struct dirty_list found; /* by the last harvest */
	uint64_t *digest;	 /* of each page, as it was when it was last read */
	uint64_t *bitmap;	 /* DIRTY_bitmap */
	bool clears_by_itself;	 /* likewise: KVM_GET_DIRTY_LOG clears what it returns */
	unsigned nr_rings;	 /* DIRTY_ring: one for each vCPU */
	struct dirty_ring *ring;
};

/* Whether KVM can do so. 0, or -1 with an error (EXIT_HOST). */
int dirty_check_host(int kvm_fd, enum dirty_kind kind, struct error *err);

/* Tells KVM about a new VM. Before its vCPUs are created; 0, or -1 with an error. */
int dirty_prepare_vm(int vm_fd, enum dirty_kind kind, struct error *err);

/*
 * `nr_rings` vCPUs are going to be named by dirty_vm_map_ring(); 0 without rings. 0, or -1
 * with an error; dirty_vm_finish() is safe either way.
 */
int dirty_vm_init(struct dirty_vm *vm, int vm_fd, const struct guest_mem *mem, unsigned nr_rings,
		  struct error *err);
int dirty_vm_map_ring(struct dirty_vm *vm, unsigned vcpu, int vcpu_fd, struct error *err);
void dirty_vm_finish(struct dirty_vm *vm);

/* Turns tracking on or off, while none of its vCPUs is in the guest. 0, or -1 with an error. */
int dirty_vm_track(struct dirty_vm *vm, bool on, struct error *err);

/*
 * Leaves in vm->found what was written since it was last asked. When it returns, the next
 * write to one of these pages is tracked again: only now may the pages be read. 0, or -1 with
 * an error.
 */
int dirty_vm_collect(struct dirty_vm *vm, enum dirty_kind kind, struct error *err);

/* ---- the parts that need no KVM ------------------------------------------------- */

/* Lists the pages whose bits are set. */
void dirty_list_bits(struct dirty_list *list, const uint64_t *bitmap, uint64_t nr_pages);

/*
 * Lists what KVM has put into a ring, and marks it as harvested. Entries of other slots, or
 * beyond nr_pages, are harvested and not listed. Returns how many entries there were.
 */
uint32_t dirty_list_ring(struct dirty_list *list, struct dirty_ring *ring, uint64_t nr_pages);

/* A number that changes with a page's contents, whatever the guest may be doing to it. */
uint64_t dirty_digest(const void *page);

#endif
