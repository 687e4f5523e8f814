/* SPDX-License-Identifier: MIT */
/* The harvester: a thread that collects dirty pages again and again, as live migration does. */
#define _GNU_SOURCE
#include "vmm/dirty/harvester.h"

#include <stdlib.h>
#include <time.h>

#include "vcpu/base/clock.h"

#define THREAD_STACK_BYTES (128u << 10)

/* ---- one harvest ------------------------------------------------------------------ */

static void *page_at(const struct dirty_vm *vm, uint64_t page)
{
	return guest_mem_own(vm->mem, page * DIRTY_PAGE_BYTES, DIRTY_PAGE_BYTES);
}

/* After the harvest: a write between an earlier reading and the harvest would be lost. */
static void read_found(struct dirty_vm *vm)
{
	for (size_t i = 0; i < vm->found.nr; i++)
		vm->digest[vm->found.page[i]] = dirty_digest(page_at(vm, vm->found.page[i]));
}

static bool collect(struct harvester *h, struct dirty_vm *vm)
{
	struct error err;

	if (dirty_vm_collect(vm, h->config.kind, &err)) {
		h->config.fail(h->config.context, &err);
		return false;
	}
	h->counts.pages += vm->found.nr;
	if (h->config.drops_entry && vm->found.nr)
		vm->found.nr--;
	return true;
}

/* Of `nr` VMs from this one on. */
static void harvest(struct harvester *h, unsigned first, unsigned nr)
{
	uint64_t start_ns = monotonic_ns();

	for (unsigned i = first; i < first + nr; i++) {
		if (!collect(h, &h->vm[i]))
			return;
	}
	uint64_t collected_ns = monotonic_ns();

	for (unsigned i = first; i < first + nr; i++)
		read_found(&h->vm[i]);
	h->counts.harvests++;
	mv_hist_record(&h->counts.harvest, collected_ns - start_ns);
	h->counts.copy_ns += monotonic_ns() - collected_ns;
}

/* ---- phases ------------------------------------------------------------------------- */

static void read_all(struct dirty_vm *vm)
{
	for (uint64_t page = 0; page < vm->nr_pages; page++)
		vm->digest[page] = dirty_digest(page_at(vm, page));
}

static void check_page(struct harvester *h, unsigned vm, uint64_t page)
{
	uint64_t gpa = page * DIRTY_PAGE_BYTES;

	h->counts.pages_checked++;
	if (dirty_digest(page_at(&h->vm[vm], page)) == h->vm[vm].digest[page] ||
	    h->config.is_written_by_vmm(h->config.context, vm, gpa))
		return;
	if (h->counts.pages_lost++)
		return;
	h->counts.lost_vm = vm;
	h->counts.lost_gpa = gpa;
}

static void check_all(struct harvester *h)
{
	for (unsigned i = 0; i < h->config.nr_vms; i++) {
		for (uint64_t page = 0; page < h->vm[i].nr_pages; page++)
			check_page(h, i, page);
	}
}

static void track(struct harvester *h, bool on)
{
	struct error err;

	for (unsigned i = 0; i < h->config.nr_vms; i++) {
		if (dirty_vm_track(&h->vm[i], on, &err))
			h->config.fail(h->config.context, &err);
	}
}

void harvester_begin_phase(struct harvester *h)
{
	pthread_mutex_lock(&h->lock);
	track(h, true);
	for (unsigned i = 0; i < h->config.nr_vms; i++)
		read_all(&h->vm[i]);
	h->since_ns = monotonic_ns();
	h->tracking = true;
	pthread_cond_signal(&h->changed);
	pthread_mutex_unlock(&h->lock);
}

void harvester_end_phase(struct harvester *h)
{
	pthread_mutex_lock(&h->lock);
	if (h->tracking) {
		h->counts.tracked_ns += monotonic_ns() - h->since_ns;
		harvest(h, 0, h->config.nr_vms);
		check_all(h);
		track(h, false);
		h->tracking = false;
	}
	pthread_mutex_unlock(&h->lock);
}

void harvester_empty_ring(struct harvester *h, unsigned vm)
{
	if (!h->vm) /* without --dirty there are no rings */
		return;
	pthread_mutex_lock(&h->lock);
	h->counts.ring_full_exits++;
	harvest(h, vm, 1);
	pthread_mutex_unlock(&h->lock);
}

/* ---- the thread ------------------------------------------------------------------------ */

/* True if that time came, false if something else is to be looked at first. */
static bool wait_until(struct harvester *h, uint64_t until_ns)
{
	struct timespec until = timespec_of_ns(until_ns);

	while (h->tracking && !h->ending && monotonic_ns() < until_ns)
		pthread_cond_timedwait(&h->changed, &h->lock, &until);
	return h->tracking && !h->ending;
}

static void *harvester_main(void *argument)
{
	struct harvester *h = argument;

	pthread_mutex_lock(&h->lock);
	h->running = true;
	pthread_cond_signal(&h->changed);
	while (!h->ending) {
		uint64_t start_ns = monotonic_ns();

		if (!h->tracking)
			pthread_cond_wait(&h->changed, &h->lock);
		else if (wait_until(h, start_ns + h->config.every_ns))
			harvest(h, 0, h->config.nr_vms);
	}
	pthread_mutex_unlock(&h->lock);
	return NULL;
}

int harvester_init(struct harvester *h, const struct harvester_config *config, struct error *err)
{
	pthread_condattr_t monotonic;

	*h = (struct harvester){ .config = *config };
	h->vm = calloc(config->nr_vms, sizeof(*h->vm));
	if (!h->vm)
		return error_set(err, EXIT_HOST, "not enough memory to track the pages of %u VMs",
				 config->nr_vms);
	pthread_mutex_init(&h->lock, NULL);
	pthread_condattr_init(&monotonic);
	pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
	pthread_cond_init(&h->changed, &monotonic);
	pthread_condattr_destroy(&monotonic);
	return 0;
}

void harvester_finish(struct harvester *h)
{
	if (!h->vm)
		return;
	harvester_stop(h);
	for (unsigned i = 0; i < h->config.nr_vms; i++)
		dirty_vm_finish(&h->vm[i]);
	pthread_cond_destroy(&h->changed);
	pthread_mutex_destroy(&h->lock);
	free(h->vm);
	h->vm = NULL;
}

struct dirty_vm *harvester_vm(struct harvester *h, unsigned vm)
{
	return &h->vm[vm];
}

int harvester_start(struct harvester *h, struct error *err)
{
	pthread_attr_t attributes;

	pthread_attr_init(&attributes);
	pthread_attr_setstacksize(&attributes, THREAD_STACK_BYTES);
	int failed = pthread_create(&h->thread, &attributes, harvester_main, h);
	pthread_attr_destroy(&attributes);
	if (failed)
		return error_set_errno(err, EXIT_HOST, failed,
				       "cannot create the harvester's thread");
	h->started = true;
	pthread_mutex_lock(&h->lock);
	while (!h->running)
		pthread_cond_wait(&h->changed, &h->lock);
	pthread_mutex_unlock(&h->lock);
	return 0;
}

void harvester_stop(struct harvester *h)
{
	if (!h->started)
		return;
	pthread_mutex_lock(&h->lock);
	h->ending = true;
	pthread_cond_signal(&h->changed);
	pthread_mutex_unlock(&h->lock);
	pthread_join(h->thread, NULL);
	h->started = false;
}
