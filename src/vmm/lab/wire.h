/* SPDX-License-Identifier: MIT */
/*
 * What `minivmm lab` and its agent inside the emulated machine say to each other: messages
 * of a type, a length and so many bytes, over one channel in each direction.
 */
#ifndef VMM_LAB_WIRE_H
#define VMM_LAB_WIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

enum wire_type {
	/* The agent's. */
	WIRE_HELLO = 'h',  /* the machine is up, the command starts now */
	WIRE_ALIVE = 'a',  /* once a second: the machine has not hung */
	WIRE_STDOUT = '1', /* what the command printed */
	WIRE_STDERR = '2',
	WIRE_TAKEN = 't', /* uint32_t: so many bytes of stdin were read by the command */
	WIRE_FILE = 'f',  /* uint32_t, name: a file of that output begins; "": it is the output */
	WIRE_DATA = 'd',  /* of the file */
	WIRE_END = 'e',	  /* the file is complete */
	WIRE_EXIT = 'x',  /* uint32_t: the command's exit status, 128 + N after signal N */

	/* The lab's. */
	WIRE_STDIN = '0',     /* at most WIRE_STDIN_BYTES that have not been taken */
	WIRE_STDIN_END = 'q', /* there is no more */
	WIRE_SIGNAL = 's',    /* uint32_t: for the command */
	WIRE_CLOSE = 'k',     /* uint32_t: nobody reads this descriptor of the command any more */
	WIRE_SIZE = 'w',      /* struct winsize: of the terminal outside */
};

#define WIRE_MAX_BYTES	 (32u << 10) /* in a message */
#define WIRE_STDIN_BYTES (64u << 10)

/* The agent says this before its first message: an emulator may have printed there, too. */
#define WIRE_MAGIC "\nminivmm-lab:\n"

struct wire_header {
	uint32_t type; /* enum wire_type */
	uint32_t length;
};

struct wire_message {
	enum wire_type type;
	uint32_t length;
	const uint8_t *data; /* until more is read */
};

struct wire {
	int in_fd, out_fd; /* an out_fd of -1: what is sent goes nowhere */
	bool by_port;	   /* messages leave through a parallel port, WIRE_PORT, and not out_fd */
	uint8_t buffer[2 * (sizeof(struct wire_header) + WIRE_MAX_BYTES)];
	size_t used, seen; /* bytes in the buffer, and of messages that were taken from it */
};

/*
 * The data register of a parallel port, of which the printer takes a byte when the strobe in the
 * register behind the next one rises. Bochs writes it to a file, and it takes no time.
 */
#define WIRE_PORT     0x378
#define NR_WIRE_PORTS 3

void wire_init(struct wire *w, int in_fd, int out_fd);

/* Sends as many messages as it takes. 0, or -1 with errno. */
int wire_send(struct wire *w, enum wire_type type, const void *data, size_t length);
int wire_send_number(struct wire *w, enum wire_type type, uint32_t number);

/* Bytes as they are, for the magic words. */
int wire_send_raw(struct wire *w, const void *data, size_t length);

/* Reads once: the bytes that came, 0 at the end, -1 with errno. */
ssize_t wire_read(struct wire *w);

/* Skips to behind WIRE_MAGIC; whether it has come. */
bool wire_synchronise(struct wire *w);

/* The next message that has come whole: 1, 0 if there is none, -1 if it is no message. */
int wire_next(struct wire *w, struct wire_message *ret_message);

/* The number that a message holds, 0 if it is too short for one. */
uint32_t wire_number(const struct wire_message *message);

#endif
