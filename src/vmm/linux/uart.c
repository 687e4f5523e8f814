/* SPDX-License-Identifier: MIT */
/* A serial port of a PC: the 16550A's registers, as much of them as its drivers use. */
#include "vmm/linux/uart.h"

#include <string.h>

enum port {
	DATA,
	INTERRUPT_ENABLE,
	INTERRUPT_ID,
	LINE_CONTROL,
	MODEM_CONTROL,
	LINE_STATUS,
	MODEM_STATUS,
	SCRATCH
};

#define ENABLE_RECEIVED	      0x01
#define ENABLE_SENT	      0x02
#define ENABLE_ALL	      0x0f
#define ID_NONE		      0x01
#define ID_SENT		      0x02
#define ID_RECEIVED	      0x04
#define ID_FIFO		      0xc0 /* FIFOs are there, and on */
#define FIFO_ON		      0x01
#define FIFO_CLEAR_RECEIVED   0x02
#define LINE_DIVISOR	      0x80
#define MODEM_LOOP	      0x10
#define MODEM_ALL	      0x1f
#define STATUS_RECEIVED	      0x01
#define STATUS_SENT	      0x60 /* holding register and transmitter empty */
#define MODEM_STATUS_ATTACHED 0xb0 /* carrier, data set ready, clear to send */

void uart_init(struct uart *u, void (*send)(void *context, uint8_t byte), void *context)
{
	*u = (struct uart){ .send = send, .context = context };
}

static unsigned capacity(const struct uart *u)
{
	return u->fifo_control & FIFO_ON ? UART_FIFO_BYTES : 1;
}

unsigned uart_room(const struct uart *u)
{
	if (!(u->interrupt_enable & ENABLE_RECEIVED) || u->nr_received >= capacity(u))
		return 0;
	return capacity(u) - u->nr_received;
}

static void keep_received(struct uart *u, uint8_t byte)
{
	if (u->nr_received < capacity(u))
		u->received[u->nr_received++] = byte;
}

void uart_receive(struct uart *u, const uint8_t *bytes, size_t nr)
{
	for (size_t i = 0; i < nr; i++)
		keep_received(u, bytes[i]);
}

static uint8_t take_received(struct uart *u)
{
	uint8_t byte = u->received[0];

	if (u->nr_received == 0)
		return 0;
	memmove(u->received, u->received + 1, --u->nr_received);
	return byte;
}

/* The source that goes first, as INTERRUPT_ID names it. */
static uint8_t interrupt_id(const struct uart *u)
{
	if (u->interrupt_enable & ENABLE_RECEIVED && u->nr_received)
		return ID_RECEIVED;
	if (u->interrupt_enable & ENABLE_SENT && u->sent)
		return ID_SENT;
	return ID_NONE;
}

bool uart_interrupts(const struct uart *u)
{
	return interrupt_id(u) != ID_NONE;
}

/* Reading it is the answer to "transmitter empty". */
static uint8_t read_interrupt_id(struct uart *u)
{
	uint8_t id = interrupt_id(u);

	if (id == ID_SENT)
		u->sent = false;
	return id | (u->fifo_control & FIFO_ON ? ID_FIFO : 0);
}

/* In the loop the four outputs are the four inputs: RTS, DTR, OUT1, OUT2 come back as CTS,
 * DSR, RI, DCD. Drivers look for a port by that. */
static uint8_t modem_status(const struct uart *u)
{
	uint8_t out = u->modem_control;

	if (!(out & MODEM_LOOP))
		return MODEM_STATUS_ATTACHED;
	return (uint8_t)((out & 0x02) << 3 | (out & 0x01) << 5 | (out & 0x04) << 4 |
			 (out & 0x08) << 4);
}

uint8_t uart_read(struct uart *u, unsigned port)
{
	bool divisor = u->line_control & LINE_DIVISOR;

	switch ((enum port)port) {
	case DATA:
		return divisor ? u->divisor[0] : take_received(u);
	case INTERRUPT_ENABLE:
		return divisor ? u->divisor[1] : u->interrupt_enable;
	case INTERRUPT_ID:
		return read_interrupt_id(u);
	case LINE_CONTROL:
		return u->line_control;
	case MODEM_CONTROL:
		return u->modem_control;
	case LINE_STATUS:
		return STATUS_SENT | (u->nr_received ? STATUS_RECEIVED : 0);
	case MODEM_STATUS:
		return modem_status(u);
	case SCRATCH:
		return u->scratch;
	}
	return 0xff;
}

static void send(struct uart *u, uint8_t byte)
{
	if (u->modem_control & MODEM_LOOP)
		keep_received(u, byte);
	else
		u->send(u->context, byte);
	u->sent = true;
}

/* The transmitter is always empty: whoever begins to ask is told so. */
static void enable_interrupts(struct uart *u, uint8_t value)
{
	if (value & ENABLE_SENT && !(u->interrupt_enable & ENABLE_SENT))
		u->sent = true;
	u->interrupt_enable = value & ENABLE_ALL;
}

static void control_fifo(struct uart *u, uint8_t value)
{
	if (value & FIFO_CLEAR_RECEIVED || (value ^ u->fifo_control) & FIFO_ON)
		u->nr_received = 0;
	u->fifo_control = value;
}

void uart_write(struct uart *u, unsigned port, uint8_t value)
{
	bool divisor = u->line_control & LINE_DIVISOR;

	if (divisor && port <= INTERRUPT_ENABLE) {
		u->divisor[port] = value;
		return;
	}
	switch ((enum port)port) {
	case DATA:
		send(u, value);
		break;
	case INTERRUPT_ENABLE:
		enable_interrupts(u, value);
		break;
	case INTERRUPT_ID:
		control_fifo(u, value);
		break;
	case LINE_CONTROL:
		u->line_control = value;
		break;
	case MODEM_CONTROL:
		u->modem_control = value & MODEM_ALL;
		break;
	case SCRATCH:
		u->scratch = value;
		break;
	case LINE_STATUS:
	case MODEM_STATUS:
		break;
	}
}
