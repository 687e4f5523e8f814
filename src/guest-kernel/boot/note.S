/* SPDX-License-Identifier: MIT */
/* Says to minivmm that this guest follows its contract, although it has a PVH note, too. */
#include "minivmm/abi.h"

MV_GUEST_NOTE

	.section .note.GNU-stack, "", @progbits
