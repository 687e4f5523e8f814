/* SPDX-License-Identifier: MIT */
/* Faults that the host injects: the protocol with one step broken. */
#ifndef VCPU_FAULT_H
#define VCPU_FAULT_H

#include "vcpu/protocol/host_protocol.h"

/*
 * The host's side of the protocol under a fault of MV_FAULTS: a broken one for the
 * faults that are the host's, the correct one for all others and for "none".
 */
struct host_protocol fault_host_protocol(const char *fault);

#endif
