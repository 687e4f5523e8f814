/* SPDX-License-Identifier: MIT */
/*
 * A serial port of a PC: the 16550A's registers, as much of them as its drivers use. Pure.
 *
 * The line has no speed: what is sent has been sent at once. Registers are those of the
 * PC16550D data sheet (National Semiconductor, 1995), table II.
 */
#ifndef VMM_UART_H
#define VMM_UART_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define UART_NR_PORTS	8
#define UART_FIFO_BYTES 16

struct uart {
	void (*send)(void *context, uint8_t byte);
	void *context;
	uint8_t interrupt_enable;
	uint8_t fifo_control;
	uint8_t line_control;
	uint8_t modem_control;
	uint8_t scratch;
	uint8_t divisor[2];
	bool sent; /* "transmitter empty" is still to be reported */
	unsigned nr_received;
	uint8_t received[UART_FIFO_BYTES]; /* the oldest first */
};

void uart_init(struct uart *u, void (*send)(void *context, uint8_t byte), void *context);

/* One byte of the register at `port`, 0 to UART_NR_PORTS - 1. */
uint8_t uart_read(struct uart *u, unsigned port);
void uart_write(struct uart *u, unsigned port, uint8_t value);

/*
 * How many bytes the guest can be sent now. None before it asks to be interrupted for
 * them: a driver that starts clears what came before.
 */
unsigned uart_room(const struct uart *u);

/* Bytes that arrive, at most uart_room(). */
void uart_receive(struct uart *u, const uint8_t *bytes, size_t nr);

/* Whether it asks for an interrupt. */
bool uart_interrupts(const struct uart *u);

#endif
