/* SPDX-License-Identifier: MIT */
/*
 * The machine that any VMM provides that starts PVH guests, such as QEMU's microvm.
 *
 * No host leads the guest through its phases there, so the guest does it by the TSC; and
 * nobody reads its results, so it prints them.
 */
#include "guest-kernel/pvh/pvh.h"

#include "guest-kernel/base/console.h"
#include "guest-kernel/base/lib.h"
#include "guest-kernel/base/platform.h"
#include "guest-kernel/cpu/apic.h"
#include "guest-kernel/cpu/clock.h"
#include "guest-kernel/cpu/percpu.h"
#include "guest-kernel/cpu/traps.h"
#include "guest-kernel/cpu/x86.h"
#include "guest-kernel/mechanisms/mechanisms.h"
#include "guest-kernel/scenarios/args.h"
#include "guest-kernel/shootdown/ipi.h"
#include "minivmm/hist.h"
#include "minivmm/pvh.h"
#include "minivmm/x86.h"

#define PORT_SERIAL	0x3f8
#define PORT_DEBUG_EXIT 0x0f4 /* QEMU: -device isa-debug-exit,iobase=0xf4 */

#define PAGE_BYTES 4096ull
#define NR_LARGE   2048 /* 4 GiB */

#define NS_PER_MS	    1000000ull
#define PHASE_MS	    50 /* mechanisms take turns, so that drift hits all alike */
#define DEFAULT_DURATION_MS 1000
#define CALIBRATION_NS	    (10 * NS_PER_MS)
#define INIT_NS		    (10 * NS_PER_MS)
#define QUIET_NS	    (100 * NS_PER_MS) /* no CPU has arrived for so long: all are there */
#define PATIENCE_NS	    (2000 * NS_PER_MS) /* with none, or with one that is missing between others */

/* ---- shared with pvh.S ------------------------------------------------------------- */

#define page_aligned _Alignas(4096)

page_aligned uint64_t pvh_top[512], pvh_pointers[512], pvh_directories[NR_LARGE];
_Alignas(16) uint8_t pvh_stack[MV_BOOT_STACK_BYTES];
uint32_t pvh_start_info_gpa;
struct mv_boot_info pvh_boot;
uint8_t pvh_present[MV_MAX_VCPUS]; /* by APIC id */
uint32_t pvh_nr_arrived;	   /* atomic */
uint64_t pvh_stacks_gpa;	   /* atomic; set once the others may go on */

_Static_assert(offsetof(struct mv_boot_info, nr_vcpus) == BOOT_NR_VCPUS, "used by pvh.S");

extern const uint8_t pvh_trampoline[], pvh_trampoline_end[];
extern const uint8_t image_end[]; /* guest.ld */

/* ---- the serial port ---------------------------------------------------------------- */

static void pvh_puts(const char *text)
{
	while (*text)
		out8(PORT_SERIAL, (uint8_t)*text++);
}

static __attribute__((noreturn)) void pvh_idle(void)
{
	for (;;)
		cpu_relax();
}

static _Noreturn void refuse(const char *reason)
{
	struct line line = { 0 };

	line_add(&line, "guest: ");
	line_add(&line, reason);
	line_exit(&line, MV_EXIT_BAD_ARGS);
}

/* ---- phases ------------------------------------------------------------------------- */

static struct {
	uint64_t arrived; /* at the gate, over all phases; atomic */
	uint64_t begun;	  /* phases; atomic */
	uint64_t nr;	  /* phases to run */
	uint64_t ticks;	  /* of a phase */
	uint64_t end_tsc; /* of this one */
	uint32_t mechanism;
} phases;

static struct mv_control *control(void)
{
	return (struct mv_control *)MV_CONTROL_GPA;
}

/* By the last vCPU to arrive: all others wait. */
static void begin_phase(void)
{
	if (phases.begun == phases.nr) {
		phases.mechanism = MV_PHASE_END;
	} else {
		phases.mechanism = (uint32_t)(phases.begun % pvh_boot.nr_mechanisms);
		phases.end_tsc = rdtsc() + phases.ticks;
		__atomic_store_n(&control()->phase, (uint32_t)phases.begun + 1, __ATOMIC_RELEASE);
	}
	__atomic_add_fetch(&phases.begun, 1, __ATOMIC_RELEASE);
}

static uint32_t pvh_wait_phase(void)
{
	uint64_t arrival = __atomic_fetch_add(&phases.arrived, 1, __ATOMIC_SEQ_CST);
	uint64_t before = arrival / pvh_boot.nr_vcpus;

	if (arrival % pvh_boot.nr_vcpus == pvh_boot.nr_vcpus - 1)
		begin_phase();
	while (__atomic_load_n(&phases.begun, __ATOMIC_ACQUIRE) == before)
		cpu_relax();
	return phases.mechanism;
}

static void pvh_after_round(void)
{
	if (rdtsc() > phases.end_tsc)
		__atomic_store_n(&control()->phase, 0, __ATOMIC_RELEASE);
}

/* The other vCPUs have CPUs of their own, as far as anyone here knows. */
static void pvh_yield(void)
{
	cpu_relax();
}

static void pvh_yield_to(uint32_t vcpu)
{
	(void)vcpu;
	cpu_relax();
}

/* ---- results ------------------------------------------------------------------------ */

static void add_number(struct line *line, const char *key, uint64_t value)
{
	line_add(line, " ");
	line_add(line, key);
	line_add(line, "=");
	line_add_dec(line, value);
}

/* Prints one mechanism's counts, of all vCPUs; returns its stale reads. */
static uint64_t print_mechanism(const struct mv_results *results, uint32_t mechanism)
{
	static struct mv_hist latency;
	struct mv_counters sum = { 0 };
	struct line line = { 0 };

	memset(&latency, 0, sizeof(latency));
	for (uint32_t vcpu = 0; vcpu < pvh_boot.nr_vcpus; vcpu++) {
		const struct mv_result *r =
			&results->result[vcpu * pvh_boot.nr_mechanisms + mechanism];

		sum.shootdowns += r->n.shootdowns;
		sum.ipis_sent += r->n.ipis_sent;
		sum.flushes_deferred += r->n.flushes_deferred;
		sum.oracle_reads += r->n.oracle_reads;
		sum.stale_reads += r->n.stale_reads;
		mv_hist_merge(&latency, &r->latency);
	}
	line_add(&line, pvh_boot.mechanism[mechanism]);
	line_add(&line, ":");
	add_number(&line, "shootdowns", sum.shootdowns);
	add_number(&line, "ipis_sent", sum.ipis_sent);
	add_number(&line, "flushes_deferred", sum.flushes_deferred);
	add_number(&line, "p50_ns", mv_hist_quantile(&latency, 500000));
	add_number(&line, "p99_ns", mv_hist_quantile(&latency, 990000));
	add_number(&line, "max_ns", latency.max);
	add_number(&line, "oracle_reads", sum.oracle_reads);
	add_number(&line, "stale_reads", sum.stale_reads);
	line_print(&line);
	return sum.stale_reads;
}

static uint32_t print_results(void)
{
	const struct mv_results *results = (const struct mv_results *)pvh_boot.results_gpa;
	uint64_t stale = 0;

	for (uint32_t i = 0; i < pvh_boot.nr_mechanisms; i++)
		stale += print_mechanism(results, i);
	pvh_puts(stale ? "FAIL\n" : "PASS\n");
	return stale ? MV_EXIT_FAILED : MV_EXIT_OK;
}

static __attribute__((noreturn)) void pvh_exit(uint32_t code)
{
	out8(PORT_DEBUG_EXIT, (uint8_t)(code == MV_EXIT_OK ? print_results() : code));
	pvh_idle();
}

static const struct platform pvh_platform = {
	.puts = pvh_puts,
	.exit = pvh_exit,
	.wait_phase = pvh_wait_phase,
	.after_round = pvh_after_round,
	.yield = pvh_yield,
	.yield_to = pvh_yield_to,
	.halt = pvh_yield,
	.idle = pvh_idle,
};

/* ---- memory -------------------------------------------------------------------------- */

/* One to one, accessible from ring 3, as minivmm does it; device memory is uncached. */
static void map_all(void)
{
	for (uint64_t i = 0; i < NR_LARGE; i++) {
		uint64_t gpa = i * LARGE_PAGE_BYTES;

		pvh_directories[i] = gpa | (gpa < MV_MEM_MAX_BYTES ? PTE_RAM : PTE_DEVICE);
	}
	for (uint64_t i = 0; i < NR_LARGE / PTES_PER_TABLE; i++)
		pvh_pointers[i] = (uint64_t)&pvh_directories[i * PTES_PER_TABLE] | PTE_TABLE;
}

/* The end of the RAM that holds the image. */
static uint64_t find_mem_end(const struct pvh_start_info *info)
{
	const struct pvh_memory *map = (const void *)info->memory_map_gpa;

	for (uint32_t i = 0; info->version >= 1 && i < info->nr_memory_map; i++) {
		uint64_t end = map[i].gpa + map[i].bytes;

		if (map[i].type == PVH_MEMORY_RAM && map[i].gpa <= MV_IMAGE_GPA &&
		    end > MV_IMAGE_GPA)
			return end < MV_MEM_MAX_BYTES ? end : MV_MEM_MAX_BYTES;
	}
	refuse("the VMM's start info says nothing about memory");
}

/* Zeroed pages from the top of memory down. */
static uint64_t take_from_top(uint64_t bytes)
{
	uint64_t pages = (bytes + PAGE_BYTES - 1) & ~(PAGE_BYTES - 1);

	if (pages > pvh_boot.free_bytes)
		refuse("too little memory for so many CPUs");
	pvh_boot.free_bytes -= pages;
	uint64_t gpa = pvh_boot.free_gpa + pvh_boot.free_bytes;
	memset((void *)gpa, 0, pages);
	return gpa;
}

static void lay_out_memory(const struct pvh_start_info *info)
{
	pvh_boot.mem_bytes = find_mem_end(info) & ~(PAGE_BYTES - 1);
	pvh_boot.free_gpa = ((uint64_t)image_end + PAGE_BYTES - 1) & ~(PAGE_BYTES - 1);
	pvh_boot.free_bytes = pvh_boot.mem_bytes - pvh_boot.free_gpa;
}

/* ---- the command line ---------------------------------------------------------------- */

static void add_mechanisms(char *list)
{
	for (char *name = list, *next; *name; name = next) {
		next = args_split(name, ',');
		const struct mechanism *m = mechanism_find(name);

		if (pvh_boot.nr_mechanisms == MV_MAX_MECHANISMS)
			refuse("shootdown=: too many mechanisms");
		if (m && m->host & (MV_HOST_FLUSHES | MV_HOST_MARKS_HALTED))
			refuse("shootdown=: this mechanism needs minivmm");
		str_copy(pvh_boot.mechanism[pvh_boot.nr_mechanisms++], name, MV_NAME_BYTES);
	}
}

static void add_arg(const char *key, const char *value)
{
	struct line args = { 0 };

	line_add(&args, pvh_boot.args);
	line_add(&args, " ");
	line_add(&args, key);
	line_add(&args, "=");
	line_add(&args, value);
	str_copy(pvh_boot.args, args.text, sizeof(pvh_boot.args));
}

/* shootdown= and duration_ms= are minivmm's options elsewhere; the rest is the scenario's. */
static void parse_command_line(const char *command_line)
{
	uint64_t duration_ms = DEFAULT_DURATION_MS;
	char text[MV_ARGS_BYTES];

	str_copy(text, command_line, sizeof(text));
	for (char *word = text, *next; *word; word = next) {
		next = args_split(word, ' ');
		char *value = args_split(word, '=');

		if (str_equal(word, "shootdown"))
			add_mechanisms(value);
		else if (str_equal(word, "duration_ms"))
			duration_ms = args_number(value);
		else if (*word)
			add_arg(word, value);
	}
	if (duration_ms < PHASE_MS || duration_ms > 1000000)
		refuse("duration_ms=: expected a whole number from 50 to 1000000");
	if (pvh_boot.nr_mechanisms == 0)
		add_mechanisms((char[]){ "ipi" });
	phases.nr = duration_ms / PHASE_MS * pvh_boot.nr_mechanisms;
}

/* ---- time ------------------------------------------------------------------------------ */

/*
 * Against the local APIC's timer, which counts nanoseconds both in KVM (APIC_BUS_CYCLE_NS
 * in arch/x86/kvm/lapic.h, until a VMM changes it) and in QEMU (hw/intc/apic.c).
 */
static void calibrate_clock(void)
{
	uint32_t left;

	apic_write(XAPIC_LVT_TIMER, LVT_MASKED);
	apic_write(XAPIC_TIMER_DIVIDE, TIMER_DIVIDE_BY_1);
	apic_write(XAPIC_TIMER_INITIAL, UINT32_MAX);
	uint32_t start = apic_read(XAPIC_TIMER_CURRENT);
	uint64_t start_tsc = rdtsc();
	do
		left = apic_read(XAPIC_TIMER_CURRENT);
	while (start - left < CALIBRATION_NS);
	uint64_t ticks = rdtsc() - start_tsc;
	apic_write(XAPIC_TIMER_INITIAL, 0);

	pvh_boot.ns_per_tick_32 = ((uint64_t)(start - left) << 32) / ticks;
	clock_ns_per_tick_32 = pvh_boot.ns_per_tick_32;
}

static void wait_ns(uint64_t ns)
{
	uint64_t start = rdtsc();

	while (clock_ticks_to_ns(rdtsc() - start) < ns)
		cpu_relax();
}

/* The median round trip of an access that only the VMM's own process can answer. */
static void print_exit_cost(void)
{
	static struct mv_hist cost;
	struct line line = { 0 };

	for (unsigned i = 0; i < 200; i++) {
		uint64_t start = rdtsc();

		mmio_read32(MV_DOORBELL_GPA + MV_DB_NOP);
		mv_hist_record(&cost, clock_ticks_to_ns(rdtsc() - start));
	}
	line_add(&line, "guest:");
	add_number(&line, "cpus", pvh_boot.nr_vcpus);
	add_number(&line, "exit_p50_ns", mv_hist_quantile(&cost, 500000));
	line_print(&line);
}

/* ---- the other CPUs ------------------------------------------------------------------- */

static bool ids_have_gaps(uint32_t nr_cpus)
{
	for (uint32_t id = 0; id < nr_cpus; id++) {
		if (!pvh_present[id])
			return true;
	}
	return false;
}

/* How many there are once all have arrived. */
static uint32_t wait_for_other_cpus(void)
{
	uint32_t before, now = 0;
	uint64_t waited_ns = 0;

	do {
		before = now;
		wait_ns(QUIET_NS);
		waited_ns += QUIET_NS;
		now = __atomic_load_n(&pvh_nr_arrived, __ATOMIC_ACQUIRE);
	} while (now != before ||
		 ((now == 0 || ids_have_gaps(1 + now)) && waited_ns < PATIENCE_NS));
	return now;
}

/* INIT, then a start-up interrupt to all others, as Intel SDM volume 3, 9.4.4 has it. */
static void start_other_cpus(void)
{
	pvh_present[apic_read(XAPIC_ID) >> XAPIC_ID_SHIFT] = 1;
	if (!pvh_present[0])
		refuse("the first CPU's APIC id is not 0");
	memcpy((void *)PVH_TRAMPOLINE_GPA, pvh_trampoline,
	       (size_t)(pvh_trampoline_end - pvh_trampoline));
	apic_write(XAPIC_ICR_LOW, ICR_ALL_BUT_SELF | ICR_ASSERT | ICR_INIT);
	wait_ns(INIT_NS);
	apic_write(XAPIC_ICR_LOW,
		   ICR_ALL_BUT_SELF | ICR_ASSERT | ICR_STARTUP | PVH_TRAMPOLINE_GPA / PAGE_BYTES);
	pvh_boot.nr_vcpus = 1 + wait_for_other_cpus();
	if (ids_have_gaps(pvh_boot.nr_vcpus))
		refuse("the CPUs' APIC ids have gaps: try another topology");
}

const struct mv_boot_info *pvh_start(void)
{
	const struct pvh_start_info *info =
		(const struct pvh_start_info *)(uint64_t)pvh_start_info_gpa;

	platform = &pvh_platform;
	traps_init(vector_shootdown);
	map_all();
	if (info->magic != PVH_START_MAGIC)
		refuse("there is no start info");
	pvh_boot.magic = MV_BOOT_MAGIC;
	pvh_boot.abi_version = MV_ABI_VERSION;
	pvh_boot.seed = rdtsc();
	str_copy(pvh_boot.fault, "none", sizeof(pvh_boot.fault));
	lay_out_memory(info);
	parse_command_line(info->command_line_gpa ? (const char *)info->command_line_gpa : "");
	memset(control(), 0, sizeof(*control()));

	ipi_enable();
	calibrate_clock();
	phases.ticks = ((PHASE_MS * NS_PER_MS) << 32) / pvh_boot.ns_per_tick_32;
	start_other_cpus();
	pvh_boot.results_bytes = MV_RESULTS_BYTES(pvh_boot.nr_vcpus, pvh_boot.nr_mechanisms);
	pvh_boot.results_gpa = take_from_top(pvh_boot.results_bytes);
	pvh_boot.hints_gpa = take_from_top(pvh_boot.nr_vcpus * sizeof(struct mv_hint));
	uint64_t stacks = take_from_top(pvh_boot.nr_vcpus * MV_BOOT_STACK_BYTES);
	print_exit_cost();
	__atomic_store_n(&pvh_stacks_gpa, stacks, __ATOMIC_RELEASE);
	return &pvh_boot;
}
