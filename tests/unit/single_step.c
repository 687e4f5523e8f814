/* SPDX-License-Identifier: MIT */
/* Something that happens between two instructions: see single_step.h. */
#define _GNU_SOURCE
#include "single_step.h"

#include <signal.h>
#include <stddef.h>
#include <ucontext.h>

#define TRAP_FLAG 0x100

static void (*volatile call_behind_each)(void);

/* Returns with the flag as the program should have it from here on. */
static void trapped(int signal_number, siginfo_t *info, void *context)
{
	greg_t *flags = &((ucontext_t *)context)->uc_mcontext.gregs[REG_EFL];

	(void)signal_number;
	(void)info;
	if (call_behind_each)
		call_behind_each();
	if (!call_behind_each)
		*flags &= ~TRAP_FLAG;
}

void single_step_begin(void (*behind_each)(void))
{
	struct sigaction action = { .sa_sigaction = trapped, .sa_flags = SA_SIGINFO };

	sigaction(SIGTRAP, &action, NULL);
	call_behind_each = behind_each;
	/* Past the red zone, which a push would overwrite. */
	asm volatile("lea -128(%%rsp), %%rsp\n\t"
		     "pushfq\n\t"
		     "orq %0, (%%rsp)\n\t"
		     "popfq\n\t"
		     "lea 128(%%rsp), %%rsp"
		     :
		     : "i"(TRAP_FLAG)
		     : "memory", "cc");
}

/* The next trap takes the flag away. */
void single_step_end(void)
{
	call_behind_each = NULL;
}
