/* SPDX-License-Identifier: MIT */
/* The oracle: notices when a vCPU uses a translation after the shootdown that ended it. */
#ifndef GUEST_ORACLE_H
#define GUEST_ORACLE_H

#include <stdbool.h>
#include <stdint.h>

#include "guest-kernel/cpu/percpu.h"

/* Maps everybody's window and witnesses. After paging_init. */
void oracle_init(uint32_t nr_vcpus);

/*
 * Before each shootdown: if it is the initiator's turn to be watched, this vCPU reads through
 * its own mappings, so that it has something to forget.
 */
void oracle_prepare(struct percpu *initiator);

/* Moves an initiator's mappings on to other pages. The PTE stores of each shootdown. */
void oracle_remap(struct percpu *initiator);

/*
 * Whether the shootdown under way remaps the initiator's own witness. If so the local flush has
 * to drop that page as well as the window.
 */
bool oracle_watches_self(const struct percpu *initiator);

/*
 * Says that the shootdown after oracle_remap is complete: from now on nobody may
 * see the pages given up, and they are poisoned. An initiator that is watched reads again.
 */
void oracle_complete(struct percpu *initiator);

/*
 * Reads through what `initiator` maps for `reader`, which has to be the initiator or one of
 * its targets, and counts reads and stale ones.
 */
void oracle_check(struct percpu *reader, uint32_t initiator);

/* ---- for scenarios that watch mappings of their own ------------------------------- */

/* Makes the pages of all epochs. Returns the page-table entry that maps the first one. */
uint64_t oracle_epochs_init(struct epochs *epochs);

/* Writes the next generation into its page. Returns the entry that maps that page. */
uint64_t oracle_epoch_open_next(struct epochs *epochs);

/* Poisons the page given up, once nobody may see it any more; the next epoch is the current one. */
void oracle_epoch_close(struct epochs *epochs);

/* Counts a read; `seen` is stale if it is poison or less than `allowed`. */
void oracle_count(struct mv_counters *n, uint64_t gva, uint64_t allowed, uint64_t seen);

#endif
