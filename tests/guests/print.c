/* SPDX-License-Identifier: MIT */
/* A guest that prints more, and other things, than a terminal should see. */
#include "guest.h"

static void flood(const struct mv_boot_info *boot, uint32_t vcpu)
{
	(void)boot, (void)vcpu;
	for (;;)
		say("this never ends\n");
}

/* Through the serial port, 4000 characters an instruction. */
static void flood_serial(const struct mv_boot_info *boot, uint32_t vcpu)
{
	static char text[4000];

	(void)boot, (void)vcpu;
	for (unsigned i = 0; i < sizeof(text); i++)
		text[i] = i % 80 == 79 ? '\n' : 'x';
	for (;;) {
		const char *from = text;
		uint64_t count = sizeof(text);

		asm volatile("cld; rep outsb" : "+S"(from), "+c"(count) : "d"(0x3f8) : "memory");
	}
}

/* Clears the screen and rings the bell of a terminal that believes it. */
static void control_characters(const struct mv_boot_info *boot, uint32_t vcpu)
{
	(void)boot;
	if (vcpu != 0)
		idle();
	say("\x1b[2J\x1b]0;title\x07\x9b"
	    "1m\r\b\x7f\xff visible\n");
}

/* Text without an end of line, and one line that is far too long. */
static void long_line(const struct mv_boot_info *boot, uint32_t vcpu)
{
	(void)boot;
	if (vcpu != 0)
		idle();
	for (unsigned i = 0; i < 1000; i++)
		say("0123456789");
	say("\nno end");
}

/* Each vCPU's lines stay whole, though all print at once. */
static void all_at_once(const struct mv_boot_info *boot, uint32_t vcpu)
{
	static uint32_t finished;

	for (unsigned i = 0; i < 50; i++) {
		say("aaaaaaaabbbbbbbb");
		say("ccccccccdddddddd\n");
	}
	(void)vcpu;
	if (__atomic_add_fetch(&finished, 1, __ATOMIC_SEQ_CST) != boot->nr_vcpus)
		idle();
}

static const struct guest_case cases[] = {
	{ "flood", flood },
	{ "flood-serial", flood_serial },
	{ "control-characters", control_characters },
	{ "long-line", long_line },
	{ "all-at-once", all_at_once },
};
GUEST_CASES(cases)
