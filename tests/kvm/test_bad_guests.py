# SPDX-License-Identifier: MIT
"""Guests that misbehave: an orderly end that names the vCPU, its rip and the reason."""

import in_lab
from kvmtest import PCPU_LIST, TRIPLE_FAULT, Suite, run_json, test_guest

AT = r'^FAIL: vCPU \d+ of VM 0 at rip 0x[0-9a-f]+: '
CODE_AT = r'^FAIL: vCPU \d+ of VM 0 at rip 0x10[0-9a-f]{4}: '  # within the image
HUNG = (r'^FAIL: the guest did not end within \d+ ms \(--timeout\): '
        r'vCPU 0 of VM 0 (running|halted) at rip 0x10[0-9a-f]{4}, vCPU 1 of VM 0 ')
PASS = '^PASS: '
ODD_ACCESS = r'doorbell: {} bytes at 0x{} \(4 or 8 at a multiple of 8 are a request\)$'
BAD_STEAL = r'MSR_KVM_STEAL_TIME = 0x{}: not a 64-byte aligned address in memory$'

# guest, case, exit status, what stdout must have
CASES = [
    ('boot', 'started', 0, PASS),
    ('fault', 'triple-fault', 1, TRIPLE_FAULT),
    ('fault', 'triple-fault-in-ring3', 1, TRIPLE_FAULT),
    ('fault', 'unmapped', 1, TRIPLE_FAULT),
    ('fault', 'store-nowhere', 1,
     CODE_AT + 'store at guest address 0xfd100000, where there is nothing$'),
    ('fault', 'load-nowhere', 1,
     CODE_AT + 'load at guest address 0xfd100000, where there is nothing$'),
    ('fault', 'jump-nowhere', 1, AT),
    ('fault', 'out-unknown-port', 1, CODE_AT + 'no device at I/O port 0x1234$'),
    ('fault', 'in-unknown-port', 1, CODE_AT + 'no device at I/O port 0x1234$'),
    ('hang', 'loop-in-ring0', 1, HUNG),
    ('hang', 'loop-in-ring3', 1, HUNG),
    ('hang', 'halt-masked', 1, HUNG),
    ('hang', 'halt-open', 1, HUNG),
    ('hang', 'halt-by-doorbell', 1, HUNG),
    ('hang', 'phase-without-all', 1, HUNG),
    ('hang', 'phase-without-end', 1, HUNG),
    ('hang', 'yield-for-ever', 1, HUNG),
    ('doorbell', 'good', 0, '^ok$'),
    ('doorbell', 'no-such-register', 1, CODE_AT + 'doorbell: no register to store to at 0xff8$'),
    ('doorbell', 'one-byte', 1, CODE_AT + ODD_ACCESS.format(1, '0')),
    ('doorbell', 'two-bytes', 1, CODE_AT + ODD_ACCESS.format(2, '0')),
    ('doorbell', 'upper-half', 1, CODE_AT + ODD_ACCESS.format(4, '4')),
    ('doorbell', 'across-registers', 1, CODE_AT + ODD_ACCESS.format(8, 'b')),
    ('doorbell', 'across-the-end', 1, CODE_AT + ODD_ACCESS.format(4, 'ffc')),
    ('doorbell', 'load-exit', 1, CODE_AT + 'doorbell: no register to load from at 0x0$'),
    ('doorbell', 'load-idle', 1, CODE_AT + 'doorbell: no register to load from at 0x18$'),
    ('doorbell', 'store-phase', 1, CODE_AT + 'doorbell: no register to store to at 0x10$'),
    ('doorbell', 'ipi-to-nobody', 1, CODE_AT + 'doorbell: no IPI with vector 64 to vCPU 4$'),
    ('doorbell', 'ipi-far-away', 1, CODE_AT + 'doorbell: no IPI with vector 64 to vCPU 360'),
    ('doorbell', 'ipi-bad-vector', 1, CODE_AT + 'doorbell: no IPI with vector 3 to vCPU 0$'),
    ('steal', 'misaligned', 1, CODE_AT + BAD_STEAL.format('[0-9a-f]+[26ae]1')),
    ('steal', 'reserved-bit', 1, CODE_AT + BAD_STEAL.format('[0-9a-f]+3')),
    ('steal', 'beyond-memory', 1, CODE_AT + BAD_STEAL.format('4000001')),
    ('steal', 'far-beyond-memory', 1, CODE_AT + BAD_STEAL.format('ffffffffffffffc1')),
    ('steal', 'over-doorbell', 1, CODE_AT + BAD_STEAL.format('fd000001')),
    ('steal', 'end-of-memory', 0, PASS),
    ('steal', 'read-back', 0, PASS),
    ('steal', 'disabled', 0, PASS),
    ('steal', 'moved', 0, PASS),
    ('steal', 'rubbish', 0, PASS),
    ('steal', 'truthful', 0, PASS),
    ('wake', 'hlt-xapic', 0, PASS),
    ('wake', 'doorbell-xapic', 0, PASS),
    ('wake', 'hlt-doorbell', 0, PASS),
    ('wake', 'init-running', 0, PASS),
    ('wake', 'init-halted', 0, PASS),
    ('wake', 'init-and-start', 1,
     r'^FAIL: vCPU 1 of VM 0 at rip 0x[02]: no device at I/O port 0x77$'),
    ('finish', 'code-0', 0, PASS),
    ('finish', 'code-1', 1, '^FAIL: the guest of VM 0 ended with code 1$'),
    ('finish', 'code-2', 2, '^FAIL: the guest refused its arguments'),
    ('finish', 'code-77', 1, '^FAIL: the guest of VM 0 ended with code 77$'),
    ('finish', 'code-2-to-the-32', 1, '^FAIL: the guest of VM 0 ended with code 4294967296$'),
    ('finish', 'no-such-case', 2, '^FAIL: the guest refused its arguments'),
    ('finish', 'wrong-magic', 0, PASS),
    ('finish', 'wrong-counts', 1,
     '^FAIL: the guest of VM 0 left results of 4294967295 vCPUs and 4294967295 mechanisms'),
    ('finish', 'all-ones', 1, '^FAIL: [0-9]+ stale reads under ipi: '),
    ('finish', 'control-characters', 1, '^FAIL: [0-9]+ stale reads under ipi: '),
    ('finish', 'empty', 4, '^INCONCLUSIVE: no shootdown was completed'),
]

TIMEOUT_S = 1  # for guests that hang
QUICK_S = 10 * in_lab.SLOWNESS  # for all of them to be over


def run_guest(guest, case, *options):
    timeout_s = TIMEOUT_S if guest in ('hang', 'print') else 20
    result = run_json('--pcpus', PCPU_LIST, '--vcpus', 4, '--timeout', f'{timeout_s}s', *options,
                      test_guest(guest), '--', f'case={case}')
    text = result.stdout.replace('\n', '').replace('\t', '')
    result.require(text.isascii() and text.isprintable(), 'stdout has more than plain text')
    result.require(result.stderr == '', 'something on stderr')
    return result


def guest_ends(guest, case, status, pattern, *options):
    result = run_guest(guest, case, *options)
    result.require_status(status)
    result.require_stdout(pattern)
    result.require(result.seconds < QUICK_S + TIMEOUT_S, 'it took too long')
    verdict = {0: 'pass', 1: 'fail', 2: 'fail', 4: 'inconclusive'}[status]
    result.require(result.json and result.json['verdict'] == verdict, 'the JSON says otherwise')


def one_of_two_vms_fails():
    result = run_guest('finish', 'code-is-vm', '--vms', 2)
    result.require_status(1)
    result.require_stdout('^FAIL: the guest of VM 1 ended with code 10$')


def nothing_is_judged_a_catch():
    """A guest without an oracle cannot have caught an injected fault."""
    result = run_guest('finish', 'code-0', '--inject', 'skip-ipi-flush')
    result.require_status(4)


def doorbell_halts_for_real():
    """MV_DB_IDLE gives the pCPU back; a vCPU that only exits would not count as halted."""
    result = run_guest('wake', 'doorbell-xapic')
    result.require_status(0)
    halts = result.json['vcpus'][1]['host']['halts']
    result.require(halts > 10, f'vCPU 1 halted {halts} times')


def each_ipi_reaches_its_target_alone():
    """Of 256 vCPUs the last, too, whose id 255 is everybody's to an xAPIC."""
    for nr_vcpus in 4, 256:
        result = run_guest('ipi', 'each', '--vcpus', nr_vcpus, '--mem', '64M')
        result.require_status(0)


# ---- the console -----------------------------------------------------------------------

CONSOLE_MAX_BYTES = 1 << 20
REPORT_BYTES = 8192


def flood_is_bounded(case, timeout_s):
    result = run_json('--pcpus', PCPU_LIST, '--vcpus', 2, '--timeout', f'{timeout_s}s',
                      test_guest('print'), '--', f'case={case}')
    result.require_status(1)
    result.require_stdout(r'^FAIL: the guest did not end')
    result.require(len(result.stdout) <= CONSOLE_MAX_BYTES + REPORT_BYTES,
                   f'{len(result.stdout)} bytes were printed')
    result.require(result.seconds < timeout_s + QUICK_S, 'it took too long')
    return result


def control_characters_are_replaced():
    result = run_guest('print', 'control-characters')
    result.require_status(0)
    result.require_stdout(r'^\?\[2J\?\]0;title\?\?1m\?\?\? visible$')


def long_lines_are_cut():
    result = run_guest('print', 'long-line')
    result.require_status(0)
    result.require(max(map(len, result.stdout.splitlines())) <= 256, 'a line is too long')
    result.require(result.stdout.count('0123456789') > 900, 'text was lost')
    result.require_stdout('^no end$')


def lines_of_vcpus_stay_whole():
    result = run_guest('print', 'all-at-once')
    result.require_status(0)
    whole = result.stdout.splitlines().count('aaaaaaaabbbbbbbbccccccccdddddddd')
    result.require(whole == 4 * 50, f'{whole} of 200 lines came out whole')


suite = Suite()
for a_case in CASES:
    suite.test(f'{a_case[0]}: {a_case[1]}', guest_ends, *a_case)
suite.test('wake: one pCPU', guest_ends, 'wake', 'hlt-xapic', 0, PASS, '--pcpus',
           PCPU_LIST.split(',', maxsplit=1)[0])
suite.test('wake: the doorbell halts', doorbell_halts_for_real)
suite.test('ipi: each', each_ipi_reaches_its_target_alone)
suite.test('finish: one of two VMs fails', one_of_two_vms_fails)
suite.test('finish: nothing is judged a catch', nothing_is_judged_a_catch)
suite.test('print: flood', flood_is_bounded, 'flood', TIMEOUT_S)
suite.test('print: flood by string instructions', flood_is_bounded, 'flood-serial', TIMEOUT_S)
suite.test('print: control characters', control_characters_are_replaced)
suite.test('print: long line', long_lines_are_cut)
suite.test('print: all at once', lines_of_vcpus_stay_whole)
suite.done()
