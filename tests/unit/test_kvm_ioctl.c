/* SPDX-License-Identifier: MIT */
/* Calls of KVM that are interrupted, and those that fail. */
#include "unit.h"

#include <errno.h>
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

#define CASES(X)                            \
	X(what_was_interrupted_is_repeated) \
	X(what_failed_is_named_and_not_repeated)
UNIT_SUITE(kvm_ioctl, CASES)
