/* SPDX-License-Identifier: MIT */
/*
 * What a guest asks of the VMM: the doorbell, the steal-time MSR, the serial port.
 *
 * Everything here comes from the guest and is checked; a request that makes no
 * sense ends the run with a line that names the vCPU, its rip and the reason.
 */
#include "vmm/machine/exits.h"

#include <errno.h>
#include <inttypes.h>
#include <linux/kvm.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>

#include "vcpu/protocol/steal_msr.h"

#define PORT_SERIAL	   0x3f8
#define PORT_SERIAL_STATUS 0x3fd
#define SERIAL_READY	   0x60 /* transmitter empty */
#define PORT_DEBUG_CONSOLE 0xe9
#define PORT_DEBUG_EXIT	   0xf4 /* as QEMU's isa-debug-exit, but the status is what is written */

#define XAPIC_MSI_GPA	  0xfee00000u
#define MSI_DEST_SHIFT	  12
#define FIRST_FREE_VECTOR 16 /* below are the CPU's own */

/* The guest asked for nonsense, or cannot go on. */
#define guest_failed(t, v, format, ...)                                                           \
	(machine_fail((t)->machine, "vCPU %u of VM %u at rip 0x%" PRIx64 ": " format, (v)->index, \
		      (v)->vm, vcpu_rip(v), ##__VA_ARGS__),                                       \
	 VCPU_STOP)

static enum vcpu_action guest_exits(struct vcpu_thread *t, uint64_t code)
{
	t->vm->exit_code = code;
	__atomic_store_n(&t->vm->exited, true, __ATOMIC_RELEASE);
	eventfd_write(t->machine->event_fd, 1);
	return VCPU_HALT;
}

/* For a vCPU that the xAPIC cannot name, see MV_MAX_VCPUS. */
static enum vcpu_action deliver_ipi(struct vcpu_thread *t, struct vcpu *v, uint64_t value)
{
	uint64_t target = value >> 8;
	uint8_t vector = (uint8_t)value;
	uint32_t apic_id = vcpu_apic_id((unsigned)target);
	struct kvm_msi msi = {
		.address_lo = XAPIC_MSI_GPA | (apic_id & 0xff) << MSI_DEST_SHIFT,
		.address_hi = apic_id & ~0xffu, /* KVM_X2APIC_API_USE_32BIT_IDS */
		.data = vector,
	};

	if (target >= t->vm->nr_vcpus || vector < FIRST_FREE_VECTOR)
		return guest_failed(t, v, "doorbell: no IPI with vector %u to vCPU %" PRIu64,
				    vector, target);
	if (ioctl(t->vm->fd, KVM_SIGNAL_MSI, &msi) < 0)
		return guest_failed(t, v, "KVM refused KVM_SIGNAL_MSI: %s", strerror(errno));
	return VCPU_RESUME;
}

/* To vCPU n of the same VM, or to anyone. */
static enum vcpu_action yield_to(struct vcpu_thread *t, struct vcpu *v, uint64_t target)
{
	if (target != MV_YIELD_ANY && target >= t->vm->nr_vcpus)
		return guest_failed(t, v, "doorbell: no vCPU %" PRIu64 " to yield to", target);
	v->yield_to = target == MV_YIELD_ANY ? -1 : (int)(t->i - v->index + (unsigned)target);
	return VCPU_YIELD;
}

/*
 * Host-assisted flush: parked vCPUs are flushed on their way in, running ones are
 * forced out, and the initiator goes on once none of them can execute anything more
 * without its flush. All requests go out before the first is waited for.
 */
static enum vcpu_action flush_others(struct vcpu_thread *t, struct vcpu *v, uint64_t gpa)
{
	const struct mv_flush_mask *guest_mask = guest_mem_at(&t->vm->mem, gpa, sizeof(*guest_mask),
							      sizeof(uint64_t));
	struct mv_flush_mask mask;

	if (!guest_mask)
		return guest_failed(t, v, "doorbell: no flush mask at 0x%" PRIx64, gpa);
	memcpy(&mask, guest_mask, sizeof(mask));
	mask.word[v->index / 64] &= ~(1ull << v->index % 64);
	for (unsigned i = 0; i < t->vm->nr_vcpus; i++) {
		if (mask.word[i / 64] >> i % 64 & 1)
			v->protocol->request_flush(&t->vm->vcpu[i]);
	}
	for (unsigned i = 0; i < t->vm->nr_vcpus; i++) {
		while ((mask.word[i / 64] >> i % 64 & 1) &&
		       !v->protocol->flush_is_safe(&t->vm->vcpu[i]))
			__builtin_ia32_pause();
	}
	return VCPU_RESUME;
}

static enum vcpu_action doorbell_store(struct vcpu_thread *t, struct vcpu *v, uint64_t reg,
				       uint64_t value)
{
	switch (reg) {
	case MV_DB_EXIT:
		return guest_exits(t, value);
	case MV_DB_PUTS:
		console_write(&t->vm->console, v->index, (const uint8_t *)&value,
			      strnlen((const char *)&value, sizeof(value)));
		return VCPU_RESUME;
	case MV_DB_IDLE:
		return VCPU_HALT;
	case MV_DB_YIELD:
		return yield_to(t, v, value);
	case MV_DB_FLUSH:
		return flush_others(t, v, value);
	case MV_DB_IPI:
		return deliver_ipi(t, v, value);
	case MV_DB_NOP:
		return VCPU_RESUME;
	}
	return guest_failed(t, v, "doorbell: no register to store to at 0x%" PRIx64, reg);
}

static enum vcpu_action doorbell_load(struct vcpu_thread *t, struct vcpu *v, uint64_t reg)
{
	switch (reg) {
	case MV_DB_PHASE:
		return VCPU_BLOCK;
	case MV_DB_NOP:
		return VCPU_RESUME;
	}
	return guest_failed(t, v, "doorbell: no register to load from at 0x%" PRIx64, reg);
}

static enum vcpu_action nothing_there(struct vcpu_thread *t, struct vcpu *v,
				      const struct vcpu_exit *e)
{
	if (e->kind == VCPU_EXIT_IO)
		return guest_failed(t, v, "no device at I/O port 0x%x", e->port);
	return guest_failed(t, v, "%s at guest address 0x%" PRIx64 ", where there is nothing",
			    e->is_write ? "store" : "load", e->gpa);
}

/*
 * A kernel that shuts down in order takes its steal-time page back before it restarts
 * (the reboot notifier in Linux' kvm.c); one that panics, with panic=-1, does not.
 */
static enum vcpu_action restart(struct vcpu_thread *t, struct vcpu *v)
{
	if (v->steal.page)
		return guest_failed(t, v,
				    "it restarts without having shut down, as after a panic: its "
				    "console says why");
	return guest_exits(t, MV_EXIT_OK);
}

/* The board of a PVH guest. Linux looks for devices by trying. */
static enum vcpu_action board_exit(struct vcpu_thread *t, struct vcpu *v, const struct vcpu_exit *e)
{
	switch (pc_access(t->vm->pc, e)) {
	case PC_OFF:
		return guest_exits(t, MV_EXIT_OK);
	case PC_RESET:
		return restart(t, v);
	case PC_NOBODY:
		return t->machine->options->strict_io ? nothing_there(t, v, e) : VCPU_RESUME;
	case PC_DONE:
		break;
	}
	return VCPU_RESUME;
}

static enum vcpu_action mmio_exit(struct vcpu_thread *t, struct vcpu *v, const struct vcpu_exit *e)
{
	uint64_t reg = e->gpa - MV_DOORBELL_GPA;
	uint64_t value = 0;

	if (t->vm->pc && (e->gpa < MV_DOORBELL_GPA || reg >= 4096)) {
		v->stats.exits_mmio++;
		return board_exit(t, v, e);
	}
	v->stats.exits_doorbell++;
	if (e->gpa < MV_DOORBELL_GPA || reg >= 4096)
		return nothing_there(t, v, e);
	if ((e->size != 4 && e->size != 8) || reg % 8)
		return guest_failed(t, v,
				    "doorbell: %u bytes at 0x%" PRIx64
				    " (4 or 8 at a multiple of 8 are a request)",
				    e->size, reg);
	if (!e->is_write) {
		memset(e->data, 0, 8);
		return doorbell_load(t, v, reg);
	}
	memcpy(&value, e->data, e->size);
	return doorbell_store(t, v, reg, value);
}

static enum vcpu_action debug_exit(struct vcpu_thread *t, const struct vcpu_exit *e)
{
	uint32_t code = 0;

	memcpy(&code, e->data, e->size);
	return guest_exits(t, code);
}

/* As much of a PC's ports as a guest needs to print, and to end. */
static enum vcpu_action io_exit(struct vcpu_thread *t, struct vcpu *v, const struct vcpu_exit *e)
{
	bool has_board = t->vm->pc;

	v->stats.exits_io++;
	if (e->is_write &&
	    ((e->port == PORT_SERIAL && !has_board) || e->port == PORT_DEBUG_CONSOLE)) {
		console_write(&t->vm->console, v->index, e->data, (size_t)e->size * e->count);
		return VCPU_RESUME;
	}
	if (e->is_write && e->port == PORT_DEBUG_EXIT)
		return debug_exit(t, e);
	if (has_board)
		return board_exit(t, v, e);
	if (!e->is_write)
		memset(e->data, e->port == PORT_SERIAL_STATUS ? SERIAL_READY : 0,
		       (size_t)e->size * e->count);
	if (e->port >= PORT_SERIAL && e->port < PORT_SERIAL + 8)
		return VCPU_RESUME;
	return nothing_there(t, v, e);
}

static enum vcpu_action msr_exit(struct vcpu_thread *t, struct vcpu *v, const struct vcpu_exit *e)
{
	struct error err;

	v->stats.exits_msr++;
	if (steal_msr_serve(v, &t->vm->mem, e, &err))
		return guest_failed(t, v, "%s", err.text);
	return VCPU_RESUME;
}

static enum vcpu_action triple_fault(struct vcpu_thread *t, struct vcpu *v)
{
	if (!vcpu_is_at_reset(v))
		return guest_failed(t, v, "triple fault");
	machine_fail(t->machine,
		     "vCPU %u of VM %u: triple fault (this KVM resets the vCPU, and does not tell "
		     "where it was)",
		     v->index, v->vm);
	return VCPU_STOP;
}

enum vcpu_action exits_handle(void *context, struct vcpu *v, const struct vcpu_exit *e)
{
	struct vcpu_thread *t = context;

	switch (e->kind) {
	case VCPU_EXIT_MMIO:
		return mmio_exit(t, v, e);
	case VCPU_EXIT_IO:
		return io_exit(t, v, e);
	case VCPU_EXIT_MSR:
		return msr_exit(t, v, e);
	case VCPU_EXIT_RING_FULL:
		harvester_empty_ring(&t->machine->harvester, v->vm);
		return VCPU_RESUME;
	case VCPU_EXIT_SHUTDOWN:
		return triple_fault(t, v);
	case VCPU_EXIT_ERROR:
		return guest_failed(t, v, "%s", e->text);
	case VCPU_EXIT_KICK:
	case VCPU_EXIT_WAKEUP:
		break;
	}
	return VCPU_RESUME;
}

void exits_wait_for_phase(void *context, struct vcpu *v, const struct vcpu_exit *e)
{
	struct vcpu_thread *t = context;
	uint32_t answer = phase_gate_wait(&t->machine->gate, t->machine->event_fd);

	memcpy(e->data, &answer, sizeof(answer));
	machine_enter_phase(t->machine, t->vm, v);
}
