/* SPDX-License-Identifier: MIT */
/* Opens KVM and checks that it has what minivmm needs, before anything is built. */
#ifndef VMM_HOST_CHECK_H
#define VMM_HOST_CHECK_H

#include "vcpu/base/error.h"
#include "vcpu/base/kvm.h"

/* /dev/kvm, checked. 0, or -1 with an error (EXIT_HOST), and kvm->fd is -1. */
int host_open_kvm(struct kvm *kvm, struct error *err);
void host_close_kvm(struct kvm *kvm); /* nothing if it is closed */

#endif
