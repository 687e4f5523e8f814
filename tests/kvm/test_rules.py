# SPDX-License-Identifier: MIT
"""Rules of docs/protocol.md that test guests see kept, on a real KVM, in a real minivmm."""

import json
import os

from kvmtest import BUILD, GUEST, PCPU_LIST, Suite, run, run_json, test_guest

TWO_PCPUS = ['--pcpus', PCPU_LIST]
ONE_PCPU = ['--pcpus', PCPU_LIST.split(',', maxsplit=1)[0]]
PRIMITIVES = ('sregs', 'sync-regs', 'steal-msr')

PASS = '^PASS: '
UNEXPECTED = '^unexpected: '
IN_ACCESS = '^FAIL: vCPU 1 .*an instruction makes more than one access'
FLUSHED_TRANSLATION = '^FAIL: vCPU 1 .*doorbell: no flush mask at 0xbad$'


def guest_ends(guest, case, status, pattern, *options):
    result = run_json('--timeout', '30s', *options, test_guest(guest), '--', f'case={case}')
    result.require_status(status)
    result.require_stdout(pattern)
    result.require(result.stderr == '', 'something on stderr')
    return result


def usable_primitives():
    """Those that the self-check proves here."""
    data = json.loads(run('host', '--json').stdout)
    return [name for name in PRIMITIVES
            if data['selfcheck']['primitives'][name]['proof'] in ('flushes', 'no-stale-read')]


# ---- rule 6: at an instruction boundary -------------------------------------------------

def no_mark_in_an_access(via):
    guest_ends('access', 'two-in-one', 1, IN_ACCESS, *ONE_PCPU, '--vcpus', 2, '--flush-via', via)


def mark_in_an_access_is_seen(via):
    guest_ends('access', 'two-in-one', 1, FLUSHED_TRANSLATION, *ONE_PCPU, '--vcpus', 2,
               '--flush-via', via, '--inject', 'mark-in-access')


# ---- rule 7: exits ----------------------------------------------------------------------

def marks_of_exits(case, *options):
    """The marks of vCPU 1, which does nothing but exit, and its exits."""
    result = guest_ends('steal', case, 0, PASS, *TWO_PCPUS, '--vcpus', 2, *options)
    host = result.json['vcpus'][1]['host']
    return result, host['marks'], host['exits_doorbell']


def exits_are_not_marked():
    result, marks, exits = marks_of_exits('exits-unmarked')
    result.require(marks < exits / 10, f'{marks} marks in {exits} exits')
    result.require(result.json['config']['mark_exits'] is False, 'the JSON says otherwise')


def exits_are_marked():
    result, marks, exits = marks_of_exits('exits-marked', '--mark-exits')
    result.require(marks >= exits, f'{marks} marks in {exits} exits')
    result.require(result.json['config']['mark_exits'] is True, 'the JSON says otherwise')


def marked_exits_are_sound(scenario):
    result = run_json(*TWO_PCPUS, '--mark-exits', '--duration', '1s', '--shootdown',
                      'ipi-yield,pv,hypercall', GUEST, '--', f'scenario={scenario}')
    result.require_status(0)
    result.require_stdout(', exits marked, ')


# ---- rule 8: hidden features ------------------------------------------------------------

def guest_without_pv_flush_refuses_pv(hidden, reason):
    result = run_json(*TWO_PCPUS, '--hide', hidden, GUEST)
    result.require_status(2)
    result.require_stdout(f'^guest: pv: the host .*{reason}')
    result.require(result.json['config']['hide'] == [hidden], 'the JSON says otherwise')
    run_json(*TWO_PCPUS, '--hide', hidden, '--shootdown', 'ipi', '--duration', '300ms',
             GUEST).require_status(0)


# ---- rule 10: what the self-check proves ------------------------------------------------

def is_no_flush(action):
    """A self-check that took this for a flush would prove nothing."""
    data = json.loads(run('host', '--json').stdout)
    result = run(action, command=[os.path.join(BUILD, 'tests/kvm/stale_after')])
    result.require_status(0)
    if data['host']['kvm']['module'] == 'kvm_pvm':
        result.require(result.stdout == 'stale\n', f'{action} passes for a flush')
    elif data['selfcheck']['exit_alone_flushes']:
        result.require(result.stdout == 'fresh\n', 'stale, although an exit alone flushes')


def every_primitive_is_proven_where_translations_stay():
    result = run('host', '--json')
    data = json.loads(result.stdout)
    if data['host']['kvm']['module'] != 'kvm_pvm':
        return
    check = data['selfcheck']
    result.require(not check['exit_alone_flushes'], 'nothing was stale')
    for name, primitive in check['primitives'].items():
        result.require(primitive['proof'] == 'flushes', f'{name}: {primitive["proof"]}')


# ---- rule 18: who is a barrier ----------------------------------------------------------

def free_early(mechanism, status):
    """Frees page tables without a grace period, under one mechanism."""
    result = run_json(*TWO_PCPUS, '--inject', 'free-early', '--shootdown', mechanism, '--duration',
                      '4s', GUEST)
    result.require_status(status)
    stale = result.json['mechanisms'][mechanism]['stale_reads']
    result.require((stale > 0) == (status == 1), f'{stale} stale reads')


suite = Suite()
for a_primitive in usable_primitives():
    suite.test(f'6: no mark in an access, {a_primitive}', no_mark_in_an_access, a_primitive)
    suite.test(f'6: a mark in an access is seen, {a_primitive}', mark_in_an_access_is_seen,
               a_primitive)
    for a_case in ('defer-then-init', 'start-then-defer', 'offline'):
        suite.test(f'12, 17: reset: {a_case}, {a_primitive}', guest_ends, 'reset', a_case, 0, PASS,
                   *ONE_PCPU, '--vcpus', 2, '--flush-via', a_primitive)
    for a_guest, a_case in (('wake', 'nmi-marked'), ('wake', 'lint0-closed'),
                            ('reset', 'halted-then-init')):
        suite.test(f'19: {a_guest}: {a_case}, {a_primitive}', guest_ends, a_guest, a_case, 0, PASS,
                   *TWO_PCPUS, '--vcpus', 2, '--shootdown', 'pv-halted', '--flush-via',
                   a_primitive)
suite.test('7: exits are not marked', exits_are_not_marked)
suite.test('7: exits are marked with --mark-exits', exits_are_marked)
suite.test('7: access: deferred-in-exit', guest_ends, 'access', 'deferred-in-exit', 0, PASS,
           *TWO_PCPUS, '--vcpus', 2, '--mark-exits')
for a_scenario in ('storm', 'idle'):
    suite.test(f'7: marked exits are sound, {a_scenario}', marked_exits_are_sound, a_scenario)
suite.test('8: steal: hidden-flush', guest_ends, 'steal', 'hidden-flush', 0, PASS, *TWO_PCPUS,
           '--vcpus', 4, '--hide', 'pv-tlb-flush')
suite.test('8: steal: hidden-both', guest_ends, 'steal', 'hidden-both', 0, PASS, *TWO_PCPUS,
           '--vcpus', 4, '--hide', 'pv-tlb-flush,steal-time')
suite.test('8: no pv without the flush', guest_without_pv_flush_refuses_pv, 'pv-tlb-flush',
           'KVM_FEATURE_PV_TLB_FLUSH')
suite.test('8: no pv without steal time', guest_without_pv_flush_refuses_pv, 'steal-time',
           'KVM_FEATURE_STEAL_TIME')
for an_action in ('exit', 'kick', 'same-sregs'):
    suite.test(f'10: {an_action} is no flush', is_no_flush, an_action)
suite.test('10: every primitive is proven', every_primitive_is_proven_where_translations_stay)
suite.test('15: wake: halted-marks', guest_ends, 'wake', 'halted-marks', 0, PASS, *TWO_PCPUS,
           '--vcpus', 2, '--shootdown', 'pv,pv-halted', '--duration', '300ms')
suite.test('17: steal: silenced', guest_ends, 'steal', 'silenced', 0, PASS, *TWO_PCPUS,
           '--vcpus', 4)
suite.test('18: an interrupt is a barrier', free_early, 'ipi', 4)
for a_mechanism in ('pv', 'hypercall'):
    suite.test(f'18: {a_mechanism} is none', free_early, a_mechanism, 1)
suite.done()
