/* SPDX-License-Identifier: MIT */
/* An emulated machine that runs: a process, and what leads in and out of it. */
#ifndef VMM_LAB_EMULATOR_H
#define VMM_LAB_EMULATOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <sys/types.h>

#include "vcpu/base/error.h"
#include "vmm/base/sha256.h"
#include "vmm/lab/initramfs.h"
#include "vmm/lab/kernel.h"
#include "vmm/lab/lab_options.h"

#define EMULATOR_MAX_WORDS 128

/* All that a machine is started from. */
struct machine_plan {
	const struct lab_options *options;
	const struct lab_kernel *kernel;
	const struct initramfs *image;
};

struct emulator {
	pid_t pid;
	int in_fd, out_fd; /* of the channel to the agent, maybe one */
	int console_fd;
	int control_fd;			/* QEMU's monitor; -1: none */
	int log_fd;			/* a file of what the emulator itself said */
	char directory[64];		/* of its own, removed when this process has ended; "" */
	char inputs[SHA256_TEXT_BYTES]; /* of a repeatable machine: what it does follows from them
					 */
};

/* A word list for execv(), built piece by piece. */
struct words {
	unsigned nr;
	char *word[EMULATOR_MAX_WORDS + 1];
};

void words_add(struct words *w, const char *format, ...) __attribute__((format(printf, 2, 3)));
void words_free(struct words *w);

/* As a shell would take them, into the file "command" of --keep, if it is given. 0, or -1 with
 * EXIT_USAGE. */
int words_keep(const struct words *w, const struct lab_options *o, struct error *err);

/* A new file in the directory of --keep; NULL with EXIT_USAGE. */
FILE *keep_open(const struct lab_options *o, const char *name, struct error *err);

/* Whether there is such a program in PATH; its path goes to ret_path if that is not NULL. */
bool find_program(const char *name, char *ret_path);

/*
 * Starts a program that ends when this process does, however it ends. `keep` are
 * descriptors that it inherits under their numbers, -1 behind the last. `fd` become its
 * standard descriptors. The process id, or -1 with EXIT_HOST.
 */
pid_t emulator_spawn(const struct words *words, const int fd[3], const int *keep,
		     struct error *err);

/* Ends it, if it runs, and closes everything. */
void emulator_end(struct emulator *e);

/* "QEMU 7.2.22", "Bochs 2.7": what the report says; needs nothing to run. */
void qemu_name(char name[64]);
int qemu_check(struct error *err); /* that it is installed: 0, or -1 with EXIT_HOST */
int qemu_start(const struct machine_plan *plan, struct emulator *ret_emulator, struct error *err);

/* Its command line but for the program's name; the numbers are of its ends of sockets. Pure. */
void qemu_add_words(struct words *w, const struct machine_plan *plan, int channel, int console,
		    int control);

void bochs_name(char name[64]);
int bochs_check(struct error *err);
int bochs_start(const struct machine_plan *plan, struct emulator *ret_emulator, struct error *err);

/* The registers of its CPUs, as it prints them, to be freed; NULL if it does not answer. */
char *qemu_read_registers(const struct emulator *e);

#endif
