/* SPDX-License-Identifier: MIT */
/* Writes a result into its file at once or not at all. */
#define _GNU_SOURCE /* O_PATH, O_TMPFILE */
#include "vmm/base/output_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define TEMP_NAMES_TRIED 100

static int unwritable(const struct output_file *output, const char *path, int errnum,
		      struct error *err)
{
	return error_set_errno(err, EXIT_USAGE, errnum, "--%s '%s' cannot be written",
			       output->option, path);
}

/* ---- opening ------------------------------------------------------------------ */

/* /dev/stdout may be a regular file, but replacing that file is not what it means. */
static bool names_open_file(const char *path)
{
	return strncmp(path, "/dev/std", 8) == 0 || strncmp(path, "/dev/fd/", 8) == 0 ||
	       strncmp(path, "/proc/", 6) == 0;
}

/* O_NONBLOCK: a FIFO without a reader is an error now, not a hang. */
static int open_directly(struct output_file *output, const char *path, struct error *err)
{
	snprintf(output->path, sizeof(output->path), "%s", path);
	output->fd = open(path, O_WRONLY | O_APPEND | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	if (output->fd < 0)
		return unwritable(output, path, errno, err);
	int flags = fcntl(output->fd, F_GETFL);
	if (flags < 0 || fcntl(output->fd, F_SETFL, flags & ~O_NONBLOCK) < 0) {
		int errnum = errno;
		output_file_discard(output);
		return unwritable(output, path, errnum, err);
	}
	return 0;
}

/*
 * A file that already exists, for its bytes to be replaced where they are. It is cut
 * off only when the result is there, so that a run that fails leaves the older one.
 */
static int open_in_place(struct output_file *output)
{
	output->fd = open(output->path, O_WRONLY | O_CLOEXEC);
	output->in_place = true;
	return output->fd < 0 ? -1 : 0;
}

static uint64_t mount_of(int dir_fd, const char *path)
{
	struct statx st;
	bool known = statx(dir_fd, path, AT_EMPTY_PATH, STATX_MNT_ID, &st) == 0 &&
		     st.stx_mask & STATX_MNT_ID;

	return known ? st.stx_mnt_id : 0;
}

/*
 * Whether another file can take the place of this one. One that is mounted on (as
 * containers do with single files) has to stay: EBUSY. In a directory with the sticky
 * bit only the owner of the file or of the directory may remove it: EPERM.
 */
static bool is_replaceable(const struct output_file *output)
{
	struct stat file, directory;
	uid_t user = geteuid();

	if (mount_of(AT_FDCWD, output->path) != mount_of(output->dir_fd, "") ||
	    stat(output->path, &file) < 0 || fstat(output->dir_fd, &directory) < 0)
		return false;
	return !(directory.st_mode & S_ISVTX) || user == 0 || user == file.st_uid ||
	       user == directory.st_uid;
}

/* Splits output->path into the directory, which is opened, and the name in it. */
static int open_directory(struct output_file *output)
{
	char directory[PATH_MAX] = ".";
	char *slash = strrchr(output->path, '/');

	output->name = slash ? slash + 1 : output->path;
	if (slash)
		snprintf(directory, sizeof(directory), "%.*s", (int)(slash - output->path + 1),
			 output->path);
	output->dir_fd = open(directory, O_PATH | O_DIRECTORY | O_CLOEXEC);
	return output->dir_fd < 0 ? -1 : 0;
}

/* The path by which linkat() reaches a file without a name. */
static void proc_path(int fd, char path[32])
{
	snprintf(path, 32, "/proc/self/fd/%d", fd);
}

static int open_nameless(struct output_file *output)
{
	char path[32];
	int fd = openat(output->dir_fd, ".", O_TMPFILE | O_WRONLY | O_CLOEXEC, 0666);

	if (fd < 0)
		return -1;
	proc_path(fd, path);
	if (access(path, F_OK) < 0) {
		close(fd);
		return -1;
	}
	output->fd = fd;
	return 0;
}

/* The n-th name that a hidden file of this process may have. */
static void make_temp_name(struct output_file *output, unsigned n)
{
	snprintf(output->temp_name, sizeof(output->temp_name), ".minivmm-%ld-%u.tmp",
		 (long)getpid(), n);
}

static int open_named(struct output_file *output)
{
	for (unsigned n = 0; n < TEMP_NAMES_TRIED; n++) {
		make_temp_name(output, n);
		output->fd = openat(output->dir_fd, output->temp_name,
				    O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0666);
		if (output->fd >= 0)
			return 0;
		if (errno != EEXIST)
			break;
	}
	output->temp_name[0] = 0;
	return -1;
}

/* Replaces a path that exists by the one that symbolic links lead to. */
static int resolve(struct output_file *output, const char *path, bool exists)
{
	if (exists)
		return realpath(path, output->path) ? 0 : -1;
	if (strlen(path) >= sizeof(output->path)) {
		errno = ENAMETOOLONG;
		return -1;
	}
	strcpy(output->path, path);
	return 0;
}

/* A file that becomes the result when it is complete. */
static int open_new(struct output_file *output)
{
	return open_nameless(output) && open_named(output) ? -1 : 0;
}

static int open_for(struct output_file *output, bool exists)
{
	if ((!exists || is_replaceable(output)) && open_new(output) == 0)
		return 0;
	return exists ? open_in_place(output) : -1;
}

static int open_beside(struct output_file *output, const char *path, bool exists, struct error *err)
{
	if (exists && faccessat(AT_FDCWD, path, W_OK, AT_EACCESS) < 0)
		return unwritable(output, path, errno, err);
	if (resolve(output, path, exists) || open_directory(output) || open_for(output, exists)) {
		int errnum = errno;
		output_file_discard(output);
		return unwritable(output, path, errnum, err);
	}
	return 0;
}

int output_file_open_for(struct output_file *ret_output, const char *option, const char *path,
			 struct error *err)
{
	struct output_file *output = ret_output;
	struct stat st;
	bool exists = stat(path, &st) == 0;
	size_t length = strlen(path);

	*output = (struct output_file){ .option = option, .fd = -1, .dir_fd = -1 };
	if ((exists && S_ISDIR(st.st_mode)) || (length && path[length - 1] == '/'))
		return unwritable(output, path, EISDIR, err);
	if (exists && (!S_ISREG(st.st_mode) || names_open_file(path)))
		return open_directly(output, path, err);
	return open_beside(output, path, exists, err);
}

int output_file_open(struct output_file *ret_output, const char *path, struct error *err)
{
	return output_file_open_for(ret_output, "json", path, err);
}

/* ---- writing -------------------------------------------------------------------- */

static int write_all(int fd, const char *text, size_t length)
{
	while (length > 0) {
		ssize_t n = write(fd, text, length);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -1;
		text += n;
		length -= (size_t)n;
	}
	return 0;
}

/* Gives a nameless file a name; linkat() replaces nothing. */
static int link_file(const struct output_file *output, const char *name)
{
	char path[32];

	proc_path(output->fd, path);
	return linkat(AT_FDCWD, path, output->dir_fd, name, AT_SYMLINK_FOLLOW);
}

/* A name for as long as it takes to replace the older result. */
static int link_temporarily(struct output_file *output)
{
	for (unsigned n = 0; n < TEMP_NAMES_TRIED; n++) {
		make_temp_name(output, n);
		if (link_file(output, output->temp_name) == 0)
			return 0;
		if (errno != EEXIST)
			break;
	}
	output->temp_name[0] = 0;
	return -1;
}

static int put_in_place(struct output_file *output)
{
	/* Before it gets its name, so that a file of that name is whole even after a crash. */
	if (fsync(output->fd) < 0)
		return -1;
	if (output->in_place)
		return 0;
	if (!output->temp_name[0]) {
		if (link_file(output, output->name) == 0)
			return 0;
		if (errno != EEXIST || link_temporarily(output) < 0)
			return -1;
	}
	if (renameat(output->dir_fd, output->temp_name, output->dir_fd, output->name) < 0)
		return -1;
	output->temp_name[0] = 0;
	return 0;
}

/* Closes the output, in its place unless writing has failed. */
static int finish(struct output_file *output, int failed, struct error *err)
{
	if (!failed && output->dir_fd >= 0)
		failed = put_in_place(output);
	int errnum = errno;
	output_file_discard(output);
	if (failed)
		return error_set_errno(err, EXIT_HOST, errnum,
				       "the result could not be written to '%s'", output->path);
	return 0;
}

/* Of a file that is written in place; whoever reads it now sees half a result. */
static int cut_off_older(const struct output_file *output)
{
	return output->in_place ? ftruncate(output->fd, 0) : 0;
}

int output_file_commit(struct output_file *output, const char *text, size_t length,
		       struct error *err)
{
	return finish(output, cut_off_older(output) || write_all(output->fd, text, length), err);
}

static ssize_t write_chunk(void *cookie, const char *text, size_t length)
{
	const struct output_file *output = cookie;

	return write_all(output->fd, text, length) ? 0 : (ssize_t)length;
}

int output_file_commit_printed(struct output_file *output, int (*print)(FILE *out, void *context),
			       void *context, struct error *err)
{
	FILE *out = fopencookie(output, "w", (cookie_io_functions_t){ .write = write_chunk });

	if (!out)
		return finish(output, -1, err);
	int failed = cut_off_older(output) || print(out, context);
	int errnum = errno;
	if (fclose(out) && !failed) {
		failed = -1;
		errnum = errno;
	}
	errno = errnum;
	return finish(output, failed, err);
}

void output_file_discard(struct output_file *output)
{
	if (output->dir_fd >= 0 && output->temp_name[0])
		unlinkat(output->dir_fd, output->temp_name, 0);
	if (output->fd >= 0)
		close(output->fd);
	if (output->dir_fd >= 0)
		close(output->dir_fd);
	output->fd = -1;
	output->dir_fd = -1;
	output->temp_name[0] = 0;
}
