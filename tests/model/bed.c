/* SPDX-License-Identifier: MIT */
/* The bed: KVM, the scheduler of pCPUs and the hardware, around the shipped functions. */
#include "bed.h"

#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>

#include "accesses.h"
#include "coroutine.h"
#include "guest-kernel/base/lib.h"
#include "guest-kernel/base/platform.h"
#include "guest-kernel/cpu/apic.h"
#include "guest-kernel/cpu/paging.h"
#include "guest-kernel/cpu/percpu.h"
#include "guest-kernel/mechanisms/mechanisms.h"
#include "guest-kernel/scenarios/phase.h"
#include "guest-kernel/shootdown/fault.h"
#include "guest-kernel/shootdown/hint.h"
#include "guest-kernel/shootdown/oracle.h"
#include "guest-kernel/shootdown/shootdown.h"
#include "handler.h"
#include "vcpu/base/clock.h"
#include "vcpu/run_loop.h"
#include "vmm/machine/exits.h"

enum { N = BED_MAX_VCPUS, NO_ENTRY = 255, FIRST_MEMORY = 7 };

/* Guest-physical 0 here: not NULL, which no pointer is counted from. */
#define RAM_ADDRESS 4096ull

/* What the vCPUs share but for the memory of the shipped code, see accesses.h. */
static struct world {
	uint32_t pte[N];      /* of each initiator's page */
	uint8_t tlb[N][N];    /* [vCPU][page] */
	uint8_t required[N];  /* the lowest generation that may still be used */
	uint8_t executing[N]; /* in guest mode */
	uint8_t flushes[N];   /* at its next entry */
	uint8_t ipi[N];	      /* pending */
	uint8_t kick[N];      /* likewise */
	uint8_t mp_state[N];  /* KVM's */
	uint8_t slice_over[N];
	uint8_t has_pcpu[N];
	uint8_t waits[N]; /* for a pCPU */
	uint8_t initiators_left;
	uint8_t preemptions_left;
	uint8_t kernel_marks_left;
	uint8_t nmis_left;
	uint8_t kicks_left;
} w;

/* A vCPU's guest code: its program, or the interrupt handler on top of it. */
static struct guest {
	struct coroutine co;
	bool inside; /* the program executes, and not its host */
	bool begun, finished;
	bool in_handler;
	struct handler handler;
	uint64_t memory;	     /* while it does not execute */
	uint64_t memory_interrupted; /* of the program */
	const char *step;	     /* that it wants to take */
	bool (*may_step)(unsigned vcpu);
	bool exits; /* it has accessed the doorbell */
	uint64_t gpa, value;
	uint32_t bytes;
	uint32_t icr_high; /* the APIC's */
} guests[N];

static const struct stage *stage;
static bool threads_run;
static const char *wrong; /* what has happened that must not */
static uintptr_t host_stack[N];

static struct vm vm;
static struct vcpu vcpus[N];
static struct vcpu_thread vcpu_threads[N];
static struct machine machine;
static struct mv_result results[N];
static struct mv_hint hint_pages[N];
static union {
	struct kvm_run run;
	uint8_t page[4096];
} runs[N];

/* ---- what the guest's files need ------------------------------------------- */

struct percpu percpus[MV_MAX_VCPUS];
struct mv_hint *hints = hint_pages;
uint64_t clock_ns_per_tick_32;

vector_entry vector_shootdown, vector_shootdown_skipping_flush;
void vector_shootdown(void)
{
}

void vector_shootdown_skipping_flush(void)
{
}

bool str_equal(const char *a, const char *b)
{
	return strcmp(a, b) == 0;
}

/* ---- steps ------------------------------------------------------------------ */

static bool (*host_may_step[N])(unsigned vcpu);

static unsigned host_options(unsigned self)
{
	return host_may_step[self](self);
}

static void step(const char *name, bool (*may)(unsigned vcpu))
{
	unsigned self = explore_self();
	struct guest *g = &guests[self];

	if (g->inside) {
		g->step = name;
		g->may_step = may;
		coroutine_yield(&g->co);
		return;
	}
	host_may_step[self] = may;
	explore_choose(&name, host_options);
}

static bool always(unsigned vcpu)
{
	(void)vcpu;
	return true;
}

static int running_thread(void)
{
	return threads_run ? (int)explore_self() : -1;
}

static bool is_in_guest(void)
{
	return guests[explore_self()].inside;
}

static bool is_within(uintptr_t address, uintptr_t from, size_t bytes)
{
	return address >= from && address - from < bytes;
}

/* Stacks, and hints, of which the guest reads nothing that is of importance here. */
static bool is_private(uintptr_t address)
{
	for (unsigned i = 0; i < N; i++)
		if (is_within(address, (uintptr_t)guests[i].co.stack, COROUTINE_STACK_BYTES) ||
		    is_within(address, host_stack[i] - COROUTINE_STACK_BYTES,
			      COROUTINE_STACK_BYTES + 1024))
			return true;
	return is_within(address, (uintptr_t)hint_pages, sizeof(hint_pages));
}

static void name_memory(uintptr_t address, char *text, size_t bytes)
{
	static const struct {
		const char *name;
		size_t offset;
	} of_percpu[] = {
		{ "last ticket", offsetof(struct percpu, requested) },
		{ "acknowledgment", offsetof(struct percpu, acked) },
		{ "byte", offsetof(struct percpu, steal.preempted) },
	}, of_vcpu[] = {
		{ "in_guest", offsetof(struct vcpu, in_guest) },
		{ "must_flush", offsetof(struct vcpu, must_flush) },
	};

	for (unsigned v = 0; v < N; v++) {
		for (unsigned i = 0; i < sizeof(of_percpu) / sizeof(of_percpu[0]); i++)
			if (address == (uintptr_t)&percpus[v] + of_percpu[i].offset) {
				snprintf(text, bytes, "vCPU %u's %s", v, of_percpu[i].name);
				return;
			}
		for (unsigned i = 0; i < sizeof(of_vcpu) / sizeof(of_vcpu[0]); i++)
			if (address == (uintptr_t)&vcpus[v] + of_vcpu[i].offset) {
				snprintf(text, bytes, "vCPU %u's %s", v, of_vcpu[i].name);
				return;
			}
		if (address == (uintptr_t)&w.pte[v]) {
			snprintf(text, bytes, "PTE %u", v);
			return;
		}
	}
	snprintf(text, bytes, "memory at 0x%lx", (unsigned long)address);
}

static const struct accesses_bed accesses_bed = {
	.thread = running_thread,
	.is_in_guest = is_in_guest,
	.is_private = is_private,
	.name = name_memory,
	.step = step,
};

/* ---- the hardware ----------------------------------------------------------- */

static void fill_tlb(unsigned vcpu)
{
	for (unsigned page = 0; page < stage->nr_vcpus; page++) {
		accesses_note(&w.pte[page], sizeof(w.pte[page]), false);
		if (w.tlb[vcpu][page] == NO_ENTRY)
			w.tlb[vcpu][page] = (uint8_t)w.pte[page];
	}
}

static void flush_tlb(unsigned vcpu)
{
	memset(w.tlb[vcpu], NO_ENTRY, sizeof(w.tlb[vcpu]));
	if (w.executing[vcpu])
		fill_tlb(vcpu);
}

static void interrupt(unsigned from, uint32_t icr_low)
{
	bool all = (icr_low & ICR_ALL_BUT_SELF) == ICR_ALL_BUT_SELF;

	for (unsigned v = 0; v < stage->nr_vcpus; v++)
		if (v != from && (all || guests[from].icr_high >> XAPIC_ID_SHIFT == v))
			w.ipi[v] = 1;
}

/* Nothing is executed before an interrupt that is pending is taken. */
static bool has_no_interrupt(unsigned vcpu)
{
	return !w.ipi[vcpu];
}

/* Declared in the explorer's own instructions.h. */
void bed_mmio_write(uint64_t gpa, uint64_t value, uint32_t bytes)
{
	unsigned self = explore_self();
	struct guest *g = &guests[self];

	if (gpa == MV_XAPIC_GPA + XAPIC_ICR_HIGH) {
		g->icr_high = (uint32_t)value;
		return;
	}
	if (gpa == MV_XAPIC_GPA + XAPIC_ICR_LOW) {
		step("interrupts", always);
		accesses_drain(self);
		interrupt(self, (uint32_t)value);
		return;
	}
	g->exits = true;
	g->gpa = gpa;
	/* The flush mask is on this stack: the one address that a guest here passes. */
	g->value = gpa == MV_DOORBELL_GPA + MV_DB_FLUSH ? value - RAM_ADDRESS : value;
	g->bytes = bytes;
	g->step = "goes on behind its exit";
	g->may_step = has_no_interrupt;
	coroutine_yield(&g->co);
}

void bed_flush_page(uint64_t gva)
{
	unsigned self = explore_self();

	for (unsigned page = 0; page < stage->nr_vcpus; page++)
		if (gva == paging_window_gva(page))
			w.tlb[self][page] = NO_ENTRY;
	fill_tlb(self);
}

void bed_kernel_call(uint64_t call)
{
	if (call == KERNEL_CALL_FLUSH_ALL)
		flush_tlb(explore_self());
}

/* ---- the guest's program ----------------------------------------------------- */

/* In place of the oracle's mappings: the stages' pages. */
void oracle_remap(struct percpu *initiator)
{
	unsigned page = initiator->index;

	accesses_store8((uint8_t *)&w.pte[page], (uint8_t)(w.required[page] + 1));
}

void oracle_complete(struct percpu *initiator)
{
	w.required[initiator->index]++;
	step("has given up its page", always);
}

void oracle_prepare(struct percpu *initiator)
{
	(void)initiator;
}

bool oracle_watches_self(const struct percpu *initiator)
{
	(void)initiator;
	return false;
}

/* In place of the doorbell, where a vCPU waits for the others and nothing else. */
static void just_wait(void)
{
}

static const struct platform waiting_platform = { .yield = just_wait };

static void guest_program(void)
{
	static const struct mv_control no_phase;
	unsigned self = explore_self();
	struct range none = { 0 };
	uint64_t memory;

	for (unsigned yield = 0; yield < stage->yields[self]; yield++)
		platform->yield_to(0);
	for (unsigned round = 0; round < stage->rounds[self]; round++)
		shootdown(&percpus[self], &none, NULL);
	w.initiators_left -= stage->rounds[self] != 0;
	if (stage->ends_phase) {
		phase_run(&percpus[self], NULL, &no_phase);
		if (vcpus_stopped < stage->nr_vcpus)
			wrong = "a vCPU leaves a phase before all have stopped";
	}
	memory = explore_memory();
	while (stage->halting >> self & 1) {
		explore_forget(memory);
		platform->halt();
	}
	guests[self].finished = true;
}

static void guest_go_on(struct guest *g)
{
	g->inside = true;
	coroutine_resume(&g->co);
	g->inside = false;
}

/* ---- KVM ----------------------------------------------------------------------- */

enum { GO_ON, TAKE_INTERRUPT, TAKE_NMI, LOSE_PCPU, LOSE_PCPU_MARKED, BE_KICKED, END };

static bool somebody_waits(void)
{
	for (unsigned v = 0; v < stage->nr_vcpus; v++)
		if (w.waits[v])
			return true;
	return false;
}

static unsigned ways_to_lose(unsigned self, bool is_stuck)
{
	if (!(stage->preempted >> self & 1))
		return 0;
	if (w.preemptions_left)
		return 1u << LOSE_PCPU | (w.kernel_marks_left ? 1u << LOSE_PCPU_MARKED : 0);
	/* Whoever gets nowhere loses it in the end, if another wants it. */
	return is_stuck && stage->nr_pcpus && somebody_waits() ? 1u << LOSE_PCPU : 0;
}

/* Before the next instruction of a vCPU in guest mode. */
static unsigned boundary_options(unsigned self)
{
	struct guest *g = &guests[self];
	unsigned set = 0;

	if (g->in_handler || (!g->finished && g->may_step(self)))
		set |= 1u << GO_ON;
	if (w.ipi[self] && !g->in_handler)
		set |= 1u << TAKE_INTERRUPT;
	if (w.kick[self] || w.kicks_left)
		set |= 1u << BE_KICKED;
	if (g->finished && !(w.ipi[self] || w.kick[self]) && !g->in_handler && !w.initiators_left)
		set |= 1u << END;
	return set | ways_to_lose(self, set == 0);
}

static unsigned halted_options(unsigned self)
{
	unsigned set = 0;

	if (w.ipi[self])
		set |= 1u << TAKE_INTERRUPT;
	if (w.nmis_left)
		set |= 1u << TAKE_NMI;
	if (w.kick[self])
		set |= 1u << BE_KICKED;
	if (!w.ipi[self] && !w.initiators_left)
		set |= 1u << END;
	return set;
}

static void leave_guest(unsigned self)
{
	accesses_drain(self);
	w.executing[self] = 0;
}

static void end_work(unsigned self)
{
	w.executing[self] = w.has_pcpu[self] = 0;
	explore_finish();
}

static int leave_by_signal(unsigned self)
{
	leave_guest(self);
	errno = EINTR;
	return -1;
}

static int leave_by_doorbell(unsigned self)
{
	struct kvm_run *run = &runs[self].run;
	struct guest *g = &guests[self];

	leave_guest(self);
	g->exits = false;
	run->exit_reason = KVM_EXIT_MMIO;
	run->mmio.phys_addr = g->gpa;
	run->mmio.len = g->bytes;
	run->mmio.is_write = 1;
	memcpy(run->mmio.data, &g->value, g->bytes);
	return 0;
}

static void lose_pcpu(unsigned self, bool marked)
{
	w.preemptions_left -= w.preemptions_left != 0;
	w.slice_over[self] = 1;
	if (!marked)
		return;
	w.kernel_marks_left--;
	accesses_note(&percpus[self].steal.preempted, 1, true);
	percpus[self].steal.preempted |= KVM_VCPU_PREEMPTED;
}

static void begin_handler(unsigned self)
{
	struct guest *g = &guests[self];

	w.ipi[self] = 0;
	g->in_handler = true;
	g->handler = handler_begin();
	g->memory_interrupted = g->memory;
}

static void handler_go_on(unsigned self)
{
	struct guest *g = &guests[self];

	accesses_note(&percpus[self].requested, 8, false);
	accesses_note(&percpus[self].acked, 8, true);
	accesses_drain(self);
	if (handler_step(&g->handler, &percpus[self]))
		flush_tlb(self);
	if (handler_step_name(&g->handler))
		return;
	g->in_handler = false;
	explore_forget(g->memory_interrupted);
}

static unsigned choose_at_boundary(unsigned self)
{
	struct guest *g = &guests[self];
	const char *const name[] = {
		[GO_ON] = g->in_handler ? handler_step_name(&g->handler) : g->step,
		[TAKE_INTERRUPT] = "takes the interrupt",
		[LOSE_PCPU] = "loses its pCPU",
		[LOSE_PCPU_MARKED] = "loses its pCPU, and the kernel marks it",
		[BE_KICKED] = "is kicked out of the guest",
		[END] = "ends its work",
	};

	return explore_choose(name, boundary_options);
}

/* Executes the guest until there is an exit. */
static int execute(unsigned self)
{
	struct guest *g = &guests[self];

	for (;;) {
		g->memory = explore_memory();
		if (g->exits)
			return leave_by_doorbell(self);
		unsigned choice = choose_at_boundary(self);
		switch (choice) {
		case GO_ON:
			if (g->in_handler)
				handler_go_on(self);
			else
				guest_go_on(g);
			break;
		case TAKE_INTERRUPT:
			begin_handler(self);
			break;
		case LOSE_PCPU:
		case LOSE_PCPU_MARKED:
			lose_pcpu(self, choice == LOSE_PCPU_MARKED);
			return leave_by_signal(self);
		case BE_KICKED:
			w.kicks_left -= !w.kick[self];
			return leave_by_signal(self);
		default:
			end_work(self);
		}
	}
}

/*
 * Without executing an instruction, until something arrives. Then KVM_RUN returns, if userspace
 * has asked to be told of interrupts or has put the vCPU into the state of one that awaits its
 * INIT; else it goes on into the guest (Linux 66450a21f996): 1.
 */
static int sleep_halted(unsigned self)
{
	static const char *const name[] = {
		[TAKE_INTERRUPT] = "is woken by the interrupt",
		[TAKE_NMI] = "is woken by an NMI",
		[BE_KICKED] = "is kicked while it is halted",
		[END] = "ends its work",
	};
	struct kvm_run *run = &runs[self].run;
	unsigned choice = explore_choose(name, halted_options);

	if (choice == END)
		end_work(self);
	w.nmis_left -= choice == TAKE_NMI;
	errno = choice == BE_KICKED ? EINTR : EAGAIN;
	if (choice == BE_KICKED || w.mp_state[self] == KVM_MP_STATE_UNINITIALIZED)
		return -1;
	w.mp_state[self] = KVM_MP_STATE_RUNNABLE;
	run->exit_reason = KVM_EXIT_IRQ_WINDOW_OPEN;
	return choice == TAKE_NMI || !run->request_interrupt_window;
}

static void enter_guest(unsigned self)
{
	struct guest *g = &guests[self];

	step("enters the guest", always);
	explore_forget(g->memory);
	if (w.flushes[self])
		flush_tlb(self);
	w.flushes[self] = 0;
	w.executing[self] = 1;
	if (!w.has_pcpu[self])
		wrong = "a vCPU executes without a pCPU";
	fill_tlb(self);
	if (g->begun)
		return;
	g->begun = true;
	coroutine_init(&g->co, guest_program);
	guest_go_on(g);
}

static int kvm_run(unsigned self)
{
	struct kvm_run *run = &runs[self].run;

	if (run->kvm_dirty_regs & KVM_SYNC_X86_SREGS)
		w.flushes[self] = 1;
	run->kvm_dirty_regs = 0;
	if (run->immediate_exit) {
		errno = EINTR;
		return -1;
	}
	if (w.mp_state[self] != KVM_MP_STATE_RUNNABLE) {
		int result = sleep_halted(self);

		if (result <= 0)
			return result;
	}
	enter_guest(self);
	return execute(self);
}

/* The calls of KVM that the shipped functions make; a vCPU's file is its number. */
int ioctl(int fd, unsigned long request, ...)
{
	unsigned self = (unsigned)fd;
	va_list args;

	va_start(args, request);
	void *arg = va_arg(args, void *);
	va_end(args);
	switch (request) {
	case KVM_RUN:
		return kvm_run(self);
	case KVM_GET_MP_STATE:
		((struct kvm_mp_state *)arg)->mp_state = w.mp_state[self];
		break;
	case KVM_SET_MP_STATE:
		w.mp_state[self] = (uint8_t)((struct kvm_mp_state *)arg)->mp_state;
		break;
	case KVM_SET_MSRS:
		return 1;
	}
	return 0;
}

/* The signal of vcpu_kick(): a thread's id is the number of its vCPU. */
long syscall(long number, ...);
long syscall(long number, ...)
{
	va_list args;

	va_start(args, number);
	va_arg(args, int);
	unsigned target = va_arg(args, unsigned);
	va_end(args);
	step("kicks", always);
	w.kick[target] = 1;
	return 0;
}

int sigtimedwait(const sigset_t *set, siginfo_t *info, const struct timespec *timeout)
{
	(void)set, (void)info, (void)timeout;
	w.kick[explore_self()] = 0;
	return -1;
}

/* ---- the scheduler of pCPUs ----------------------------------------------------- */

uint64_t monotonic_ns(void)
{
	return 0;
}

uint64_t thread_cpu_ns(void)
{
	return 0;
}

static bool a_pcpu_is_free(unsigned self)
{
	unsigned held = 0;

	(void)self;
	for (unsigned v = 0; v < stage->nr_vcpus; v++)
		held += w.has_pcpu[v];
	return !stage->nr_pcpus || held < stage->nr_pcpus;
}

static bool wait_for_pcpu(uint64_t *ret_waited_ns)
{
	unsigned self = explore_self();

	w.waits[self] = 1;
	step("is given a pCPU", a_pcpu_is_free);
	w.waits[self] = 0;
	w.has_pcpu[self] = 1;
	w.slice_over[self] = 0;
	*ret_waited_ns = 1;
	return true;
}

static void give_pcpu_back(unsigned i)
{
	unsigned self = explore_self();

	if (i != stage->vm * stage->nr_vcpus + self)
		wrong = "a vCPU gives another one's pCPU back";
	w.has_pcpu[self] = 0;
}

bool pcpus_acquire(struct pcpus *p, unsigned i, uint64_t *ret_waited_ns)
{
	(void)p, (void)i;
	return wait_for_pcpu(ret_waited_ns);
}

void pcpus_release(struct pcpus *p, unsigned i, enum slice_end end)
{
	(void)p, (void)end;
	give_pcpu_back(i);
}

bool pcpus_preempt(struct pcpus *p, unsigned i, uint64_t *ret_waited_ns)
{
	(void)p;
	*ret_waited_ns = 0;
	if (!w.slice_over[explore_self()])
		return true;
	give_pcpu_back(i);
	return wait_for_pcpu(ret_waited_ns);
}

bool pcpus_yield(struct pcpus *p, unsigned i, uint64_t *ret_waited_ns)
{
	(void)p;
	give_pcpu_back(i);
	return wait_for_pcpu(ret_waited_ns);
}

bool pcpus_yield_to(struct pcpus *p, unsigned i, unsigned target, uint64_t *ret_waited_ns)
{
	unsigned first = stage->vm * stage->nr_vcpus;

	if (target < first || target >= first + stage->nr_vcpus)
		wrong = "a vCPU yields to one of another VM";
	if (target == i)
		wrong = "a vCPU yields to itself";
	if (target >= first && w.has_pcpu[(target - first) % N]) {
		*ret_waited_ns = 0;
		return true;
	}
	return pcpus_yield(p, i, ret_waited_ns);
}

/* Nobody's timer expires. */
void pcpus_kick_in(struct pcpus *p, unsigned i, uint64_t ns)
{
	(void)p, (void)i, (void)ns;
}

bool pcpus_slice_is_over(struct pcpus *p, unsigned i)
{
	(void)p, (void)i;
	return w.slice_over[explore_self()];
}

int pcpus_held_by(const struct pcpus *p, unsigned i)
{
	(void)p, (void)i;
	return 0;
}

uint64_t pcpus_expired_ns(const struct pcpus *p, unsigned i)
{
	(void)p, (void)i;
	return 0;
}

bool pcpus_are_stopping(const struct pcpus *p)
{
	(void)p;
	return false;
}

void machine_fail(struct machine *m, const char *format, ...)
{
	(void)m, (void)format;
	wrong = "the VMM says that the guest asks for nonsense";
}

/* ---- the model -------------------------------------------------------------------- */

static void vcpu_thread(unsigned self)
{
	struct vcpu_handler handler = { .context = &vcpu_threads[self],
					.exit = exits_handle,
					.blocked = exits_wait_for_phase };

	host_stack[self] = (uintptr_t)__builtin_frame_address(0);
	vcpu_run_loop(&vcpus[self], NULL, vcpu_threads[self].i, &handler);
	if (!wrong)
		wrong = "a vCPU's thread ends";
}

static void buffer_thread(unsigned self);

static const struct explore_thread threads[] = {
	{ "vCPU 0", vcpu_thread, false },  { "vCPU 1", vcpu_thread, false },
	{ "vCPU 2", vcpu_thread, false },  { "vCPU 0", buffer_thread, true },
	{ "vCPU 1", buffer_thread, true }, { "vCPU 2", buffer_thread, true },
};

static struct explore_thread used_threads[2 * N];

static unsigned buffer_options(unsigned self)
{
	return accesses_buffer_is_full(self - stage->nr_vcpus);
}

static void buffer_thread(unsigned self)
{
	static const char *const name[] = { "its store becomes visible" };
	uint64_t memory = explore_memory();

	for (;;) {
		explore_choose(name, buffer_options);
		accesses_drain(self - stage->nr_vcpus);
		explore_forget(memory);
	}
}

static void reset_percpu(unsigned v)
{
	struct percpu *cpu = &percpus[v];

	memset(cpu, 0, sizeof(*cpu));
	cpu->index = v;
	cpu->nr_vcpus = stage->nr_vcpus;
	cpu->targets.word[0] = stage->targets[v];
	cpu->nr_targets = (uint32_t)__builtin_popcount(stage->targets[v]);
	cpu->mechanism = mechanism_find(stage->mechanism);
	cpu->result = &results[v];
	cpu->icr_high = ~0u;
}

static void reset_vcpu(unsigned v)
{
	struct vcpu *vcpu = &vcpus[v];

	memset(vcpu, 0, offsetof(struct vcpu, handover));
	memset((char *)&vcpu->handover + sizeof(vcpu->handover), 0,
	       sizeof(*vcpu) - offsetof(struct vcpu, handover) - sizeof(vcpu->handover));
	vcpu->index = v;
	vcpu->vm = stage->vm;
	vcpu->fd = (int)v;
	vcpu->tid = (pid_t)v;
	vcpu->run = &runs[v].run;
	memset(&runs[v].run, 0, offsetof(struct kvm_run, s));
	runs[v].run.kvm_valid_regs = KVM_SYNC_X86_SREGS;
	runs[v].run.s.regs.sregs.cr0 = CR0_PG;
	vcpu->flush = &flush_primitives[FLUSH_VIA_sync_regs];
	vcpu->protocol = &host_protocol;
	vcpu->yield_to = -1;
	vcpu->marks_when_halted = stage->marks_halted;
	vcpu->steal.page = &percpus[v].steal;
	vcpu_threads[v] = (struct vcpu_thread){
		.machine = &machine, .vm = &vm, .vcpu = vcpu, .i = stage->vm * stage->nr_vcpus + v
	};
}

static void reset_guest(struct guest *g)
{
	memset((char *)g + sizeof(g->co), 0, sizeof(*g) - sizeof(g->co));
	g->memory = FIRST_MEMORY;
}

static void reset(void)
{
	threads_run = false;
	wrong = NULL;
	memset(&w, 0, sizeof(w));
	vcpus_stopped = 0;
	w.preemptions_left = stage->preemptions;
	w.kernel_marks_left = stage->kernel_marks;
	w.nmis_left = stage->nmis;
	w.kicks_left = stage->kicks;
	vm = (struct vm){ .index = stage->vm,
			  .mem = { (struct guest_ram *)RAM_ADDRESS, ~0ull },
			  .nr_vcpus = stage->nr_vcpus,
			  .vcpu = vcpus };
	for (unsigned v = 0; v < stage->nr_vcpus; v++) {
		reset_percpu(v);
		reset_vcpu(v);
		reset_guest(&guests[v]);
		w.initiators_left += stage->rounds[v] != 0;
	}
	accesses_reset();
	threads_run = true;
}

static bool uses(unsigned vcpu, unsigned page)
{
	return vcpu == page || stage->targets[page] >> vcpu & 1;
}

static const char *violation(void)
{
	if (accesses_have_grown())
		return "more memory is shared than was known";
	if (wrong)
		return wrong;
	for (unsigned v = 0; v < stage->nr_vcpus; v++)
		for (unsigned page = 0; w.executing[v] && page < stage->nr_vcpus; page++)
			if (uses(v, page) && w.tlb[v][page] < w.required[page])
				return "the shootdown is complete, and a vCPU executes with the "
				       "old translation";
	return NULL;
}

static void print_bytes(const char *name, const uint8_t *old, const uint8_t *now)
{
	for (unsigned v = 0; v < stage->nr_vcpus; v++)
		if (old[v] != now[v])
			printf(", %s %u: %d -> %d", name, v, old[v] == NO_ENTRY ? -1 : old[v],
			       now[v] == NO_ENTRY ? -1 : now[v]);
}

static void print_changes(const void *before)
{
	const struct world *old = before;
	char name[32];

	for (unsigned v = 0; v < stage->nr_vcpus; v++) {
		snprintf(name, sizeof(name), "TLB of %u, page", v);
		print_bytes(name, old->tlb[v], w.tlb[v]);
	}
	print_bytes("lowest allowed", old->required, w.required);
	accesses_print_changes();
}

static struct explore_model model = {
	.thread = used_threads,
	.world = &w,
	.world_bytes = sizeof(w),
	.reset = reset,
	.violation = violation,
	.print_changes = print_changes,
	.hash_more = accesses_hash,
	.abandons_threads = true,
};

const struct explore_model *bed_model(const struct stage *s)
{
	static const struct platform *shipped;

	shipped = shipped ? shipped : platform;
	platform = s->ends_phase ? &waiting_platform : shipped;
	threads_run = false;
	stage = s;
	fault_select("none");
	accesses_init(&accesses_bed, stage->buffers_stores);
	for (unsigned v = 0; v < stage->nr_vcpus; v++) {
		used_threads[v] = threads[v];
		used_threads[v + stage->nr_vcpus] = threads[v + N];
	}
	model.nr_threads = stage->nr_vcpus * (stage->buffers_stores ? 2 : 1);
	return &model;
}
