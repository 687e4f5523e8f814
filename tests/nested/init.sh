#!/bin/busybox sh
# SPDX-License-Identifier: MIT
# The first process of the nested test bed: loads KVM, runs the suite, turns the machine off.
/bin/busybox mkdir -p /proc /sys /dev /tmp
/bin/busybox --install -s /bin
export PATH=/bin
mount -t proc none /proc
mount -t sysfs none /sys
mount -t devtmpfs none /dev

# The console takes the log of the kernel, the second serial port the results.
npt=$(sed -n 's/.*\bnpt=\([01]\).*/\1/p' /proc/cmdline)
insmod /modules/irqbypass.ko
insmod /modules/kvm.ko
insmod /modules/kvm-amd.ko "npt=$npt"
paging=nested
[ "$npt" = 1 ] || paging=shadow
hold_vm && sh /suite.sh kvm_amd "$paging" /guests >/dev/ttyS1
poweroff -f
