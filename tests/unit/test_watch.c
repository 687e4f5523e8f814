/* SPDX-License-Identifier: MIT */
/* `minivmm watch` without a VMM: options, names of threads, perf's records, and counters. */
#include "unit.h"

#include <errno.h>
#include <linux/perf_event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "help_text.h"
#include "vmm/watch/switch_counts.h"
#include "vmm/watch/switch_record.h"
#include "vmm/watch/thread_name.h"
#include "vmm/watch/watch_options.h"

/* ---- options --------------------------------------------------------------------------- */

static int parse(const char *line, struct watch_options *o, struct error *err)
{
	static char text[256];
	static char *word[16];
	int nr = 0;

	snprintf(text, sizeof(text), "%s", line);
	for (char *w = strtok(text, " "); w; w = strtok(NULL, " "))
		word[nr++] = w;
	word[nr] = NULL;
	return watch_options_parse(nr, word, o, err);
}

START_TEST(options_arrive_where_they_belong)
{
	struct watch_options o;
	struct error err;

	ck_assert_int_eq(parse("watch 42", &o, &err), 0);
	ck_assert_int_eq(o.pid, 42);
	ck_assert_uint_eq(o.time_ns, 0);
	ck_assert_uint_eq(o.interval_ns, 1000000000);
	ck_assert(!o.all && !o.json && !o.help && !o.trace && !o.threads);
	ck_assert_int_eq(
		parse("watch --time 2s --interval 100ms --json --trace t --threads v* 7", &o, &err),
		0);
	ck_assert_uint_eq(o.time_ns, 2000000000);
	ck_assert_uint_eq(o.interval_ns, 100000000);
	ck_assert(o.json && !o.all);
	ck_assert_str_eq(o.trace, "t");
	ck_assert_str_eq(o.threads, "v*");
	ck_assert_int_eq(parse("watch --all -- 7", &o, &err), 0);
	ck_assert(o.all && o.pid == 7);
	ck_assert_int_eq(parse("watch --help", &o, &err), 0);
	ck_assert(o.help);
}
END_TEST

START_TEST(what_makes_no_sense_is_refused)
{
	static const char *const lines[][2] = {
		{ "watch", "which VMM?" },
		{ "watch 1 2", "one too many" },
		{ "watch 1 -- 2", "one too many" },
		{ "watch 0", "is no process" },
		{ "watch 2147483648", "is no process" },
		{ "watch qemu", "'qemu'" },
		{ "watch --time 0s 1", "is no time at all" },
		{ "watch --time 5 1", "without a unit" },
		{ "watch --interval 99ms 1", "is too short" },
		{ "watch --all --threads v 1", "give one of them" },
		{ "watch --tim", "needs a value" },
		{ "watch --nonsense 1", "unknown option" },
	};
	struct watch_options o;
	struct error err;

	for (unsigned i = 0; i < COUNT_OF(lines); i++) {
		ck_assert_int_eq(parse(lines[i][0], &o, &err), -1);
		ck_assert_int_eq(err.status, EXIT_USAGE);
		ck_assert_msg(strstr(err.text, lines[i][1]) != NULL, "%s: %s", lines[i][0],
			      err.text);
	}
}
END_TEST

START_TEST(help_fits_a_terminal)
{
	char *text = help_text(watch_options_print_help);

	ck_assert_ptr_nonnull(strstr(text, "--threads PATTERN"));
	free(text);
}
END_TEST

/* ---- names ----------------------------------------------------------------------------- */

START_TEST(threads_of_vcpus_are_known_by_their_names)
{
	static const struct {
		const char *name;
		int number; /* -1: no vCPU */
	} table[] = {
		{ "CPU 0/KVM", 0 },
		{ "CPU 117/TCG", 117 },
		{ "fc_vcpu 3", 3 },
		{ "kvm-vcpu-12", 12 },
		{ "vcpu1", 1 },
		{ "crosvm_vcpu2", 2 },
		{ "CPU 0/HVF", -1 },
		{ "CPU /KVM", -1 },
		{ "CPU 0/KVMx", -1 },
		{ "fc_vcpu", -1 },
		{ "fc_vcpu 3a", -1 },
		{ "kvm-nx-lpage-re", -1 },
		{ "", -1 },
		{ "vcpu999999", -1 },
		{ "qemu-system-x86", -1 },
	};

	for (unsigned i = 0; i < COUNT_OF(table); i++) {
		unsigned number = 77;
		bool is_vcpu = thread_name_is_vcpu(table[i].name, &number);

		ck_assert_msg(is_vcpu == (table[i].number >= 0), "%s", table[i].name);
		ck_assert_int_eq((int)number, is_vcpu ? table[i].number : 77);
	}
}
END_TEST

/* ---- records --------------------------------------------------------------------------- */

static uint8_t data[256];
static struct switch_ring ring;

/* Begins a ring whose first record stands at `offset`. */
static void ring_at(size_t offset)
{
	memset(data, 0xee, sizeof(data));
	ring = (struct switch_ring){ data, sizeof(data), offset, offset };
}

static void put(uint32_t type, uint16_t misc, unsigned nr, const uint64_t *word)
{
	struct perf_event_header header = { type, misc, (uint16_t)(sizeof(header) + 8 * nr) };
	uint8_t bytes[sizeof(header) + 8 * 32];

	memcpy(bytes, &header, sizeof(header));
	memcpy(bytes + sizeof(header), word, 8 * nr);
	for (unsigned i = 0; i < header.size; i++)
		data[ring.head++ % sizeof(data)] = bytes[i];
}
#define PUT(type, misc, ...) \
	put(type, misc, sizeof((uint64_t[]){ __VA_ARGS__ }) / 8, (uint64_t[]){ __VA_ARGS__ })

static struct switch_record next(void)
{
	struct switch_record r;

	ck_assert(switch_record_next(&ring, &r));
	return r;
}

/* Whether a sample with these registers is one in KVM_RUN. */
static bool sampled_in_kvm_run(uint64_t abi, uint64_t rax, uint64_t rsi, uint64_t rip)
{
	ring_at(0);
	PUT(PERF_RECORD_SAMPLE, 1, 5, 1000, 3, abi, rax, rsi, 8, rip);
	struct switch_record r = next();
	ck_assert_int_eq(r.kind, SWITCH_SAMPLE);
	ck_assert_uint_eq(r.time_ns, 1000);
	ck_assert_uint_eq(r.cpu, 3);
	ck_assert_uint_eq(r.fd, r.in_kvm_run ? 8 : 0);
	return r.in_kvm_run;
}

START_TEST(kvm_run_is_told_by_the_registers_of_user_space)
{
	uint64_t inside = (uint64_t)-ENOSYS;

	ck_assert(sampled_in_kvm_run(PERF_SAMPLE_REGS_ABI_64, inside, 0xae80, 0x7f00));
	ck_assert(sampled_in_kvm_run(PERF_SAMPLE_REGS_ABI_64, inside, 0xffffffff0000ae80, 0x7f00));
	ck_assert(!sampled_in_kvm_run(PERF_SAMPLE_REGS_ABI_64, 0, 0xae80, 0x7f00));
	ck_assert(!sampled_in_kvm_run(PERF_SAMPLE_REGS_ABI_64, (uint64_t)-EINTR, 0xae80, 0x7f00));
	ck_assert(!sampled_in_kvm_run(PERF_SAMPLE_REGS_ABI_64, inside, 0xae81, 0x7f00));
	ck_assert(!sampled_in_kvm_run(PERF_SAMPLE_REGS_ABI_64, inside, 0xae80, 0));
	ck_assert(!sampled_in_kvm_run(PERF_SAMPLE_REGS_ABI_32, inside, 0xae80, 0x7f00));
}
END_TEST

/* Wherever in the ring the records stand. */
START_TEST(records_are_read_across_the_end_of_the_ring)
{
	for (size_t offset = 0; offset < sizeof(data); offset += 8) {
		ring_at(offset);
		PUT(PERF_RECORD_SWITCH, PERF_RECORD_MISC_SWITCH_OUT, 5, 10, 0);
		PUT(PERF_RECORD_SWITCH, 0, 5, 20, 1);
		PUT(PERF_RECORD_SWITCH,
		    PERF_RECORD_MISC_SWITCH_OUT | PERF_RECORD_MISC_SWITCH_OUT_PREEMPT, 5, 30, 1);
		PUT(PERF_RECORD_LOST, 0, 99, 4711, 5, 40, 1);
		PUT(PERF_RECORD_THROTTLE, 0, 1);
		struct switch_record slept = next(), in = next(), out = next(), lost = next();
		ck_assert(slept.kind == SWITCH_OUT && !slept.preempted && slept.time_ns == 10);
		ck_assert(in.kind == SWITCH_IN && in.time_ns == 20 && in.cpu == 1);
		ck_assert(out.kind == SWITCH_OUT && out.preempted && out.time_ns == 30);
		ck_assert(lost.kind == SWITCH_LOST && lost.lost == 4711);
		ck_assert_int_eq(next().kind, SWITCH_OTHER);
		ck_assert(!switch_record_next(&ring, &in));
		ck_assert_uint_eq(ring.tail, ring.head);
	}
}
END_TEST

START_TEST(what_is_no_record_is_skipped)
{
	struct switch_record r;

	ring_at(0);
	PUT(PERF_RECORD_SWITCH, 0, 5, 10); /* too short for one */
	PUT(PERF_RECORD_LOST, 0, 5);
	PUT(PERF_RECORD_SAMPLE, 0, 5, 10, 0);
	for (unsigned i = 0; i < 3; i++)
		ck_assert_int_eq(next().kind, SWITCH_OTHER);
	put(PERF_RECORD_SWITCH, 0, 25, (uint64_t[25]){ 5, 10, 2 }); /* longer than any today */
	ck_assert_int_eq(next().kind, SWITCH_IN);
	ck_assert_uint_eq(ring.tail, ring.head);
	ring_at(0);
	PUT(PERF_RECORD_SWITCH, 0, 5, 10, 0);
	ring.head -= 8; /* not whole */
	ck_assert(!switch_record_next(&ring, &r));
	ring_at(0);
	ring.head = 8;
	memset(data, 0, 8); /* a record of no length would be read for ever */
	ck_assert(!switch_record_next(&ring, &r));
	ck_assert_uint_eq(ring.tail, ring.head);
}
END_TEST

/* ---- counters -------------------------------------------------------------------------- */

static struct switch_counts c;

static void take(enum switch_kind kind, uint64_t time_ns, bool flag)
{
	switch_counts_take(&c, &(struct switch_record){
				       .kind = kind,
				       .time_ns = time_ns,
				       .preempted = kind == SWITCH_OUT && flag,
				       .in_kvm_run = kind == SWITCH_SAMPLE && flag,
				       .lost = kind == SWITCH_LOST ? 3 : 0,
			       });
}

static void begin(void)
{
	c = (struct switch_counts){ 0 };
	take(SWITCH_SAMPLE, 100, true);
	take(SWITCH_OUT, 101, true);
	take(SWITCH_IN, 111, false); /* preempted for 10 ns, in KVM_RUN */
	take(SWITCH_SAMPLE, 120, false);
	take(SWITCH_OUT, 121, true);
	take(SWITCH_IN, 151, false); /* for 30 ns, outside */
	take(SWITCH_SAMPLE, 160, true);
	take(SWITCH_OUT, 161, false);
	take(SWITCH_IN, 261, false); /* slept for 100 ns in KVM_RUN */
}

START_TEST(times_off_the_cpu_are_counted_by_their_kind)
{
	begin();
	ck_assert_uint_eq(c.preempted.nr, 2);
	ck_assert_uint_eq(c.preempted.in_kvm_run, 1);
	ck_assert_uint_eq(c.preempted.ns, 40);
	ck_assert_uint_eq(c.preempted.longest_ns, 30);
	ck_assert_uint_eq(c.slept.nr, 1);
	ck_assert_uint_eq(c.slept.in_kvm_run, 1);
	ck_assert_uint_eq(c.slept.ns, 100);
	ck_assert_uint_eq(c.known_ns, 160);
	ck_assert_int_eq(c.state, THREAD_RUNS);
}
END_TEST

START_TEST(what_has_not_ended_counts_until_now)
{
	begin();
	take(SWITCH_OUT, 300, true);
	take(SWITCH_OTHER, 0, false);
	struct switch_counts until = switch_counts_until(&c, 350);
	ck_assert_uint_eq(until.preempted.nr, 3);
	ck_assert_uint_eq(until.preempted.ns, 90);
	ck_assert_uint_eq(until.preempted.longest_ns, 50);
	ck_assert_uint_eq(until.known_ns, 249);
	ck_assert_uint_eq(switch_counts_until(&c, 299).preempted.ns, 40); /* no time before it */
	ck_assert_uint_eq(c.preempted.ns, 40);
	take(SWITCH_IN, 310, false);
	ck_assert_uint_eq(c.preempted.ns, 50);
}
END_TEST

/* Between the records that were lost anything may have happened. */
START_TEST(after_a_loss_nothing_is_known)
{
	begin();
	take(SWITCH_SAMPLE, 299, true);
	take(SWITCH_OUT, 300, true);
	take(SWITCH_SAMPLE, 301, true);
	take(SWITCH_LOST, 0, false);
	ck_assert_uint_eq(c.lost, 3);
	ck_assert_int_eq(c.state, THREAD_UNKNOWN);
	take(SWITCH_OUT, 5000, true);
	take(SWITCH_IN, 5001, false);
	ck_assert_uint_eq(c.preempted.nr, 4);
	ck_assert_uint_eq(c.preempted.in_kvm_run, 2);
	ck_assert_uint_eq(c.preempted.ns, 41);
	ck_assert_uint_eq(c.known_ns, 200);
}
END_TEST

/* clang-format off: a line each */
#define TESTS(X)                                          \
	X(options_arrive_where_they_belong)               \
	X(what_makes_no_sense_is_refused)                 \
	X(help_fits_a_terminal)                           \
	X(threads_of_vcpus_are_known_by_their_names)      \
	X(kvm_run_is_told_by_the_registers_of_user_space) \
	X(records_are_read_across_the_end_of_the_ring)    \
	X(what_is_no_record_is_skipped)                   \
	X(times_off_the_cpu_are_counted_by_their_kind)    \
	X(what_has_not_ended_counts_until_now)            \
	X(after_a_loss_nothing_is_known)

UNIT_SUITE(watch, TESTS)
