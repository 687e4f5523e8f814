/* SPDX-License-Identifier: MIT */
/*
 * A vCPU that executes nothing because its guest wants it so: halted, or reset by INIT.
 *
 * KVM carries out an INIT or a start-up IPI, which change all registers, only in calls of
 * the vCPU's own thread: in KVM_RUN and in KVM_GET_MP_STATE (its kvm_apic_accept_events). So
 * two calls with neither between them, such as the KVM_GET_SREGS and KVM_SET_SREGS of a
 * flush, see the same vCPU; and a state that was read is written back only if nothing but
 * KVM_SET_MP_STATE comes after it.
 */
#include <linux/kvm.h>

#include "vcpu/cpu/call.h"
#include "vcpu/cpu/enter.h"
#include "vcpu/cpu/vcpu.h"

#define START_CHECK_NS 1000000 /* how often a vCPU that awaits a start is looked at */

static void set_state(struct vcpu *v, uint32_t mp_state)
{
	struct kvm_mp_state state = { .mp_state = mp_state };

	vcpu_ioctl(v, KVM_SET_MP_STATE, &state);
}

/*
 * To answer, KVM carries out an INIT or a start-up IPI that is pending: what it left in
 * kvm_run at the last exit is out of date then, and a flush by sync-regs would undo the reset.
 */
static uint32_t read_state(struct vcpu *v)
{
	struct kvm_mp_state state;

	if (v->refused[0] || vcpu_ioctl(v, KVM_GET_MP_STATE, &state) < 0)
		return KVM_MP_STATE_RUNNABLE; /* vcpu_run() is what tells */
	if (v->run->kvm_valid_regs & KVM_SYNC_X86_SREGS)
		vcpu_ioctl(v, KVM_GET_SREGS, &v->run->s.regs.sregs);
	return state.mp_state;
}

enum vcpu_idleness vcpu_idleness(struct vcpu *v)
{
	switch (read_state(v)) {
	case KVM_MP_STATE_HALTED:
		return VCPU_HALTED;
	case KVM_MP_STATE_UNINITIALIZED:
		return VCPU_AWAITS_INIT;
	case KVM_MP_STATE_INIT_RECEIVED:
		return VCPU_AWAITS_START;
	}
	return VCPU_NOT_IDLE;
}

/* A flush that is under way reaches KVM before, since KVM_RUN looks for it in this state alone. */
void vcpu_halt(struct vcpu *v)
{
	set_state(v, KVM_MP_STATE_HALTED);
	vcpu_sync_registers(v);
}

/*
 * In the state of a vCPU that awaits its first INIT, KVM_RUN blocks until anything arrives
 * that would wake a halted one (its kvm_vcpu_has_events), and returns, having executed nothing.
 * In the state of a halted one it would go on into the guest, where the vCPU has no pCPU and
 * its byte still says that it has lost it: an NMI, an SMI or a start-up IPI asks nobody.
 * (kvm_arch_vcpu_ioctl_run of Linux 66450a21f996.)
 *
 * An INIT, which may come at any time, finds either state the same. The state that it leaves
 * stays, or else the start-up IPI would be forgotten: it counts as a wake-up. That is why
 * the vCPU is in the state HALTED whenever it is asked for.
 */
void vcpu_wait_halted(struct vcpu *v, struct vcpu_exit *ret_exit)
{
	ret_exit->kind = VCPU_EXIT_WAKEUP;
	if (read_state(v) != KVM_MP_STATE_HALTED)
		return;
	set_state(v, KVM_MP_STATE_UNINITIALIZED);
	vcpu_enter(v, ret_exit);
	if (read_state(v) == KVM_MP_STATE_UNINITIALIZED)
		set_state(v, KVM_MP_STATE_HALTED);
	else if (ret_exit->kind == VCPU_EXIT_KICK)
		ret_exit->kind = VCPU_EXIT_WAKEUP;
}

/*
 * With a kick pending, KVM_RUN of a halted vCPU looks at the timer, and executes nothing:
 * it sees to signals before it enters the guest (its vcpu_run, Linux 72c3c0fe54a3).
 */
void vcpu_expire_timer(struct vcpu *v)
{
	struct vcpu_exit exit;

	if (!v->timer_is_vmx)
		return;
	vcpu_kick(v);
	vcpu_enter(v, &exit);
}

/*
 * KVM_RUN sleeps until the INIT arrives, and returns. What else arrives changes nothing, and
 * keeps KVM_RUN from sleeping. After the INIT nothing wakes us: KVM would start the vCPU
 * inside KVM_RUN, where it has no pCPU. So we look now and then.
 */
bool vcpu_wait_started(struct vcpu *v)
{
	struct vcpu_exit exit;

	if (vcpu_idleness(v) == VCPU_AWAITS_INIT) {
		vcpu_enter(v, &exit);
		vcpu_drain_kick();
	}
	switch (vcpu_idleness(v)) {
	case VCPU_AWAITS_INIT:
	case VCPU_AWAITS_START:
		vcpu_wait_kick(START_CHECK_NS);
		return false;
	case VCPU_HALTED:
	case VCPU_NOT_IDLE:
		break;
	}
	return true;
}
