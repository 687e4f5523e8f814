/* SPDX-License-Identifier: MIT */
/*
 * Requests of a guest: an input is a sequence of exits of one vCPU, handled by a
 * machine that has memory, a console and a scheduler's gate but no KVM.
 */
#include "fuzz.h"

#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "vcpu/protocol/steal.h"
#include "vmm/machine/exits.h"

#define MEM_BYTES 0x10000 /* little, so that an input takes little time */
#define NR_VCPUS  3
#define IO_BYTES  4096 /* what KVM has room for */

/* An exit as it stands in an input, the data behind it. */
struct __attribute__((packed)) record {
	uint8_t kind;
	uint8_t is_write;
	uint16_t port;
	uint8_t size;
	uint16_t count;
	uint64_t address; /* gpa */
	uint64_t value;	  /* MMIO: the data; MSR */
	uint16_t data_bytes;
};

/* What KVM promises: 1 to 8 bytes of MMIO, as many items of 1, 2 or 4 as it has room for. */
static void make_exit(struct vcpu_exit *e, const struct record *r)
{
	*e = (struct vcpu_exit){
		.kind = (enum vcpu_exit_kind)(r->kind % (VCPU_EXIT_ERROR + 1)),
		.is_write = r->is_write & 1,
		.gpa = r->address,
		.port = r->port,
		.value = r->value,
		.size = 1 + r->size % 8,
		.count = 1,
		.text = "fuzz",
	};
	if (e->kind == VCPU_EXIT_IO) {
		e->size = 1u << r->size % 3;
		e->count = 1 + r->count % (IO_BYTES / e->size);
	}
}

/* Carries one exit out; what the vCPU does then. */
static enum vcpu_action handle(struct vcpu_thread *t, const struct record *r, const uint8_t *data,
			       size_t size)
{
	struct vcpu_exit e;

	make_exit(&e, r);
	/* But for ports always 8 bytes. Exactly as large, so that a sanitizer sees every overrun.
	 */
	size_t room = e.kind == VCPU_EXIT_IO ? (size_t)e.size * e.count : sizeof(r->value);
	e.data = calloc(1, room);
	must_hold(e.data != NULL, "there is memory");
	if (e.kind == VCPU_EXIT_MMIO)
		memcpy(e.data, &r->value, sizeof(r->value));
	else
		memcpy(e.data, data, size < room ? size : room);
	enum vcpu_action action = exits_handle(t, t->vcpu, &e);
	if (action == VCPU_BLOCK)
		exits_wait_for_phase(t, t->vcpu, &e);
	free(e.data);
	return action;
}

static void no_flush(struct vcpu *v)
{
	(void)v;
}

/* Preempted and resumed: whatever steal page the guest has is written to. */
static void lose_and_regain_pcpu(struct vcpu *v)
{
	steal_leave(v);
	steal_enter(v, 1000);
	if (v->steal.page)
		must_hold(v->steal.page->preempted == 0 && v->steal.page->version % 2 == 0,
			  "a vCPU that runs is not marked");
}

static void run_input(struct vcpu_thread *t, const uint8_t *data, size_t size)
{
	struct record r;

	while (size >= sizeof(r)) {
		memcpy(&r, data, sizeof(r));
		data += sizeof(r);
		size -= sizeof(r);
		size_t own = r.data_bytes < size ? r.data_bytes : size;

		bool stops = handle(t, &r, data, own) == VCPU_STOP;
		must_hold(stops == machine_has_failed(t->machine), "who stops says why");
		if (stops)
			return;
		must_hold(t->vcpu->yield_to < NR_VCPUS, "yields are to a vCPU that there is");
		lose_and_regain_pcpu(t->vcpu);
		data += own;
		size -= own;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct flush_primitive flush = { .flush = no_flush };
	struct vcpu vcpu[NR_VCPUS] = {
		{ .fd = -1, .flush = &flush, .protocol = &host_protocol },
	};
	struct vm vm = {
		.fd = -1,
		.mem = { .ram = calloc(1, MEM_BYTES), .bytes = MEM_BYTES },
		.nr_vcpus = NR_VCPUS,
		.vcpu = vcpu,
	};
	struct machine m = { .nr_vms = 1, .vm = &vm, .event_fd = eventfd(0, EFD_NONBLOCK) };
	struct vcpu_thread thread = { .machine = &m, .vm = &vm, .vcpu = &vcpu[0] };
	FILE *out = fopen("/dev/null", "we");

	must_hold(vm.mem.ram && out && !console_init(&vm.console, out, 0, 1, NR_VCPUS),
		  "there is memory");
	vm.console.printed = CONSOLE_MAX_BYTES - IO_BYTES; /* the limit is near */
	pthread_mutex_init(&m.fail_lock, NULL);
	phase_gate_init(&m.gate);
	phase_gate_end(&m.gate, MV_PHASE_END);
	run_input(&thread, data, size);
	must_hold(!m.failed || (m.failure[0] && !strchr(m.failure, '\n')),
		  "a failure is explained in a line");
	console_finish(&vm.console);
	phase_gate_finish(&m.gate);
	pthread_mutex_destroy(&m.fail_lock);
	fclose(out);
	close(m.event_fd);
	free(vm.mem.ram);
	return 0;
}
