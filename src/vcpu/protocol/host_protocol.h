/* SPDX-License-Identifier: MIT */
/* The host's half of the protocol, sound or with a fault that the user asked for. */
#ifndef VCPU_HOST_PROTOCOL_H
#define VCPU_HOST_PROTOCOL_H

#include <stdbool.h>

struct vcpu;

/*
 * The steps that a fault can replace. Chosen once at start: none of them tests for it.
 * The sound ones are host_protocol; fault.c has the broken ones.
 */
struct host_protocol {
	/* Brings a vCPU to an instruction boundary, before it can be marked; false if that is
	 * not possible. */
	bool (*complete_io)(struct vcpu *v);
	/* It loses its pCPU. It has a steal-time page, as in enter(). */
	void (*leave)(struct vcpu *v);
	/* Right before it executes again. */
	void (*enter)(struct vcpu *v);
	/* An initiator asks for its flush (MV_DB_FLUSH), and whether it may go on. */
	void (*request_flush)(struct vcpu *v);
	bool (*flush_is_safe)(const struct vcpu *v);
};

extern const struct host_protocol host_protocol;

#endif
