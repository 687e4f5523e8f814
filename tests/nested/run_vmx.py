# SPDX-License-Identifier: MIT
"""Runs the suite of the nested test beds under kvm_intel, in machines with VMX that Bochs emulates.

One machine for each kind of paging, both at once: Bochs uses one CPU each. In TAP. The machines are
repeatable: the same build has the same results, however busy the host is.
"""

import argparse
import os
import queue
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading

from bed import END_MARK, GUESTS, skip, skip_without

# The lab ends a machine that was silent for long. This is for one that talks and gets nowhere.
TIMEOUT = '55m'
PAGING = {'ept=0': 'shadow', 'ept=1': 'nested'}

# What is needed here, and the Debian package that holds it: for Bochs what `minivmm lab` needs
# (src/vmm/lab/bochs.c), and a shell.
NEEDS = {
    'bochs': 'bochs',
    'xorriso': 'xorriso',
    'gzip': 'gzip',
    'busybox': 'busybox-static',
    '/usr/share/bochs/BIOS-bochs-latest': 'bochsbios',
    '/usr/share/vgabios/vgabios-stdvga.bin': 'vgabios',
    '/usr/lib/ISOLINUX/isolinux.bin': 'isolinux',
    '/usr/lib/syslinux/modules/bios/ldlinux.c32': 'syslinux-common',
}


def skip_if_something_is_missing(build):
    packages = [package for name, package in NEEDS.items()
                if not (os.path.exists(name) if name.startswith('/') else shutil.which(name))]
    skip_without(packages, os.path.join(build, 'nested-kernel'), ['kvm-intel.ko'])


def fill(directory, build, suite):
    """What the machines take in, by names that are the same wherever the build is."""
    shutil.copy(suite, os.path.join(directory, 'suite.sh'))
    shutil.copy(os.path.join(build, 'tests/kvm/stale_after'), directory)
    os.mkdir(os.path.join(directory, 'guests'))
    for guest in GUESTS:
        shutil.copy(os.path.join(build, guest), os.path.join(directory, 'guests'))


class Machine:
    """An emulated machine that runs the suite; its lines come through a queue, and None at the end."""

    def __init__(self, name, build, directory, lines):
        self.name = name
        self.complete = False
        self.errors = ''
        self.process = subprocess.Popen(
            [f'{build}/src/vmm/minivmm', 'lab', '--repeatable', '--paging', PAGING[name],
             '--timeout', TIMEOUT, '--include', 'suite.sh', '--include', 'guests', '--include',
             'stale_after', '--exec', '--',
             'sh', '-c', f'PATH=$PATH:. sh suite.sh kvm_intel {PAGING[name]} guests'],
            cwd=directory, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, text=True, errors='replace')
        self.error_reader = threading.Thread(target=self._read_errors, daemon=True)
        self.error_reader.start()
        threading.Thread(target=self._read_lines, args=[lines], daemon=True).start()

    def _read_lines(self, lines):
        for line in self.process.stdout:
            lines.put((self, line.rstrip()))
        lines.put((self, None))

    def _read_errors(self):
        self.errors = self.process.stderr.read()

    def end(self):
        self.process.kill()
        return self.process.wait()


class Report:
    """One TAP stream of several: tests are numbered anew, and named for their machine."""

    def __init__(self):
        self.tests = 0
        self.failed = False

    def result(self, passed, name):
        self.tests += 1
        self.failed = self.failed or not passed
        print(f'{"ok" if passed else "not ok"} {self.tests} - {name}', flush=True)

    def line(self, machine, line):
        found = re.fullmatch(r'(not )?ok \d+ - (.*)', line)
        if found:
            self.result(not found[1], f'{machine.name}: {found[2]}')
        elif line.startswith(END_MARK):
            machine.complete = True
        elif not line.startswith('1..'):
            print(line if line.startswith('#') else '# ' + line, flush=True)

    def end(self, machine):
        machine.error_reader.join()
        machine.process.wait()
        self.result(machine.complete, f'{machine.name}: the machine ran its suite to the end')
        if not machine.complete:
            print(f'{machine.name}: the lab ended with status {machine.process.returncode}:\n'
                  f'{machine.errors}', file=sys.stderr, flush=True)


def run_all(build, directory):
    lines = queue.Queue()
    report = Report()
    machines = []
    try:
        for name in PAGING:
            machines.append(Machine(name, build, directory, lines))
        running = len(machines)
        while running:
            machine, line = lines.get()
            if line is not None:
                report.line(machine, line)
                continue
            report.end(machine)
            running -= 1
    finally:
        for machine in machines:
            machine.end()
    print(f'1..{report.tests}', flush=True)
    return 1 if report.failed else 0


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--build', required=True)
    parser.add_argument('--suite', required=True)
    parser.add_argument('--skip', help='run nothing, for this reason')
    arguments = parser.parse_args()

    if arguments.skip:
        skip(arguments.skip)
    skip_if_something_is_missing(arguments.build)
    # So that the machines go, too, when the test is ended from outside.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    with tempfile.TemporaryDirectory() as directory:
        fill(directory, arguments.build, arguments.suite)
        return run_all(os.path.abspath(arguments.build), directory)


sys.exit(main())
