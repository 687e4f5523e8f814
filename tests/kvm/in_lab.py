# SPDX-License-Identifier: MIT
"""Runs a test file in an emulated machine, `minivmm lab`, where /dev/kvm cannot be used."""

import glob
import os
import shutil
import sys
import sysconfig

# Says inside that this is an emulated machine.
VARIABLE = 'MINIVMM_TEST_IN_LAB'
INSIDE = VARIABLE in os.environ

# By so much an emulated machine on a busy host may be slower than the slowest host with KVM.
SLOWNESS = 6 if INSIDE else 1

# Programs that the tests run, beside those of busybox, and the Debian package of each.
PROGRAMS = {
    'setpriv': 'util-linux',
    'prlimit': 'util-linux',
    'unshare': 'util-linux',
    'mount': 'mount',
    'umount': 'mount',
    'strace': 'strace',
    'jq': 'jq',
}

# What of Python's library is imported late, by other modules or under another name.
LATE_MODULES = ('encodings', 'json', 're', 'collections', 'importlib', 'ctypes', 'multiprocessing',
                'concurrent', 'asyncio', 'email', 'urllib', 'unittest')

# Tests that cannot run there: file, beginning of the name, reason. docs/hosts.md has them, too.
NOT_INSIDE = (
    ('sweep', 'its_charts', 'gnuplot is not taken in; those of report_page are drawn outside'),
    ('rules', '7: exits are marked', 'emulated CPUs take turns: none sees an exit of another while it lasts'),
)


def _file():
    """The test file that runs: test_NAME.py."""
    return os.path.basename(sys.argv[0]).removeprefix('test_').removesuffix('.py')


def problem(build):
    """What an emulated machine needs and is not there, or None."""
    if not shutil.which('qemu-system-x86_64'):
        return 'please install qemu-system-x86 seabios'
    if not shutil.which('busybox'):
        return 'please install busybox-static'
    if not os.path.exists(os.path.join(build, 'nested-kernel/complete')):
        return 'no kernel for emulated machines: ./dev setup fetches one'
    return None


def _files(build, source):
    """All that the tests look at, in the build and in the source."""
    yield from glob.glob(f'{build}/src/guest-kernel/*.elf')
    yield from glob.glob(f'{build}/tests/guests/*.elf')
    yield from glob.glob(f'{build}/tests/kvm/*.so')
    yield from (f'{build}/src/vmm/minivmm', f'{build}/tests/kvm/stale_after')
    yield from (f'{source}/{name}' for name in ('docs', 'tests/kvm', 'README.md', 'CHANGES.md', 'dev'))
    yield from filter(None, map(shutil.which, PROGRAMS))
    yield '/etc/passwd'


def _python():
    """The part of Python's library that is imported by now, and what is imported late."""
    library = sysconfig.get_path('stdlib')
    for module in list(sys.modules.values()):
        path = getattr(module, '__file__', None)
        if path and path.startswith(library):
            yield path
            cached = getattr(module, '__cached__', None)
            if cached and os.path.exists(cached):
                yield cached
    for name in LATE_MODULES:
        yield from glob.glob(f'{library}/{name}')
    yield from glob.glob(f'{library}/*.py')
    yield from glob.glob(f'{library}/lib-dynload/*.so')


def words(minivmm):
    """What stands in front of arguments of minivmm, for a machine of its own for them."""
    return [minivmm, 'lab', '--paging', 'shadow', '--']


def replace_process(build, source):
    """Goes on in an emulated machine, with this process's streams. Does not return."""
    minivmm = f'{build}/src/vmm/minivmm'
    command = [minivmm, 'lab', '--paging', 'shadow', '--memory', '2G']
    for path in sorted(set([*_files(build, source), *_python()])):
        command += ['--include', path]
    command += ['--exec', '--', sys.executable, *map(os.path.abspath, sys.argv[:1]), *sys.argv[1:]]
    sys.stdout.flush()
    os.environ[VARIABLE] = '1'
    os.execv(minivmm, command)


def reason_not_inside(name):
    """Why a test of this file cannot run here, or None."""
    for file, beginning, reason in NOT_INSIDE:
        if INSIDE and file == _file() and name.startswith(beginning):
            return reason
    return None
