/* SPDX-License-Identifier: MIT */
/* The self-check: proves on this very host which primitives flush a guest's TLB. */
#define _GNU_SOURCE /* RUSAGE_THREAD */
#include "vmm/host/selfcheck.h"

#include <linux/kvm.h>
#include <string.h>
#include <sys/resource.h>

#include "minivmm/abi.h"
#include "minivmm/x86.h"
#include "vcpu/base/clock.h"
#include "vmm/host/ring_start.h"
#include "vmm/machine/vm.h"
#include "vmm/machine/x86_boot.h"

#define MEM_BYTES MV_MEM_MIN_BYTES
#define ROUNDS	  3
#define TRIES	  20 /* of a trial during which the host's scheduler took the CPU away */

/* Guest-physical addresses of the check's own things, one page each. */
#define CODE_GPA     MV_IMAGE_GPA
#define TABLE_GPA    (CODE_GPA + 0x1000) /* the leaf table that is written */
#define PAGE_A_GPA   (CODE_GPA + 0x2000)
#define PAGE_B_GPA   (CODE_GPA + 0x3000)
#define READINGS_GPA (CODE_GPA + 0x4000)
#define FLUSH_GPA    (CODE_GPA + 0x5000)
/* A virtual address that the boot page tables leave free: the last 2 MiB of 1 GiB. */
#define WINDOW_GVA 0x3fe00000ull

#define VALUE_A 0xaaaa
#define VALUE_B 0xbbbb

extern const uint8_t selfcheck_guest[], selfcheck_guest_end[];

/* What the guest leaves at READINGS_GPA in each pass. */
struct readings {
	uint64_t found;	      /* what was in the TLB, or the page that is mapped */
	uint64_t after_remap; /* another page is mapped: equal to `found` if the TLB is stale */
};

/* ---- the guest -------------------------------------------------------------- */

/* What lies there, within its page. */
static void *at(struct vm *vm, uint64_t gpa)
{
	return guest_mem_own(&vm->mem, gpa, PAGE_BYTES);
}

/* One more leaf table, below the directory that the boot page tables have. */
static void build_window(struct vm *vm)
{
	uint64_t *directory = at(vm, MV_PAGE_TABLES_GPA + 2 * PAGE_BYTES);
	uint64_t *leaf = at(vm, TABLE_GPA);

	boot_build_page_tables(&vm->mem);
	directory[WINDOW_GVA >> 21] = TABLE_GPA | PTE_TABLE;
	leaf[0] = PAGE_A_GPA | PTE_TABLE;
	*(uint64_t *)at(vm, PAGE_A_GPA) = VALUE_A;
	*(uint64_t *)at(vm, PAGE_B_GPA) = VALUE_B;
	memcpy(at(vm, CODE_GPA), selfcheck_guest, (size_t)(selfcheck_guest_end - selfcheck_guest));
}

static int start_guest(struct vm *vm, struct error *err)
{
	struct kvm_regs regs = {
		.rip = CODE_GPA,
		.rdi = WINDOW_GVA,
		.rsi = TABLE_GPA,
		.r8 = PAGE_A_GPA | PTE_TABLE,
		.r9 = PAGE_B_GPA | PTE_TABLE,
		.r10 = MV_DOORBELL_GPA + MV_DB_NOP,
		.rdx = READINGS_GPA,
	};

	return ring_start(&vm->vcpu[0], 3, &regs, err);
}

/* ---- one trial --------------------------------------------------------------- */

/*
 * Applies `flush` (NULL: nothing) and lets the guest make one pass, to its doorbell; false
 * if it did anything else. *interrupted becomes true if that took more than one entry.
 */
static bool make_pass(struct vcpu *v, void (*flush)(struct vcpu *), uint64_t *ret_resume_ns,
		      bool *interrupted)
{
	struct vcpu_exit exit;

	vcpu_complete_io(v);
	uint64_t start_ns = monotonic_ns();
	if (flush)
		flush(v);
	vcpu_run(v, &exit);
	while (exit.kind == VCPU_EXIT_KICK) { /* a process that is stopped, for one */
		*interrupted = true;
		vcpu_run(v, &exit);
	}
	*ret_resume_ns = monotonic_ns() - start_ns;
	return exit.kind == VCPU_EXIT_MMIO && exit.gpa == MV_DOORBELL_GPA + MV_DB_NOP;
}

/* The fastest round is the undisturbed one: a disturbance only adds time. */
static uint64_t fastest(const uint64_t ns[ROUNDS])
{
	uint64_t least = ns[0];

	for (unsigned i = 1; i < ROUNDS; i++)
		least = ns[i] < least ? ns[i] : least;
	return least;
}

/*
 * Has the guest produce a stale translation ROUNDS times, applies `flush` and looks whether
 * the next pass still finds it.
 */
static enum proof try_once(struct vm *vm, void (*flush)(struct vcpu *), uint64_t *ret_resume_ns,
			   bool *interrupted)
{
	struct vcpu *v = &vm->vcpu[0];
	const volatile struct readings *r = at(vm, READINGS_GPA);
	uint64_t resume_ns[ROUNDS];
	unsigned was_stale = 0, stayed_stale = 0;

	/* The first pass finds what the last trial left, and counts for nothing. */
	if (!make_pass(v, flush, &resume_ns[0], interrupted))
		return PROOF_NONE;
	for (unsigned i = 0; i < ROUNDS; i++) {
		uint64_t before = r->found;
		bool stale = r->after_remap == before;

		if (!make_pass(v, flush, &resume_ns[i], interrupted))
			return PROOF_NONE;
		was_stale += stale;
		stayed_stale += stale && r->found == before;
	}
	*ret_resume_ns = fastest(resume_ns);
	if (stayed_stale)
		return PROOF_FAILS;
	return was_stale == ROUNDS ? PROOF_FLUSHES : PROOF_NO_STALE;
}

/* How often this thread has lost its CPU, or given it away. */
static long times_descheduled(void)
{
	struct rusage usage;

	return getrusage(RUSAGE_THREAD, &usage) ? 0 : usage.ru_nvcsw + usage.ru_nivcsw;
}

/*
 * Repeats the trial until it was undisturbed: a second entry, or another process on this CPU, may
 * remove the stale translation in place of `flush`. A translation that stayed stale is proof in any
 * case. On a host that disturbs every trial the last one counts.
 */
static enum proof try_flush(struct vm *vm, void (*flush)(struct vcpu *), uint64_t *ret_resume_ns)
{
	for (unsigned tries = 1;; tries++) {
		long descheduled_before = times_descheduled();
		bool interrupted = false;
		enum proof proof = try_once(vm, flush, ret_resume_ns, &interrupted);
		bool descheduled = times_descheduled() != descheduled_before;

		if (proof == PROOF_NONE || proof == PROOF_FAILS)
			return proof;
		if (!interrupted && (!descheduled || tries >= TRIES))
			return proof;
	}
}

/* The control: a plain exit. If it flushes as well, nothing else can be proven. */
static void try_control(struct vm *vm, struct selfcheck *check)
{
	enum proof proof = try_flush(vm, NULL, &check->plain_resume_ns);

	check->exit_alone_flushes = proof == PROOF_FLUSHES || proof == PROOF_NO_STALE;
}

static void try_primitive(struct vm *vm, enum flush_prim prim, struct selfcheck *check)
{
	const struct flush_primitive *p = &flush_primitives[prim];
	struct error why;

	if (p->prepare(&vm->vcpu[0], &vm->mem, FLUSH_GPA, &why))
		return;
	check->proof[prim] = try_flush(vm, p->flush, &check->resume_ns[prim]);
	if (check->proof[prim] == PROOF_FLUSHES && check->exit_alone_flushes)
		check->proof[prim] = PROOF_NO_STALE;
}

static int build_guest(struct vm *vm, const struct kvm *kvm, enum dirty_kind dirty,
		       struct error *err)
{
	bool interrupted;
	uint64_t ns;

	if (vm_init(vm, kvm, 0, 1, MEM_BYTES, dirty, err))
		return -1;
	build_window(vm);
	if (start_guest(vm, err)) {
		vm_finish(vm);
		return -1;
	}
	/* It brings in its pages; any failure will show again. */
	make_pass(&vm->vcpu[0], NULL, &ns, &interrupted);
	return 0;
}

int selfcheck_run(const struct kvm *kvm, struct vm *ret_vm, struct selfcheck *ret_check,
		  struct error *err)
{
	*ret_check = (struct selfcheck){ 0 };
	if (build_guest(ret_vm, kvm, DIRTY_none, err))
		return -1;
	try_control(ret_vm, ret_check);
	for (unsigned i = 0; i < NR_FLUSH_PRIMS; i++)
		try_primitive(ret_vm, i, ret_check);
	return 0;
}

int selfcheck_try(const struct kvm *kvm, const struct selfcheck_action *action,
		  enum proof *ret_proof, struct error *err)
{
	struct vm vm;
	uint64_t resume_ns;
	bool interrupted;

	if (build_guest(&vm, kvm, action->dirty, err))
		return -1;
	int failed = action->prepare ? action->prepare(&vm, err) : 0;
	if (!failed) {
		make_pass(&vm.vcpu[0], NULL, &resume_ns, &interrupted); /* as prepared */
		*ret_proof = try_flush(&vm, action->act, &resume_ns);
	}
	vm_finish(&vm);
	return failed;
}

bool selfcheck_allows(const struct selfcheck *check, enum flush_prim prim)
{
	return check->proof[prim] == PROOF_FLUSHES || check->proof[prim] == PROOF_NO_STALE;
}

int selfcheck_best(const struct selfcheck *check)
{
	int best = -1;

	for (int i = 0; i < NR_FLUSH_PRIMS; i++) {
		if (selfcheck_allows(check, (enum flush_prim)i) &&
		    (best < 0 || check->resume_ns[i] < check->resume_ns[best]))
			best = i;
	}
	return best;
}
