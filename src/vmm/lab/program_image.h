/* SPDX-License-Identifier: MIT */
/* What of a program has to be in an emulated machine. Pure. */
#ifndef VMM_LAB_PROGRAM_IMAGE_H
#define VMM_LAB_PROGRAM_IMAGE_H

#include <stddef.h>
#include <stdint.h>

/*
 * Takes from a program what differs between builds of the same sources in two directories: debug
 * information, which names them, and the build id, which is a hash over it. Returns the length
 * of what is left: all that is loaded. What is no dynamically linked program stays as it is.
 */
size_t program_image_strip(uint8_t *data, size_t length);

#endif
