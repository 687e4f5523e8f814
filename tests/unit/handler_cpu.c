/* SPDX-License-Identifier: MIT */
/* A CPU for the handlers of vectors.S: see handler_cpu.h; encodings from Intel SDM volume 2. */
#include "handler_cpu.h"

#include <check.h>
#include <fcntl.h>
#include <gelf.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "guest-kernel/base/layout.h"
#include "minivmm/x86.h"

enum {
	PREFIX_FS = 0x64,
	PREFIX_GS = 0x65,
	PREFIX_REX_W = 0x48,
	MODRM_ABSOLUTE = 0x04, /* with SIB_ABSOLUTE: an address of 32 bits */
	SIB_ABSOLUTE = 0x25,
	OPCODE_IRET = 0xcf,
};

static uint64_t range_address; /* of shootdown_range in the guest */

/* ---- reading guest.elf ----------------------------------------------------------------- */

static bool find_symbol(Elf *elf, const char *name, GElf_Sym *ret_symbol)
{
	for (Elf_Scn *scn = NULL; (scn = elf_nextscn(elf, scn));) {
		GElf_Shdr header;

		gelf_getshdr(scn, &header);
		if (header.sh_type != SHT_SYMTAB)
			continue;
		Elf_Data *data = elf_getdata(scn, NULL);
		for (int i = 0; gelf_getsym(data, i, ret_symbol); i++) {
			if (strcmp(elf_strptr(elf, header.sh_link, ret_symbol->st_name), name) == 0)
				return true;
		}
	}
	return false;
}

static GElf_Sym symbol(Elf *elf, const char *name)
{
	GElf_Sym found;

	ck_assert_msg(find_symbol(elf, name, &found), "guest.elf has no symbol %s", name);
	return found;
}

/* The bytes from a symbol on. */
static const uint8_t *bytes_of(Elf *elf, const GElf_Sym *of, size_t *ret_nr_bytes)
{
	Elf_Scn *scn = elf_getscn(elf, of->st_shndx);
	Elf_Data *data = elf_getdata(scn, NULL);
	GElf_Shdr header;

	gelf_getshdr(scn, &header);
	*ret_nr_bytes = data->d_size - (of->st_value - header.sh_addr);
	return (const uint8_t *)data->d_buf + (of->st_value - header.sh_addr);
}

/* ---- cutting code into instructions ------------------------------------------------------ */

static uint32_t number_at(const uint8_t *bytes)
{
	uint32_t value;

	memcpy(&value, bytes, sizeof(value));
	return value;
}

static bool is_absolute(const uint8_t *modrm)
{
	return (modrm[0] & 0xc7) == MODRM_ABSOLUTE && modrm[1] == SIB_ABSOLUTE;
}

/* The length of an instruction without its segment prefix; 0: not one of ours. */
static unsigned length_of(const uint8_t *code)
{
	if ((code[0] & 0xf0) == 0x50) /* push and pop */
		return 1;
	if (code[0] == 0x75) /* jnz */
		return 2;
	if (code[0] == 0x0f && (code[1] == 0x20 || code[1] == 0x22 || code[1] == 0x01))
		return 3; /* CR3, invlpg */
	if (code[0] == 0xc7 && is_absolute(code + 1))
		return 11;
	if (code[0] != PREFIX_REX_W)
		return 0;
	if (code[1] == OPCODE_IRET)
		return 2;
	if ((code[1] == 0x8b || code[1] == 0x89) && is_absolute(code + 2))
		return 8;
	if (code[1] == 0x81 && (code[2] & 0xf8) == 0xc0) /* add */
		return 7;
	if (code[1] == 0xff && (code[2] & 0xf8) == 0xc8) /* dec */
		return 3;
	return 0;
}

static bool has_segment(const uint8_t *code)
{
	return code[0] == PREFIX_FS || code[0] == PREFIX_GS;
}

static bool is_iretq(const struct instruction *i)
{
	return i->bytes[0] == PREFIX_REX_W && i->bytes[1] == OPCODE_IRET;
}

static void cut(const uint8_t *code, size_t nr_bytes, struct handler *handler)
{
	unsigned offset = 0;

	handler->nr = 0;
	do {
		struct instruction *i = &handler->instruction[handler->nr++];
		unsigned prefix = has_segment(code + offset);
		unsigned length = length_of(code + offset + prefix);

		ck_assert_msg(length > 0 && offset + prefix + length <= nr_bytes,
			      "an instruction that this CPU does not know, at +%u", offset);
		i->length = prefix + length;
		i->offset = offset;
		memcpy(i->bytes, code + offset, i->length);
		offset += i->length;
	} while (!is_iretq(&handler->instruction[handler->nr - 1]) &&
		 handler->nr < HANDLER_MOST_INSTRUCTIONS);
}

void handler_load(const char *name, struct handler *ret_handler)
{
	const char *path = getenv("MINIVMM_GUEST");
	int fd = open(path ? path : "guest.elf", O_RDONLY);

	ck_assert_msg(fd >= 0, "MINIVMM_GUEST names no guest.elf");
	elf_version(EV_CURRENT);
	Elf *elf = elf_begin(fd, ELF_C_READ, NULL);
	GElf_Sym of = symbol(elf, name);
	size_t nr_bytes;
	const uint8_t *code = bytes_of(elf, &of, &nr_bytes);

	cut(code, nr_bytes, ret_handler);
	range_address = symbol(elf, "shootdown_range").st_value;
	elf_end(elf);
	close(fd);
}

void handler_move(struct handler *handler, unsigned from, unsigned to)
{
	struct instruction moved = handler->instruction[from];

	for (; from < to; from++)
		handler->instruction[from] = handler->instruction[from + 1];
	for (; from > to; from--)
		handler->instruction[from] = handler->instruction[from - 1];
	handler->instruction[to] = moved;
}

unsigned handler_find(const struct handler *handler, const char *bytes, unsigned nr_bytes)
{
	unsigned i = 0;

	while (i < handler->nr && memcmp(handler->instruction[i].bytes, bytes, nr_bytes) != 0)
		i++;
	ck_assert_msg(i < handler->nr, "the handler has no such instruction");
	return i;
}

/* ---- executing them ------------------------------------------------------------------------ */

static uint64_t load(const struct handler_cpu *cpu, uint8_t segment, uint32_t address)
{
	if (segment == PREFIX_GS && address == PERCPU_REQUESTED)
		return cpu->requested;
	if (segment == 0 && address == range_address + FLUSH_RANGE_GVA)
		return cpu->range_gva;
	if (segment == 0 && address == range_address + FLUSH_RANGE_PAGES)
		return HANDLER_PAGES;
	ck_abort_msg("a load of %x:0x%x", segment, address);
}

static void store(struct handler_cpu *cpu, uint8_t segment, uint32_t address, uint64_t value)
{
	if (segment == PREFIX_GS && address == PERCPU_ACKED) {
		cpu->acked = value;
		return;
	}
	ck_assert_msg(segment == PREFIX_FS && address == XAPIC_EOI, "a store to %x:0x%x", segment,
		      address);
	cpu->nr_eois++;
	cpu->acked_at_eoi = cpu->acked;
}

static void forget(struct handler_cpu *cpu, uint64_t gva)
{
	uint64_t page = (gva - cpu->range_gva) / 4096;

	if (page < HANDLER_PAGES)
		cpu->cached[page] = NOT_CACHED;
}

static void forget_all(struct handler_cpu *cpu)
{
	for (unsigned page = 0; page < HANDLER_PAGES; page++)
		cpu->cached[page] = NOT_CACHED;
}

static void push_or_pop(struct handler_cpu *cpu, uint8_t opcode)
{
	if (opcode & 8) {
		ck_assert_uint_gt(cpu->depth, 0);
		cpu->reg[opcode & 7] = cpu->stack[--cpu->depth];
	} else {
		ck_assert_uint_lt(cpu->depth, sizeof(cpu->stack) / sizeof(cpu->stack[0]));
		cpu->stack[cpu->depth++] = cpu->reg[opcode & 7];
	}
}

/* 0x0f: of CR3 only the write matters, which drops everything; invlpg. */
static void do_system(struct handler_cpu *cpu, const uint8_t *code)
{
	uint8_t modrm = code[2];

	if (code[1] == 0x01) {
		ck_assert_uint_eq(modrm & 0xf8, 0x38);
		forget(cpu, cpu->reg[modrm & 7]);
		return;
	}
	ck_assert_uint_eq(modrm & 0xf8, 0xd8);
	if (code[1] == 0x22)
		forget_all(cpu);
}

static void do_wide(struct handler_cpu *cpu, uint8_t segment, const uint8_t *code)
{
	switch (code[1]) {
	case OPCODE_IRET:
		cpu->returned = true;
		break;
	case 0x8b:
		cpu->reg[code[2] >> 3 & 7] = load(cpu, segment, number_at(code + 4));
		break;
	case 0x89:
		store(cpu, segment, number_at(code + 4), cpu->reg[code[2] >> 3 & 7]);
		break;
	case 0x81:
		cpu->reg[code[2] & 7] += number_at(code + 3);
		break;
	default:
		cpu->reg[code[2] & 7]--;
	}
}

/* The only flag that is looked at is set by the dec right before. */
static void jump_if_not_zero(const struct handler *handler, struct handler_cpu *cpu, unsigned at)
{
	const struct instruction *jump = &handler->instruction[at], *dec = jump - 1;
	unsigned target = jump->offset + 2 + (unsigned)(int8_t)jump->bytes[1];

	ck_assert(at > 0 && dec->bytes[1] == 0xff);
	if (cpu->reg[dec->bytes[2] & 7] == 0)
		return;
	cpu->next = 0;
	while (handler->instruction[cpu->next].offset != target)
		ck_assert_uint_lt(++cpu->next, handler->nr);
}

void handler_step(const struct handler *handler, struct handler_cpu *cpu)
{
	ck_assert_uint_lt(cpu->next, handler->nr);
	unsigned at = cpu->next++;
	const uint8_t *code = handler->instruction[at].bytes;
	uint8_t segment = has_segment(code) ? *code++ : 0;

	if ((code[0] & 0xf0) == 0x50)
		push_or_pop(cpu, code[0]);
	else if (code[0] == 0x75)
		jump_if_not_zero(handler, cpu, at);
	else if (code[0] == 0x0f)
		do_system(cpu, code);
	else if (code[0] == 0xc7)
		store(cpu, segment, number_at(code + 3), number_at(code + 7));
	else
		do_wide(cpu, segment, code);
}
