/* SPDX-License-Identifier: MIT */
/* The conductor: leads a machine through its phases and decides when it is over. */
#ifndef VMM_CONDUCTOR_H
#define VMM_CONDUCTOR_H

#include "vmm/machine/machine.h"

enum ending {
	ENDING_DONE,	    /* all phases ran, and every guest ended with success */
	ENDING_GUEST_CODE,  /* a guest ended with another code */
	ENDING_FAILED,	    /* machine_fail(): see machine.failure */
	ENDING_HUNG,	    /* the timeout passed */
	ENDING_INTERRUPTED, /* a signal came */
};

struct conduct_result {
	enum ending ending;
	int signal;	 /* ENDING_INTERRUPTED */
	unsigned phases; /* that ran to their end */
};

/* Called now and then with what is going on, to show progress; NULL if nobody looks. */
typedef void conduct_progress(const struct machine *m, const char *mechanism, uint64_t elapsed_ns,
			      uint64_t total_ns);

/* Blocks SIGINT and SIGTERM, before there are other threads: conduct() lets them in. */
void conductor_catch_signals(void);

/*
 * Conducts a started machine until it ends, for whatever reason. The caller stops the
 * machine afterwards.
 */
struct conduct_result conduct(struct machine *m, conduct_progress *progress);

#endif
