/* SPDX-License-Identifier: MIT */
/* Asks the system, the CPU and KVM what machine this is. */
#include "vmm/host/host_info.h"

#include <cpuid.h>
#include <fcntl.h>
#include <linux/kvm.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

#include "vcpu/base/kvm_ioctl.h"
#include "vmm/base/version.h"

/* Copies text without its blanks in front and without the end of its line. */
static void copy_trimmed(char *to, size_t size, const char *from)
{
	from += strspn(from, " \t");
	snprintf(to, size, "%.*s", (int)strcspn(from, "\n"), from);
}

static void read_cpu_model(struct host_info *info)
{
	char line[256];
	FILE *cpuinfo = fopen("/proc/cpuinfo", "re");

	strcpy(info->cpu_model, "unknown");
	if (!cpuinfo)
		return;
	while (fgets(line, sizeof(line), cpuinfo)) {
		const char *colon = strchr(line, ':');

		if (strncmp(line, "model name", strlen("model name")) == 0 && colon) {
			copy_trimmed(info->cpu_model, sizeof(info->cpu_model), colon + 1);
			break;
		}
	}
	fclose(cpuinfo);
}

static void read_kernel(struct host_info *info)
{
	struct utsname name;

	if (uname(&name) < 0)
		strcpy(info->kernel, "unknown");
	else
		snprintf(info->kernel, sizeof(info->kernel), "%.30s %.90s", name.sysname,
			 name.release);
}

/* The vendor module is the one that says how guest code executes. */
static void read_kvm_module(struct host_info *info)
{
	static const char *const modules[] = { "kvm_pvm", "kvm_amd", "kvm_intel" };
	char path[64];

	strcpy(info->kvm_module, "unknown");
	for (unsigned i = 0; i < sizeof(modules) / sizeof(modules[0]); i++) {
		snprintf(path, sizeof(path), "/sys/module/%s", modules[i]);
		if (access(path, F_OK) == 0) {
			strcpy(info->kvm_module, modules[i]);
			return;
		}
	}
}

/* The first character of a module's parameter, 0 if there is none. */
static int read_parameter(const char *path)
{
	FILE *file = fopen(path, "re");

	if (!file)
		return 0;
	int c = fgetc(file);
	fclose(file);
	return c == EOF ? 0 : c;
}

/* kvm_amd and kvm_intel say it; a KVM that uses neither VMX nor SVM has no choice. */
static void read_paging(struct host_info *info)
{
	bool is_amd = strcmp(info->kvm_module, "kvm_amd") == 0;
	bool is_intel = strcmp(info->kvm_module, "kvm_intel") == 0;
	int nested = 0;

	if (!is_amd && !is_intel && strcmp(info->kvm_module, "kvm_pvm") != 0) {
		strcpy(info->paging, "unknown");
		return;
	}
	if (is_amd)
		nested = read_parameter("/sys/module/kvm_amd/parameters/npt");
	if (is_intel)
		nested = read_parameter("/sys/module/kvm_intel/parameters/ept");
	bool is_nested = nested == 'Y' || nested == '1';
	strcpy(info->paging, is_nested ? "nested page tables" : "shadow page tables");
	info->intercepts_cr3 = (is_amd || is_intel) && !is_nested;
}

static void read_emulator(struct host_info *info)
{
	const char *emulator = getenv(HOST_EMULATOR_VARIABLE);

	copy_trimmed(info->emulator, sizeof(info->emulator),
		     emulator && *emulator ? emulator : "none");
}

/* CPUID 0x40000000 spells a hypervisor's name, if leaf 1 says that there is one. */
static void read_hypervisor(struct host_info *info)
{
	unsigned eax, ebx, ecx, edx;
	unsigned signature[4] = { 0 };

	if (!__get_cpuid(1, &eax, &ebx, &ecx, &edx) || !(ecx & 1u << 31)) {
		strcpy(info->hypervisor, "none");
		return;
	}
	__cpuid(0x40000000, eax, signature[0], signature[1], signature[2]);
	snprintf(info->hypervisor, sizeof(info->hypervisor), "%s", (const char *)signature);
	for (char *c = info->hypervisor; *c; c++) {
		if (*c < ' ' || *c > '~')
			*c = '?';
	}
	if (!info->hypervisor[0])
		strcpy(info->hypervisor, "unknown");
}

static int check_extension(int kvm_fd, unsigned long capability)
{
	int answer = kvm_call(kvm_fd, KVM_CHECK_EXTENSION, capability);

	return answer > 0 ? answer : 0;
}

static void read_kvm(struct host_info *info)
{
	int fd = open("/dev/kvm", O_RDWR | O_CLOEXEC);

	if (fd < 0)
		return;
	int version = kvm_call(fd, KVM_GET_API_VERSION, 0);
	info->kvm_api_version = version > 0 ? version : 0;
#define X(field, capability) info->kvm_caps.field = check_extension(fd, capability);
	HOST_KVM_CAPS(X)
#undef X
	close(fd);
}

static void read_time(struct host_info *info)
{
	time_t now = time(NULL);
	struct tm utc;

	if (!gmtime_r(&now, &utc) ||
	    !strftime(info->time_utc, sizeof(info->time_utc), "%Y-%m-%dT%H:%M:%SZ", &utc))
		strcpy(info->time_utc, "unknown");
}

/* What sysconf() says, or 0. */
static uint64_t system_value(int name)
{
	long value = sysconf(name);

	return value > 0 ? (uint64_t)value : 0;
}

void host_info_read(struct host_info *ret_info)
{
	*ret_info = (struct host_info){
		.online_cpus = (unsigned)system_value(_SC_NPROCESSORS_ONLN),
		.mem_total_bytes = system_value(_SC_PHYS_PAGES) * system_value(_SC_PAGESIZE),
		.minivmm_version = MINIVMM_VERSION,
	};
	read_cpu_model(ret_info);
	read_kernel(ret_info);
	read_kvm_module(ret_info);
	read_paging(ret_info);
	read_emulator(ret_info);
	read_hypervisor(ret_info);
	read_kvm(ret_info);
	read_time(ret_info);
}
