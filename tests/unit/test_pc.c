/* SPDX-License-Identifier: MIT */
/* The board of a Linux guest: serial port, I/O APIC, ACPI tables, CPUID, options. */
#define _GNU_SOURCE /* memmem() */
#include "unit.h"

#include <asm/kvm_para.h>
#include <string.h>

#include "vmm/linux/acpi.h"
#include "vmm/linux/guest_cpuid.h"
#include "vmm/linux/ioapic.h"
#include "vmm/linux/pvh_options.h"
#include "vmm/linux/uart.h"

/* ---- the serial port ---------------------------------------------------------------- */

enum { DATA, ENABLE, ID, LINE, MODEM, LINE_STATUS, MODEM_STATUS, SCRATCH };

static char sent[64];
static unsigned nr_sent;

static void note(void *context, uint8_t byte)
{
	(void)context;
	sent[nr_sent++ % sizeof(sent)] = (char)byte;
}

static struct uart new_uart(void)
{
	struct uart u;

	nr_sent = 0;
	uart_init(&u, note, NULL);
	return u;
}

START_TEST(what_is_written_is_sent_and_the_line_is_free_again)
{
	struct uart u = new_uart();

	uart_write(&u, DATA, 'h');
	uart_write(&u, DATA, 'i');
	ck_assert_uint_eq(nr_sent, 2);
	ck_assert_int_eq(memcmp(sent, "hi", 2), 0);
	ck_assert_uint_eq(uart_read(&u, LINE_STATUS), 0x60);
	ck_assert(!uart_interrupts(&u));
}
END_TEST

START_TEST(a_driver_that_asks_is_told_that_the_line_is_free)
{
	struct uart u = new_uart();

	uart_write(&u, ENABLE, 0x02);
	ck_assert(uart_interrupts(&u));
	ck_assert_uint_eq(uart_read(&u, ID), 0x02);
	ck_assert(!uart_interrupts(&u)); /* reading it was the answer */
	ck_assert_uint_eq(uart_read(&u, ID), 0x01);
	uart_write(&u, DATA, 'x');
	ck_assert(uart_interrupts(&u));
	uart_write(&u, ENABLE, 0);
	ck_assert(!uart_interrupts(&u));
}
END_TEST

START_TEST(input_waits_until_it_is_wanted_and_comes_in_order)
{
	struct uart u = new_uart();

	ck_assert_uint_eq(uart_room(&u), 0);
	uart_write(&u, ID, 0x01);
	uart_write(&u, ENABLE, 0x01);
	ck_assert_uint_eq(uart_room(&u), UART_FIFO_BYTES);
	uart_receive(&u, (const uint8_t *)"abc", 3);
	ck_assert_uint_eq(uart_room(&u), UART_FIFO_BYTES - 3);
	ck_assert(uart_interrupts(&u));
	ck_assert_uint_eq(uart_read(&u, ID), 0xc4);
	ck_assert_uint_eq(uart_read(&u, LINE_STATUS), 0x61);
	for (const char *c = "abc"; *c; c++)
		ck_assert_uint_eq(uart_read(&u, DATA), *c);
	ck_assert(!uart_interrupts(&u));
	ck_assert_uint_eq(uart_read(&u, LINE_STATUS), 0x60);
	ck_assert_uint_eq(uart_read(&u, DATA), 0);
}
END_TEST

START_TEST(a_full_fifo_takes_no_more_and_can_be_cleared)
{
	struct uart u = new_uart();
	uint8_t bytes[UART_FIFO_BYTES + 1] = { 0 };

	uart_write(&u, ID, 0x01);
	uart_write(&u, ENABLE, 0x01);
	uart_receive(&u, bytes, sizeof(bytes));
	ck_assert_uint_eq(u.nr_received, UART_FIFO_BYTES);
	ck_assert_uint_eq(uart_room(&u), 0);
	uart_write(&u, ID, 0x03);
	ck_assert_uint_eq(u.nr_received, 0);
	uart_write(&u, ID, 0);
	ck_assert_uint_eq(uart_room(&u), 1); /* without it there is one register */
}
END_TEST

/* The 8250 driver of Linux looks for a port so. */
START_TEST(outputs_come_back_as_inputs_in_the_loop)
{
	struct uart u = new_uart();

	uart_write(&u, MODEM, 0x1a);
	ck_assert_uint_eq(uart_read(&u, MODEM_STATUS) & 0xf0, 0x90);
	uart_write(&u, MODEM, 0x15);
	ck_assert_uint_eq(uart_read(&u, MODEM_STATUS) & 0xf0, 0x60);
	uart_write(&u, DATA, 'l');
	ck_assert_uint_eq(nr_sent, 0);
	ck_assert_uint_eq(uart_read(&u, DATA), 'l');
	uart_write(&u, MODEM, 0);
	ck_assert_uint_eq(uart_read(&u, MODEM_STATUS), 0xb0);
}
END_TEST

START_TEST(the_divisor_hides_the_registers_below_it)
{
	struct uart u = new_uart();

	uart_write(&u, ENABLE, 0x05);
	uart_write(&u, LINE, 0x83);
	uart_write(&u, DATA, 0x12);
	uart_write(&u, ENABLE, 0x34);
	ck_assert_uint_eq(uart_read(&u, DATA), 0x12);
	ck_assert_uint_eq(uart_read(&u, ENABLE), 0x34);
	uart_write(&u, LINE, 0x03);
	ck_assert_uint_eq(uart_read(&u, ENABLE), 0x05);
	ck_assert_uint_eq(nr_sent, 0);
	uart_write(&u, SCRATCH, 0x5a);
	ck_assert_uint_eq(uart_read(&u, SCRATCH), 0x5a);
}
END_TEST

/* ---- the I/O APIC --------------------------------------------------------------------- */

static void select_and_write(struct ioapic *io, uint32_t reg, uint32_t value)
{
	ioapic_write(io, 0x00, reg);
	ioapic_write(io, 0x10, value);
}

START_TEST(a_pin_is_masked_until_its_entry_says_where_to)
{
	struct ioapic io;
	struct ioapic_message message = { 0 };

	ioapic_init(&io);
	for (unsigned pin = 0; pin < IOAPIC_NR_PINS; pin++)
		ck_assert(!ioapic_message(&io, pin, &message));
	select_and_write(&io, 0x10 + 2 * 4 + 1, 0x03000000);
	select_and_write(&io, 0x10 + 2 * 4, 0x0041);
	ck_assert(ioapic_message(&io, 4, &message));
	ck_assert_uint_eq(message.address, 0xfee03000);
	ck_assert_uint_eq(message.data, 0x41);
	select_and_write(&io, 0x10 + 2 * 4, 0x0951); /* logical, lowest priority */
	ck_assert(ioapic_message(&io, 4, &message));
	ck_assert_uint_eq(message.address, 0xfee03004);
	ck_assert_uint_eq(message.data, 0x151);
	ck_assert(!ioapic_message(&io, 5, &message));
}
END_TEST

START_TEST(registers_read_as_they_were_written_and_none_beyond)
{
	struct ioapic io;

	ioapic_init(&io);
	select_and_write(&io, 0, 0x5f000000);
	ck_assert_uint_eq(ioapic_read(&io, 0x10), 0x0f000000);
	select_and_write(&io, 1, 0);
	ck_assert_uint_eq(ioapic_read(&io, 0x10), 0x00170011);
	select_and_write(&io, 0x3f, 0xaa000000);
	ck_assert_uint_eq(ioapic_read(&io, 0x10), 0xaa000000);
	select_and_write(&io, 0x3e, 0xffffffff);
	ck_assert_uint_eq(ioapic_read(&io, 0x10), 0xffffafff); /* status bits are its own */
	ck_assert_uint_eq(ioapic_read(&io, 0x00), 0x3e);
	select_and_write(&io, 0x40, 1);
	ck_assert_uint_eq(ioapic_read(&io, 0x10), 0xffffffff);
	ck_assert_uint_eq(ioapic_read(&io, 0x20), 0xffffffff);
	select_and_write(&io, 0xff, 1);
	ck_assert_uint_eq(ioapic_read(&io, 0x10), 0xffffffff);
}
END_TEST

/* ---- ACPI --------------------------------------------------------------------------------- */

static uint8_t sum(const uint8_t *bytes, size_t nr)
{
	uint8_t s = 0;

	while (nr--)
		s = (uint8_t)(s + *bytes++);
	return s;
}

static uint64_t read_le(const uint8_t *at, unsigned bytes)
{
	uint64_t value = 0;

	memcpy(&value, at, bytes);
	return value;
}

/* The table at an address, once its signature, its size and its checksum have been found right. */
static const uint8_t *table_at(const uint8_t *page, uint64_t gpa, const char *signature)
{
	const uint8_t *table = page + (gpa - ACPI_GPA);

	ck_assert_uint_ge(gpa, ACPI_GPA);
	ck_assert_uint_lt(gpa, ACPI_GPA + ACPI_BYTES);
	ck_assert_int_eq(memcmp(table, signature, 4), 0);
	ck_assert_uint_le(gpa + read_le(table + 4, 4), ACPI_GPA + ACPI_BYTES);
	ck_assert_uint_eq(sum(table, read_le(table + 4, 4)), 0);
	return table;
}

START_TEST(tables_are_found_from_the_rsdp_and_add_up)
{
	static const unsigned nr_vcpus[] = { 1, 4, 64, 255 };

	for (unsigned i = 0; i < COUNT_OF(nr_vcpus); i++) {
		uint8_t page[ACPI_BYTES] = { 0 };

		acpi_write_tables(page, nr_vcpus[i]);
		ck_assert_int_eq(memcmp(page, "RSD PTR ", 8), 0);
		ck_assert_uint_eq(sum(page, 20), 0);
		ck_assert_uint_eq(sum(page, 36), 0);
		const uint8_t *xsdt = table_at(page, read_le(page + 24, 8), "XSDT");
		ck_assert_uint_eq(read_le(xsdt + 4, 4), 36 + 2 * 8);
		const uint8_t *fadt = table_at(page, read_le(xsdt + 36, 8), "FACP");
		const uint8_t *madt = table_at(page, read_le(xsdt + 44, 8), "APIC");
		const uint8_t *dsdt = table_at(page, read_le(fadt + 140, 8), "DSDT");
		ck_assert_ptr_nonnull(memmem(dsdt, read_le(dsdt + 4, 4), "COM1", 4));
		ck_assert_uint_eq(read_le(fadt + 112, 4) >> 20 & 1, 1);
		ck_assert_uint_eq(read_le(fadt + 120, 8), ACPI_PORT_RESET);
		ck_assert_uint_eq(read_le(fadt + 248, 8), ACPI_PORT_SLEEP_CONTROL);
		ck_assert_uint_eq(read_le(madt + 4, 4), 44 + 8 * nr_vcpus[i] + 12);
		for (unsigned cpu = 0; cpu < nr_vcpus[i]; cpu++)
			ck_assert_uint_eq(madt[44 + 8 * cpu + 3], cpu);
	}
}
END_TEST

/* ---- CPUID ---------------------------------------------------------------------------------- */

static struct kvm_cpuid_table table_of(const struct kvm_cpuid_entry2 *leaf, unsigned nr)
{
	struct kvm_cpuid_table t = { .head.nent = nr };

	memcpy(t.leaf, leaf, nr * sizeof(*leaf));
	return t;
}

static const struct kvm_cpuid_entry2 leaves[] = {
	{ .function = 1, .ebx = 0x05ff0800, .ecx = 1u << 5 },
	{ .function = 4, .eax = 0xfc03c121 },
	{ .function = 0xb, .index = 0, .ebx = 2, .edx = 5 },
	{ .function = 0xb, .index = 1, .ebx = 99, .edx = 5 },
	{ .function = 0xb, .index = 2, .ebx = 99, .edx = 5 },
	{ .function = KVM_CPUID_FEATURES, .eax = 0x1007efb },
	{ .function = 0x80000001, .ecx = 1u << 2 | 1u << 23 },
	{ .function = 0x80000008, .ecx = 0x701f },
	{ .function = 0x8000001e, .ebx = 0x100 },
};

START_TEST(a_linux_guest_sees_kvm_and_one_package_of_cores)
{
	struct kvm_cpuid_table supported = table_of(leaves, COUNT_OF(leaves));
	struct kvm_cpuid_table t = supported;
	const struct kvm_cpuid_entry2 *e = t.leaf;

	t.leaf[5].eax = 1u << KVM_FEATURE_STEAL_TIME | 1u << KVM_FEATURE_PV_TLB_FLUSH;
	guest_cpuid_complete(&t, &supported, 5, 6, true);
	ck_assert_uint_eq(e[0].ecx, 1u << 31 | 1u << 24 | 1u << 21);
	ck_assert_uint_eq(e[0].ebx, 0x05080800);
	ck_assert_uint_eq(e[0].edx, 1u << 28);
	ck_assert_uint_eq(e[1].eax, 7u << 26 | 0x121);
	ck_assert_uint_eq(e[2].eax, 0);
	ck_assert_uint_eq(e[2].ebx, 1);
	ck_assert_uint_eq(e[2].ecx, 0x100);
	ck_assert_uint_eq(e[3].eax, 3);
	ck_assert_uint_eq(e[3].ebx, 6);
	ck_assert_uint_eq(e[3].ecx, 0x201);
	ck_assert_uint_eq(e[4].ebx, 0);
	ck_assert_uint_eq(e[4].ecx, 2);
	ck_assert_uint_eq(e[4].edx, 5);
	ck_assert_uint_eq(e[5].eax, 1u << KVM_FEATURE_CLOCKSOURCE | 1u << KVM_FEATURE_NOP_IO_DELAY |
					    1u << KVM_FEATURE_CLOCKSOURCE2 |
					    1u << KVM_FEATURE_CLOCKSOURCE_STABLE_BIT |
					    1u << KVM_FEATURE_STEAL_TIME |
					    1u << KVM_FEATURE_PV_TLB_FLUSH);
	ck_assert_uint_eq(e[6].ecx, 0);
	ck_assert_uint_eq(e[7].ecx, 0x3005);
	ck_assert_uint_eq(e[8].eax, 5);
	ck_assert_uint_eq(e[8].ebx, 5);
}
END_TEST

START_TEST(what_kvm_lacks_is_not_promised)
{
	struct kvm_cpuid_table supported = table_of(leaves, COUNT_OF(leaves)), t;

	supported.leaf[5].eax = 0;
	t = supported;
	guest_cpuid_complete(&t, &supported, 0, 1, false);
	ck_assert_uint_eq(t.leaf[5].eax, 0);
	ck_assert_uint_eq(t.leaf[0].ecx & 1u << 24, 0);
	ck_assert_uint_eq(t.leaf[0].edx & 1u << 28, 0);
	ck_assert_uint_eq(t.leaf[3].eax, 0);
}
END_TEST

/* ---- options -----------------------------------------------------------------------------------
 */

static struct options parsed(const char *option, const char *value)
{
	static const struct host_cpus allowed = { .inherited = { 2, { 0, 1 } } };
	char *argv[] = { "minivmm", "vmlinuz", (char *)option, (char *)value, NULL };
	struct options o = { 0 };
	struct error err;

	ck_assert_int_eq(options_parse(option ? 4 : 2, argv, &allowed, &o, &err), 0);
	return o;
}

START_TEST(a_guest_that_leads_itself_is_offered_pv_and_has_room_and_time)
{
	struct options o = parsed(NULL, NULL);
	struct error err;

	ck_assert_int_eq(pvh_options_settle(&o, false, &err), 0);
	ck_assert_uint_eq(o.nr_mechanisms, 1);
	ck_assert_uint_eq(o.mechanism[0], MECHANISM_pv);
	ck_assert_uint_eq(o.hidden_features, 0);
	ck_assert_uint_eq(o.mem_bytes, 512 << 20);
	ck_assert_uint_eq(o.timeout_ns, 600000000000);
	o = parsed(NULL, NULL);
	ck_assert_int_eq(pvh_options_settle(&o, true, &err), 0);
	ck_assert_uint_eq(o.timeout_ns, 86400000000000);
}
END_TEST

START_TEST(what_is_given_stays)
{
	struct options o = parsed("--shootdown", "ipi");
	struct error err;

	ck_assert_int_eq(pvh_options_settle(&o, false, &err), 0);
	ck_assert_uint_eq(o.mechanism[0], MECHANISM_ipi);
	ck_assert_uint_eq(o.hidden_features, 1u << KVM_FEATURE_PV_TLB_FLUSH);
	o = parsed("--mem", "128M");
	ck_assert_int_eq(pvh_options_settle(&o, false, &err), 0);
	ck_assert_uint_eq(o.mem_bytes, 128 << 20);
	o = parsed("--timeout", "5s");
	ck_assert_int_eq(pvh_options_settle(&o, true, &err), 0);
	ck_assert_uint_eq(o.timeout_ns, 5000000000);
	o = parsed("--inject", "lose-flush-bit");
	ck_assert_int_eq(pvh_options_settle(&o, false, &err), 0);
}
END_TEST

START_TEST(what_cannot_be_followed_is_refused_but_in_a_replay)
{
	static const char *const refused[][3] = {
		{ "--shootdown", "ipi,pv", "PV_TLB_FLUSH" },
		{ "--shootdown", "hypercall", "PV_TLB_FLUSH" },
		{ "--inject", "skip-ipi-flush", "--inject" },
		{ "--grace", "1ms", "--grace" },
	};

	for (unsigned i = 0; i < COUNT_OF(refused); i++) {
		struct options o = parsed(refused[i][0], refused[i][1]);
		struct error err = { .text = "" };

		ck_assert_int_eq(pvh_options_settle(&o, false, &err), -1);
		ck_assert_int_eq(err.status, EXIT_USAGE);
		ck_assert_ptr_nonnull(strstr(err.text, "'vmlinuz'"));
		ck_assert_msg(strstr(err.text, refused[i][2]) != NULL, "'%s'", err.text);
		o.replay_path = "schedule";
		ck_assert_int_eq(pvh_options_settle(&o, false, &err), 0);
		ck_assert_uint_eq(o.mechanism[0], MECHANISM_pv);
	}
}
END_TEST

#define TESTS(X)                                                         \
	X(what_is_written_is_sent_and_the_line_is_free_again)            \
	X(a_driver_that_asks_is_told_that_the_line_is_free)              \
	X(input_waits_until_it_is_wanted_and_comes_in_order)             \
	X(a_full_fifo_takes_no_more_and_can_be_cleared)                  \
	X(outputs_come_back_as_inputs_in_the_loop)                       \
	X(the_divisor_hides_the_registers_below_it)                      \
	X(a_pin_is_masked_until_its_entry_says_where_to)                 \
	X(registers_read_as_they_were_written_and_none_beyond)           \
	X(tables_are_found_from_the_rsdp_and_add_up)                     \
	X(a_linux_guest_sees_kvm_and_one_package_of_cores)               \
	X(what_kvm_lacks_is_not_promised)                                \
	X(a_guest_that_leads_itself_is_offered_pv_and_has_room_and_time) \
	X(what_is_given_stays)                                           \
	X(what_cannot_be_followed_is_refused_but_in_a_replay)

UNIT_SUITE(pc, TESTS)
