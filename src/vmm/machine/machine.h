/* SPDX-License-Identifier: MIT */
/* The machine: all VMs of a run, the pCPUs that they share, and a thread per vCPU. */
#ifndef VMM_MACHINE_H
#define VMM_MACHINE_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "vcpu/base/error.h"
#include "vcpu/base/kvm.h"
#include "vcpu/protocol/flush.h"
#include "vcpu/protocol/host_protocol.h"
#include "vcpu/run_loop.h"
#include "vcpu/sched/pcpu.h"
#include "vmm/cli/options.h"
#include "vmm/dirty/harvester.h"
#include "vmm/guest/elf_image.h"
#include "vmm/machine/background.h"
#include "vmm/machine/phase_gate.h"
#include "vmm/machine/vm.h"

/* What the VMs are loaded with, and where in their memory: the same in each. */
struct guest_image {
	struct vm_layout layout;
	const struct elf_file *file;
	struct elf_image elf;
	struct elf_file initrd; /* of a kernel; empty: there is none */
	uint64_t initrd_gpa;
};

/* One vCPU's thread. */
struct vcpu_thread {
	struct machine *machine;
	struct vm *vm;
	struct vcpu *vcpu;
	unsigned i; /* among all vCPUs */
	pthread_t thread;
	uint64_t stopped_rip; /* where the guest was when the thread ended */
};

struct machine {
	const struct options *options;
	const struct kvm *kvm;
	struct host_protocol protocol; /* of all vCPUs */
	unsigned nr_vms;
	struct vm *vm;
	unsigned nr_vcpus; /* of all VMs */
	struct vcpu_thread *thread;
	unsigned nr_started;
	struct pcpus *pcpus;
	struct phase_gate start; /* every vCPU's thread waits here before its first entry */
	struct phase_gate gate;
	int event_fd; /* written when a vCPU waits for a phase, exits or fails */

	struct harvester harvester;   /* --dirty; zeroed without */
	struct background background; /* --background; likewise */
	unsigned phase_needs; /* MV_HOST_* of the present phase; changes while all vCPUs wait */

	pthread_mutex_t fail_lock;
	bool failed; /* atomic */
	char failure[512];

	/* --trace: the phases, and the TSC when guests could first and last run. */
	struct mv_trace_ring *phase_trace;
	uint64_t tsc_hz;
	uint64_t start_tsc;
	uint64_t stop_tsc;

	uint64_t first_run_ns; /* CLOCK_MONOTONIC of the first entry into a guest; atomic */
};

/*
 * Builds the machine that the options describe and loads the image into each VM.
 * Nothing runs yet. 0, or -1 with an error; machine_finish() is safe either way.
 */
int machine_init(struct machine *m, const struct kvm *kvm, const struct options *options,
		 const struct guest_image *image, enum flush_prim flush_via, struct error *err);
void machine_finish(struct machine *m);

/*
 * Starts a thread for each vCPU. 0, or -1 with an error. When it returns all threads
 * are set up and wait; none has entered its guest before machine_release().
 */
int machine_start(struct machine *m, struct error *err);
void machine_release(struct machine *m);

/* Stops all vCPUs and waits for their threads. Harmless if none was started. */
void machine_stop(struct machine *m);

/*
 * What the next phase's mechanism needs of the host, as MV_HOST_*. Call it while all
 * vCPUs wait for a phase; each vCPU's thread then calls machine_enter_phase().
 */
void machine_set_phase_needs(struct machine *m, unsigned needs);
void machine_enter_phase(struct machine *m, struct vm *vm, struct vcpu *v);

/* The next phase is measured with dirty tracking; and it is over. While all vCPUs wait. */
void machine_begin_tracking(struct machine *m);
void machine_end_tracking(struct machine *m);

/* Ends the run as failed; of several failures the first is kept. One line. */
void machine_fail(struct machine *m, const char *format, ...) __attribute__((format(printf, 2, 3)));

bool machine_has_failed(const struct machine *m);

/* Whether every guest has rung MV_DB_EXIT. */
bool machine_has_exited(const struct machine *m);

/* Where each vCPU was when the machine stopped: one line for a person. */
void machine_describe_vcpus(const struct machine *m, char *text, size_t bytes);

#endif
