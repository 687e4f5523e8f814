/* SPDX-License-Identifier: MIT */
/* One failure, one message: what a function could not do, on its way to main. */
#ifndef VCPU_ERROR_H
#define VCPU_ERROR_H

/* The exit status of minivmm. A signal gives 128 + its number instead. */
enum exit_status {
	EXIT_PASS = 0,
	EXIT_FAIL = 1,	       /* the guest failed, hung or read a stale translation */
	EXIT_USAGE = 2,	       /* usage or bad input */
	EXIT_HOST = 3,	       /* KVM is missing, forbidden, or without what is needed */
	EXIT_INCONCLUSIVE = 4, /* the run proves nothing */
};

struct error {
	enum exit_status status;
	char text[512]; /* one line: what, why, and what to do; no prefix, no newline */
};

/* Fills in an error; returns -1, so that a caller can `return error_set(...)`. */
int error_set(struct error *err, enum exit_status status, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* The same, followed by ": " and the text of the errno given. */
int error_set_errno(struct error *err, enum exit_status status, int errnum, const char *format, ...)
	__attribute__((format(printf, 4, 5)));

#endif
