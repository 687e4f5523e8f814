/* SPDX-License-Identifier: MIT */
/* What minivmm offers a guest in CPUID leaf KVM_CPUID_FEATURES, and can hide from it. */
#ifndef VCPU_PV_FEATURES_H
#define VCPU_PV_FEATURES_H

#include <asm/kvm_para.h>

/* X(bit, name, summary): names as QEMU has them, behind its "kvm-" or "kvm_". */
#define PV_FEATURES(X)                                         \
	X(KVM_FEATURE_PV_TLB_FLUSH, "pv-tlb-flush",            \
	  "deferred flushes: the guest must not ask for them") \
	X(KVM_FEATURE_STEAL_TIME, "steal-time", "the steal-time page: the guest has no use for it")

#endif
