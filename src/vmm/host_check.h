/* SPDX-License-Identifier: MIT */
/* Opens KVM and checks that it has what minivmm needs, before anything is built. */
#ifndef VMM_HOST_CHECK_H
#define VMM_HOST_CHECK_H

#include "error.h"

/* /dev/kvm, checked. Returns its file descriptor, or -1 with an error (EXIT_HOST). */
int host_open_kvm(struct error *err);

#endif
