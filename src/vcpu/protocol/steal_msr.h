/* SPDX-License-Identifier: MIT */
/*
 * MSR_KVM_STEAL_TIME, by which a guest names its steal-time page: caught, and used by us.
 *
 * The guest's accesses come to minivmm, past the kernel. The kernel's own code for the
 * MSR is put to use all the same, with values that minivmm sets: see give_kernel below.
 */
#ifndef VCPU_STEAL_MSR_H
#define VCPU_STEAL_MSR_H

#include <stdbool.h>
#include <stdint.h>

#include "vcpu/base/error.h"
#include "vcpu/base/guest_mem.h"

struct steal;
struct vcpu;
struct vcpu_exit;

/*
 * From now on each access of the guest to this MSR, and to no other, is an exit of kind
 * VCPU_EXIT_MSR. Before a vCPU of the VM runs. 0, or -1 with an error.
 */
int steal_msr_catch(int vm_fd, struct error *err);

/*
 * Serves such an exit. A read gives what was written last, 0 before. A write is what
 * steal_msr_write() says; 0, or -1 with an error that is the guest's (EXIT_FAIL).
 */
int steal_msr_serve(struct vcpu *v, const struct guest_mem *mem, const struct vcpu_exit *e,
		    struct error *err);

/*
 * From now on the page that `value` names is used and the old one is left alone. Called
 * between two runs of the vCPU, when the old page holds nothing. 0, or -EINVAL: reserved
 * bits, misaligned (64 bytes), or outside RAM.
 */
int steal_msr_write(struct steal *s, const struct guest_mem *mem, uint64_t value);

/*
 * Sets the MSR of the kernel, past what catches the guest's accesses: the kernel keeps
 * a page of its own at this address. 0, or -1 with an error (EXIT_HOST).
 */
int steal_msr_give_kernel(struct vcpu *v, uint64_t value, struct error *err);

/* The same once it has worked, while guests run: a refusal ends the run, see call.h. */
void steal_msr_give_kernel_again(struct vcpu *v, uint64_t value);

/*
 * Leaves the guest's steal-time page to the kernel, or takes it back. v is at an
 * instruction boundary, holds no pCPU, and the caller is its thread.
 */
void steal_msr_let_kernel_keep(struct vcpu *v, const struct guest_mem *mem, bool yes);

#endif
