/* SPDX-License-Identifier: MIT */
/* Messages between `minivmm lab` and its agent. */
#define _GNU_SOURCE
#include "vmm/lab/wire.h"

#include <errno.h>
#include <string.h>
#include <sys/io.h>
#include <unistd.h>

void wire_init(struct wire *w, int in_fd, int out_fd)
{
	w->in_fd = in_fd;
	w->out_fd = out_fd;
	w->by_port = false;
	w->used = w->seen = 0;
}

/* ---- sending ------------------------------------------------------------------- */

/* Selected, and not being reset. */
#define PARALLEL_IDLE	0x0c
#define PARALLEL_STROBE 0x01

static void print_byte(uint8_t byte)
{
	outb(byte, WIRE_PORT);
	outb(PARALLEL_IDLE | PARALLEL_STROBE, WIRE_PORT + 2);
	outb(PARALLEL_IDLE, WIRE_PORT + 2);
}

int wire_send_raw(struct wire *w, const void *data, size_t length)
{
	const uint8_t *from = data;

	for (; w->by_port && length > 0; length--)
		print_byte(*from++);
	while (length > 0 && w->out_fd >= 0) {
		ssize_t n = write(w->out_fd, from, length);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -1;
		from += n;
		length -= (size_t)n;
	}
	return 0;
}

int wire_send(struct wire *w, enum wire_type type, const void *data, size_t length)
{
	const uint8_t *from = data;

	do {
		uint32_t now = length < WIRE_MAX_BYTES ? (uint32_t)length : WIRE_MAX_BYTES;
		struct wire_header header = { .type = (uint32_t)type, .length = now };

		if (wire_send_raw(w, &header, sizeof(header)) || wire_send_raw(w, from, now))
			return -1;
		from += now;
		length -= now;
	} while (length > 0);
	return 0;
}

int wire_send_number(struct wire *w, enum wire_type type, uint32_t number)
{
	return wire_send(w, type, &number, sizeof(number));
}

/* ---- receiving ------------------------------------------------------------------ */

static void drop_seen(struct wire *w)
{
	memmove(w->buffer, w->buffer + w->seen, w->used - w->seen);
	w->used -= w->seen;
	w->seen = 0;
}

ssize_t wire_read(struct wire *w)
{
	drop_seen(w);
	ssize_t n = read(w->in_fd, w->buffer + w->used, sizeof(w->buffer) - w->used);
	if (n > 0)
		w->used += (size_t)n;
	return n;
}

bool wire_synchronise(struct wire *w)
{
	size_t length = strlen(WIRE_MAGIC);
	uint8_t *at = memmem(w->buffer + w->seen, w->used - w->seen, WIRE_MAGIC, length);

	if (at) {
		w->seen = (size_t)(at - w->buffer) + length;
		return true;
	}
	/* The words may have come in part. */
	if (w->used - w->seen >= length)
		w->seen = w->used - (length - 1);
	return false;
}

int wire_next(struct wire *w, struct wire_message *ret_message)
{
	struct wire_header header;

	if (w->used - w->seen < sizeof(header))
		return 0;
	memcpy(&header, w->buffer + w->seen, sizeof(header));
	if (header.length > WIRE_MAX_BYTES)
		return -1;
	if (w->used - w->seen - sizeof(header) < header.length)
		return 0;
	*ret_message = (struct wire_message){
		.type = (enum wire_type)header.type,
		.length = header.length,
		.data = w->buffer + w->seen + sizeof(header),
	};
	w->seen += sizeof(header) + header.length;
	return 1;
}

uint32_t wire_number(const struct wire_message *message)
{
	uint32_t number = 0;

	if (message->length >= sizeof(number))
		memcpy(&number, message->data, sizeof(number));
	return number;
}
