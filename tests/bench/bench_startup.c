/* SPDX-License-Identifier: MIT */
/*
 * Benchmark of start-up: from exec to the first guest instruction.
 *
 *	bench_startup RUNS minivmm ARGUMENT...
 *
 * Runs minivmm again and again with --json and prints, one line for each run, the
 * nanoseconds from just before execv() until the first entry into the guest.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

/* The moment of the first guest instruction, as the result in `json_fd` has it; 0 if none. */
static uint64_t first_instruction_ns(int json_fd)
{
	struct json_object *root = json_object_from_fd(json_fd);
	struct json_object *started, *startup;
	uint64_t ns = 0;

	if (json_object_object_get_ex(root, "started_monotonic_ns", &started) &&
	    json_object_object_get_ex(root, "startup_ns", &startup))
		ns = json_object_get_uint64(started) + json_object_get_uint64(startup);
	json_object_put(root);
	return ns;
}

static int run_once(char *argv[], uint64_t *exec_ns, const char *json_path)
{
	int status;
	pid_t child = fork();

	if (child == 0) {
		int null_fd = open("/dev/null", O_WRONLY);
		dup2(null_fd, STDOUT_FILENO);
		*exec_ns = now_ns();
		execv(argv[0], argv);
		_exit(127);
	}
	if (child < 0 || waitpid(child, &status, 0) < 0 || status != 0) {
		fprintf(stderr, "bench_startup: %s did not succeed\n", argv[0]);
		return -1;
	}
	int json_fd = open(json_path, O_RDONLY);
	uint64_t first_ns = first_instruction_ns(json_fd);
	close(json_fd);
	printf("%llu\n", (unsigned long long)(first_ns - *exec_ns));
	return first_ns ? 0 : -1;
}

int main(int argc, char *argv[])
{
	char json_path[] = "/tmp/bench-startup-XXXXXX";
	uint64_t *exec_ns = mmap(NULL, sizeof(*exec_ns), PROT_READ | PROT_WRITE,
				 MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	int runs = argc > 2 ? atoi(argv[1]) : 0;
	char **args = calloc((size_t)argc + 2, sizeof(*args));
	int failed = runs <= 0 || !args || exec_ns == MAP_FAILED;

	if (failed) {
		fprintf(stderr, "usage: bench_startup RUNS minivmm ARGUMENT...\n");
		return 2;
	}
	close(mkstemp(json_path));
	args[0] = argv[2];
	args[1] = "--json";
	args[2] = json_path;
	for (int i = 3; i < argc; i++)
		args[i] = argv[i];
	for (int i = 0; i < runs && !failed; i++)
		failed = run_once(args, exec_ns, json_path);
	unlink(json_path);
	free(args);
	return failed ? 1 : 0;
}
