/* SPDX-License-Identifier: MIT */
/* Into the guest and out of it: KVM_RUN, and the flush before it that others ask for. */
#include "vcpu/cpu/enter.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>

#include "vcpu/cpu/call.h"
#include "vcpu/cpu/vcpu.h"

static bool leaves_access_open(enum vcpu_exit_kind kind)
{
	return kind == VCPU_EXIT_MMIO || kind == VCPU_EXIT_IO || kind == VCPU_EXIT_MSR;
}

static void run_once(struct vcpu *v, struct vcpu_exit *ret_exit)
{
	int result = ioctl(v->fd, KVM_RUN, 0);

	v->stats.exits++;
	v->access_is_open = false;
	if (result == 0) {
		exit_decode(ret_exit, v->run);
		v->access_is_open = leaves_access_open(ret_exit->kind);
	} else if (errno == EINTR) {
		v->stats.exits_kick++;
		ret_exit->kind = VCPU_EXIT_KICK;
	} else if (errno == EAGAIN) {
		ret_exit->kind = VCPU_EXIT_WAKEUP;
	} else {
		vcpu_refuse(v, "KVM_RUN", errno);
	}
}

void vcpu_enter(struct vcpu *v, struct vcpu_exit *ret_exit)
{
	if (!v->refused[0])
		run_once(v, ret_exit);
	if (!v->refused[0])
		return;
	ret_exit->kind = VCPU_EXIT_ERROR;
	snprintf(ret_exit->text, sizeof(ret_exit->text), "%s", v->refused);
}

const struct vcpu_exit vcpu_second_access = {
	.kind = VCPU_EXIT_ERROR,
	.text = "an instruction makes more than one access that ends in an exit",
};

static bool flush_on_request(struct vcpu *v)
{
	if (!vcpu_complete_io(v))
		return false;
	__atomic_store_n(&v->must_flush, 0, __ATOMIC_SEQ_CST);
	vcpu_flush(v);
	return true;
}

/*
 * in_guest is set before must_flush is looked at, and whoever asks for a flush sets
 * must_flush before it looks at in_guest: one of the two notices the other.
 */
void vcpu_run(struct vcpu *v, struct vcpu_exit *ret_exit)
{
	__atomic_store_n(&v->in_guest, 1, __ATOMIC_SEQ_CST);
	if (__atomic_load_n(&v->must_flush, __ATOMIC_SEQ_CST) && !flush_on_request(v))
		*ret_exit = vcpu_second_access;
	else
		vcpu_enter(v, ret_exit);
	__atomic_store_n(&v->in_guest, 0, __ATOMIC_RELEASE);
}

void vcpu_request_flush(struct vcpu *v)
{
	__atomic_store_n(&v->must_flush, 1, __ATOMIC_SEQ_CST);
	if (__atomic_load_n(&v->in_guest, __ATOMIC_SEQ_CST))
		vcpu_kick(v);
}

/* A vCPU outside the guest flushes before it enters. One that has cleared must_flush flushes
 * next, and executes nothing before. */
bool vcpu_flush_is_safe(const struct vcpu *v)
{
	return !__atomic_load_n(&v->in_guest, __ATOMIC_SEQ_CST) ||
	       !__atomic_load_n(&v->must_flush, __ATOMIC_SEQ_CST);
}

/*
 * Lets KVM finish what is open and return before the guest executes anything: 0 if the same
 * instruction made another exit, or -1 with EINTR once the instruction is over.
 */
static int run_immediately(struct vcpu *v)
{
	v->run->immediate_exit = 1;
	int result = ioctl(v->fd, KVM_RUN, 0);
	v->run->immediate_exit = 0;
	if (result < 0 && errno != EINTR)
		vcpu_refuse(v, "KVM_RUN", errno);
	return result;
}

bool vcpu_complete_io(struct vcpu *v)
{
	if (v->access_is_open)
		v->access_is_open = run_immediately(v) == 0;
	return !v->access_is_open;
}

void vcpu_sync_registers(struct vcpu *v)
{
	if (v->run->kvm_dirty_regs)
		run_immediately(v);
}
