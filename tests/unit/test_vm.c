/* SPDX-License-Identifier: MIT */
/* What a VM is built from, by a KVM that is the test's own: order, ids, memory, failures. */
#define _GNU_SOURCE
#include "unit.h"

#include <asm/kvm_para.h>
#include <dirent.h>
#include <errno.h>
#include <string.h>

#include "kvm_double.h"
#include "minivmm/x86.h"
#include "vcpu/protocol/flush.h"
#include "vmm/machine/vm.h"

#define MEM_BYTES   MV_MEM_MIN_BYTES
#define MOST_NOTED  2048
#define SEVERAL	    3
#define VCPU_OF_255 511

/* ---- what was asked for, in its order ------------------------------------------ */

static struct {
	unsigned long request;
	uint64_t argument; /* KVM_CREATE_VCPU, KVM_ENABLE_CAP: of what; else 0 */
	uint64_t value;	   /* KVM_ENABLE_CAP: args[0] */
} noted[MOST_NOTED];
static unsigned nr_noted;

static void note(struct kvm_double_vcpu *v, unsigned long request, const void *argument)
{
	(void)v;
	ck_assert_uint_lt(nr_noted, MOST_NOTED);
	noted[nr_noted].request = request;
	noted[nr_noted].argument = 0;
	if (request == KVM_CREATE_VCPU)
		noted[nr_noted].argument = (uintptr_t)argument;
	if (request == KVM_ENABLE_CAP) {
		const struct kvm_enable_cap *enable = argument;

		noted[nr_noted].argument = enable->cap;
		noted[nr_noted].value = enable->args[0];
	}
	nr_noted++;
}

/* The place of the first such request, or nr_noted if there was none. */
static unsigned place_of(unsigned long request, uint64_t argument)
{
	unsigned i = 0;

	while (i < nr_noted && (noted[i].request != request || noted[i].argument != argument))
		i++;
	return i;
}

static void open_noted(struct kvm *kvm)
{
	nr_noted = 0;
	kvm_double_open(kvm);
	kvm_double_set_observer(note);
}

static unsigned open_files(void)
{
	DIR *dir = opendir("/proc/self/fd");
	unsigned nr = 0;

	while (readdir(dir))
		nr++;
	closedir(dir);
	return nr;
}

/* ---- building ------------------------------------------------------------------- */

START_TEST(every_vcpu_has_an_apic_id_that_names_it_alone)
{
	struct error err;
	struct kvm kvm;
	struct vm vm;
	unsigned vcpu = 0;

	open_noted(&kvm);
	ck_assert_msg(vm_init(&vm, &kvm, 0, MV_MAX_VCPUS, MEM_BYTES, DIRTY_none, &err) == 0, "%s",
		      err.text);
	for (unsigned i = 0; i < nr_noted; i++) {
		if (noted[i].request != KVM_CREATE_VCPU)
			continue;
		ck_assert_uint_eq(noted[i].argument,
				  vcpu == XAPIC_BROADCAST_ID ? VCPU_OF_255 : vcpu);
		vcpu++;
	}
	ck_assert_uint_eq(vcpu, MV_MAX_VCPUS);
	vm_finish(&vm);
	kvm_double_close(&kvm);
}
END_TEST

START_TEST(interrupts_are_set_up_before_there_are_vcpus)
{
	struct error err;
	struct kvm kvm;
	struct vm vm;

	open_noted(&kvm);
	ck_assert_int_eq(vm_init(&vm, &kvm, 0, 1, MEM_BYTES, DIRTY_none, &err), 0);
	unsigned wide = place_of(KVM_ENABLE_CAP, KVM_CAP_X2APIC_API);
	unsigned first_vcpu = place_of(KVM_CREATE_VCPU, 0);

	ck_assert_uint_lt(place_of(KVM_ENABLE_CAP, KVM_CAP_SPLIT_IRQCHIP), first_vcpu);
	ck_assert_uint_lt(wide, first_vcpu);
	ck_assert_uint_lt(first_vcpu, nr_noted);
	ck_assert_uint_eq(noted[wide].value,
			  KVM_X2APIC_API_USE_32BIT_IDS | KVM_X2APIC_API_DISABLE_BROADCAST_QUIRK);
	vm_finish(&vm);
	kvm_double_close(&kvm);
}
END_TEST

/* Lets the first and then a later call of each request fail: nothing is left, all is named. */
START_TEST(a_vm_that_cannot_be_built_leaves_nothing_behind)
{
	static const struct {
		unsigned long request;
		const char *name;
	} needed[] = {
#define X(request) { request, #request }
		X(KVM_CREATE_VM),	   X(KVM_ENABLE_CAP),
		X(KVM_X86_SET_MSR_FILTER), X(KVM_SET_USER_MEMORY_REGION),
		X(KVM_CREATE_VCPU),	   X(KVM_SET_CPUID2),
		X(KVM_SET_SIGNAL_MASK),	   X(KVM_SET_DEVICE_ATTR),
		X(KVM_SET_MP_STATE),
#undef X
	};
	unsigned before = open_files();

	for (unsigned i = 0; i < COUNT_OF(needed); i++) {
		bool once = needed[i].request == KVM_CREATE_VM ||
			    needed[i].request == KVM_X86_SET_MSR_FILTER ||
			    needed[i].request == KVM_SET_USER_MEMORY_REGION;

		for (unsigned more = 0; more < (once ? 1 : SEVERAL); more++) {
			struct error err;
			struct kvm kvm;
			struct vm vm;

			kvm_double_open(&kvm);
			kvm_double_fail(needed[i].request, more, 1, EINVAL);
			ck_assert_msg(vm_init(&vm, &kvm, 0, SEVERAL, MEM_BYTES, DIRTY_none, &err) ==
					      -1,
				      "%s %u", needed[i].name, more);
			ck_assert_ptr_nonnull(strstr(err.text, needed[i].name));
			ck_assert_int_eq(err.status, EXIT_HOST);
			kvm_double_close(&kvm);
			ck_assert_uint_eq(open_files(), before);
		}
	}
}
END_TEST

/* ---- booting -------------------------------------------------------------------- */

static void init_with_layout(struct kvm *kvm, struct vm *vm)
{
	struct error err;

	open_noted(kvm);
	ck_assert_int_eq(vm_init(vm, kvm, 0, SEVERAL, MEM_BYTES, DIRTY_none, &err), 0);
	ck_assert_int_eq(vm_layout_init(&vm->layout, MEM_BYTES, SEVERAL, 1, &err), 0);
}

static struct kvm_regs booted;

static void note_regs(struct kvm_double_vcpu *v, unsigned long request, const void *argument)
{
	(void)v;
	if (request == KVM_SET_REGS)
		booted = *(const struct kvm_regs *)argument;
}

START_TEST(each_vcpu_starts_with_its_index_and_a_stack_of_its_own)
{
	struct error err;
	struct kvm kvm;
	struct vm vm;

	init_with_layout(&kvm, &vm);
	kvm_double_set_observer(note_regs);
	for (unsigned i = 0; i < SEVERAL; i++) {
		uint64_t stack = vm.layout.stacks_gpa + i * MV_BOOT_STACK_BYTES;

		ck_assert_int_eq(vm_boot_vcpu(&vm, i, MV_IMAGE_GPA, &err), 0);
		ck_assert_uint_eq(booted.rip, MV_IMAGE_GPA);
		ck_assert_uint_eq(booted.rdi, MV_BOOT_INFO_GPA);
		ck_assert_uint_eq(booted.rsi, i);
		ck_assert_uint_eq(booted.rsp, stack + MV_BOOT_STACK_BYTES - 8);
	}
	vm_finish(&vm);
	kvm_double_close(&kvm);
}
END_TEST

START_TEST(by_pvh_the_first_vcpu_starts_and_the_others_wait)
{
	struct error err;
	struct kvm kvm;
	struct vm vm;

	init_with_layout(&kvm, &vm);
	for (unsigned i = 0; i < SEVERAL; i++) {
		unsigned regs = kvm_double_calls(KVM_SET_REGS);
		unsigned states = kvm_double_calls(KVM_SET_MP_STATE);

		ck_assert_int_eq(vm_boot_vcpu_by_pvh(&vm, i, MV_IMAGE_GPA, &err), 0);
		ck_assert_uint_eq(kvm_double_calls(KVM_SET_REGS) - regs, i == 0);
		ck_assert_uint_eq(kvm_double_calls(KVM_SET_MP_STATE) - states, i != 0);
	}
	vm_finish(&vm);
	kvm_double_close(&kvm);
}
END_TEST

/* ---- the layout ----------------------------------------------------------------- */

START_TEST(the_parts_of_the_vmm_lie_one_above_the_other)
{
	static const struct {
		uint64_t mem_bytes;
		unsigned nr_vcpus, nr_mechanisms;
	} table[] = {
		{ MV_MEM_MIN_BYTES, 1, 1 },
		{ 64 << 20, 4, 2 },
		{ 128 << 20, MV_MAX_VCPUS, MV_MAX_MECHANISMS },
	};

	for (unsigned i = 0; i < COUNT_OF(table); i++) {
		uint64_t nr = table[i].nr_vcpus;
		struct vm_layout l;
		struct error err;

		ck_assert_int_eq(vm_layout_init(&l, table[i].mem_bytes, table[i].nr_vcpus,
						table[i].nr_mechanisms, &err),
				 0);
		ck_assert_uint_le(MV_IMAGE_GPA, l.reserved_gpa);
		ck_assert_uint_eq(l.reserved_gpa, l.stacks_gpa);
		ck_assert_uint_le(l.stacks_gpa + nr * MV_BOOT_STACK_BYTES, l.flush_gpa);
		ck_assert_uint_le(l.flush_gpa + nr * FLUSH_PAGES_BYTES, l.hints_gpa);
		ck_assert_uint_le(l.hints_gpa + nr * sizeof(struct mv_hint), l.results_gpa);
		ck_assert_uint_ge(l.results_bytes, MV_RESULTS_BYTES(nr, table[i].nr_mechanisms));
		ck_assert_uint_eq(l.results_gpa + l.results_bytes, table[i].mem_bytes);
	}
}
END_TEST

START_TEST(too_little_memory_is_refused_with_how_much_it_takes)
{
	struct vm_layout l;
	struct error err;

	ck_assert_int_eq(vm_layout_init(&l, MV_MEM_MIN_BYTES, MV_MAX_VCPUS, 1, &err), -1);
	ck_assert_int_eq(err.status, EXIT_USAGE);
	unsigned mib = 0;
	const char *least = strstr(err.text, "at least ");

	ck_assert_ptr_nonnull(least);
	ck_assert_int_eq(sscanf(least, "at least %uM", &mib), 1);
	ck_assert_int_eq(vm_layout_init(&l, (uint64_t)mib << 20, MV_MAX_VCPUS, 1, &err), 0);
	ck_assert_int_eq(vm_layout_init(&l, (uint64_t)(mib - 1) << 20, MV_MAX_VCPUS, 1, &err), -1);
}
END_TEST

#define CASES(X)                                                  \
	X(every_vcpu_has_an_apic_id_that_names_it_alone)          \
	X(interrupts_are_set_up_before_there_are_vcpus)           \
	X(a_vm_that_cannot_be_built_leaves_nothing_behind)        \
	X(each_vcpu_starts_with_its_index_and_a_stack_of_its_own) \
	X(by_pvh_the_first_vcpu_starts_and_the_others_wait)       \
	X(the_parts_of_the_vmm_lie_one_above_the_other)           \
	X(too_little_memory_is_refused_with_how_much_it_takes)
UNIT_SUITE(vm, CASES)
