/* SPDX-License-Identifier: MIT */
/* By what names VMMs call the threads of their vCPUs. Pure. */
#ifndef VMM_THREAD_NAME_H
#define VMM_THREAD_NAME_H

#include <stdbool.h>

/* Whether a thread is a vCPU's by its name, and the number in it. */
bool thread_name_is_vcpu(const char *name, unsigned *ret_number);

#endif
