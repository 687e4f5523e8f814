/* SPDX-License-Identifier: MIT */
/* The seccomp filter: which system calls are left when guests run, and why. */
#define _GNU_SOURCE
#include "vmm/machine/sandbox.h"

#include <asm/ioctls.h>
#include <linux/kvm.h>
#include <seccomp.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))

#ifndef __has_feature
#define __has_feature(feature) 0
#endif

/* Sanitizers and coverage work behind the program's back, with calls of their own. */
const char *sandbox_missing(void)
{
#if defined(__SANITIZE_ADDRESS__) || __has_feature(address_sanitizer)
	return "built with AddressSanitizer";
#elif defined(__SANITIZE_THREAD__) || __has_feature(thread_sanitizer)
	return "built with ThreadSanitizer";
#elif defined(MINIVMM_COVERAGE)
	return "built to measure coverage";
#else
	return NULL;
#endif
}

/* ---- what is allowed ----------------------------------------------------------- */

/* Calls that are harmless whatever their arguments are. */
static const int allowed_calls[] = {
	/* vCPU threads: waiting for a pCPU, slices, kicks */
	SCMP_SYS(futex),
	SCMP_SYS(timer_settime),
	SCMP_SYS(sched_setaffinity),
	SCMP_SYS(sched_yield),
	SCMP_SYS(rt_sigtimedwait),
	SCMP_SYS(clock_gettime), /* where the vDSO cannot read the clock */
	SCMP_SYS(getpid),
	SCMP_SYS(gettid),
	/* the conductor: signals, events, progress */
	SCMP_SYS(ppoll),
	SCMP_SYS(read),
	SCMP_SYS(restart_syscall), /* of ppoll() and futex(), after SIGCONT */
	/* the report: into files that are open, and a name for the one of --json */
	SCMP_SYS(write),
	SCMP_SYS(fstat),
	SCMP_SYS(newfstatat), /* fstat() of glibc since 2.33 */
	SCMP_SYS(getrandom),  /* libraries may; json-c has its seed, see json_prepare() */
	SCMP_SYS(fsync),
	SCMP_SYS(ftruncate), /* a result that has to be written in place */
	SCMP_SYS(linkat),
	SCMP_SYS(renameat),
	SCMP_SYS(unlinkat),
	SCMP_SYS(mincore), /* memory use */
	SCMP_SYS(sysinfo), /* qsort() of glibc sorts in memory of its own if there is enough */
	/* memory; mmap() and mprotect() are below */
	SCMP_SYS(brk),
	SCMP_SYS(mremap),
	SCMP_SYS(munmap),
	SCMP_SYS(madvise),
	/* the end of threads and of the process */
	SCMP_SYS(timer_delete),
	SCMP_SYS(close),
	SCMP_SYS(rt_sigprocmask),
	SCMP_SYS(rt_sigreturn),
	SCMP_SYS(exit),
	SCMP_SYS(exit_group),
};

/* What may be asked of KVM when the VMs are built, and of a terminal. */
static const unsigned long allowed_ioctls[] = {
	KVM_RUN,	  KVM_GET_REGS,	    KVM_GET_SREGS,  KVM_SET_SREGS,
	KVM_GET_MP_STATE, KVM_SET_MP_STATE, KVM_GET_LAPIC,  KVM_GET_MSRS,
	KVM_SET_MSRS,	  KVM_GET_TSC_KHZ,  KVM_SIGNAL_MSI, TCGETS,
	TCSETS, /* the terminal is restored */
};

/* --dirty: logging is turned on and off from phase to phase, and the log is read. */
static const unsigned long dirty_ioctls[] = {
	KVM_SET_USER_MEMORY_REGION,
	KVM_GET_DIRTY_LOG,
	KVM_CLEAR_DIRTY_LOG,
	KVM_RESET_DIRTY_RINGS,
};

static int allow_calls(scmp_filter_ctx filter)
{
	int failed = 0;

	for (unsigned i = 0; !failed && i < sizeof(allowed_calls) / sizeof(allowed_calls[0]); i++)
		failed = seccomp_rule_add(filter, SCMP_ACT_ALLOW, allowed_calls[i], 0);
	return failed;
}

static int allow_if(scmp_filter_ctx filter, int call, const struct scmp_arg_cmp *argument)
{
	return seccomp_rule_add_array(filter, SCMP_ACT_ALLOW, call, 1, argument);
}

static int allow_ioctls(scmp_filter_ctx filter, const unsigned long *requests, unsigned nr)
{
	int failed = 0;

	for (unsigned i = 0; !failed && i < nr; i++) {
		struct scmp_arg_cmp is_request = {
			.arg = 1,
			.op = SCMP_CMP_EQ,
			.datum_a = requests[i],
		};

		failed = allow_if(filter, SCMP_SYS(ioctl), &is_request);
	}
	return failed;
}

/* Memory, but none that could be executed; signals, but to this process alone. */
static int allow_by_argument(scmp_filter_ctx filter)
{
	struct scmp_arg_cmp not_executable = {
		.arg = 2,
		.op = SCMP_CMP_MASKED_EQ,
		.datum_a = PROT_EXEC,
		.datum_b = 0,
	};
	struct scmp_arg_cmp is_this_process = {
		.arg = 0,
		.op = SCMP_CMP_EQ,
		.datum_a = (scmp_datum_t)getpid(),
	};
	int failed = allow_if(filter, SCMP_SYS(mmap), &not_executable);

	if (!failed)
		failed = allow_if(filter, SCMP_SYS(mprotect), &not_executable);
	return failed ? failed : allow_if(filter, SCMP_SYS(tgkill), &is_this_process);
}

/* ---- what happens to the rest ---------------------------------------------------- */

/* A signal handler must not allocate, so the names are looked up before. */
#define NR_NAMES 512
static const char *call_name[NR_NAMES];

static void look_up_names(void)
{
	for (int i = 0; i < NR_NAMES; i++)
		call_name[i] = seccomp_syscall_resolve_num_arch(SCMP_ARCH_X86_64, i);
}

/* The call was trapped before it did anything. One write(), so that the line stays whole. */
static void forbidden_call(int signal, siginfo_t *info, void *context)
{
	unsigned call = (unsigned)info->si_syscall;
	const char *name = call < NR_NAMES ? call_name[call] : NULL;
	char line[256], *end = line;

	(void)signal, (void)context;
	end = stpcpy(end, "minivmm: the system call ");
	end = stpcpy(end, name ? name : "of an unknown number");
	end = stpcpy(end, " is forbidden once guests run: this is a bug, or a guest has broken "
			  "out (--no-sandbox allows every call)\n");
	ssize_t ignored = write(STDERR_FILENO, line, (size_t)(end - line));
	(void)ignored;
	_exit(EXIT_HOST);
}

static int catch_forbidden_calls(void)
{
	struct sigaction action = { .sa_sigaction = forbidden_call, .sa_flags = SA_SIGINFO };

	look_up_names();
	return sigaction(SIGSYS, &action, NULL);
}

/* ---- entering -------------------------------------------------------------------- */

static int load(scmp_filter_ctx filter, bool tracks_dirty_pages)
{
	int failed = seccomp_attr_set(filter, SCMP_FLTATR_CTL_TSYNC, 1);

	if (!failed)
		failed = seccomp_attr_set(filter, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS);
	if (!failed) /* KVM_RUN is what nearly every call is */
		failed = seccomp_syscall_priority(filter, SCMP_SYS(ioctl), UINT8_MAX);
	if (!failed)
		failed = allow_ioctls(filter, allowed_ioctls, COUNT_OF(allowed_ioctls));
	if (!failed && tracks_dirty_pages)
		failed = allow_ioctls(filter, dirty_ioctls, COUNT_OF(dirty_ioctls));
	if (!failed)
		failed = allow_calls(filter);
	if (!failed)
		failed = allow_by_argument(filter);
	return failed ? failed : seccomp_load(filter);
}

int sandbox_enter(bool tracks_dirty_pages, struct error *err)
{
	scmp_filter_ctx filter = seccomp_init(SCMP_ACT_TRAP);

	if (!filter || catch_forbidden_calls()) {
		seccomp_release(filter);
		return error_set(err, EXIT_HOST, "not enough memory for the sandbox");
	}
	int failed = load(filter, tracks_dirty_pages);
	seccomp_release(filter);
	if (failed)
		return error_set_errno(err, EXIT_HOST, -failed,
				       "the kernel refused the sandbox (seccomp): --no-sandbox "
				       "runs without it");
	return 0;
}
