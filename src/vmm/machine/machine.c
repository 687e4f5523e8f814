/* SPDX-License-Identifier: MIT */
/* The machine: all VMs of a run, the pCPUs that they share, and a thread per vCPU. */
#define _GNU_SOURCE
#include "vmm/machine/machine.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "minivmm/catalog.h"
#include "minivmm/x86.h"
#include "vcpu/base/clock.h"
#include "vcpu/protocol/fault.h"
#include "vcpu/protocol/steal_msr.h"
#include "vcpu/sched/host_policy.h"
#include "vmm/cli/names.h"
#include "vmm/linux/guest_cpuid.h"
#include "vmm/machine/exits.h"
#include "vmm/machine/tracer.h"
#include "vmm/machine/x86_boot.h"

#define THREAD_STACK_BYTES (128u << 10)
#define PHASE_TRACE_BYTES  (128u << 10)

/* ---- boot information ----------------------------------------------------- */

static void copy_name(char *to, const char *from)
{
	strncpy(to, from, MV_NAME_BYTES - 1);
}

static uint64_t guest_tsc_hz(const struct vm *vm)
{
	int khz = vcpu_tsc_khz(&vm->vcpu[0]);

	return khz > 0 ? (uint64_t)khz * 1000 : 0;
}

static void write_boot_info(struct machine *m, struct vm *vm, const struct guest_image *image)
{
	const struct options *o = m->options;
	struct mv_boot_info *b = vm_boot_info(vm);
	uint64_t free_gpa = page_align(image->elf.end_gpa);
	uint64_t hz = m->tsc_hz;

	*b = (struct mv_boot_info){
		.magic = MV_BOOT_MAGIC,
		.abi_version = MV_ABI_VERSION,
		.nr_vcpus = vm->nr_vcpus,
		.vm_index = vm->index,
		.nr_mechanisms = o->nr_mechanisms,
		.mem_bytes = vm->mem.bytes,
		.free_gpa = free_gpa,
		.free_bytes = vm->layout.reserved_gpa - free_gpa,
		.results_gpa = vm->layout.results_gpa,
		.results_bytes = vm->layout.results_bytes,
		.hints_gpa = vm->layout.hints_gpa,
		.trace_gpa = vm->layout.trace_gpa,
		.trace_bytes = vm->nr_vcpus * MV_TRACE_RING_BYTES(vm->layout.trace_events),
		.tsc_hz = hz,
		.ns_per_tick_32 = hz ? (uint64_t)(((__uint128_t)NS_PER_S << 32) / hz) : 0,
		.seed = o->seed + vm->index,
	};
	for (unsigned i = 0; i < o->nr_mechanisms; i++)
		copy_name(b->mechanism[i], mechanism_names.name[o->mechanism[i]]);
	copy_name(b->fault, fault_names.name[o->fault]);
	memcpy(b->args, o->guest_args, sizeof(b->args));
}

/* ---- set-up --------------------------------------------------------------- */

/* There is one serial port: what different vCPUs write to it is one text. */
static void send_to_console(void *context, uint8_t byte)
{
	struct vm *vm = context;

	console_write(&vm->console, 0, &byte, 1);
}

static void write_pvh_memory(struct machine *m, struct vm *vm, const struct guest_image *image)
{
	const struct elf_file *initrd = &image->initrd;
	struct pvh_guest guest = {
		.free_end_gpa = vm->layout.reserved_gpa,
		.command_line = m->options->guest_args,
		.nr_vcpus = vm->nr_vcpus,
		.initrd_gpa = image->initrd_gpa,
		.initrd_bytes = initrd->nr_bytes,
	};

	if (initrd->nr_bytes)
		memcpy(guest_mem_own(&vm->mem, guest.initrd_gpa, guest.initrd_bytes), initrd->bytes,
		       initrd->nr_bytes);
	boot_write_pvh_info(&vm->mem, &guest);
}

static void write_memory(struct machine *m, struct vm *vm, const struct guest_image *image)
{
	elf_image_load(&image->elf, image->file, &vm->mem);
	if (image->elf.start == ELF_START_PVH) {
		write_pvh_memory(m, vm, image);
		return;
	}
	boot_build_page_tables(&vm->mem);
	write_boot_info(m, vm, image);
}

/* A PVH guest gets a board, and vCPUs as Linux likes them. */
static int prepare_pvh(const struct machine *m, struct vm *vm, struct error *err)
{
	bool has_deadline_timer = ioctl(m->kvm->fd, KVM_CHECK_EXTENSION,
					KVM_CAP_TSC_DEADLINE_TIMER) > 0;
	struct kvm_cpuid_table cpuid;

	vm->pc = calloc(1, sizeof(*vm->pc));
	if (!vm->pc)
		return error_set(err, EXIT_HOST, "not enough memory for %u vCPUs", vm->nr_vcpus);
	pc_init(vm->pc, vm->fd, send_to_console, vm);
	for (unsigned i = 0; i < vm->nr_vcpus; i++) {
		struct vcpu *v = &vm->vcpu[i];

		if (vcpu_get_cpuid(v, &cpuid, err))
			return -1;
		guest_cpuid_complete(&cpuid, &m->kvm->supported, i, vm->nr_vcpus,
				     has_deadline_timer);
		if (vcpu_set_cpuid(v, &cpuid, err))
			return -1;
	}
	return 0;
}

static int boot_vcpu(struct vm *vm, unsigned vcpu, const struct elf_image *image, struct error *err)
{
	if (image->start == ELF_START_PVH)
		return vm_boot_vcpu_by_pvh(vm, vcpu, image->entry_gpa, err);
	return vm_boot_vcpu(vm, vcpu, image->entry_gpa, err);
}

static int build_vm(struct machine *m, struct vm *vm, unsigned index,
		    const struct guest_image *image, enum flush_prim flush_via, struct error *err)
{
	const struct options *o = m->options;

	if (vm_init(vm, m->kvm, index, o->nr_vcpus, o->mem_bytes, o->dirty, err))
		return -1;
	m->nr_vms = index + 1;
	vm->layout = image->layout;
	if (console_init(&vm->console, stdout, index, o->nr_vms, o->nr_vcpus))
		return error_set(err, EXIT_HOST, "not enough memory for %u vCPUs", o->nr_vcpus);

	m->tsc_hz = guest_tsc_hz(vm);
	write_memory(m, vm, image);
	if (image->elf.start == ELF_START_PVH && prepare_pvh(m, vm, err))
		return -1;
	if (o->trace_path && tracer_prepare_vm(m, vm, err))
		return -1;
	struct mv_hint *hints = guest_mem_own(&vm->mem, vm->layout.hints_gpa,
					      vm->nr_vcpus * sizeof(*hints));
	for (unsigned i = 0; i < vm->nr_vcpus; i++) {
		struct vcpu *v = &vm->vcpu[i];

		v->protocol = &m->protocol;
		v->marks_exits = o->mark_exits;
		v->flush = &flush_primitives[flush_via];
		pcpus_set_hint(m->pcpus, index * o->nr_vcpus + i, hints + i);
		if ((o->hidden_features && vcpu_hide_features(v, o->hidden_features, err)) ||
		    boot_vcpu(vm, i, &image->elf, err) ||
		    v->flush->prepare(v, &vm->mem, vm->layout.flush_gpa + i * FLUSH_PAGES_BYTES,
				      err))
			return -1;
	}
	return 0;
}

/*
 * What the VMM writes without KVM: the control page, hints and flush bytes, and the
 * steal-time pages, to which a migration would have to see by itself.
 */
static bool is_written_by_vmm(void *context, unsigned index, uint64_t gpa)
{
	const struct machine *m = context;
	const struct vm *vm = &m->vm[index];
	uint64_t page = gpa / DIRTY_PAGE_BYTES;

	if (gpa == MV_CONTROL_GPA || (gpa >= vm->layout.flush_gpa && gpa < vm->layout.results_gpa))
		return true;
	for (unsigned i = 0; i < vm->nr_vcpus; i++) {
		if (page == vm->vcpu[i].steal.msr / DIRTY_PAGE_BYTES)
			return true;
	}
	return false;
}

static void harvest_failed(void *context, const struct error *err)
{
	machine_fail(context, "%s", err->text);
}

static int track_vm(struct machine *m, const struct vm *vm, struct error *err)
{
	struct dirty_vm *dirty = harvester_vm(&m->harvester, vm->index);
	unsigned nr_rings = m->options->dirty == DIRTY_ring ? vm->nr_vcpus : 0;

	if (dirty_vm_init(dirty, vm->fd, &vm->mem, nr_rings, err))
		return -1;
	for (unsigned i = 0; i < nr_rings; i++) {
		if (dirty_vm_map_ring(dirty, i, vm->vcpu[i].fd, err))
			return -1;
	}
	return 0;
}

static int init_harvester(struct machine *m, struct error *err)
{
	struct harvester_config config = {
		.kind = m->options->dirty,
		.every_ns = m->options->dirty_every_ns,
		.drops_entry = m->options->fault == FAULT_drop_dirty_entry,
		.nr_vms = m->nr_vms,
		.is_written_by_vmm = is_written_by_vmm,
		.fail = harvest_failed,
		.context = m,
	};

	if (m->options->dirty == DIRTY_none)
		return 0;
	if (harvester_init(&m->harvester, &config, err))
		return -1;
	for (unsigned i = 0; i < m->nr_vms; i++) {
		if (track_vm(m, &m->vm[i], err))
			return -1;
	}
	return 0;
}

static int create_pcpus(struct machine *m, struct error *err)
{
	const struct options *o = m->options;
	struct pcpu_config config = {
		.host_cpu = o->pcpus.cpu,
		.nr_pcpus = o->pcpus.nr,
		.nr_vms = o->nr_vms,
		.nr_vcpus = o->nr_vcpus,
		.slices = { .slice_ns = o->slice_ns,
			    .jitter_pct = o->slice_jitter_pct,
			    .alignment = o->slice_alignment,
			    .seed = o->seed },
		.grace_ns = o->grace_ns,
		.policy = o->sched,
		.seed = o->seed,
	};

	m->pcpus = pcpus_create(&config, err);
	return m->pcpus ? 0 : -1;
}

int machine_init(struct machine *m, const struct kvm *kvm, const struct options *options,
		 const struct guest_image *image, enum flush_prim flush_via, struct error *err)
{
	*m = (struct machine){ .options = options,
			       .kvm = kvm,
			       .protocol = fault_host_protocol(options->fault) };
	pthread_mutex_init(&m->fail_lock, NULL);
	phase_gate_init(&m->start);
	phase_gate_init(&m->gate);
	m->event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	m->nr_vcpus = options->nr_vms * options->nr_vcpus;
	m->vm = calloc(options->nr_vms, sizeof(*m->vm));
	m->thread = calloc(m->nr_vcpus, sizeof(*m->thread));
	if (m->event_fd < 0 || !m->vm || !m->thread)
		return error_set(err, EXIT_HOST, "not enough memory or files for %u vCPUs",
				 m->nr_vcpus);
	if (options->trace_path)
		m->phase_trace = trace_ring_create(trace_ring_size(1, PHASE_TRACE_BYTES));
	if (create_pcpus(m, err))
		return -1;
	for (unsigned i = 0; i < options->nr_vms; i++) {
		if (build_vm(m, &m->vm[i], i, image, flush_via, err))
			return -1;
	}
	return init_harvester(m, err);
}

void machine_finish(struct machine *m)
{
	harvester_finish(&m->harvester);
	for (unsigned i = 0; i < m->nr_vms; i++)
		vm_finish(&m->vm[i]);
	pcpus_destroy(m->pcpus);
	phase_gate_finish(&m->start);
	phase_gate_finish(&m->gate);
	trace_ring_destroy(m->phase_trace);
	pthread_mutex_destroy(&m->fail_lock);
	if (m->event_fd >= 0)
		close(m->event_fd);
	free(m->thread);
	free(m->vm);
}

/* ---- threads -------------------------------------------------------------- */

static void note_first_run(struct machine *m)
{
	uint64_t none = 0;

	__atomic_compare_exchange_n(&m->first_run_ns, &none, monotonic_ns(), false,
				    __ATOMIC_RELAXED, __ATOMIC_RELAXED);
}

static void *vcpu_thread_main(void *argument)
{
	struct vcpu_thread *t = argument;
	struct machine *m = t->machine;
	struct vcpu_handler handler = {
		.context = t,
		.exit = exits_handle,
		.blocked = exits_wait_for_phase,
	};
	struct error err;

	if (pcpus_attach(m->pcpus, t->i, &err)) {
		machine_fail(m, "%s", err.text);
		return NULL;
	}
	vcpu_attach(t->vcpu);
	phase_gate_wait(&m->start, m->event_fd);
	note_first_run(m);
	vcpu_run_loop(t->vcpu, m->pcpus, t->i, &handler);
	t->vcpu->stats.cpu_ns = thread_cpu_ns();
	t->stopped_rip = vcpu_rip(t->vcpu);
	return NULL;
}

static int create_thread(struct machine *m, unsigned i, const pthread_attr_t *attributes)
{
	struct vm *vm = &m->vm[i / m->options->nr_vcpus];
	struct vcpu_thread *t = &m->thread[i];

	*t = (struct vcpu_thread){
		.machine = m,
		.vm = vm,
		.vcpu = &vm->vcpu[i % m->options->nr_vcpus],
		.i = i,
	};
	return pthread_create(&t->thread, attributes, vcpu_thread_main, t);
}

static int create_threads(struct machine *m, struct error *err)
{
	pthread_attr_t attributes;
	int failed = 0;

	pthread_attr_init(&attributes);
	pthread_attr_setstacksize(&attributes, THREAD_STACK_BYTES);
	while (!failed && m->nr_started < m->nr_vcpus) {
		failed = create_thread(m, m->nr_started, &attributes);
		m->nr_started += !failed;
	}
	pthread_attr_destroy(&attributes);
	if (failed)
		return error_set_errno(err, EXIT_HOST, failed,
				       "cannot create a thread for vCPU %u of %u", m->nr_started,
				       m->nr_vcpus);
	return 0;
}

/* This thread ends the run, so that it must get a CPU while all vCPUs want one, whatever policy
 * the user has chosen. */
static void rise_above_vcpus(struct machine *m)
{
	if (host_policy_rise())
		return;
	for (unsigned i = 0; i < m->nr_vcpus; i++)
		host_policy_sink(m->thread[i].vcpu->tid);
}

int machine_start(struct machine *m, struct error *err)
{
	struct pollfd event = { .fd = m->event_fd, .events = POLLIN };
	eventfd_t events;

	if (create_threads(m, err) ||
	    (m->options->dirty != DIRTY_none && harvester_start(&m->harvester, err)))
		return -1;
	while (phase_gate_waiting(&m->start) < m->nr_vcpus) {
		if (machine_has_failed(m))
			return error_set(err, EXIT_HOST, "%s", m->failure);
		poll(&event, 1, -1);
		eventfd_read(m->event_fd, &events);
	}
	rise_above_vcpus(m);
	return background_start(&m->background, &m->options->background, &m->options->pcpus, err);
}

void machine_release(struct machine *m)
{
	m->start_tsc = __rdtsc();
	phase_gate_end(&m->start, 0);
}

void machine_stop(struct machine *m)
{
	background_stop(&m->background);
	harvester_stop(&m->harvester);
	pcpus_stop(m->pcpus);
	phase_gate_end(&m->start, 0);
	phase_gate_end(&m->gate, MV_PHASE_END);
	for (unsigned i = 0; i < m->nr_started; i++) {
		if (__atomic_load_n(&m->thread[i].vcpu->tid, __ATOMIC_ACQUIRE))
			vcpu_kick(m->thread[i].vcpu);
	}
	for (unsigned i = 0; i < m->nr_started; i++)
		pthread_join(m->thread[i].thread, NULL);
	m->nr_started = 0;
	m->stop_tsc = __rdtsc();
}

/* ---- phases ---------------------------------------------------------------- */

void machine_set_phase_needs(struct machine *m, unsigned needs)
{
	m->phase_needs = needs;
	pcpus_let_kernel_schedule(m->pcpus, needs & MV_HOST_KERNEL);
}

void machine_enter_phase(struct machine *m, struct vm *vm, struct vcpu *v)
{
	v->marks_when_halted = m->phase_needs & MV_HOST_MARKS_HALTED;
	steal_msr_let_kernel_keep(v, &vm->mem, m->phase_needs & MV_HOST_KERNEL);
}

void machine_begin_tracking(struct machine *m)
{
	harvester_begin_phase(&m->harvester);
}

void machine_end_tracking(struct machine *m)
{
	harvester_end_phase(&m->harvester);
}

/* ---- what became of it ----------------------------------------------------- */

void machine_fail(struct machine *m, const char *format, ...)
{
	va_list args;

	pthread_mutex_lock(&m->fail_lock);
	if (!m->failed) {
		va_start(args, format);
		vsnprintf(m->failure, sizeof(m->failure), format, args);
		va_end(args);
		__atomic_store_n(&m->failed, true, __ATOMIC_RELEASE);
	}
	pthread_mutex_unlock(&m->fail_lock);
	eventfd_write(m->event_fd, 1);
}

bool machine_has_failed(const struct machine *m)
{
	return __atomic_load_n(&m->failed, __ATOMIC_ACQUIRE);
}

bool machine_has_exited(const struct machine *m)
{
	for (unsigned i = 0; i < m->nr_vms; i++) {
		if (!__atomic_load_n(&m->vm[i].exited, __ATOMIC_ACQUIRE))
			return false;
	}
	return true;
}

void machine_describe_vcpus(const struct machine *m, char *text, size_t bytes)
{
	size_t used = 0;

	for (unsigned i = 0; i < m->nr_vcpus && used < bytes; i++) {
		const struct vcpu_thread *t = &m->thread[i];
		const char *state = pcpus_is_blocked(m->pcpus, i) ? "halted" : "running";

		used += (size_t)snprintf(text + used, bytes - used,
					 "%svCPU %u of VM %u %s at rip 0x%" PRIx64, i ? ", " : "",
					 t->vcpu->index, t->vcpu->vm, state, t->stopped_rip);
	}
}
