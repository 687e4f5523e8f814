/* SPDX-License-Identifier: MIT */
/*
 * `stale_after ACTION`: whether a stale translation of a guest outlives this action.
 *
 * Prints "stale" or "fresh". A test bed on which
 * nothing is ever stale would pass whatever the code under test forgets, so this is asked first.
 * Exit status 2: it could not be told.
 */
#define _GNU_SOURCE
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>

#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "vcpu/cpu/vcpu.h"
#include "vmm/dirty/dirty_vm.h"
#include "vmm/host/host_check.h"
#include "vmm/host/selfcheck.h"

/* As at the end of a time slice, with nothing asked for. */
static void kick(struct vcpu *v)
{
	struct vcpu_exit exit;

	v->tid = (pid_t)syscall(SYS_gettid);
	vcpu_kick(v);
	vcpu_run(v, &exit);
	if (exit.kind != VCPU_EXIT_KICK) {
		fprintf(stderr, "stale_after: the kick did not end the run\n");
		_exit(2);
	}
	vcpu_drain_kick();
}

static void set_same_sregs(struct vcpu *v)
{
	struct kvm_sregs sregs;

	if (ioctl(v->fd, KVM_GET_SREGS, &sregs) || ioctl(v->fd, KVM_SET_SREGS, &sregs)) {
		perror("stale_after: KVM_GET_SREGS, KVM_SET_SREGS");
		_exit(2);
	}
}

/*
 * A harvest of dirty pages flushes the TLBs of all vCPUs, since what they hold as writable is
 * no longer. The guest writes a page in each pass, so that there is always one to harvest.
 */
static struct dirty_vm tracked;

static int track(struct vm *vm, unsigned nr_rings, struct error *err)
{
	if (dirty_vm_init(&tracked, vm->fd, &vm->mem, nr_rings, err) ||
	    (nr_rings && dirty_vm_map_ring(&tracked, 0, vm->vcpu[0].fd, err)))
		return -1;
	return dirty_vm_track(&tracked, true, err);
}

static int track_by_bitmap(struct vm *vm, struct error *err)
{
	return track(vm, 0, err);
}

static int track_by_ring(struct vm *vm, struct error *err)
{
	return track(vm, 1, err);
}

static void harvest(enum dirty_kind kind)
{
	struct error err;

	if (dirty_vm_collect(&tracked, kind, &err) || tracked.found.nr == 0) {
		fprintf(stderr, "stale_after: no page was harvested\n");
		_exit(2);
	}
}

static void harvest_bitmap(struct vcpu *v)
{
	(void)v;
	harvest(DIRTY_bitmap);
}

static void harvest_ring(struct vcpu *v)
{
	(void)v;
	harvest(DIRTY_ring);
}

static const struct {
	const char *name;
	struct selfcheck_action action;
} actions[] = {
	{ "exit", { .act = NULL } },
	{ "kick", { .act = kick } },
	{ "same-sregs", { .act = set_same_sregs } },
	{ "tracking", { DIRTY_bitmap, track_by_bitmap, NULL } },
	{ "dirty-bitmap", { DIRTY_bitmap, track_by_bitmap, harvest_bitmap } },
	{ "dirty-ring", { DIRTY_ring, track_by_ring, harvest_ring } },
};

static void block_kicks(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, VCPU_KICK_SIGNAL);
	sigprocmask(SIG_BLOCK, &set, NULL);
}

/* The emulated CPUs need not agree on what a stale translation is: stay on one. */
static void stay_on_one_cpu(void)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(0, &set);
	sched_setaffinity(0, sizeof(set), &set);
}

static int try_action(const struct selfcheck_action *action, struct error *err)
{
	enum proof proof;
	struct kvm kvm;

	if (host_open_kvm(&kvm, err) || selfcheck_try(&kvm, action, &proof, err))
		return -1;
	if (proof == PROOF_NONE)
		return error_set(err, EXIT_HOST, "the guest did not do what it should");
	puts(proof == PROOF_FAILS ? "stale" : "fresh");
	if (proof == PROOF_NO_STALE)
		fprintf(stderr, "stale_after: nothing was stale before it\n");
	return 0;
}

int main(int argc, char *argv[])
{
	struct error err;

	block_kicks();
	stay_on_one_cpu();
	for (unsigned i = 0; argc == 2 && i < sizeof(actions) / sizeof(actions[0]); i++) {
		if (strcmp(argv[1], actions[i].name) != 0)
			continue;
		if (try_action(&actions[i].action, &err) == 0)
			return 0;
		fprintf(stderr, "stale_after: %s\n", err.text);
		return 2;
	}
	fprintf(stderr,
		"usage: stale_after exit|kick|same-sregs|tracking|dirty-bitmap|dirty-ring\n");
	return 2;
}
