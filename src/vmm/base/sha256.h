/* SPDX-License-Identifier: MIT */
/* SHA-256 (FIPS 180-4) of a file: what sha256sum(1) prints, to tell guests apart. */
#ifndef SWEEP_SHA256_H
#define SWEEP_SHA256_H

#include <stddef.h>
#include <stdint.h>

#include "vcpu/base/error.h"

#define SHA256_TEXT_BYTES 65 /* 64 digits and a 0 */

void sha256_text(const uint8_t *data, size_t length, char ret_text[SHA256_TEXT_BYTES]);

/* The same for a file, with its length. 0, or -1 with EXIT_USAGE. */
int sha256_file(const char *path, char ret_text[SHA256_TEXT_BYTES], uint64_t *ret_bytes,
		struct error *err);

#endif
