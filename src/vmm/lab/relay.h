/* SPDX-License-Identifier: MIT */
/* Stands between a user and a command in an emulated machine, until the command has ended. */
#ifndef VMM_LAB_RELAY_H
#define VMM_LAB_RELAY_H

#include "vmm/lab/emulator.h"
#include "vmm/lab/lab_files.h"
#include "vmm/lab/wire.h"

#define CONSOLE_TAIL_BYTES 8192

struct relay {
	struct emulator *emulator;
	const struct lab_options *options;
	struct lab_files *files;
	struct wire wire;
	FILE *console_log; /* of --keep, or NULL */
	FILE *printed;	   /* what the command prints on stdout goes there, too, if not NULL */
	bool synchronised, running;
	bool shows_progress; /* on a terminal, until the command starts */
	bool takes_input;
	size_t input_on_its_way;
	char console[CONSOLE_TAIL_BYTES + 1]; /* its last bytes */
	size_t console_used;
	uint64_t started_ns, last_sign_ns, last_sign_cpu_ns;
	bool ended; /* the command has, with `status` */
	int status;
	const char *death;    /* of the machine before that: what it did */
	int signal;	      /* that came before the command had started */
	struct error failure; /* of writing what came out; status 0: none */
};

/*
 * Passes on whatever there is to pass on. SIGINT, SIGTERM, SIGHUP, SIGWINCH and SIGCHLD are
 * blocked. When it returns, one of `ended`, `death` and `signal` is set.
 */
void relay_run(struct relay *r);

/*
 * Whether a machine of so many CPUs hangs that gave no sign of life for `silent_ns`, in which its
 * emulator had `cpu_ns` of CPU time. Pure.
 */
bool relay_is_hung(enum lab_machine machine, unsigned pcpus, uint64_t silent_ns, uint64_t cpu_ns);

#endif
