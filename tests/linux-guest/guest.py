# SPDX-License-Identifier: MIT
"""Debian's kernel and our init as a guest, in the emulated machine of `minivmm lab`."""

import os
import re
import shutil
import subprocess
import sys

BUILD, INIT = sys.argv[1:3]
MINIVMM = os.path.join(BUILD, 'src/vmm/minivmm')
KERNEL = os.path.join(BUILD, 'nested-kernel/vmlinuz')

# An interrupt in the first instructions of an interrupt's handler, where interrupts are disabled: QEMU
# now and then delivers twice what KVM injects (docs/caveats.md). Such a run is repeated.
INTERRUPTED_TWICE = re.compile(r'RIP: 0010:(asm_(sysvec|exc|common)_\w+|error_entry)\+0x0/')
TRIES = 4


def skip_without_kernel():
    missing = [package for program, package in (('qemu-system-x86_64', 'qemu-system-x86'),
                                                ('cpio', 'cpio')) if not shutil.which(program)]
    reason = 'please install ' + ' '.join(missing) if missing else None
    if not reason and not os.path.exists(os.path.join(os.path.dirname(KERNEL), 'complete')):
        reason = 'no kernel for emulated machines: ./dev setup fetches one'
    if reason:
        print(f'1..0 # SKIP {reason}', flush=True)
        print(f'SKIPPED, nothing was tested: {reason}', file=sys.stderr)
        sys.exit(0)


def make_initramfs(work):
    root = os.path.join(work, 'root')
    os.makedirs(os.path.join(root, 'dev'))
    shutil.copy(INIT, os.path.join(root, 'init'))
    path = os.path.join(work, 'initramfs')
    with open(path, 'wb') as file:
        subprocess.run(['cpio', '--quiet', '-o', '-H', 'newc'], cwd=root, stdout=file, check=True,
                       input=b'init\ndev\n')
    return path


def lab(paging, timeout_s, *arguments):
    """Runs minivmm in an emulated machine: its exit status and its text."""
    command = [MINIVMM, 'lab', '--paging', paging, '--timeout', f'{timeout_s}s', *arguments]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, timeout=timeout_s + 300, check=False)
    return done.returncode, done.stdout.decode('utf-8', 'replace')


def lab_with_linux(paging, timeout_s, *arguments):
    """The same, once more if the emulator let a Linux guest die."""
    for _ in range(TRIES):
        status, text = lab(paging, timeout_s, *arguments)
        if not INTERRUPTED_TWICE.search(text):
            break
        print('# the emulator delivered an interrupt twice: once more', flush=True)
    return status, text
