/* SPDX-License-Identifier: MIT */
/* Calls of KVM that are interrupted, and those that fail; and what is said of failures. */
#include "unit.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "kvm_double.h"
#include "vcpu/base/kvm_ioctl.h"

START_TEST(what_was_interrupted_is_repeated)
{
	struct error err;
	struct kvm kvm;

	kvm_double_open(&kvm);
	kvm_double_fail(KVM_CREATE_VM, 0, 3, EINTR);
	int fd = kvm_ioctl(&err, kvm.fd, KVM_CREATE_VM, 0);
	ck_assert_int_ge(fd, 0);
	ck_assert_uint_eq(kvm_double_calls(KVM_CREATE_VM), 4);
	close(fd);
	kvm_double_close(&kvm);
}
END_TEST

START_TEST(what_failed_is_named_and_not_repeated)
{
	struct error err;
	struct kvm kvm;

	kvm_double_open(&kvm);
	kvm_double_fail(KVM_CREATE_VM, 0, 1, ENOMEM);
	ck_assert_int_eq(kvm_ioctl(&err, kvm.fd, KVM_CREATE_VM, 0), -1);
	ck_assert_str_eq(err.text, "KVM refused KVM_CREATE_VM: Cannot allocate memory");
	ck_assert_int_eq(err.status, EXIT_HOST);
	ck_assert_uint_eq(kvm_double_calls(KVM_CREATE_VM), 1);
	kvm_double_close(&kvm);
}
END_TEST

/* It quotes what users and files say, and stays one line of the terminal's. */
START_TEST(a_message_has_no_control_characters_and_says_where_it_was_cut)
{
	struct error err;
	char text[sizeof(err.text) + 2];

	ck_assert_int_eq(error_set(&err, EXIT_USAGE, "%s", "\na\x1b\x7f\n"), -1);
	ck_assert_str_eq(err.text, "?a???");
	for (size_t length = sizeof(err.text) - 1; length < sizeof(text); length++) {
		memset(text, 'x', length);
		text[length] = '\0';
		error_set(&err, EXIT_USAGE, "%s", text);
		ck_assert_uint_eq(strlen(err.text), sizeof(err.text) - 1);
		ck_assert_str_eq(err.text + sizeof(err.text) - sizeof("..."),
				 length < sizeof(err.text) ? "xxx" : "...");
	}
	/* What came before may be an argument of what follows. */
	error_set(&err, EXIT_USAGE, "b");
	error_set_errno(&err, EXIT_HOST, ENOENT, "a %s c", err.text);
	ck_assert_str_eq(err.text, "a b c: No such file or directory");
	ck_assert_int_eq(err.status, EXIT_HOST);
}
END_TEST

#define CASES(X)                                 \
	X(what_was_interrupted_is_repeated)      \
	X(what_failed_is_named_and_not_repeated) \
	X(a_message_has_no_control_characters_and_says_where_it_was_cut)
UNIT_SUITE(kvm_ioctl, CASES)
