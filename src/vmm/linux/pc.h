/* SPDX-License-Identifier: MIT */
/*
 * The board of a PVH guest: as much of a PC as Linux needs to live without firmware. A serial
 * port, an I/O APIC, and the ports that turn the machine off and restart it.
 */
#ifndef VMM_PC_H
#define VMM_PC_H

#include <pthread.h>
#include <stdbool.h>

#include "vcpu/cpu/vcpu.h"
#include "vmm/linux/ioapic.h"
#include "vmm/linux/uart.h"

struct pc {
	pthread_mutex_t lock; /* guards the devices: several vCPUs use them */
	pthread_cond_t room;  /* the serial port may have room for input, or nobody wants it */
	struct uart uart;
	struct ioapic ioapic;
	int vm_fd;
};

/* What an access asks for beyond its own answer. */
enum pc_event {
	PC_DONE,
	PC_NOBODY, /* there is no device; the data reads as ones */
	PC_OFF,	   /* the guest turns its machine off */
	PC_RESET,  /* it restarts it */
};

/* `send` takes what the guest writes to its serial port; it is called with the lock held. */
void pc_init(struct pc *pc, int vm_fd, void (*send)(void *context, uint8_t byte), void *context);
void pc_finish(struct pc *pc);

/* Serves an access by VCPU_EXIT_IO or VCPU_EXIT_MMIO. Of any vCPU's thread. */
enum pc_event pc_access(struct pc *pc, const struct vcpu_exit *e);

/* How many bytes of input the guest takes now; of any thread, as the next. */
unsigned pc_room(struct pc *pc);

/* Input for the serial port: at most pc_room() bytes. */
void pc_receive(struct pc *pc, const uint8_t *bytes, size_t nr);

#endif
