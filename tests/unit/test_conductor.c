/* SPDX-License-Identifier: MIT */
/* The conductor leads vCPUs of the test's own, which note what they are told. */
#include "unit.h"

#include <pthread.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "vcpu/base/clock.h"
#include "vmm/machine/conductor.h"

#define NR_VCPUS   2 /* of each of two VMs */
#define NR_VMS	   2
#define NR_ALL	   (NR_VCPUS * NR_VMS)
#define MEM_BYTES  0x4000
#define MAX_PHASES 16

/* One vCPU's thread: waits for a phase, notes it, stays in it for as long as it lasts. */
struct player {
	struct machine *m;
	struct vm *vm;
	unsigned nr_phases;
	uint32_t mechanism[MAX_PHASES];
	uint32_t phase[MAX_PHASES];
	pthread_t thread;
};

static struct ensemble {
	struct options options;
	struct machine machine;
	struct vm vm[NR_VMS];
	struct player player[NR_ALL];
} e;

static void play_phase(struct player *p, uint32_t mechanism)
{
	struct mv_control *control = vm_control(p->vm);
	uint32_t phase = __atomic_load_n(&control->phase, __ATOMIC_ACQUIRE);

	while (__atomic_load_n(&control->phase, __ATOMIC_ACQUIRE) == phase)
		sched_yield();
	if (p->nr_phases < MAX_PHASES) {
		p->mechanism[p->nr_phases] = mechanism;
		p->phase[p->nr_phases] = phase;
	}
	p->nr_phases++;
}

static void *play(void *argument)
{
	struct player *p = argument;
	uint32_t mechanism;

	while ((mechanism = phase_gate_wait(&p->m->gate, p->m->event_fd)) != MV_PHASE_END)
		play_phase(p, mechanism);
	__atomic_store_n(&p->vm->exited, true, __ATOMIC_RELEASE);
	eventfd_write(p->m->event_fd, 1);
	return NULL;
}

static void set_up(unsigned nr_mechanisms, uint64_t duration_ns)
{
	static const int cpus[] = { 0, 0 };
	static const enum mechanism_id mechanisms[] = { MECHANISM_ipi, MECHANISM_pv,
							MECHANISM_pv_recheck };
	struct pcpu_config config = {
		.host_cpu = cpus,
		.nr_pcpus = 2,
		.nr_vms = NR_VMS,
		.nr_vcpus = NR_VCPUS,
		.slices = { .slice_ns = 1000000 },
		.policy = &sched_policies[0],
	};
	struct error err;

	e = (struct ensemble){
		.options = { .nr_mechanisms = nr_mechanisms,
			     .nr_vcpus = NR_VCPUS,
			     .nr_vms = NR_VMS,
			     .pcpus.nr = 2,
			     .slice_ns = 1000000,
			     .duration_ns = duration_ns,
			     .timeout_ns = 60000000000ull },
	};
	for (unsigned i = 0; i < nr_mechanisms; i++)
		e.options.mechanism[i] = mechanisms[i];
	e.machine = (struct machine){ .options = &e.options,
				      .nr_vms = NR_VMS,
				      .vm = e.vm,
				      .nr_vcpus = NR_ALL,
				      .event_fd = eventfd(0, EFD_NONBLOCK) };
	ck_assert_int_ge(e.machine.event_fd, 0);
	phase_gate_init(&e.machine.gate);
	e.machine.pcpus = pcpus_create(&config, &err);
	ck_assert_ptr_nonnull(e.machine.pcpus);
	for (unsigned i = 0; i < NR_VMS; i++)
		e.vm[i] = (struct vm){ .mem = { .ram = calloc(1, MEM_BYTES), .bytes = MEM_BYTES } };
}

static struct conduct_result perform(void)
{
	for (unsigned i = 0; i < NR_ALL; i++) {
		e.player[i] = (struct player){ .m = &e.machine, .vm = &e.vm[i / NR_VCPUS] };
		ck_assert_int_eq(pthread_create(&e.player[i].thread, NULL, play, &e.player[i]), 0);
	}
	struct conduct_result result = conduct(&e.machine, NULL);

	for (unsigned i = 0; i < NR_ALL; i++)
		pthread_join(e.player[i].thread, NULL);
	return result;
}

static void tear_down(void)
{
	for (unsigned i = 0; i < NR_VMS; i++)
		free(e.vm[i].mem.ram);
	pcpus_destroy(e.machine.pcpus);
	phase_gate_finish(&e.machine.gate);
	close(e.machine.event_fd);
}

/* A phase lasts 250 ms, and a mechanism for so many of them. */
#define ROUNDS_NS(n) ((n)*250000000ull)

static void assert_order(unsigned nr_mechanisms, unsigned nr_rounds, const uint32_t *order)
{
	set_up(nr_mechanisms, ROUNDS_NS(nr_rounds));
	uint64_t since_ns = monotonic_ns();
	struct conduct_result result = perform();

	ck_assert_uint_ge(monotonic_ns() - since_ns, nr_mechanisms * ROUNDS_NS(nr_rounds));
	ck_assert_int_eq(result.ending, ENDING_DONE);
	ck_assert_uint_eq(result.phases, nr_mechanisms * nr_rounds);
	for (unsigned i = 0; i < NR_ALL; i++) {
		ck_assert_uint_eq(e.player[i].nr_phases, result.phases);
		for (unsigned k = 0; k < result.phases; k++) {
			ck_assert_uint_eq(e.player[i].mechanism[k], order[k]);
			ck_assert_uint_eq(e.player[i].phase[k], k + 1);
		}
	}
	tear_down();
}

/* So that a machine which grows slower meanwhile treats both alike. */
START_TEST(mechanisms_take_turns_a_b_b_a)
{
	static const uint32_t order[] = { 0, 1, 1, 0, 0, 1 };

	assert_order(2, 3, order);
}
END_TEST

START_TEST(of_three_mechanisms_each_second_round_goes_backwards)
{
	static const uint32_t order[] = { 0, 1, 2, 2, 1, 0 };

	assert_order(3, 2, order);
}
END_TEST

START_TEST(a_guest_that_ends_with_a_code_ends_the_run)
{
	set_up(1, ROUNDS_NS(1));
	e.vm[1].exit_code = 3;
	ck_assert_int_eq(perform().ending, ENDING_GUEST_CODE);
	tear_down();
}
END_TEST

#define TESTS(X)                                                \
	X(mechanisms_take_turns_a_b_b_a)                        \
	X(of_three_mechanisms_each_second_round_goes_backwards) \
	X(a_guest_that_ends_with_a_code_ends_the_run)

UNIT_SUITE(conductor, TESTS)
