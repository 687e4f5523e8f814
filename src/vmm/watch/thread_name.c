/* SPDX-License-Identifier: MIT */
/* By what names VMMs call the threads of their vCPUs. */
#include "vmm/watch/thread_name.h"

#include <stddef.h>
#include <string.h>

/* What stands before the number, and behind it. */
static const struct {
	const char *before, *behind;
} names[] = {
	{ "CPU ", "/KVM" },   /* QEMU with -name NAME,debug-threads=on, as libvirt starts it */
	{ "CPU ", "/TCG" },   /* the same, emulated */
	{ "fc_vcpu ", "" },   /* Firecracker */
	{ "kvm-vcpu-", "" },  /* kvmtool */
	{ "vcpu", "" },	      /* Cloud Hypervisor */
	{ "crosvm_vcpu", "" } /* crosvm */
};

static bool number_between(const char *text, const char *before, const char *behind,
			   unsigned *ret_number)
{
	size_t length = strlen(before), digits;
	unsigned number = 0;

	if (strncmp(text, before, length) != 0)
		return false;
	text += length;
	digits = strspn(text, "0123456789");
	if (digits == 0 || digits > 5 || strcmp(text + digits, behind) != 0)
		return false;
	for (size_t i = 0; i < digits; i++)
		number = 10 * number + (unsigned)(text[i] - '0');
	*ret_number = number;
	return true;
}

bool thread_name_is_vcpu(const char *name, unsigned *ret_number)
{
	for (unsigned i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (number_between(name, names[i].before, names[i].behind, ret_number))
			return true;
	}
	return false;
}
