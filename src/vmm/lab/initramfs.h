/* SPDX-License-Identifier: MIT */
/*
 * The file system of an emulated machine, in the format that Linux unpacks at its start
 * (cpio "newc", Documentation/driver-api/early-userspace/buffer-format.rst). It is written
 * straight into a file without a name: nothing is staged, so nothing can be left behind.
 *
 * Files keep their paths: symbolic links on the way are taken in as they are, so that a
 * path means inside what it means outside.
 */
#ifndef VMM_LAB_INITRAMFS_H
#define VMM_LAB_INITRAMFS_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "vcpu/base/error.h"

struct initramfs {
	int fd;
	bool same_everywhere; /* times are 0, modes say what can be executed, programs have no debug
				 information */
	uint64_t bytes;
	unsigned nr_names, room;
	char **name; /* what is in it, sorted by nobody */
	uint32_t *hash;
	bool failed; /* to write, with the errno; told by finish */
	int errnum;
};

/* 0, or -1 with EXIT_HOST. */
int initramfs_init(struct initramfs *fs, struct error *err);
void initramfs_free(struct initramfs *fs);

/* Paths inside are absolute. Directories on the way are made. What is there stays. */
void initramfs_add_directory(struct initramfs *fs, const char *path);
void initramfs_add_text(struct initramfs *fs, const char *path, const void *data, size_t length);
void initramfs_add_node(struct initramfs *fs, const char *path, unsigned major, unsigned minor);

void initramfs_add_link(struct initramfs *fs, const char *path, const char *target);

/* A regular file from outside under a path of its own. 0, or -1 with EXIT_USAGE. */
int initramfs_add_file_as(struct initramfs *fs, const char *source, const char *path,
			  struct error *err);

/*
 * Whatever is at `source` outside, links followed, under a path of its own: a file, or all of a
 * directory, in the order of its names. 0, or -1 with EXIT_USAGE.
 */
int initramfs_add_as(struct initramfs *fs, const char *source, const char *path, struct error *err);

/*
 * Whatever is at that path outside, by its own path: a file, or all of a directory. `old`
 * sets its files' times to 0, by which the agent tells that nobody has changed them since.
 * 0, or -1 with EXIT_USAGE.
 */
int initramfs_add_path(struct initramfs *fs, const char *path, bool old, struct error *err);

/* The directories and links that lead to that directory. 0, or -1 with EXIT_USAGE. */
int initramfs_add_way(struct initramfs *fs, const char *directory, struct error *err);

/* A program by its own path, and the shared libraries that it asks for. */
int initramfs_add_program(struct initramfs *fs, const char *path, struct error *err);

/* The same under a path of its own; the libraries are by theirs. */
int initramfs_add_program_as(struct initramfs *fs, const char *source, const char *path,
			     struct error *err);

/* Completes it. 0, or -1 with EXIT_HOST. */
int initramfs_finish(struct initramfs *fs, struct error *err);

#endif
