/* SPDX-License-Identifier: MIT */
/* Finds a kernel for an emulated machine, and its modules. */
#define _GNU_SOURCE
#include "vmm/lab/kernel.h"

#include <endian.h>
#include <errno.h>
#include <ftw.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <unistd.h>

#define MODULE_NAME_BYTES 64
#define LIST_BYTES	  2048

/* ---- where they are ------------------------------------------------------------------ */

static bool is_file(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 && S_ISREG(st.st_mode);
}

static bool is_directory(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

/* The directory so many names above this program. */
static bool find_above(unsigned names, char ret_path[PATH_MAX])
{
	ssize_t length = readlink("/proc/self/exe", ret_path, PATH_MAX - 1);

	if (length < 0)
		return false;
	ret_path[length] = 0;
	for (; names > 0; names--) {
		char *slash = strrchr(ret_path, '/');

		if (!slash)
			return false;
		*slash = 0;
	}
	return true;
}

bool lab_kernel_fetched(struct lab_kernel *ret_kernel, const char *directory)
{
	struct lab_kernel *k = ret_kernel;
	char complete[PATH_MAX];

	snprintf(k->modules, sizeof(k->modules), "%.4080s", directory);
	snprintf(k->image, sizeof(k->image), "%.4080s/vmlinuz", directory);
	snprintf(complete, sizeof(complete), "%.4080s/complete", directory);
	return is_file(k->image) && is_file(complete);
}

/* In the build directory that this program lies in. */
static bool find_in_build(struct lab_kernel *k)
{
	char build[PATH_MAX], directory[PATH_MAX];

	if (!find_above(3, build)) /* src/vmm/minivmm */
		return false;
	snprintf(directory, sizeof(directory), "%.4000s/nested-kernel", build);
	return lab_kernel_fetched(k, directory);
}

static bool find_cached(struct lab_kernel *k)
{
	const char *home = getenv("HOME");
	char directory[PATH_MAX];

	if (!home)
		return false;
	snprintf(directory, sizeof(directory), "%.4000s/.cache/minivmm/kernel", home);
	return lab_kernel_fetched(k, directory);
}

static bool find_running(struct lab_kernel *k)
{
	struct utsname name;

	if (uname(&name))
		return false;
	snprintf(k->image, sizeof(k->image), "/boot/vmlinuz-%s", name.release);
	snprintf(k->modules, sizeof(k->modules), "/lib/modules/%s", name.release);
	return access(k->image, R_OK) == 0 && is_directory(k->modules);
}

/* Says how to come by one: by the script that is installed with this program, if it is. */
static int no_kernel(struct error *err)
{
	char prefix[PATH_MAX], script[PATH_MAX + 32] = "";

	if (find_above(2, prefix)) /* bin/minivmm */
		snprintf(script, sizeof(script), "%s/libexec/minivmm/fetch_kernel", prefix);
	return error_set(err, EXIT_HOST,
			 "lab: no kernel for the emulated machine: '%s' fetches one, or name one "
			 "by --kernel and --modules (Debian's package: linux-image-cloud-amd64)",
			 access(script, X_OK) == 0 ? script : "./dev run");
}

static int not_there(const char *option, const char *path, const char *what, struct error *err)
{
	return error_set(err, EXIT_USAGE, "lab: --%s '%s' is no %s", option, path, what);
}

int lab_kernel_find(struct lab_kernel *ret_kernel, const char *image, const char *modules,
		    struct error *err)
{
	struct lab_kernel *k = ret_kernel;
	bool found = find_in_build(k) || find_cached(k) || find_running(k);

	if (image && !is_file(image))
		return not_there("kernel", image, "file", err);
	if (modules && !is_directory(modules))
		return not_there("modules", modules, "directory", err);
	if (!found && (!image || !modules))
		return no_kernel(err);
	if (image)
		snprintf(k->image, sizeof(k->image), "%s", image);
	if (modules)
		snprintf(k->modules, sizeof(k->modules), "%s", modules);
	return 0;
}

/* ---- modules ------------------------------------------------------------------------- */

/* What nftw() looks for and finds: it has no argument for it. */
static struct {
	const char *name;
	char path[PATH_MAX];
} search;

/* Names of modules are the same with - and with _. */
static bool is_module(const char *file, const char *name)
{
	for (; *name; file++, name++) {
		if ((*file == '-' ? '_' : *file) != (*name == '-' ? '_' : *name))
			return false;
	}
	return strncmp(file, ".ko", 3) == 0;
}

static int look_at(const char *path, const struct stat *st, int kind, struct FTW *where)
{
	(void)st;
	if (kind != FTW_F || !is_module(path + where->base, search.name))
		return 0;
	snprintf(search.path, sizeof(search.path), "%s", path);
	return 1;
}

static bool find_module(const struct lab_kernel *kernel, const char *name)
{
	char directory[PATH_MAX + 2]; /* itself, where the path is a link to it */

	search.name = name;
	snprintf(directory, sizeof(directory), "%s/.", kernel->modules);
	return nftw(directory, look_at, 16, FTW_PHYS) == 1;
}

/* The command that prints a module, by the end of its name. */
static const char *reader_of(const char *path)
{
	const char *end = strrchr(path, '.');

	if (strcmp(end, ".xz") == 0)
		return "xz -dc";
	if (strcmp(end, ".zst") == 0)
		return "zstd -dc";
	return strcmp(end, ".gz") == 0 ? "gzip -dc" : "cat";
}

static char *read_module(const char *path, size_t *ret_length)
{
	char command[PATH_MAX + 32], *data = NULL;
	size_t used = 0;

	snprintf(command, sizeof(command), "%s '%s'", reader_of(path), path);
	FILE *file = popen(command, "re");
	for (size_t n = 1; file && n > 0; used += n) {
		char *more = realloc(data, used + (1u << 20));

		if (!more)
			break;
		data = more;
		n = fread(data + used, 1, 1u << 20, file);
	}
	if (file && pclose(file) == 0 && used > 0) {
		*ret_length = used;
		return data;
	}
	free(data);
	return NULL;
}

/*
 * The module without what is appended to it: the signature, its description of twelve bytes,
 * which ends with the signature's length, and a line (Linux's struct module_signature).
 */
static size_t length_unsigned(const char *data, size_t length)
{
	static const char line[] = "~Module signature appended~\n";
	const size_t tail = sizeof(line) - 1 + 12;
	uint32_t bytes;

	if (length < tail ||
	    memcmp(data + length - (sizeof(line) - 1), line, sizeof(line) - 1) != 0)
		return length;
	memcpy(&bytes, data + length - sizeof(line) + 1 - sizeof(bytes), sizeof(bytes));
	bytes = be32toh(bytes);
	return bytes <= length - tail ? length - tail - bytes : length;
}

static bool is_listed(const char *list, const char *inside)
{
	const char *at = strstr(list, inside);

	return at && at[strlen(inside)] == ' ';
}

static int add_dependencies(const struct lab_kernel *kernel, struct initramfs *fs, const char *data,
			    size_t length, char list[LIST_BYTES], struct error *err)
{
	static const char key[] = "\0depends=";
	const char *at = memmem(data, length, key, sizeof(key) - 1);
	char names[512], *word, *rest = names;

	if (!at)
		return 0;
	snprintf(names, sizeof(names), "%s", at + sizeof(key) - 1);
	while ((word = strsep(&rest, ","))) {
		if (*word && lab_kernel_add_module(kernel, fs, word, "", false, list, err))
			return -1;
	}
	return 0;
}

int lab_kernel_add_module(const struct lab_kernel *kernel, struct initramfs *fs, const char *name,
			  const char *parameters, bool needed, char list[LIST_BYTES],
			  struct error *err)
{
	char inside[128];
	size_t length;

	snprintf(inside, sizeof(inside), "/lab/%.*s.ko", MODULE_NAME_BYTES, name);
	for (char *c = inside; *c; c++)
		*c = *c == '-' ? '_' : *c;
	if (is_listed(list, inside))
		return 0;
	if (!find_module(kernel, name)) {
		if (!needed)
			return 0;
		return error_set(err, EXIT_HOST,
				 "lab: there is no %s.ko in '%s': name another "
				 "--modules, or remove it and let ./dev run fetch a kernel",
				 name, kernel->modules);
	}
	char *data = read_module(search.path, &length);
	if (!data)
		return error_set(err, EXIT_HOST, "lab: '%s' cannot be read", search.path);
	if (kernel->drops_signatures)
		length = length_unsigned(data, length);
	int failed = add_dependencies(kernel, fs, data, length, list, err);
	initramfs_add_text(fs, inside, data, length);
	free(data);
	size_t used = strlen(list);
	snprintf(list + used, LIST_BYTES - used, "%s %s\n", inside, parameters);
	return failed;
}
