/* SPDX-License-Identifier: MIT */
/* The gate between phases, with real threads. */
#include "unit.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "vmm/machine/phase_gate.h"

#define NR_THREADS 8
#define NR_PHASES  1000
#define END	   0xffffffff

struct crowd {
	struct phase_gate gate;
	int event_fd;
	pthread_t thread[NR_THREADS];
	uint32_t sum; /* of the answers that all threads have had; atomic */
};

/* A vCPU's life: from phase to phase, until there is none. */
static void *live(void *argument)
{
	struct crowd *c = argument;
	uint32_t answer;

	while ((answer = phase_gate_wait(&c->gate, c->event_fd)) != END)
		__atomic_add_fetch(&c->sum, answer, __ATOMIC_RELAXED);
	return NULL;
}

static void start_crowd(struct crowd *c)
{
	*c = (struct crowd){ .event_fd = eventfd(0, EFD_NONBLOCK) };
	phase_gate_init(&c->gate);
	for (unsigned i = 0; i < NR_THREADS; i++)
		ck_assert_int_eq(pthread_create(&c->thread[i], NULL, live, c), 0);
}

static void finish_crowd(struct crowd *c)
{
	for (unsigned i = 0; i < NR_THREADS; i++)
		pthread_join(c->thread[i], NULL);
	phase_gate_finish(&c->gate);
	close(c->event_fd);
}

/* As the conductor does: the event says when to look again. */
static void wait_until_all_wait(struct crowd *c)
{
	struct pollfd fd = { .fd = c->event_fd, .events = POLLIN };
	eventfd_t events;

	while (phase_gate_waiting(&c->gate) < NR_THREADS) {
		ck_assert_int_eq(poll(&fd, 1, 60000), 1);
		eventfd_read(c->event_fd, &events);
	}
}

START_TEST(everybody_takes_part_in_every_phase_once)
{
	struct crowd c;
	uint32_t sum = 0;

	start_crowd(&c);
	for (uint32_t phase = 1; phase <= NR_PHASES; phase++) {
		wait_until_all_wait(&c);
		ck_assert_uint_eq(__atomic_load_n(&c.sum, __ATOMIC_RELAXED), sum);
		phase_gate_open(&c.gate, phase);
		sum += NR_THREADS * phase;
	}
	wait_until_all_wait(&c);
	ck_assert_uint_eq(__atomic_load_n(&c.sum, __ATOMIC_RELAXED), sum);
	phase_gate_end(&c.gate, END);
	finish_crowd(&c);
}
END_TEST

START_TEST(the_end_holds_for_those_who_come_later)
{
	struct crowd c;

	start_crowd(&c);
	phase_gate_end(&c.gate, END);
	finish_crowd(&c);
}
END_TEST

#define CASES(X)                                    \
	X(everybody_takes_part_in_every_phase_once) \
	X(the_end_holds_for_those_who_come_later)
UNIT_SUITE(phase_gate, CASES)
