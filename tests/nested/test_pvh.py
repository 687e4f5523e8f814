# SPDX-License-Identifier: MIT
"""guest.elf under a VMM that nobody here wrote: QEMU's microvm, by TCG and by KVM. In TAP."""

import os
import re
import shutil
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '../kvm'))
from kvmtest import kvm_problem

HANG_S = 100
PASSED = 1   # isa-debug-exit makes 2 * code + 1 of the guest's code
REFUSED = 5

QEMU = ['qemu-system-x86_64', '-machine', 'microvm', '-m', '64', '-nodefaults', '-no-reboot',
        '-display', 'none', '-serial', 'stdio', '-device', 'isa-debug-exit,iobase=0xf4']


def run(guest, accelerator, cpus, command_line):
    done = subprocess.run([*QEMU, '-accel', accelerator, '-smp', str(cpus), '-kernel', guest,
                           '-append', command_line], stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=HANG_S,
                          check=False)
    return done.returncode, done.stdout.decode('utf-8', 'replace')


def runs_scenario(guest, accelerator, cpus):
    status, output = run(guest, accelerator, cpus, 'scenario=ping shootdown=ipi duration_ms=300')
    found = re.search(r'^ipi: shootdowns=(\d+) ipis_sent=(\d+) .*oracle_reads=(\d+) '
                      r'stale_reads=0\r?$', output, re.M)
    good = (status == PASSED and found and re.search(r'^PASS\r?$', output, re.M)
            and f' cpus={cpus} ' in output
            and int(found[1]) > 0 and int(found[3]) > 0
            and int(found[2]) == int(found[1]) * (cpus - 1))
    return good, f'exit status {status}\n{output}'


def refuses(guest, accelerator, command_line, reason):
    status, output = run(guest, accelerator, 2, command_line)
    return status == REFUSED and reason in output, f'exit status {status}\n{output}'


def main():
    guest = sys.argv[1]
    if not shutil.which(QEMU[0]):
        print('1..0 # SKIP please install qemu-system-x86', flush=True)
        return 0
    accelerators = ['tcg'] + ([] if kvm_problem() else ['kvm'])
    tests = [(f'{a}, {n} CPUs', runs_scenario, (guest, a, n)) for a in accelerators for n in (2, 4)]
    tests += [
        ('a mechanism that needs minivmm is refused', refuses,
         (guest, 'tcg', 'shootdown=hypercall', 'this mechanism needs minivmm')),
        ('an unknown parameter is refused', refuses,
         (guest, 'tcg', 'scenery=ping', 'did you mean "scenario"')),
    ]
    failed = 0
    for number, (name, function, arguments) in enumerate(tests, 1):
        try:
            good, details = function(*arguments)
        except subprocess.TimeoutExpired as hung:
            good, details = False, f'still running after {HANG_S} s\n{hung.stdout}'
        failed += not good
        print(f'{"ok" if good else "not ok"} {number} - {name}')
        if not good:
            print(re.sub('^', '# ', details, flags=re.M))
        sys.stdout.flush()
    print(f'1..{len(tests)}', flush=True)
    return 1 if failed else 0


sys.exit(main())
