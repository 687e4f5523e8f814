/* SPDX-License-Identifier: MIT */
/* Builds the file system of an emulated machine. */
#define _GNU_SOURCE
#include "vmm/lab/initramfs.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "vmm/lab/program_image.h"

#define MAX_LINKS 40 /* on the way to a file, as in path_resolution(7) */

int initramfs_init(struct initramfs *fs, struct error *err)
{
	*fs = (struct initramfs){ .fd = memfd_create("initramfs", MFD_CLOEXEC) };
	if (fs->fd < 0)
		return error_set_errno(err, EXIT_HOST, errno, "lab: no memory for the image");
	return 0;
}

void initramfs_free(struct initramfs *fs)
{
	for (unsigned i = 0; i < fs->nr_names; i++)
		free(fs->name[i]);
	free(fs->name);
	free(fs->hash);
	if (fs->fd >= 0)
		close(fs->fd);
	*fs = (struct initramfs){ .fd = -1 };
}

/* ---- the format ------------------------------------------------------------------- */

static void fail(struct initramfs *fs, int errnum)
{
	if (!fs->failed)
		fs->errnum = errnum;
	fs->failed = true;
}

static void put(struct initramfs *fs, const void *data, size_t length)
{
	const char *from = data;

	while (length > 0 && !fs->failed) {
		ssize_t n = write(fs->fd, from, length);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return fail(fs, errno);
		from += n;
		length -= (size_t)n;
		fs->bytes += (uint64_t)n;
	}
}

/* Names and contents begin at multiples of four bytes. */
static void align(struct initramfs *fs)
{
	put(fs, "\0\0\0", -fs->bytes & 3);
}

struct entry {
	mode_t mode;
	time_t mtime;
	size_t length;
	dev_t device;
};

static void put_header(struct initramfs *fs, const char *name, const struct entry *e)
{
	char header[6 + 13 * 8 + 1];

	snprintf(header, sizeof(header),
		 "070701%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x", fs->nr_names,
		 e->mode, 0, 0, 1, (unsigned)e->mtime, (unsigned)e->length, 0, 0, major(e->device),
		 minor(e->device), (unsigned)strlen(name) + 1, 0);
	put(fs, header, strlen(header));
	put(fs, name, strlen(name) + 1);
	align(fs);
}

static uint32_t hash_of(const char *text)
{
	uint32_t hash = 2166136261u; /* FNV-1a */

	for (; *text; text++)
		hash = (hash ^ (uint8_t)*text) * 16777619u;
	return hash;
}

static bool has(const struct initramfs *fs, const char *path)
{
	uint32_t hash = hash_of(path);

	for (unsigned i = 0; i < fs->nr_names; i++) {
		if (fs->hash[i] == hash && strcmp(fs->name[i], path) == 0)
			return true;
	}
	return false;
}

static bool make_room(struct initramfs *fs)
{
	if (fs->nr_names < fs->room)
		return true;
	fs->room = fs->room ? 2 * fs->room : 256;
	char **name = realloc(fs->name, fs->room * sizeof(*name));
	if (name)
		fs->name = name;
	uint32_t *hash = realloc(fs->hash, fs->room * sizeof(*hash));
	if (hash)
		fs->hash = hash;
	return name && hash;
}

/* Whether an entry of this name is to be written: it is new. */
static bool add_name(struct initramfs *fs, const char *path)
{
	if (has(fs, path))
		return false;
	char *copy = strdup(path);
	if (!copy || !make_room(fs)) {
		free(copy);
		fail(fs, ENOMEM);
		return false;
	}
	fs->hash[fs->nr_names] = hash_of(path);
	fs->name[fs->nr_names++] = copy;
	return true;
}

static void add_parents(struct initramfs *fs, const char *path)
{
	char parent[PATH_MAX];

	for (const char *slash = strchr(path + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
		snprintf(parent, sizeof(parent), "%.*s", (int)(slash - path), path);
		initramfs_add_directory(fs, parent);
	}
}

/* The entry's head: names inside the archive have no slash in front. */
static bool begin(struct initramfs *fs, const char *path, const struct entry *e)
{
	add_parents(fs, path);
	if (!add_name(fs, path))
		return false;
	put_header(fs, path + 1, e);
	return true;
}

static void add_bytes(struct initramfs *fs, const char *path, const struct entry *e,
		      const void *data)
{
	if (!begin(fs, path, e))
		return;
	put(fs, data, e->length);
	align(fs);
}

void initramfs_add_directory(struct initramfs *fs, const char *path)
{
	const struct entry e = { .mode = S_IFDIR | 0755 };

	if (path[1])
		begin(fs, path, &e);
}

void initramfs_add_text(struct initramfs *fs, const char *path, const void *data, size_t length)
{
	const struct entry e = { .mode = S_IFREG | 0644, .length = length };

	add_bytes(fs, path, &e, data);
}

void initramfs_add_link(struct initramfs *fs, const char *path, const char *target)
{
	const struct entry e = { .mode = S_IFLNK | 0777, .length = strlen(target) };

	add_bytes(fs, path, &e, target);
}

void initramfs_add_node(struct initramfs *fs, const char *path, unsigned major, unsigned minor)
{
	const struct entry e = { .mode = S_IFCHR | 0600, .device = makedev(major, minor) };

	begin(fs, path, &e);
}

/* ---- what is outside ----------------------------------------------------------------- */

static int unreadable(const char *path, struct error *err)
{
	return error_set_errno(err, EXIT_USAGE, errno, "lab: '%s' cannot be taken in", path);
}

static mode_t mode_of(const struct initramfs *fs, const struct stat *st)
{
	if (!fs->same_everywhere)
		return st->st_mode;
	return S_IFREG | (st->st_mode & S_IXUSR ? 0755 : 0644);
}

/* A file that is shorter or longer than it was is told by its contents' length. */
static int add_contents(struct initramfs *fs, const char *source, const char *path, bool old,
			struct error *err)
{
	int fd = open(source, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	struct stat st;

	if (fd < 0)
		return unreadable(source, err);
	if (fstat(fd, &st) || !S_ISREG(st.st_mode)) {
		errno = S_ISDIR(st.st_mode) ? EISDIR : EINVAL;
		close(fd);
		return unreadable(source, err);
	}
	struct entry e = { .mode = mode_of(fs, &st),
			   .mtime = old || fs->same_everywhere ? 0 : st.st_mtime,
			   .length = (size_t)st.st_size };
	void *data = st.st_size ? mmap(NULL, e.length, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0)
				: NULL;
	close(fd);
	if (data == MAP_FAILED)
		return unreadable(source, err);
	if (fs->same_everywhere && data)
		e.length = program_image_strip(data, e.length);
	add_bytes(fs, path, &e, data);
	if (data)
		munmap(data, (size_t)st.st_size);
	return 0;
}

int initramfs_add_file_as(struct initramfs *fs, const char *source, const char *path,
			  struct error *err)
{
	return add_contents(fs, source, path, false, err);
}

/* A path that is followed link by link: `done` holds no links, `rest` is still to go. */
struct walk {
	char done[PATH_MAX];
	char rest[PATH_MAX];
	unsigned links;
};

static int too_long(void)
{
	errno = ENAMETOOLONG;
	return -1;
}

/* Takes the link at `path` in, and goes on where it leads. */
static int follow(struct initramfs *fs, struct walk *w, const char *path)
{
	char target[PATH_MAX], rest[PATH_MAX];
	ssize_t length = readlink(path, target, sizeof(target) - 1);

	if (length < 0)
		return -1;
	target[length] = 0;
	if (++w->links > MAX_LINKS) {
		errno = ELOOP;
		return -1;
	}
	initramfs_add_link(fs, path, target);
	if (snprintf(rest, sizeof(rest), "%s/%s", target, w->rest) >= (int)sizeof(rest))
		return too_long();
	strcpy(w->rest, rest);
	if (target[0] == '/')
		w->done[0] = 0;
	return 0;
}

/* Goes one component further. 1, 0 at the end, -1 with errno. */
static int step(struct initramfs *fs, struct walk *w)
{
	char path[PATH_MAX];
	struct stat st;
	char *from = w->rest + strspn(w->rest, "/");
	size_t length = strcspn(from, "/");

	if (!length)
		return 0;
	bool up = strncmp(from, "..", length) == 0 && length == 2;
	bool here = length == 1 && *from == '.';
	int size = snprintf(path, sizeof(path), "%s/%.*s", w->done, (int)length, from);
	if (size >= (int)sizeof(path))
		return too_long();
	memmove(w->rest, from + length, strlen(from + length) + 1);
	if (up && strrchr(w->done, '/'))
		*strrchr(w->done, '/') = 0;
	if (up || here)
		return 1;
	if (lstat(path, &st))
		return -1;
	if (S_ISLNK(st.st_mode))
		return follow(fs, w, path) ? -1 : 1;
	if (S_ISDIR(st.st_mode))
		initramfs_add_directory(fs, path);
	strcpy(w->done, path);
	return 1;
}

/* Takes all links on the way in; ret_real is where the path leads. 0, or -1 with errno. */
static int walk_to(struct initramfs *fs, const char *path, char ret_real[PATH_MAX])
{
	struct walk w = { .links = 0 };
	char cwd[PATH_MAX] = "";
	int more;

	if (path[0] != '/' && !getcwd(cwd, sizeof(cwd)))
		return -1;
	if (snprintf(w.rest, sizeof(w.rest), "%s/%s", cwd, path) >= (int)sizeof(w.rest))
		return too_long();
	while ((more = step(fs, &w)) > 0)
		;
	strcpy(ret_real, w.done);
	return more;
}

/* By the bytes of names, whatever the locale is. */
static int compare_names(const struct dirent **a, const struct dirent **b)
{
	return strcmp((*a)->d_name, (*b)->d_name);
}

static int is_entry(const struct dirent *entry)
{
	return strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0;
}

/* All of a directory: under `path`, or where that is NULL under its own paths. */
static int add_tree(struct initramfs *fs, const char *directory, const char *path, bool old,
		    struct error *err)
{
	struct dirent **entry;
	int nr = scandir(directory, &entry, is_entry, compare_names), failed = 0;

	if (nr < 0)
		return unreadable(directory, err);
	for (int i = 0; i < nr; i++) {
		char from[PATH_MAX], to[PATH_MAX];
		const char *name = entry[i]->d_name;

		if (!failed && snprintf(from, PATH_MAX, "%s/%s", directory, name) < PATH_MAX &&
		    snprintf(to, PATH_MAX, "%s/%s", path ? path : "", name) < PATH_MAX)
			failed = path ? initramfs_add_as(fs, from, to, err)
				      : initramfs_add_path(fs, from, old, err);
		free(entry[i]);
	}
	free(entry);
	return failed;
}

int initramfs_add_as(struct initramfs *fs, const char *source, const char *path, struct error *err)
{
	struct stat st;

	if (stat(source, &st))
		return unreadable(source, err);
	if (!S_ISDIR(st.st_mode))
		return add_contents(fs, source, path, false, err);
	initramfs_add_directory(fs, path);
	return add_tree(fs, source, path, false, err);
}

int initramfs_add_path(struct initramfs *fs, const char *path, bool old, struct error *err)
{
	char real[PATH_MAX];
	struct stat st;

	if (walk_to(fs, path, real) || stat(real[0] ? real : "/", &st))
		return unreadable(path, err);
	if (S_ISDIR(st.st_mode))
		return add_tree(fs, real, NULL, old, err);
	return add_contents(fs, real, real, old, err);
}

int initramfs_add_way(struct initramfs *fs, const char *directory, struct error *err)
{
	char real[PATH_MAX];

	return walk_to(fs, directory, real) ? unreadable(directory, err) : 0;
}

/* ---- programs ------------------------------------------------------------------------ */

/* A library in a line of ldd(1): "NAME => /PATH (ADDRESS)" or "/PATH (ADDRESS)". */
static char *library_path(char *line)
{
	char *path = strchr(line, '/');

	if (!path || strstr(line, "=> not found"))
		return NULL;
	path[strcspn(path, " \n")] = 0;
	return path;
}

static int add_libraries(struct initramfs *fs, const char *path, struct error *err)
{
	char command[PATH_MAX + 32], *line = NULL;
	size_t room = 0;
	int failed = 0;

	if (strchr(path, '\''))
		return 0;
	snprintf(command, sizeof(command), "ldd '%s' 2>/dev/null", path);
	FILE *ldd = popen(command, "re");
	while (ldd && !failed && getline(&line, &room, ldd) > 0) {
		char *library = library_path(line);

		if (library)
			failed = initramfs_add_path(fs, library, false, err);
	}
	free(line);
	if (ldd)
		pclose(ldd);
	return failed;
}

int initramfs_add_program(struct initramfs *fs, const char *path, struct error *err)
{
	return initramfs_add_path(fs, path, false, err) || add_libraries(fs, path, err) ? -1 : 0;
}

int initramfs_add_program_as(struct initramfs *fs, const char *source, const char *path,
			     struct error *err)
{
	return initramfs_add_as(fs, source, path, err) || add_libraries(fs, source, err) ? -1 : 0;
}

int initramfs_finish(struct initramfs *fs, struct error *err)
{
	const struct entry e = { .length = 0 };

	put_header(fs, "TRAILER!!!", &e);
	align(fs);
	if (fs->failed)
		return error_set_errno(err, EXIT_HOST, fs->errnum,
				       "lab: the machine's image cannot be made");
	return 0;
}
