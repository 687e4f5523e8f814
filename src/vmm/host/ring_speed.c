/* SPDX-License-Identifier: MIT */
/* How fast this KVM executes guest code, ring by ring: natively, or by emulating it. */
#include "vmm/host/ring_speed.h"

#include <linux/kvm.h>
#include <string.h>

#include "minivmm/abi.h"
#include "vcpu/base/clock.h"
#include "vmm/host/ring_start.h"
#include "vmm/machine/vm.h"
#include "vmm/machine/x86_boot.h"

#define CODE_GPA MV_IMAGE_GPA

/* A CPU needs at most a few nanoseconds, and an emulator thousands. */
#define EMULATED_ABOVE_NS 100.0

/* Doubled until a run takes this long, which makes the exit at its end negligible. */
#define FIRST_ITERATIONS 256
#define ENOUGH_NS	 2000000
#define TRIES		 3 /* the quickest is the one that nothing disturbed */

#define INSTRUCTIONS_PER_ITERATION 2

/*
 * 1:	dec	%rcx
 *	jnz	1b
 *	movl	$0, (%rbx)	the doorbell
 */
static const uint8_t count_down[] = { 0x48, 0xff, 0xc9, 0x75, 0xfb, 0xc7, 0x03, 0, 0, 0, 0 };

static int time_run(struct vcpu *v, unsigned ring, uint64_t iterations, uint64_t *ret_ns,
		    struct error *err)
{
	struct kvm_regs regs = {
		.rip = CODE_GPA,
		.rbx = MV_DOORBELL_GPA + MV_DB_NOP,
		.rcx = iterations,
	};
	struct vcpu_exit exit;

	do { /* an interrupted run says nothing, and is repeated */
		if (ring_start(v, ring, &regs, err))
			return -1;
		uint64_t start_ns = monotonic_ns();
		vcpu_run(v, &exit);
		*ret_ns = monotonic_ns() - start_ns;
	} while (exit.kind == VCPU_EXIT_KICK);
	if (exit.kind != VCPU_EXIT_MMIO)
		return error_set(err, EXIT_HOST, "this KVM cannot execute a loop in ring %u", ring);
	vcpu_complete_io(v);
	return 0;
}

static int time_quickest(struct vcpu *v, unsigned ring, uint64_t iterations, uint64_t *ret_ns,
			 struct error *err)
{
	uint64_t ns;

	*ret_ns = UINT64_MAX;
	for (unsigned i = 0; i < TRIES; i++) {
		if (time_run(v, ring, iterations, &ns, err))
			return -1;
		if (ns < *ret_ns)
			*ret_ns = ns;
	}
	return 0;
}

int ring_speed_measure(const struct kvm *kvm, unsigned ring, struct ring_speed *ret_speed,
		       struct error *err)
{
	struct vm vm;
	uint64_t iterations = FIRST_ITERATIONS / 2, ns = 0;
	int result = 0;

	if (vm_init(&vm, kvm, 0, 1, MV_MEM_MIN_BYTES, DIRTY_none, err))
		return -1;
	boot_build_page_tables(&vm.mem);
	memcpy(guest_mem_own(&vm.mem, CODE_GPA, sizeof(count_down)), count_down,
	       sizeof(count_down));
	while (result == 0 && ns < ENOUGH_NS) {
		iterations *= 2;
		result = time_quickest(&vm.vcpu[0], ring, iterations, &ns, err);
	}
	vm_finish(&vm);
	if (result)
		return -1;
	ret_speed->ns_per_instruction = (double)ns /
					(double)(iterations * INSTRUCTIONS_PER_ITERATION);
	ret_speed->emulated = ret_speed->ns_per_instruction > EMULATED_ABOVE_NS;
	return 0;
}
