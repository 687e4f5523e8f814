/* SPDX-License-Identifier: MIT */
/*
 * Decisions of the scheduler, made and carried out: who gets a pCPU, and for how long.
 *
 * Everything here is called with the lock of struct pcpus held. A decision is the
 * policy's, or with a replay that of the recording; all are recorded if asked for.
 */
#ifndef VCPU_DISPATCH_H
#define VCPU_DISPATCH_H

#include "vcpu/sched/pcpu_state.h"

#define NOBODY (-1)

/* Gangs of one VM after the other, each as many vCPUs as there are pCPUs. */
unsigned dispatch_gangs_per_vm(const struct pcpu_config *config);

/* Lets the thread of vCPU i run on that pCPU's host CPU alone. */
void dispatch_pin(struct pcpus *p, unsigned i, unsigned pcpu);

/* Wakes the thread that waits for a grant. The lock is not needed. */
void dispatch_wake(struct pcpu_waiter *w);

/* vCPU i wants a pCPU from now on. */
void dispatch_become_ready(struct pcpus *p, unsigned i);

/* Finds an idle pCPU for a vCPU that is ready, or sees to it that its home becomes free. */
void dispatch_place(struct pcpus *p, unsigned i);

/*
 * The holder leaves its pCPU, for the reason `end`: it goes to whom the policy, or the
 * recording, chooses. Returns the vCPU that the caller has to wake, or NOBODY.
 */
int dispatch_hand_over(struct pcpus *p, unsigned pcpu, enum slice_end end);

/*
 * The slice of vCPU i has ended. Returns whether it keeps its pCPU all the same, with a
 * new slice or a longer one: nobody else wants it, or it is inside a shootdown.
 */
bool dispatch_keep(struct pcpus *p, unsigned i);

bool dispatch_slice_has_ended(const struct pcpus *p, unsigned i);

/* Whether anybody else is to have the pCPU that vCPU i holds when its slice ends. */
bool dispatch_is_wanted(const struct pcpus *p, unsigned i);

/* If a replay has waited too long for a vCPU, those that are ready run by the policy. */
void dispatch_check_replay(struct pcpus *p);

/* The run is over, or a part of it: what still runs is recorded as it stands. */
void dispatch_stop_slices(struct pcpus *p);

/* The same, and until the next part the policy decides, unrecorded: see pcpus_end_part(). */
void dispatch_end_part(struct pcpus *p);

#endif
