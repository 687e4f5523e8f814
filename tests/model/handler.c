/* SPDX-License-Identifier: MIT */
/* The handler of the shootdown interrupt, read from vectors.S and executed step by step. */
#include "handler.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "explore.h"
#include "guest-kernel/cpu/percpu.h"

enum operand_kind { REGISTER, REQUESTED, ACKED, CR3, EOI, IMMEDIATE };

struct operand {
	enum operand_kind kind;
	unsigned reg;
};

struct instruction {
	struct operand from, to;
};

static const char *const registers[] = { "%rax", "%rcx", "%rdx", "%rdi" };

static struct instruction code[32];
static unsigned nr_instructions;

static void fail(const char *path, const char *line)
{
	fprintf(stderr, "%s: the explorer does not understand vector_shootdown at: %s\n", path,
		line);
	exit(EXIT_FAILURE);
}

static bool parse_operand(const char *text, struct operand *ret)
{
	static const struct {
		const char *text;
		enum operand_kind kind;
	} known[] = {
		{ "%gs:PERCPU_REQUESTED", REQUESTED },
		{ "%gs:PERCPU_ACKED", ACKED },
		{ "%cr3", CR3 },
		{ "%fs:XAPIC_EOI", EOI },
		{ "$0", IMMEDIATE },
	};

	for (unsigned i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		if (strcmp(text, known[i].text) == 0)
			return *ret = (struct operand){ known[i].kind, 0 }, true;
	for (unsigned i = 0; i < sizeof(registers) / sizeof(registers[0]); i++)
		if (strcmp(text, registers[i]) == 0)
			return *ret = (struct operand){ REGISTER, i }, true;
	return false;
}

/* A line without white space at its ends, nor between its operands. */
static void squeeze(char *line)
{
	char *to = line, *from = line;
	bool in_operands = false;

	while (isspace((unsigned char)*from))
		from++;
	for (; *from && strncmp(from, "/*", 2) != 0 && *from != '#'; from++) {
		if (!isspace((unsigned char)*from))
			*to++ = *from;
		else if (!in_operands)
			in_operands = true, *to++ = ' ';
	}
	while (to > line && to[-1] == ' ')
		to--;
	*to = '\0';
}

static void parse_line(const char *path, char *line)
{
	char op[16], from[64], to[64];
	struct instruction i = { 0 };

	if (strncmp(line, "push ", 5) == 0 || strncmp(line, "pop ", 4) == 0)
		return;
	if (sscanf(line, "%15s %63[^,],%63s", op, from, to) != 3 || strncmp(op, "mov", 3) != 0 ||
	    !parse_operand(from, &i.from) || !parse_operand(to, &i.to) || nr_instructions == 32)
		fail(path, line);
	code[nr_instructions++] = i;
}

void handler_read(const char *path)
{
	FILE *file = fopen(path, "r");
	bool inside = false;
	char line[256];

	if (!file)
		fail(path, "(it cannot be read)");
	nr_instructions = 0;
	while (fgets(line, sizeof(line), file)) {
		squeeze(line);
		if (inside && strcmp(line, "iretq") == 0)
			break;
		if (inside && line[0])
			parse_line(path, line);
		inside |= strcmp(line, "vector_shootdown:") == 0;
	}
	if (nr_instructions == 0)
		fail(path, "(it is not there)");
	fclose(file);
}

struct handler handler_begin(void)
{
	return (struct handler){ 0 };
}

static bool concerns_others(const struct instruction *i)
{
	return i->from.kind == REQUESTED || i->to.kind == REQUESTED || i->from.kind == ACKED ||
	       i->to.kind == ACKED || i->to.kind == CR3;
}

static uint64_t read_operand(const struct handler *h, const struct percpu *cpu, struct operand o)
{
	switch (o.kind) {
	case REGISTER:
		return h->reg[o.reg];
	case REQUESTED:
		return cpu->requested;
	case ACKED:
		return cpu->acked;
	default:
		return 0;
	}
}

static bool execute(struct handler *h, struct percpu *cpu, const struct instruction *i)
{
	uint64_t value = read_operand(h, cpu, i->from);

	if (i->from.kind == REQUESTED || i->from.kind == ACKED)
		explore_observe(value);
	switch (i->to.kind) {
	case REGISTER:
		h->reg[i->to.reg] = value;
		break;
	case REQUESTED:
		cpu->requested = value;
		break;
	case ACKED:
		cpu->acked = value;
		break;
	default:
		break;
	}
	return i->to.kind == CR3;
}

const char *handler_step_name(struct handler *h)
{
	const struct instruction *i;

	for (; h->next < nr_instructions && !concerns_others(&code[h->next]); h->next++)
		execute(h, NULL, &code[h->next]);
	if (h->next == nr_instructions)
		return NULL;
	i = &code[h->next];
	return i->to.kind == CR3	   ? "handler: flushes its TLB"
	       : i->from.kind == REQUESTED ? "handler: reads the last ticket"
	       : i->to.kind == ACKED	   ? "handler: acknowledges"
					   : "handler: reads or writes a ticket";
}

bool handler_step(struct handler *h, struct percpu *cpu)
{
	return execute(h, cpu, &code[h->next++]);
}
