/* SPDX-License-Identifier: MIT */
/* What a guest asks of the VMM, in a machine of two VMs: who is meant, and what is told. */
#include "unit.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "kvm_double.h"
#include "minivmm/x86.h"
#include "vmm/machine/exits.h"

#define NR_VMS	  2
#define MEM_BYTES 0x10000
#define MASK_GPA  0x1000

static struct kvm kvm;
static struct vcpu vcpus[NR_VMS][MV_MAX_VCPUS];
static struct vm vms[NR_VMS];
static struct machine machine;
static struct vcpu_thread thread; /* of the vCPU that asks */
static _Alignas(4096) uint8_t memory[MEM_BYTES];

/* What was asked of KVM, and of other vCPUs. */
static struct kvm_msi msi;
static const struct vcpu *asked[MV_MAX_VCPUS];
static unsigned nr_asked, nr_looks;

/* Whoever is woken looks at once, and is not woken again. */
int __real_eventfd_write(int fd, eventfd_t value);
int __wrap_eventfd_write(int fd, eventfd_t value);
static _Thread_local bool had_exited_when_told; /* other suites have threads */

int __wrap_eventfd_write(int fd, eventfd_t value)
{
	had_exited_when_told = vms[1].exited;
	return __real_eventfd_write(fd, value);
}

static void note_msi(struct kvm_double_vcpu *v, unsigned long request, const void *argument)
{
	(void)v;
	if (request == KVM_SIGNAL_MSI)
		msi = *(const struct kvm_msi *)argument;
}

static void note_request(struct vcpu *v)
{
	ck_assert_uint_eq(nr_looks, 0); /* all requests go out before the first is waited for */
	asked[nr_asked++] = v;
}

/* Nobody is at once. */
static bool is_safe(const struct vcpu *v)
{
	(void)v;
	return ++nr_looks % 3 == 0;
}

/* vCPU `index` of VM `vm` is the one that asks. */
static void build_machine(unsigned nr_vcpus, unsigned vm, unsigned index)
{
	static struct host_protocol protocol;

	protocol = host_protocol;
	protocol.request_flush = note_request;
	protocol.flush_is_safe = is_safe;
	nr_asked = nr_looks = 0;
	msi = (struct kvm_msi){ 0 };
	memset(memory, 0, sizeof(memory));
	kvm_double_open(&kvm);
	kvm_double_set_observer(note_msi);
	machine = (struct machine){ .nr_vms = NR_VMS,
				    .vm = vms,
				    .event_fd = eventfd(0, EFD_NONBLOCK) };
	pthread_mutex_init(&machine.fail_lock, NULL);
	for (unsigned n = 0; n < NR_VMS; n++) {
		vms[n] = (struct vm){ .index = n,
				      .fd = 1000 + (int)n,
				      .mem = { (struct guest_ram *)memory, MEM_BYTES },
				      .nr_vcpus = nr_vcpus,
				      .vcpu = vcpus[n] };
		for (unsigned i = 0; i < nr_vcpus; i++)
			vcpus[n][i] = (struct vcpu){
				.index = i, .vm = n, .fd = -1, .protocol = &protocol
			};
	}
	thread = (struct vcpu_thread){ .machine = &machine,
				       .vm = &vms[vm],
				       .vcpu = &vcpus[vm][index],
				       .i = vm * nr_vcpus + index };
}

static void destroy_machine(void)
{
	pthread_mutex_destroy(&machine.fail_lock);
	close(machine.event_fd);
	kvm_double_close(&kvm);
}

static enum vcpu_action store(uint64_t reg, uint64_t value)
{
	struct vcpu_exit e = {
		.kind = VCPU_EXIT_MMIO,
		.is_write = true,
		.gpa = MV_DOORBELL_GPA + reg,
		.size = sizeof(value),
		.count = 1,
		.data = (uint8_t *)&value,
	};

	return exits_handle(&thread, thread.vcpu, &e);
}

static void assert_failed(const char *who, const char *why)
{
	ck_assert(machine_has_failed(&machine));
	ck_assert_msg(strstr(machine.failure, who) == machine.failure, "%s", machine.failure);
	ck_assert_msg(strstr(machine.failure, why) != NULL, "%s", machine.failure);
}

START_TEST(a_yield_is_to_a_vcpu_of_the_same_vm)
{
	build_machine(3, 1, 1);
	for (unsigned target = 0; target < 3; target++) {
		ck_assert_int_eq(store(MV_DB_YIELD, target), VCPU_YIELD);
		ck_assert_int_eq(thread.vcpu->yield_to, 3 + (int)target);
	}
	ck_assert_int_eq(store(MV_DB_YIELD, MV_YIELD_ANY), VCPU_YIELD);
	ck_assert_int_eq(thread.vcpu->yield_to, -1);
	ck_assert(!machine_has_failed(&machine));
	ck_assert_int_eq(store(MV_DB_YIELD, 3), VCPU_STOP);
	assert_failed("vCPU 1 of VM 1 ", "no vCPU 3 to yield to");
	destroy_machine();
}
END_TEST

START_TEST(an_ipi_is_for_that_vcpu_of_the_same_vm)
{
	build_machine(MV_MAX_VCPUS, 1, 1);
	ck_assert_int_eq(store(MV_DB_IPI, 2 << 8 | 0x41), VCPU_RESUME);
	ck_assert_int_eq(kvm_double_last_fd(), vms[1].fd);
	ck_assert_uint_eq(msi.address_lo, 0xfee02000);
	ck_assert_uint_eq(msi.address_hi, 0);
	ck_assert_uint_eq(msi.data, 0x41);
	/* Its APIC id is 0x1ff, not the one that means all. */
	ck_assert_int_eq(store(MV_DB_IPI, 255 << 8 | 16), VCPU_RESUME);
	ck_assert_uint_eq(msi.address_lo, 0xfeeff000);
	ck_assert_uint_eq(msi.address_hi, 0x100);
	ck_assert_uint_eq(msi.data, 16);
	ck_assert_uint_eq(kvm_double_calls(KVM_SIGNAL_MSI), 2);
	destroy_machine();
}
END_TEST

START_TEST(an_ipi_that_makes_no_sense_ends_the_run)
{
	static const struct {
		uint64_t value;
		const char *why;
	} table[] = {
		{ 3 << 8 | 0x41, "no IPI with vector 65 to vCPU 3" },
		{ 2 << 8 | 15, "no IPI with vector 15 to vCPU 2" },
		{ 1ull << 40 | 0x41, "no IPI with vector 65 to vCPU 4294967296" },
	};

	for (unsigned n = 0; n < COUNT_OF(table); n++) {
		build_machine(3, 1, 2);
		ck_assert_int_eq(store(MV_DB_IPI, table[n].value), VCPU_STOP);
		assert_failed("vCPU 2 of VM 1 ", table[n].why);
		ck_assert_uint_eq(kvm_double_calls(KVM_SIGNAL_MSI), 0);
		destroy_machine();
	}
	build_machine(3, 0, 2);
	kvm_double_fail(KVM_SIGNAL_MSI, 0, 1, EIO);
	ck_assert_int_eq(store(MV_DB_IPI, 1 << 8 | 0x41), VCPU_STOP);
	assert_failed("vCPU 2 of VM 0 ", "KVM refused KVM_SIGNAL_MSI");
	destroy_machine();
}
END_TEST

static enum vcpu_action load(uint64_t reg, uint32_t size, uint64_t *ret_data)
{
	struct vcpu_exit e = {
		.kind = VCPU_EXIT_MMIO,
		.gpa = MV_DOORBELL_GPA + reg,
		.size = size,
		.count = 1,
		.data = (uint8_t *)ret_data,
	};

	*ret_data = ~0ull;
	return exits_handle(&thread, thread.vcpu, &e);
}

/* Of any size: what nobody answers is 0, and nothing of what was there before. */
START_TEST(a_load_finds_zeros_until_it_is_answered)
{
	uint64_t data;

	build_machine(3, 1, 2);
	ck_assert_int_eq(load(MV_DB_NOP, 8, &data), VCPU_RESUME);
	ck_assert_uint_eq(data, 0);
	ck_assert_int_eq(load(MV_DB_PHASE, 4, &data), VCPU_BLOCK);
	ck_assert_uint_eq(data, 0);
	ck_assert_uint_eq(thread.vcpu->stats.exits_doorbell, 2);
	ck_assert(!machine_has_failed(&machine));
	ck_assert_int_eq(load(MV_DB_EXIT, 8, &data), VCPU_STOP);
	assert_failed("vCPU 2 of VM 1 ", "no register to load from");
	destroy_machine();
}
END_TEST

/* The size says how much of kvm_run's eight bytes was stored. */
START_TEST(a_store_is_as_large_as_it_says)
{
	uint64_t value = 0xdead000000000007;
	struct vcpu_exit e = {
		.kind = VCPU_EXIT_MMIO,
		.is_write = true,
		.gpa = MV_DOORBELL_GPA + MV_DB_EXIT,
		.size = 4,
		.count = 1,
		.data = (uint8_t *)&value,
	};
	uint64_t told = 0;

	build_machine(3, 1, 2);
	ck_assert_int_eq(exits_handle(&thread, thread.vcpu, &e), VCPU_HALT);
	ck_assert_uint_eq(vms[1].exit_code, 7);
	ck_assert(vms[1].exited && !vms[0].exited);
	ck_assert(had_exited_when_told);
	ck_assert(!machine_has_exited(&machine));
	vms[0].exited = true;
	ck_assert(machine_has_exited(&machine));
	vms[1].exited = false;
	ck_assert(!machine_has_exited(&machine));
	ck_assert_int_eq(eventfd_read(machine.event_fd, &told), 0);
	e.size = 8;
	ck_assert_int_eq(exits_handle(&thread, thread.vcpu, &e), VCPU_HALT);
	ck_assert_uint_eq(vms[1].exit_code, value);
	e.size = 2;
	ck_assert_int_eq(exits_handle(&thread, thread.vcpu, &e), VCPU_STOP);
	assert_failed("vCPU 2 of VM 1 ", "2 bytes at 0x0");
	destroy_machine();
}
END_TEST

/* By whichever way a guest prints, and of VMs of several each its own. */
START_TEST(what_a_guest_prints_is_on_the_console_of_its_vm)
{
	char *said[NR_VMS];
	size_t length[NR_VMS];
	uint8_t text[] = "ports\n";
	struct vcpu_exit e = {
		.kind = VCPU_EXIT_IO, .is_write = true, .port = 0xe9, .data = text, .size = 1
	};
	uint64_t eight = 0;

	build_machine(3, 1, 2);
	for (unsigned n = 0; n < NR_VMS; n++)
		ck_assert_int_eq(console_init(&vms[n].console, open_memstream(&said[n], &length[n]),
					      n, NR_VMS, 3),
				 0);
	memcpy(&eight, "bell\n", 5);
	ck_assert_int_eq(store(MV_DB_PUTS, eight), VCPU_RESUME);
	e.count = sizeof(text) - 1;
	ck_assert_int_eq(exits_handle(&thread, thread.vcpu, &e), VCPU_RESUME);
	e.port = 0x3f8;
	ck_assert_int_eq(exits_handle(&thread, thread.vcpu, &e), VCPU_RESUME);
	for (unsigned n = 0; n < NR_VMS; n++) {
		console_finish(&vms[n].console);
		fclose(vms[n].console.out);
	}
	ck_assert_str_eq(said[0], "");
	ck_assert_str_eq(said[1], "VM 1: bell\nVM 1: ports\nVM 1: ports\n");
	free(said[0]);
	free(said[1]);
	ck_assert_uint_eq(thread.vcpu->stats.exits_io, 2);
	destroy_machine();
}
END_TEST

START_TEST(ports_answer_that_the_serial_port_is_ready_and_nothing_else)
{
	static const struct {
		uint16_t port;
		uint8_t value;
	} table[] = { { 0x3f8, 0 }, { 0x3fd, 0x60 }, { 0x3ff, 0 } };
	uint8_t data[4];
	struct vcpu_exit e = { .kind = VCPU_EXIT_IO, .data = data, .size = 1, .count = 4 };

	build_machine(3, 1, 2);
	for (unsigned n = 0; n < COUNT_OF(table); n++) {
		memset(data, 0xff, sizeof(data));
		e.port = table[n].port;
		ck_assert_int_eq(exits_handle(&thread, thread.vcpu, &e), VCPU_RESUME);
		for (unsigned i = 0; i < sizeof(data); i++)
			ck_assert_uint_eq(data[i], table[n].value);
	}
	e.port = 0x400;
	ck_assert_int_eq(exits_handle(&thread, thread.vcpu, &e), VCPU_STOP);
	assert_failed("vCPU 2 of VM 1 ", "no device at I/O port 0x400");
	destroy_machine();
}
END_TEST

START_TEST(a_port_ends_a_vm_with_the_code_that_is_written)
{
	uint32_t code = 0xabcdef23;
	struct vcpu_exit e = { .kind = VCPU_EXIT_IO,
			       .is_write = true,
			       .port = 0xf4,
			       .data = (uint8_t *)&code,
			       .count = 1 };

	build_machine(3, 1, 2);
	for (e.size = 1; e.size <= 4; e.size *= 2) {
		ck_assert_int_eq(exits_handle(&thread, thread.vcpu, &e), VCPU_HALT);
		ck_assert_uint_eq(vms[1].exit_code, code & ((1ull << 8 * e.size) - 1));
	}
	destroy_machine();
}
END_TEST

/* Whoever comes late learns what the others did; and what its mechanism needs of the host. */
START_TEST(a_phase_is_answered_and_begins_with_what_it_needs)
{
	uint8_t data[8] = { 1, 2, 3, 4, 5, 6, 7, 8 };
	static const uint8_t after[8] = { 0x23, 1, 0, 0, 5, 6, 7, 8 };
	struct vcpu_exit e = { .kind = VCPU_EXIT_MMIO, .size = 4, .count = 1, .data = data };

	build_machine(3, 1, 2);
	phase_gate_init(&machine.gate);
	phase_gate_end(&machine.gate, 0x123);
	machine.phase_needs = MV_HOST_MARKS_HALTED;
	exits_wait_for_phase(&thread, thread.vcpu, &e);
	ck_assert_mem_eq(data, after, sizeof(data));
	ck_assert(thread.vcpu->marks_when_halted);
	ck_assert(!vcpus[1][1].marks_when_halted && !vcpus[0][2].marks_when_halted);
	machine.phase_needs = 0;
	exits_wait_for_phase(&thread, thread.vcpu, &e);
	ck_assert(!thread.vcpu->marks_when_halted);
	phase_gate_finish(&machine.gate);
	destroy_machine();
}
END_TEST

START_TEST(a_steal_time_page_can_be_read_back)
{
	uint64_t value = ~0ull;
	struct vcpu_exit e = { .kind = VCPU_EXIT_MSR, .is_write = true, .value = 0x40 | 1 };

	build_machine(3, 1, 2);
	ck_assert_int_eq(exits_handle(&thread, thread.vcpu, &e), VCPU_RESUME);
	ck_assert_ptr_eq(thread.vcpu->steal.page, memory + 0x40);
	e = (struct vcpu_exit){ .kind = VCPU_EXIT_MSR, .data = (uint8_t *)&value };
	ck_assert_int_eq(exits_handle(&thread, thread.vcpu, &e), VCPU_RESUME);
	ck_assert_uint_eq(value, 0x40 | 1);
	ck_assert_uint_eq(thread.vcpu->stats.exits_msr, 2);
	e = (struct vcpu_exit){ .kind = VCPU_EXIT_MSR, .is_write = true, .value = MEM_BYTES | 1 };
	ck_assert_int_eq(exits_handle(&thread, thread.vcpu, &e), VCPU_STOP);
	assert_failed("vCPU 2 of VM 1 ", "not a 64-byte aligned address in memory");
	destroy_machine();
}
END_TEST

static void put_mask(unsigned vcpu)
{
	((struct mv_flush_mask *)(memory + MASK_GPA))->word[vcpu / 64] |= 1ull << vcpu % 64;
}

/* All that are named, in its own VM; itself it flushes by itself. */
START_TEST(a_flush_is_of_those_in_the_mask_but_for_itself)
{
	static const unsigned named[] = { 0, 63, 64, 127, 129 };

	build_machine(130, 1, 64);
	for (unsigned n = 0; n < COUNT_OF(named); n++)
		put_mask(named[n]);
	put_mask(130); /* there is none */
	put_mask(255);
	ck_assert_int_eq(store(MV_DB_FLUSH, MASK_GPA), VCPU_RESUME);
	ck_assert_uint_eq(nr_asked, 4);
	ck_assert_ptr_eq(asked[0], &vcpus[1][0]);
	ck_assert_ptr_eq(asked[1], &vcpus[1][63]);
	ck_assert_ptr_eq(asked[2], &vcpus[1][127]);
	ck_assert_ptr_eq(asked[3], &vcpus[1][129]);
	ck_assert_uint_eq(nr_looks, 4 * 3); /* until each is safe */
	destroy_machine();
}
END_TEST

START_TEST(a_mask_that_is_not_in_memory_ends_the_run)
{
	static const uint64_t gpa[] = { MASK_GPA + 4, MEM_BYTES - 8, MEM_BYTES, ~7ull };

	for (unsigned n = 0; n < COUNT_OF(gpa); n++) {
		build_machine(3, 1, 0);
		ck_assert_int_eq(store(MV_DB_FLUSH, gpa[n]), VCPU_STOP);
		assert_failed("vCPU 0 of VM 1 ", "no flush mask at 0x");
		ck_assert_uint_eq(nr_asked, 0);
		destroy_machine();
	}
}
END_TEST

/* kvm_amd has reset the vCPU by then: 0xfff0 is not where the guest was. */
START_TEST(where_a_triple_fault_was_is_told_only_if_it_is_known)
{
	static const struct {
		uint64_t rip, cs_base, cr0;
		bool is_known;
	} table[] = {
		{ 0x101234, 0, CR0_64_BIT, true },  { RESET_RIP, RESET_CS_BASE, 0, false },
		{ RESET_RIP, 0, CR0_64_BIT, true }, { RESET_RIP, RESET_CS_BASE, CR0_PE, true },
		{ 0x1000, RESET_CS_BASE, 0, true }, { RESET_RIP, 0, 0, true },
	};
	struct vcpu_exit e = { .kind = VCPU_EXIT_SHUTDOWN };

	for (unsigned n = 0; n < COUNT_OF(table); n++) {
		build_machine(3, 1, 2);
		struct kvm_regs regs = { .rip = table[n].rip };
		struct kvm_sregs sregs = { .cr0 = table[n].cr0, .cs.base = table[n].cs_base };
		ck_assert_int_eq(ioctl(thread.vcpu->fd, KVM_SET_REGS, &regs), 0);
		ck_assert_int_eq(ioctl(thread.vcpu->fd, KVM_SET_SREGS, &sregs), 0);
		ck_assert_int_eq(exits_handle(&thread, thread.vcpu, &e), VCPU_STOP);
		assert_failed(table[n].is_known ? "vCPU 2 of VM 1 at rip 0x"
						: "vCPU 2 of VM 1: triple fault (this KVM resets",
			      "triple fault");
		ck_assert_int_eq(strstr(machine.failure, "0x") != NULL, table[n].is_known);
		destroy_machine();
	}
}
END_TEST

#define CASES(X)                                                       \
	X(a_yield_is_to_a_vcpu_of_the_same_vm)                         \
	X(an_ipi_is_for_that_vcpu_of_the_same_vm)                      \
	X(an_ipi_that_makes_no_sense_ends_the_run)                     \
	X(a_load_finds_zeros_until_it_is_answered)                     \
	X(a_store_is_as_large_as_it_says)                              \
	X(what_a_guest_prints_is_on_the_console_of_its_vm)             \
	X(ports_answer_that_the_serial_port_is_ready_and_nothing_else) \
	X(a_port_ends_a_vm_with_the_code_that_is_written)              \
	X(a_phase_is_answered_and_begins_with_what_it_needs)           \
	X(a_steal_time_page_can_be_read_back)                          \
	X(a_flush_is_of_those_in_the_mask_but_for_itself)              \
	X(a_mask_that_is_not_in_memory_ends_the_run)                   \
	X(where_a_triple_fault_was_is_told_only_if_it_is_known)
UNIT_SUITE(exits, CASES)
