# SPDX-License-Identifier: MIT
"""Debian's kernel and our init as a guest, in the emulated machine of `minivmm lab`."""

import os
import shutil
import subprocess
import sys

BUILD, INIT = sys.argv[1:3]
MINIVMM = os.path.join(BUILD, 'src/vmm/minivmm')
KERNEL = os.path.join(BUILD, 'nested-kernel/vmlinuz')


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
    done = subprocess.run([MINIVMM, 'lab', '--paging', paging, '--timeout', f'{timeout_s}s', *arguments],
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, timeout=timeout_s + 300, check=False)
    return done.returncode, done.stdout.decode('utf-8', 'replace')
