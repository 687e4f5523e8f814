/* SPDX-License-Identifier: MIT */
/* Faults that the host injects: the protocol with one step broken. */
#ifndef VCPU_FAULT_H
#define VCPU_FAULT_H

#include <stdbool.h>

#include "minivmm/catalog.h"
#include "vcpu/protocol/host_protocol.h"

enum fault {
	FAULT_none,
#define X(id, name, shootdown, summary) FAULT_##id,
	MV_FAULTS(X)
#undef X
};

/*
 * The host's side of the protocol under a fault: a broken one for the faults that are
 * the host's, the correct one for all others.
 */
struct host_protocol fault_host_protocol(enum fault fault);

/* Whether it is one of the host's: those of the guest leave host_protocol as it is. */
bool fault_is_hosts(enum fault fault);

#endif
