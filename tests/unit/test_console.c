/* SPDX-License-Identifier: MIT */
/* What a guest prints: lines, bounded in length and number, without control characters. */
#include "unit.h"

#include <stdlib.h>
#include <string.h>

#include "vmm/machine/console.h"

#define NR_VCPUS 2

/* A console that prints into memory. */
struct printed {
	struct console console;
	FILE *out;
	char *text;
	size_t length;
};

static void open_console(struct printed *p, unsigned vm, unsigned nr_vms)
{
	p->out = open_memstream(&p->text, &p->length);
	ck_assert_ptr_nonnull(p->out);
	ck_assert_int_eq(console_init(&p->console, p->out, vm, nr_vms, NR_VCPUS), 0);
}

static void say(struct printed *p, unsigned vcpu, const char *text)
{
	console_write(&p->console, vcpu, (const uint8_t *)text, strlen(text));
}

static void close_console(struct printed *p)
{
	console_finish(&p->console);
	fclose(p->out);
}

static void expect(struct printed *p, const char *text)
{
	close_console(p);
	ck_assert_str_eq(p->text, text);
	free(p->text);
}

START_TEST(lines_of_vcpus_do_not_mix)
{
	struct printed p;

	open_console(&p, 0, 1);
	say(&p, 0, "one ");
	say(&p, 1, "two ");
	say(&p, 0, "three\n");
	say(&p, 1, "four\n");
	expect(&p, "one three\ntwo four\n");
}
END_TEST

START_TEST(text_without_an_end_is_printed_at_the_end)
{
	struct printed p;

	open_console(&p, 0, 1);
	say(&p, 1, "unfinished");
	expect(&p, "unfinished\n");
}
END_TEST

START_TEST(lines_of_several_vms_name_theirs)
{
	struct printed p;

	open_console(&p, 1, 2);
	say(&p, 0, "hello\n");
	expect(&p, "VM 1: hello\n");
}
END_TEST

START_TEST(a_guest_cannot_steer_the_terminal)
{
	struct printed p;

	open_console(&p, 0, 1);
	say(&p, 0, "\x1b[2J\x07\x7f\x80\xff\ttab\r\n");
	expect(&p, "?[2J????\ttab\n");
}
END_TEST

START_TEST(long_lines_are_cut_into_several)
{
	struct printed p;
	char text[2 * CONSOLE_LINE_BYTES + 1];

	memset(text, 'x', sizeof(text) - 1);
	text[sizeof(text) - 1] = 0;
	open_console(&p, 0, 1);
	say(&p, 0, text);
	close_console(&p);
	ck_assert_uint_eq(p.length, sizeof(text) - 1 + 2);
	ck_assert_int_eq(p.text[CONSOLE_LINE_BYTES], '\n');
	free(p.text);
}
END_TEST

START_TEST(a_flood_is_cut_off_with_one_notice)
{
	struct printed p;

	open_console(&p, 0, 1);
	for (unsigned i = 0; i < CONSOLE_MAX_BYTES / 4; i++)
		say(&p, i % NR_VCPUS, "flood\n");
	close_console(&p);
	ck_assert_uint_lt(p.length, CONSOLE_MAX_BYTES + CONSOLE_LINE_BYTES);
	const char *notice = strstr(p.text, "the rest is dropped");
	ck_assert_ptr_nonnull(notice);
	ck_assert_ptr_null(strstr(notice + 1, "the rest is dropped"));
	ck_assert_ptr_null(strstr(notice, "flood"));
	free(p.text);
}
END_TEST

#define CASES(X)                                     \
	X(lines_of_vcpus_do_not_mix)                 \
	X(text_without_an_end_is_printed_at_the_end) \
	X(lines_of_several_vms_name_theirs)          \
	X(a_guest_cannot_steer_the_terminal)         \
	X(long_lines_are_cut_into_several)           \
	X(a_flood_is_cut_off_with_one_notice)
UNIT_SUITE(console, CASES)
