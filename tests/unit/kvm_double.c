/* SPDX-License-Identifier: MIT */
/* A KVM for unit tests, in the place of ioctl(). */
#define _GNU_SOURCE
#include "kvm_double.h"

#include <check.h>
#include <errno.h>
#include <stdarg.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#define RUN_BYTES    16384
#define MOST_FAILING 8

int __real_ioctl(int fd, unsigned long request, void *argument);
int __wrap_ioctl(int fd, unsigned long request, ...);

struct failure {
	unsigned long request;
	unsigned more, times;
	int errnum;
};

static struct {
	struct kvm_double_vcpu vcpu;
	int (*enter)(struct kvm_double_vcpu *v);
	void (*observe)(struct kvm_double_vcpu *v, unsigned long request, const void *argument);
	struct failure failure[MOST_FAILING];
	unsigned nr_failures;
	int last_fd;
	unsigned calls[256]; /* by the number in the request */
} d;

void kvm_double_open(struct kvm *kvm)
{
	memset(&d, 0, sizeof(d));
	*kvm = (struct kvm){ .fd = memfd_create("kvm", MFD_CLOEXEC), .run_bytes = RUN_BYTES };
	ck_assert_int_ge(kvm->fd, 0);
}

void kvm_double_close(struct kvm *kvm)
{
	if (d.vcpu.run)
		munmap(d.vcpu.run, RUN_BYTES);
	memset(&d, 0, sizeof(d));
	close(kvm->fd);
}

void kvm_double_fail(unsigned long request, unsigned more, unsigned times, int errnum)
{
	ck_assert_uint_lt(d.nr_failures, MOST_FAILING);
	d.failure[d.nr_failures++] = (struct failure){ request, more, times, errnum };
}

struct kvm_double_vcpu *kvm_double_vcpu(void)
{
	return &d.vcpu;
}

unsigned kvm_double_calls(unsigned long request)
{
	return d.calls[_IOC_NR(request)];
}

int kvm_double_last_fd(void)
{
	return d.last_fd;
}

void kvm_double_set_guest(int (*enter)(struct kvm_double_vcpu *v))
{
	d.enter = enter;
}

void kvm_double_set_observer(void (*observe)(struct kvm_double_vcpu *v, unsigned long request,
					     const void *argument))
{
	d.observe = observe;
}

/* The errno that was asked for, or 0. */
static int has_to_fail(unsigned long request)
{
	for (unsigned i = 0; i < d.nr_failures; i++) {
		struct failure *f = &d.failure[i];

		if (f->request != request || !f->times)
			continue;
		if (f->more) {
			f->more--;
			continue;
		}
		f->times--;
		return f->errnum;
	}
	return 0;
}

/* Its kvm_run is the file's content, so that whoever maps the file sees it. */
static int create_vcpu(void)
{
	int fd = memfd_create("vcpu", MFD_CLOEXEC);

	ck_assert_int_eq(ftruncate(fd, RUN_BYTES), 0);
	if (d.vcpu.run)
		munmap(d.vcpu.run, RUN_BYTES);
	d.vcpu.run = mmap(NULL, RUN_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	ck_assert_ptr_ne(d.vcpu.run, MAP_FAILED);
	return fd;
}

static int run_immediately(void)
{
	d.vcpu.immediate_runs++;
	d.vcpu.mp_state_when_immediate = d.vcpu.mp_state;
	if (!d.vcpu.more_accesses)
		return EINTR;
	d.vcpu.more_accesses--;
	return 0;
}

/* KVM takes registers in, and gives them out, at an entry and at an exit. */
static int run(void)
{
	struct kvm_run *r = d.vcpu.run;
	int failed = EINTR;

	if (r->kvm_dirty_regs & KVM_SYNC_X86_SREGS)
		d.vcpu.sregs = r->s.regs.sregs;
	if (r->immediate_exit)
		failed = run_immediately();
	else if (d.enter)
		failed = d.enter(&d.vcpu);
	r->kvm_dirty_regs = 0;
	if (r->kvm_valid_regs & KVM_SYNC_X86_SREGS)
		r->s.regs.sregs = d.vcpu.sregs;
	return failed;
}

/* As much as there is. */
static void copy_cpuid(struct kvm_cpuid_table *to, const struct kvm_cpuid_table *from)
{
	memcpy(to, from, sizeof(from->head) + from->head.nent * sizeof(from->leaf[0]));
}

static int serve(unsigned long request, void *argument)
{
	switch (request) {
	case KVM_CREATE_VM:
		return memfd_create("vm", MFD_CLOEXEC);
	case KVM_CREATE_VCPU:
		return create_vcpu();
	case KVM_SET_USER_MEMORY_REGION: {
		struct kvm_userspace_memory_region *region = argument;

		d.vcpu.ram = (uint8_t *)(uintptr_t)region->userspace_addr;
		return 0;
	}
	case KVM_GET_REGS:
		*(struct kvm_regs *)argument = d.vcpu.regs;
		return 0;
	case KVM_SET_REGS:
		d.vcpu.regs = *(struct kvm_regs *)argument;
		return 0;
	case KVM_GET_SREGS:
		*(struct kvm_sregs *)argument = d.vcpu.sregs;
		return 0;
	case KVM_SET_SREGS:
		d.vcpu.sregs = *(struct kvm_sregs *)argument;
		return 0;
	case KVM_GET_LAPIC:
		*(struct kvm_lapic_state *)argument = d.vcpu.lapic;
		return 0;
	case KVM_GET_MP_STATE:
		((struct kvm_mp_state *)argument)->mp_state = d.vcpu.mp_state;
		return 0;
	case KVM_SET_MP_STATE:
		d.vcpu.mp_state = ((struct kvm_mp_state *)argument)->mp_state;
		return 0;
	case KVM_SET_CPUID2:
		copy_cpuid(&d.vcpu.cpuid, argument);
		return 0;
	case KVM_GET_CPUID2:
		copy_cpuid(argument, &d.vcpu.cpuid);
		return 0;
	case KVM_SET_MSRS: /* the number of those that were set */
		return (int)((struct kvm_msrs *)argument)->nmsrs;
	}
	return 0;
}

int __wrap_ioctl(int fd, unsigned long request, ...)
{
	va_list arguments;

	va_start(arguments, request);
	void *argument = va_arg(arguments, void *);
	va_end(arguments);
	if (_IOC_TYPE(request) != KVMIO)
		return __real_ioctl(fd, request, argument);
	d.calls[_IOC_NR(request)]++;
	d.last_fd = fd;
	int failed = has_to_fail(request);
	if (!failed && request == KVM_RUN)
		failed = run();
	if (failed) {
		errno = failed;
		return -1;
	}
	if (request == KVM_RUN)
		return 0;
	int result = serve(request, argument);
	if (d.observe)
		d.observe(&d.vcpu, request, argument);
	return result;
}
