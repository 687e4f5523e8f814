# SPDX-License-Identifier: MIT
"""A Linux guest whose init looks for stale translations: TAP, a line for each run.

usage: test_linux_guest.py BUILD INIT
"""

import json
import os
import re
import sys
import tempfile
import time
from functools import partial

from guest import KERNEL, lab, lab_with_linux, make_initramfs, skip_without_kernel

PV_LINE = 'KVM setup pv remote TLB flush'
GUEST_S, LAB_S = 600, 700  # half a minute on an idle machine
CHECK_MS = 1500
FIND_MS = 300_000  # ends when something is found

# name, how the host translates, options, whether the kernel sends paravirtual flushes
GOOD = [
    ('paravirtual, nested paging', 'nested', ['--shootdown', 'pv'], True),
    ('by IPI, nested paging', 'nested', ['--shootdown', 'ipi'], False),
    ('paravirtual, shadow paging', 'shadow', ['--shootdown', 'pv'], True),
]
# With nested paging QEMU drops its whole TLB at every entry.
FAULTS = ['skip-deferred-flush', 'lose-flush-bit', 'mark-while-running']


def run(initramfs, paging, options, kernel_words, init_words):
    """Runs a guest of four vCPUs on two pCPUs; its exit status, its text and its JSON."""
    report = os.path.join(os.path.dirname(initramfs), 'report.json')
    status, text = lab_with_linux(paging, LAB_S, '--include', initramfs, '--', '--vcpus', '4',
                                  '--timeout', f'{GUEST_S}s', '--json', report, *options,
                                  '--initrd', initramfs, KERNEL, '--', 'console=ttyS0', 'panic=-1',
                                  *kernel_words, '--', *init_words)
    figures = None
    if os.path.exists(report):
        with open(report, encoding='utf-8') as file:
            figures = json.load(file)
        os.unlink(report)
    return status, text, figures


def counts(text, who):
    """How often a page was taken away, and the stale reads, or None."""
    found = re.search(rf'linux-guest: {who}=4 takes=(\d+) reads=[1-9]\d* stale=(\d+)', text)
    return (int(found[1]), int(found[2])) if found else None


def good(initramfs, paging, options, paravirtual):
    """What is wrong, or None; and the text."""
    status, text, figures = run(initramfs, paging, options, [], [str(CHECK_MS), 'check'])
    if status != 0:
        return f'exit status {status}', text
    for who in 'threads', 'processes':
        seen = counts(text, who)
        if not seen or seen[0] == 0 or seen[1] > 0:
            return f'{who}: takes and stale reads are {seen}', text
    if (PV_LINE in text) != paravirtual:
        return 'the kernel says otherwise about paravirtual flushes', text
    deferred = sum(vcpu['host']['flush_requests'] for vcpu in figures['vcpus'])
    if (deferred > 0) != paravirtual:
        return f'{deferred} flushes were deferred', text
    return None, text


def fault(initramfs, name):
    """One CPU boots, which shoots nobody: the fault is met by init alone."""
    status, text, _ = run(initramfs, 'shadow', ['--inject', name], ['maxcpus=1'],
                          [str(FIND_MS), 'find'])
    seen = counts(text, 'processes')
    if not seen or seen[1] == 0:
        return f'takes and stale reads are {seen}', text
    return (None if status == 1 else f'exit status {status}'), text


def cr3_moves():
    """Whether a guest with CR0.WP set, as Linux has it, can load CR3 there (docs/hosts.md)."""
    status, text = lab('shadow', LAB_S, '--', 'host', '--json')
    return json.loads(text)['cr3_moves'] if status == 0 else text


def main():
    skip_without_kernel()
    failed = False
    cases = [(name, paging, partial(good, paging=paging, options=options, paravirtual=pv))
             for name, paging, options, pv in GOOD]
    cases += [(f'{name} is found', 'shadow', partial(fault, name=name)) for name in FAULTS]
    print(f'1..{len(cases)}')
    moves = cr3_moves()
    with tempfile.TemporaryDirectory() as work:
        initramfs = make_initramfs(work)
        for number, (name, paging, case) in enumerate(cases, 1):
            if paging == 'shadow' and moves != 'right':
                print(f'ok {number} - {name} # SKIP MOV to and from CR3: {moves}', flush=True)
                continue
            start = time.monotonic()
            why, text = case(initramfs)
            print(f'{"not ok" if why else "ok"} {number} - {name} '
                  f'({time.monotonic() - start:.0f} s)', flush=True)
            if why:
                failed = True
                print(f'# {why}\n# ' + '\n# '.join(text.splitlines()[-60:]), flush=True)
    sys.exit(failed)


main()
