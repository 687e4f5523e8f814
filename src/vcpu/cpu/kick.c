/* SPDX-License-Identifier: MIT */
/* Kicks: the signal that forces a vCPU out of the guest, and the wait for it. */
#define _GNU_SOURCE
#include <signal.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "vcpu/base/clock.h"
#include "vcpu/cpu/vcpu.h"

void vcpu_attach(struct vcpu *v)
{
	__atomic_store_n(&v->tid, (pid_t)syscall(SYS_gettid), __ATOMIC_RELEASE);
}

void vcpu_wait_kick(uint64_t wait_ns)
{
	struct timespec wait = timespec_of_ns(wait_ns);
	sigset_t kick;

	sigemptyset(&kick);
	sigaddset(&kick, VCPU_KICK_SIGNAL);
	sigtimedwait(&kick, NULL, &wait);
}

void vcpu_drain_kick(void)
{
	vcpu_wait_kick(0);
}

void vcpu_kick(const struct vcpu *v)
{
	syscall(SYS_tgkill, getpid(), v->tid, VCPU_KICK_SIGNAL);
}
