/* SPDX-License-Identifier: MIT */
/* One virtual CPU: every KVM call made on its behalf. */
#ifndef VCPU_VCPU_H
#define VCPU_VCPU_H

#include <linux/kvm.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "minivmm/hist.h"
#include "minivmm/x86.h"
#include "vcpu/base/error.h"
#include "vcpu/base/kvm.h"
#include "vcpu/cpu/exit.h"
#include "vcpu/cpu/flush_primitive.h"
#include "vcpu/cpu/trace.h"
#include "vcpu/cpu/vcpu_stats.h"

/* Sent to a vCPU's thread to force an exit. Blocked in every thread and let in
 * only by KVM_RUN, so that it is either seen there or still pending: a kick is
 * never lost. A standard signal, so that several kicks merge into one. */
#define VCPU_KICK_SIGNAL SIGUSR1

struct host_protocol;
struct kvm_steal_time;

/* The guest's steal-time page, which is vcpu/protocol's: see steal.h and steal_msr.h. */
struct steal {
	struct kvm_steal_time *page; /* in guest memory; NULL while the guest has none */
	uint64_t msr;		     /* as the guest wrote it */
};

struct vcpu {
	unsigned index; /* within its VM; see vcpu_apic_id() */
	unsigned vm;
	int fd;
	struct kvm_run *run;
	size_t run_bytes;
	pid_t tid; /* atomic: of its thread, see vcpu_attach() */

	const struct flush_primitive *flush;
	uint64_t flush_pages_gpa;	    /* for FLUSH_VIA_steal_msr, see flush.h */
	struct kvm_steal_time *flush_pages; /* the same; the guest leaves them alone */
	unsigned flush_page;		    /* 0 or 1: the one that the kernel's MSR names */
	const struct host_protocol *protocol; /* whoever runs it chooses: vcpu_init() does not */
	struct steal steal;
	struct vcpu_stats stats;
	struct mv_trace_ring *trace; /* NULL: tracing is off */
	struct mv_hist handover; /* ns from the end of another's slice until KVM_RUN for this one */
	bool access_is_open;	 /* the last exit's MMIO, port or MSR access is not completed yet */
	uint32_t in_guest;	 /* atomic: between vcpu_run() and its return */
	uint32_t must_flush;	 /* atomic: somebody asked for a flush before it runs on */
	int yield_to;		 /* with VCPU_YIELD: who runs next, among all vCPUs; -1: anyone */
	bool marks_when_halted;	 /* policy: a halted vCPU is marked preempted too */
	bool marks_exits;	 /* policy: and one whose store is being served outside */
	bool timer_is_vmx;	 /* see apic_timer.h */
	bool kernel_has_steal;	 /* the kernel keeps the guest's steal-time page just now */
	uint64_t entered_ns;	 /* when it was given its present pCPU */
	uint64_t entered_cpu_ns; /* CPU time of its thread at that moment */
	char refused[128];	 /* the first call that KVM refused it, which ends the run; or "" */
};

/*
 * The APIC id of a vCPU is its index, except for the last of 256: an interrupt that an xAPIC
 * sends to 255 goes to all, and KVM sends an MSI to 255 to all as well. The id of that vCPU is
 * 0x1ff. KVM finds a vCPU by an id above 255 whatever the mode of its APIC, and the low byte,
 * which is all that an xAPIC shows, is still the index.
 */
static inline uint32_t vcpu_apic_id(unsigned index)
{
	return index < XAPIC_BROADCAST_ID ? index : 0x100 | index;
}

/* Its guest's TLB is flushed before it executes again. It is at an instruction boundary, and the
 * caller is its thread. */
static inline void vcpu_flush(struct vcpu *v)
{
	v->flush->flush(v);
	v->stats.flushes++;
	trace(v->trace, TRACE_FLUSH, 0);
}

/* Creates a vCPU in the VM that vm_fd stands for. 0, or -1 with an error. */
int vcpu_init(struct vcpu *v, const struct kvm *kvm, int vm_fd, unsigned vm, unsigned index,
	      struct error *err);
void vcpu_finish(struct vcpu *v);

/*
 * Takes these bits out of KVM_CPUID_FEATURES, so that the guest does not know of them. What
 * the host does with a steal-time page stays the same: a guest may have registered one all
 * the same, and finds its byte cleared (Linux 1eff0ada). Before the first run; 0, or -1 with
 * an error.
 */
int vcpu_hide_features(struct vcpu *v, uint32_t features, struct error *err);

/* Its CPUID table, before the first run. 0, or -1 with an error. */
int vcpu_get_cpuid(const struct vcpu *v, struct kvm_cpuid_table *ret_cpuid, struct error *err);
int vcpu_set_cpuid(struct vcpu *v, struct kvm_cpuid_table *cpuid, struct error *err);

/* Lets the guest execute until it exits. Called by the vCPU's own thread alone. */
void vcpu_run(struct vcpu *v, struct vcpu_exit *ret_exit);

/*
 * Completes the access of the last exit without executing an instruction, so that
 * the vCPU stands at an instruction boundary. Harmless if nothing is open. False if the
 * same instruction makes a second access: KVM translated its address before the first one,
 * and no flush makes KVM forget it. Guests are forbidden such instructions (abi.h), and
 * vcpu_second_access, an exit that says so, ends the run of a guest that has one.
 */
bool vcpu_complete_io(struct vcpu *v);
extern const struct vcpu_exit vcpu_second_access;

/* From now on the vCPU, which stands at an instruction boundary, is halted. */
void vcpu_halt(struct vcpu *v);

/*
 * Blocks until anything arrives that may make a halted vCPU execute (VCPU_EXIT_WAKEUP): an
 * interrupt, an NMI, an SMI, an INIT; or until it is kicked. Executes nothing: the caller
 * holds no pCPU. What arrived may be nothing that wakes the vCPU: once it runs, it halts again.
 */
void vcpu_wait_halted(struct vcpu *v, struct vcpu_exit *ret_exit);

/*
 * Before vcpu_wait_halted(), without a pCPU: if the timer of the guest's APIC has expired and
 * KVM has not noticed, it does now (apic_timer.h). May leave a kick behind.
 */
void vcpu_expire_timer(struct vcpu *v);

/* Why a vCPU executes nothing although it has a pCPU: KVM blocks inside KVM_RUN then,
 * and says nothing. */
enum vcpu_idleness {
	VCPU_NOT_IDLE,
	VCPU_HALTED,	   /* by HLT, until an interrupt arrives */
	VCPU_AWAITS_INIT,  /* held by vcpu_hold() */
	VCPU_AWAITS_START, /* reset by an INIT, until a start-up IPI arrives */
};

/* Also has KVM carry out an INIT or a start-up IPI that is pending. */
enum vcpu_idleness vcpu_idleness(struct vcpu *v);

/* Keeps a vCPU that has not run from starting before it gets INIT and a start-up IPI, as
 * all but the first do on a PC. 0, or -1 with an error. */
int vcpu_hold(struct vcpu *v, struct error *err);

/*
 * Blocks until v, which awaits a start, has been started or somebody kicks. Executes no
 * instruction: the caller holds no pCPU. True once it is started.
 */
bool vcpu_wait_started(struct vcpu *v);

/*
 * A flush of v that another vCPU's thread asks for. vcpu_request_flush() kicks v if it
 * is in the guest; once vcpu_flush_is_safe() v will execute nothing more without the
 * flush (Linux 1ebfaa11ebb5: a synchronous flush waits until its target has left the guest).
 */
void vcpu_request_flush(struct vcpu *v);
bool vcpu_flush_is_safe(const struct vcpu *v);

/* Makes the calling thread that of v, the one that vcpu_kick() interrupts. Before v first waits
 * for a pCPU. */
void vcpu_attach(struct vcpu *v);

/*
 * Takes back the kick that ended a run. Look at the reasons for a kick only
 * afterwards: whoever kicks sets the reason first, so none is overlooked.
 */
void vcpu_drain_kick(void);

/* The same, after waiting for a kick for so long at the most. */
void vcpu_wait_kick(uint64_t wait_ns);

/* Forces v, which may be in any thread's hands, out of the guest. */
void vcpu_kick(const struct vcpu *v);

/* The rate of its TSC; negative if KVM does not know. */
int vcpu_tsc_khz(const struct vcpu *v);

/* Where the guest was; 0 if KVM does not say. */
uint64_t vcpu_rip(struct vcpu *v);

/*
 * Whether it stands where a reset leaves it, and has executed nothing since. After a triple
 * fault that is KVM's doing, and vcpu_rip() is not where the guest was. False if KVM does not
 * say.
 */
bool vcpu_is_at_reset(const struct vcpu *v);

#endif
