/* SPDX-License-Identifier: MIT */
/* What perf tells of one thread: its context switches, read out of a ring of records. */
#include "vmm/watch/switch_record.h"

#include <errno.h>
#include <linux/perf_event.h>
#include <string.h>

/* Larger than any record that was asked for; of a longer one the end does not matter. */
#define RECORD_WORDS 16

/* Words of a record behind its header. */
struct body {
	uint64_t word[RECORD_WORDS];
	unsigned nr;
};

bool is_in_kvm_run(uint64_t rax, uint64_t rsi, uint64_t rip)
{
	/* The request is an unsigned int: what is above it does not count. */
	return rax == (uint64_t)-ENOSYS && (uint32_t)rsi == KVM_RUN_REQUEST && rip != 0;
}

/* A record may go on at the beginning of the ring. */
static void copy_out(const struct switch_ring *ring, uint64_t from, void *to, size_t bytes)
{
	for (size_t i = 0; i < bytes; i++)
		((uint8_t *)to)[i] = ring->data[(from + i) & (ring->bytes - 1)];
}

/* TID, TIME, CPU, the ABI of the registers (0: the thread has none), and the registers. */
static bool parse_sample(const struct body *b, struct switch_record *r)
{
	if (b->nr < 4)
		return false;
	r->kind = SWITCH_SAMPLE;
	r->time_ns = b->word[1];
	r->cpu = (uint32_t)b->word[2];
	if (b->word[3] == PERF_SAMPLE_REGS_ABI_64 && b->nr >= 8)
		r->in_kvm_run = is_in_kvm_run(b->word[4], b->word[5], b->word[7]);
	if (r->in_kvm_run)
		r->fd = b->word[6];
	return true;
}

/* TID, TIME, CPU. */
static bool parse_switch(const struct body *b, uint16_t misc, struct switch_record *r)
{
	if (b->nr < 3)
		return false;
	r->kind = misc & PERF_RECORD_MISC_SWITCH_OUT ? SWITCH_OUT : SWITCH_IN;
	r->preempted = r->kind == SWITCH_OUT && misc & PERF_RECORD_MISC_SWITCH_OUT_PREEMPT;
	r->time_ns = b->word[1];
	r->cpu = (uint32_t)b->word[2];
	return true;
}

/* The id of the event, and the number. */
static bool parse_lost(const struct body *b, struct switch_record *r)
{
	if (b->nr < 2)
		return false;
	r->kind = SWITCH_LOST;
	r->lost = b->word[1];
	return true;
}

static bool parse(const struct perf_event_header *header, const struct body *b,
		  struct switch_record *r)
{
	switch (header->type) {
	case PERF_RECORD_SAMPLE:
		return parse_sample(b, r);
	case PERF_RECORD_SWITCH:
		return parse_switch(b, header->misc, r);
	case PERF_RECORD_LOST:
		return parse_lost(b, r);
	}
	return true;
}

bool switch_record_next(struct switch_ring *ring, struct switch_record *ret_record)
{
	struct perf_event_header header;
	struct switch_record r = { .kind = SWITCH_OTHER };
	struct body b;
	uint64_t left = ring->head - ring->tail;

	if (left >= sizeof(header))
		copy_out(ring, ring->tail, &header, sizeof(header));
	if (left < sizeof(header) || header.size < sizeof(header) || header.size > left) {
		ring->tail = ring->head;
		return false;
	}
	size_t bytes = header.size - sizeof(header);
	if (bytes > sizeof(b.word))
		bytes = sizeof(b.word);
	copy_out(ring, ring->tail + sizeof(header), b.word, bytes);
	b.nr = (unsigned)(bytes / sizeof(b.word[0]));
	ring->tail += header.size;
	if (!parse(&header, &b, &r))
		r = (struct switch_record){ .kind = SWITCH_OTHER };
	*ret_record = r;
	return true;
}
