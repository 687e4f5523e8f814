/* SPDX-License-Identifier: MIT */
/* The board of a PVH guest: as much of a PC as Linux needs to live without firmware. */
#include "vmm/linux/pc.h"

#include <linux/kvm.h>
#include <string.h>
#include <sys/ioctl.h>

#include "vmm/linux/acpi.h"

/* The keyboard controller is not there, but old ways to restart a PC go through it. */
#define PORT_KEYBOARD  0x64
#define KEYBOARD_RESET 0xfe
#define ALL_ONES       0xff

void pc_init(struct pc *pc, int vm_fd, void (*send)(void *context, uint8_t byte), void *context)
{
	pthread_mutex_init(&pc->lock, NULL);
	pthread_cond_init(&pc->room, NULL);
	uart_init(&pc->uart, send, context);
	ioapic_init(&pc->ioapic);
	pc->vm_fd = vm_fd;
}

void pc_finish(struct pc *pc)
{
	pthread_cond_destroy(&pc->room);
	pthread_mutex_destroy(&pc->lock);
}

/* An edge-triggered pin has risen. */
static void raise_pin(const struct pc *pc, unsigned pin)
{
	struct ioapic_message message;

	if (!ioapic_message(&pc->ioapic, pin, &message))
		return;
	struct kvm_msi msi = { .address_lo = message.address, .data = message.data };
	ioctl(pc->vm_fd, KVM_SIGNAL_MSI, &msi);
}

/* ---- the serial port --------------------------------------------------------------- */

/* An instruction that repeats accesses the register once for each item. */
static void access_uart(struct pc *pc, const struct vcpu_exit *e)
{
	unsigned port = e->port - ACPI_SERIAL_PORT;

	for (uint32_t i = 0; i < e->count; i++) {
		uint8_t *data = e->data + (size_t)i * e->size;

		if (e->is_write)
			uart_write(&pc->uart, port, *data);
		else
			*data = uart_read(&pc->uart, port);
	}
}

static void serve_uart(struct pc *pc, const struct vcpu_exit *e)
{
	pthread_mutex_lock(&pc->lock);
	bool before = uart_interrupts(&pc->uart);
	access_uart(pc, e);
	if (uart_interrupts(&pc->uart) && !before)
		raise_pin(pc, ACPI_SERIAL_PIN);
	if (uart_room(&pc->uart))
		pthread_cond_broadcast(&pc->room);
	pthread_mutex_unlock(&pc->lock);
}

unsigned pc_room(struct pc *pc)
{
	pthread_mutex_lock(&pc->lock);
	unsigned room = uart_room(&pc->uart);
	pthread_mutex_unlock(&pc->lock);
	return room;
}

void pc_receive(struct pc *pc, const uint8_t *bytes, size_t nr)
{
	pthread_mutex_lock(&pc->lock);
	bool before = uart_interrupts(&pc->uart);
	uart_receive(&pc->uart, bytes, nr);
	if (uart_interrupts(&pc->uart) && !before)
		raise_pin(pc, ACPI_SERIAL_PIN);
	pthread_mutex_unlock(&pc->lock);
}

/* ---- the rest ------------------------------------------------------------------------ */

static enum pc_event access_port(const struct vcpu_exit *e)
{
	uint8_t value = e->data[0];

	if (e->is_write) {
		if (e->port == ACPI_PORT_SLEEP_CONTROL && value == ACPI_SLEEP_OFF)
			return PC_OFF;
		if (e->port == ACPI_PORT_RESET && value == ACPI_RESET_VALUE)
			return PC_RESET;
		if (e->port == PORT_KEYBOARD && value == KEYBOARD_RESET)
			return PC_RESET;
	}
	bool sleeps = e->port == ACPI_PORT_SLEEP_CONTROL || e->port == ACPI_PORT_SLEEP_STATUS;
	if (!e->is_write)
		memset(e->data, sleeps ? 0 : ALL_ONES, (size_t)e->size * e->count);
	return sleeps ? PC_DONE : PC_NOBODY;
}

static enum pc_event serve_ioapic(struct pc *pc, const struct vcpu_exit *e)
{
	uint32_t offset = (uint32_t)(e->gpa - IOAPIC_GPA), value = 0;

	pthread_mutex_lock(&pc->lock);
	if (e->is_write) {
		memcpy(&value, e->data, e->size < sizeof(value) ? e->size : sizeof(value));
		ioapic_write(&pc->ioapic, offset, value);
	} else {
		value = ioapic_read(&pc->ioapic, offset);
		memcpy(e->data, &value, sizeof(value));
	}
	pthread_mutex_unlock(&pc->lock);
	return PC_DONE;
}

enum pc_event pc_access(struct pc *pc, const struct vcpu_exit *e)
{
	if (e->kind == VCPU_EXIT_IO) {
		if (e->port < ACPI_SERIAL_PORT || e->port >= ACPI_SERIAL_PORT + UART_NR_PORTS)
			return access_port(e);
		serve_uart(pc, e);
		return PC_DONE;
	}
	if (!e->is_write)
		memset(e->data, ALL_ONES, 8);
	if (e->gpa >= IOAPIC_GPA && e->gpa < IOAPIC_GPA + IOAPIC_BYTES)
		return serve_ioapic(pc, e);
	return PC_NOBODY;
}
