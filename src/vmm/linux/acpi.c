/* SPDX-License-Identifier: MIT */
/* ACPI tables of a machine without firmware. */
#include "vmm/linux/acpi.h"

#include <string.h>

#include "vmm/linux/ioapic.h"

#define PACKED __attribute__((packed))

#define LOCAL_APIC_GPA 0xfee00000u

/* ---- layouts -------------------------------------------------------------------- */

struct PACKED header {
	char signature[4];
	uint32_t bytes;
	uint8_t revision;
	uint8_t checksum; /* all bytes of the table add up to 0 */
	char oem[6];
	char oem_table[8];
	uint32_t oem_revision;
	char creator[4];
	uint32_t creator_revision;
};

struct PACKED rsdp {
	char signature[8];
	uint8_t checksum; /* of the first 20 bytes */
	char oem[6];
	uint8_t revision;
	uint32_t rsdt_gpa;
	uint32_t bytes;
	uint64_t xsdt_gpa;
	uint8_t checksum_of_all;
	uint8_t reserved[3];
};

struct PACKED address {
	uint8_t space;
	uint8_t bits;
	uint8_t offset;
	uint8_t access;
	uint64_t at;
};

#define SPACE_IO    1
#define ACCESS_BYTE 1
#define PORT(port)                                \
	{                                         \
		SPACE_IO, 8, 0, ACCESS_BYTE, port \
	}

struct PACKED fadt {
	struct header header;
	uint32_t facs_gpa, dsdt_gpa_32;
	uint8_t unused_1[61]; /* the power-management block, which is not there */
	uint8_t unused_2[4];
	uint16_t boot_flags;
	uint8_t reserved;
	uint32_t flags;
	struct address reset;
	uint8_t reset_value;
	uint16_t arm_boot_flags;
	uint8_t minor_revision;
	uint64_t facs_gpa_64, dsdt_gpa;
	struct address blocks[8]; /* likewise */
	struct address sleep_control, sleep_status;
	uint64_t hypervisor;
};

#define BOOT_NO_VGA	(1u << 2)
#define BOOT_NO_MSI	(1u << 3)
#define BOOT_NO_ASPM	(1u << 4)
#define BOOT_NO_RTC	(1u << 5)
#define FLAG_WBINVD	(1u << 0)
#define FLAG_RESET	(1u << 10)
#define FLAG_REDUCED_HW (1u << 20)

struct PACKED madt {
	struct header header;
	uint32_t local_apic_gpa;
	uint32_t flags; /* no PC-AT compatible PIC */
};

struct PACKED madt_cpu {
	uint8_t type, bytes; /* 0: a local APIC */
	uint8_t id, apic_id;
	uint32_t flags;
};

struct PACKED madt_ioapic {
	uint8_t type, bytes; /* 1: an I/O APIC */
	uint8_t id, reserved;
	uint32_t gpa;
	uint32_t first_interrupt;
};

#define CPU_ENABLED 1

_Static_assert(sizeof(struct header) == 36, "layout is ACPI's");
_Static_assert(sizeof(struct rsdp) == 36, "layout is ACPI's");
_Static_assert(sizeof(struct fadt) == 276, "layout is ACPI's");
_Static_assert(offsetof(struct fadt, boot_flags) == 109, "layout is ACPI's");
_Static_assert(offsetof(struct fadt, reset) == 116, "layout is ACPI's");
_Static_assert(offsetof(struct fadt, sleep_control) == 244, "layout is ACPI's");

/*
 * The definition block, assembled by hand (chapter 20):
 *
 *	Name(\_S5, Package() { 5, 0 })
 *	Scope(\_SB) {
 *		Device(COM1) {
 *			Name(_HID, EisaId("PNP0501"))
 *			Name(_UID, 0)
 *			Name(_CRS, ResourceTemplate() {
 *				IO(Decode16, 0x3f8, 0x3f8, 0, 8)
 *				Interrupt(ResourceConsumer, Edge, ActiveHigh, Exclusive) { 4 }
 *			})
 *		}
 *	}
 */
/* clang-format off */
static const uint8_t definitions[] = {
	0x08, '_', 'S', '5', '_', 0x12, 0x06, 0x02, 0x0a, 0x05, 0x0a, 0x00,
	0x10, 0x39, '\\', '_', 'S', 'B', '_',
	0x5b, 0x82, 0x31, 'C', 'O', 'M', '1',
	0x08, '_', 'H', 'I', 'D', 0x0c, 0x41, 0xd0, 0x05, 0x01,
	0x08, '_', 'U', 'I', 'D', 0x00,
	0x08, '_', 'C', 'R', 'S', 0x11, 0x16, 0x0a, 0x13,
	0x47, 0x01, 0xf8, 0x03, 0xf8, 0x03, 0x00, 0x08,
	0x89, 0x06, 0x00, 0x03, 0x01, ACPI_SERIAL_PIN, 0x00, 0x00, 0x00,
	0x79, 0x00,
};
/* clang-format on */

/* ---- writing ---------------------------------------------------------------------- */

/* The page, filled from the front. */
struct writer {
	uint8_t *page;
	size_t used;
};

static void *append(struct writer *w, const void *bytes, size_t nr)
{
	uint8_t *at = w->page + w->used;

	memcpy(at, bytes, nr);
	w->used += nr;
	return at;
}

static uint8_t checksum(const void *bytes, size_t nr)
{
	const uint8_t *byte = bytes;
	uint8_t sum = 0;

	for (size_t i = 0; i < nr; i++)
		sum = (uint8_t)(sum + byte[i]);
	return (uint8_t)-sum;
}

static struct header make_header(const char signature[5], uint8_t revision)
{
	struct header h = { .revision = revision, .oem_revision = 1, .creator_revision = 1 };

	memcpy(h.signature, signature, sizeof(h.signature));
	memcpy(h.oem, "MVMM  ", sizeof(h.oem));
	memcpy(h.oem_table, "MINIVMM ", sizeof(h.oem_table));
	memcpy(h.creator, "MVMM", sizeof(h.creator));
	return h;
}

/* A table is complete: its size and its checksum are known. Returns where it lies, and
 * goes on at a multiple of 8. */
static uint64_t finish(struct writer *w, struct header *table)
{
	table->bytes = (uint32_t)(w->page + w->used - (uint8_t *)table);
	table->checksum = checksum(table, table->bytes);
	w->used = (w->used + 7) & ~(size_t)7;
	return ACPI_GPA + (uint64_t)((uint8_t *)table - w->page);
}

static uint64_t write_dsdt(struct writer *w)
{
	struct header header = make_header("DSDT", 2);
	struct header *dsdt = append(w, &header, sizeof(header));

	append(w, definitions, sizeof(definitions));
	return finish(w, dsdt);
}

static uint64_t write_fadt(struct writer *w, uint64_t dsdt_gpa)
{
	struct fadt fadt = {
		.header = make_header("FACP", 6),
		.dsdt_gpa_32 = (uint32_t)dsdt_gpa,
		.boot_flags = BOOT_NO_VGA | BOOT_NO_MSI | BOOT_NO_ASPM | BOOT_NO_RTC,
		.flags = FLAG_WBINVD | FLAG_RESET | FLAG_REDUCED_HW,
		.reset = PORT(ACPI_PORT_RESET),
		.reset_value = ACPI_RESET_VALUE,
		.minor_revision = 4,
		.dsdt_gpa = dsdt_gpa,
		.sleep_control = PORT(ACPI_PORT_SLEEP_CONTROL),
		.sleep_status = PORT(ACPI_PORT_SLEEP_STATUS),
	};

	return finish(w, append(w, &fadt, sizeof(fadt)));
}

static uint64_t write_madt(struct writer *w, unsigned nr_vcpus)
{
	struct madt head = {
		.header = make_header("APIC", 5),
		.local_apic_gpa = LOCAL_APIC_GPA,
	};
	struct madt_ioapic ioapic = { .type = 1, .bytes = sizeof(ioapic), .gpa = IOAPIC_GPA };
	struct madt *madt = append(w, &head, sizeof(head));

	for (unsigned i = 0; i < nr_vcpus; i++) {
		struct madt_cpu cpu = {
			.bytes = sizeof(cpu),
			.id = (uint8_t)i,
			.apic_id = (uint8_t)i,
			.flags = CPU_ENABLED,
		};

		append(w, &cpu, sizeof(cpu));
	}
	append(w, &ioapic, sizeof(ioapic));
	return finish(w, &madt->header);
}

static uint64_t write_xsdt(struct writer *w, const uint64_t *table_gpa, unsigned nr)
{
	struct header header = make_header("XSDT", 1);
	struct header *xsdt = append(w, &header, sizeof(header));

	append(w, table_gpa, nr * sizeof(*table_gpa));
	return finish(w, xsdt);
}

void acpi_write_tables(uint8_t *page, unsigned nr_vcpus)
{
	struct writer w = { page, (sizeof(struct rsdp) + 7) & ~(size_t)7 };
	uint64_t dsdt_gpa = write_dsdt(&w);
	uint64_t tables[] = { write_fadt(&w, dsdt_gpa), write_madt(&w, nr_vcpus) };
	struct rsdp rsdp = {
		.oem = { 'M', 'V', 'M', 'M', ' ', ' ' },
		.revision = 2,
		.bytes = sizeof(rsdp),
		.xsdt_gpa = write_xsdt(&w, tables, sizeof(tables) / sizeof(tables[0])),
	};

	memcpy(rsdp.signature, "RSD PTR ", sizeof(rsdp.signature));
	rsdp.checksum = checksum(&rsdp, offsetof(struct rsdp, bytes));
	rsdp.checksum_of_all = checksum(&rsdp, sizeof(rsdp));
	memcpy(page, &rsdp, sizeof(rsdp));
}
