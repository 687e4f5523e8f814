# SPDX-License-Identifier: MIT
"""Guests that carry nothing but a PVH note: one in assembly, and the bundled one."""

import os
import re
import tempfile

from kvmtest import PCPU_LIST, PCPUS, TRIPLE_FAULT, Suite, catalog, run_json, test_guest

PASS = '^PASS: the guest ended with success and left no results$'
NR_WAKE_UPS = 10  # pvh.S

# case of pvh.S, exit status, what stdout must have
CASES = [
    ('start', 0, PASS),
    ('code', 1, '^FAIL: the guest of VM 0 ended with code 77$'),
    ('fatal', 1, TRIPLE_FAULT),
    ('nonsense', 2, '^FAIL: the guest refused its arguments'),
]

# What a guest of the contract in abi.h is told, and this one is not.
REFUSED = [('--shootdown', 'ipi,pv'), ('--shootdown', 'pv-recheck'), ('--duration', '1s'),
           ('--count', '5'), ('--inject', 'skip-ipi-flush'), ('--grace', '1ms')]


def run_guest(guest, *arguments, status=0, options=()):
    result = run_json('--pcpus', PCPU_LIST, '--timeout', '50s', *options, test_guest(guest), '--',
                      *arguments)
    result.require_status(status)
    result.require(result.stderr == '', 'something on stderr')
    verdict = {0: 'pass', 1: 'fail', 2: 'fail'}[status]
    result.require(result.json and result.json['verdict'] == verdict, 'the JSON says otherwise')
    result.require(not result.json['measured'], 'something was measured')
    return result


def guest_ends(guest, case, status, pattern):
    result = run_guest(guest, f'case={case}', status=status, options=('--vcpus', 4))
    result.require_stdout(pattern)
    if case == 'start':
        result.require_stdout('^started by PVH$')
    ran = [vcpu['host']['slices'] > 0 for vcpu in result.json['vcpus']]
    result.require(ran == [True, False, False, False], f'these vCPUs ran: {ran}')


def each_vm_is_started():
    result = run_guest('pvh', 'case=start', options=('--vcpus', 2, '--vms', 3))
    for vm in range(3):
        result.require_stdout(rf'^VM {vm}: started by PVH$')


def other_cpu_sleeps_and_works(case):
    """INIT and SIPI start it; HLT takes its pCPU away, an interrupt gives one back."""
    result = run_guest('pvh', f'case={case}', options=('--vcpus', 2, '--pcpus', PCPUS[0]))
    result.require_stdout('^' + 'w' * NR_WAKE_UPS + '$')
    second = result.json['vcpus'][1]['host']
    result.require(second['halts'] >= NR_WAKE_UPS, f'it halted {second["halts"]} times')
    if case == 'wake':
        result.require(second['preemptions'] > 0, 'awake it ran without a pCPU')


def bundled_guest(ratio, scenario, *options):
    """It finds its CPUs and leads itself; a flush that is deferred for a CPU still happens."""
    vcpus = max(2, ratio * len(PCPUS))
    result = run_guest('guest_by_pvh', f'scenario={scenario}', 'shootdown=ipi,pv',
                       'duration_ms=500', options=('--vcpus', vcpus, *options))
    result.require_stdout(rf'^guest: cpus={vcpus} ')
    for name in ('ipi', 'pv'):
        found = re.search(rf'^{name}: shootdowns=(\d+) .* flushes_deferred=(\d+) .*'
                          r'oracle_reads=(\d+) stale_reads=0$', result.stdout, re.M)
        result.require(found and int(found[1]) > 0 and int(found[3]) > 0,
                       f'{name}: nothing was done or checked')
        if name == 'pv' and ratio > 1:
            result.require(int(found[2]) > 0, 'no flush was deferred')


def bundled_guest_refuses():
    result = run_guest('guest_by_pvh', 'scenery=ping', status=2)
    result.require_stdout('did you mean "scenario"')


def schedule_is_repeated():
    """Its file names options that would be refused if somebody gave them."""
    with tempfile.TemporaryDirectory() as directory:
        path = os.path.join(directory, 'schedule')
        run_guest('pvh', 'case=wake', options=('--vcpus', 2, '--record', path))
        result = run_json('--replay', path, test_guest('pvh'))
    result.require_status(0)
    result.require_stdout('^' + 'w' * NR_WAKE_UPS + '$')


def option_is_refused(option, value):
    result = run_json(option, value, test_guest('pvh'), '--', 'case=start')
    result.require_status(2)
    result.require_one_error(rf"guest '.*pvh.elf' starts by PVH and leads itself: {option} ")


suite = Suite()
for a_case in CASES:
    suite.test(a_case[0], guest_ends, 'pvh', *a_case)
suite.test('from a 32-bit file', guest_ends, 'pvh32', *CASES[0])
suite.test('three VMs', each_vm_is_started)
suite.test('another CPU sleeps and works', other_cpu_sleeps_and_works, 'wake')
suite.test('another CPU closes LINT0', other_cpu_sleeps_and_works, 'mask')
for a_ratio in (1, 2, 4):
    suite.test(f'the bundled guest at {a_ratio}:1', bundled_guest, a_ratio, 'storm')
for a_primitive in catalog('flush primitives'):
    suite.test(f'the bundled guest, flushed via {a_primitive}', bundled_guest, 2, 'storm',
               '--flush-via', a_primitive)
suite.test('the bundled guest: ping', bundled_guest, 1, 'ping')
suite.test('the bundled guest refuses what it does not know', bundled_guest_refuses)
suite.test('a schedule is repeated', schedule_is_repeated)
for an_option in REFUSED:
    suite.test(f'{an_option[0]} {an_option[1]} is refused', option_is_refused, *an_option)
suite.done()
