/* SPDX-License-Identifier: MIT */
/*
 * Probes of the host, each with an end.
 *
 * An untried KVM may never return from an entry into a guest. So each probe runs in a process of
 * its own, which answers in time or is killed, and is left behind if not even that ends it.
 */
#ifndef VMM_PROBE_H
#define VMM_PROBE_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "vcpu/base/error.h"
#include "vcpu/base/kvm.h"
#include "vmm/host/cr3_moves.h"
#include "vmm/host/ring_speed.h"
#include "vmm/host/selfcheck.h"

/* An answer is far from taking so long, on an emulated machine neither. */
#define PROBE_BOUND_MS	   10000
#define PROBE_ANSWER_BYTES 1024

/* A process that probes, or did. Empty: { 0 }. */
struct probe {
	pid_t pid; /* 0: there is none */
};

/*
 * Calls ask(question, answer, err) in a process of its own, and returns what it returned and
 * left in the `bytes` of its answer, PROBE_ANSWER_BYTES at most, or in err; -1 with an error
 * that names `what` as well if it did not end within bound_ms. Time for which this process is
 * stopped does not count. Call it while the process has one thread; then probe_finish().
 */
int probe_run(struct probe *p, const char *what,
	      int (*ask)(const void *question, void *answer, struct error *err),
	      const void *question, void *ret_answer, size_t bytes, unsigned bound_ms,
	      struct error *err);

/* Waits for the end of its process, which has answered or was killed; harmless if empty. */
void probe_finish(struct probe *p);

/* The probes that there are: 0, or -1 with an error. */
int probe_ring_speed(const struct kvm *kvm, unsigned ring, struct ring_speed *ret_speed,
		     struct error *err);
/* Right without being tried where nothing is intercepted (host_info.h). */
int probe_cr3_moves(const struct kvm *kvm, bool intercepts_cr3, enum cr3_moves *ret_moves,
		    struct error *err);
int probe_kernel_marks(const struct kvm *kvm, int host_cpu, bool *ret_marks, struct error *err);
/* Its process takes down a VM, which takes KVM half a millisecond: probe_finish() later. */
int probe_selfcheck(struct probe *p, const struct kvm *kvm, struct selfcheck *ret_check,
		    struct error *err);

#endif
