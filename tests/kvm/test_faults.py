# SPDX-License-Identifier: MIT
"""Every fault that can be injected is caught by the oracle, with the options as they are."""

from kvmtest import PCPU_LIST, GUEST, SLOWNESS, Suite, catalog, run, run_json, test_guest

MOST_S = 10 * SLOWNESS

# Some faults bite only in a race. A host that is busy or emulated may have too few of them in two
# seconds (41 shootdowns in one run, instead of a thousand): then a longer run decides.
LONGER = ['--duration', '10s']

# What guest.elf cannot show, as --list says, and the test guest that does: its case, and
# what its run ends with.
SHOWN_ELSEWHERE = {
    'mark-in-access': ('access', 'two-in-one', '^FAIL: vCPU 1 .*doorbell: no flush mask at 0xbad$'),
}


def fault_is_caught(fault, *arguments):
    for options in ([], LONGER):
        result = run_json('--pcpus', PCPU_LIST, '--inject', fault, *options, GUEST, '--', *arguments)
        if result.status != 4:
            break
    most_s = MOST_S + 20 * (options is LONGER)  # of both mechanisms
    result.require_status(1)
    stale = sum(m['stale_reads'] for m in result.json['mechanisms'].values())
    result.require(stale > 0, 'no stale reads')
    result.require(result.json['verdict'] == 'fail', 'the verdict is not fail')
    result.require(result.json['config']['inject'] == fault, 'the fault is not recorded')
    result.require_stdout(rf'^FAIL: [0-9]+ stale reads .*by the injected fault {fault}\b')
    result.require(result.json['elapsed_ns'] < most_s * 1e9, f'it took more than {most_s} s')


def fault_is_caught_elsewhere(fault, guest, case, pattern):
    listed = run('--list')
    listed.require_stdout(rf'^  {fault} .*; guest\.elf makes none that shows it$')
    result = run_json('--pcpus', PCPU_LIST.split(',', maxsplit=1)[0], '--vcpus', 2, '--timeout',
                      f'{MOST_S}s', '--inject', fault, test_guest(guest), '--', f'case={case}')
    result.require_status(1)
    result.require_stdout(pattern)


def fault_that_cannot_show_is_inconclusive():
    """ipi never defers a flush, so there is none that could be skipped."""
    result = run_json('--pcpus', PCPU_LIST, '--inject', 'skip-deferred-flush',
                      '--shootdown', 'ipi', '--duration', '300ms', GUEST)
    result.require_status(4)
    result.require(result.json['verdict'] == 'inconclusive', 'the verdict is not inconclusive')
    result.require_stdout(r'^INCONCLUSIVE: the injected fault skip-deferred-flush was not caught')


suite = Suite()
for a_fault in catalog('faults'):
    if a_fault in SHOWN_ELSEWHERE:
        suite.test(a_fault, fault_is_caught_elsewhere, a_fault, *SHOWN_ELSEWHERE[a_fault])
    elif a_fault not in ('none', 'drop-dirty-entry'):  # the latter: test_dirty.py
        suite.test(a_fault, fault_is_caught, a_fault)
for a_fault in ('skip-deferred-flush', 'skip-ipi-flush'):
    suite.test(f'{a_fault}, targets=1', fault_is_caught, a_fault, 'targets=1')
suite.test('a fault that cannot show is inconclusive', fault_that_cannot_show_is_inconclusive)
suite.done()
