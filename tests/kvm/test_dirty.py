# SPDX-License-Identifier: MIT
"""Dirty tracking: every page that a guest writes is harvested, and a forgotten one is noticed."""

import fcntl
import json
import os

from kvmtest import BUILD, GUEST, PCPU_LIST, Suite, require_sound, run, run_json

KVM_CHECK_EXTENSION = 0xAE03
KVM_CAP_DIRTY_LOG_RING = 192
KVM_CAP_DIRTY_LOG_RING_ACQ_REL = 223

COUNT = 30  # shootdowns of each mechanism


def kvm_has_rings():
    with open('/dev/kvm', 'rb') as kvm:
        return any(fcntl.ioctl(kvm, KVM_CHECK_EXTENSION, cap) > 0
                   for cap in (KVM_CAP_DIRTY_LOG_RING, KVM_CAP_DIRTY_LOG_RING_ACQ_REL))


def run_dirty(kind, *arguments, options=(), mechanisms='ipi,pv', count=COUNT):
    return run_json('--pcpus', PCPU_LIST, '--dirty', kind, '--shootdown', mechanisms, '--count',
                    count, *options, GUEST, '--', *arguments)


def require_harvested(result, kind, mechanisms):
    require_sound(result, [*mechanisms, *(f'{name}+{kind}' for name in mechanisms)])
    dirty = result.json['dirty']
    result.require(dirty['harvests'] > 0, 'nothing was harvested')
    result.require(dirty['pages'] > 0, 'no page was found dirty')
    result.require(dirty['pages_lost'] == 0, 'pages were lost')
    result.require(dirty['harvest_ns']['samples'] == dirty['harvests'], 'a time for each harvest')
    # Each phase with tracking ends by a look at all pages of all VMs, and half the phases have it.
    config = result.json['config']
    pages = config['mem_bytes'] // 4096 * config['vms'] * result.json['phases'] // 2
    result.require(dirty['pages_checked'] == pages, f'not all {pages} pages were checked')
    result.require(list(dirty['throughput_kept']) == mechanisms, 'throughput kept: of whom?')


def no_page_is_lost(kind, *arguments, options=()):
    require_harvested(run_dirty(kind, *arguments, options=options), kind, ['ipi', 'pv'])


def what_is_written_is_found(kind):
    """Every vCPU writes its part of the set again and again; it is all found, at least once."""
    result = run_dirty(kind, 'scenario=dirty', 'set_kb=1024', 'writes=256', mechanisms='ipi')
    require_harvested(result, kind, ['ipi'])
    written = result.json['mechanisms'][f'ipi+{kind}']['ops']
    result.require(written >= COUNT * 256, f'only {written} writes')
    result.require(result.json['dirty']['pages'] >= 256, 'fewer pages than one round writes')


def a_full_ring_is_emptied():
    """A vCPU that writes more pages in a round than its ring holds, and no harvest to come."""
    result = run_dirty('ring', 'scenario=dirty', 'set_kb=40960', 'writes=5120', mechanisms='ipi',
                       count=4, options=('--vcpus', 2, '--dirty-every', '1h'))
    require_harvested(result, 'ring', ['ipi'])
    result.require(result.json['dirty']['ring_full_exits'] > 0, 'no ring was ever full')
    result.require_stdout(r'exits by full rings: [1-9]')


def a_dropped_entry_is_noticed(kind):
    result = run_dirty(kind, options=('--inject', 'drop-dirty-entry'))
    result.require_status(1)
    result.require(result.json['dirty']['pages_lost'] > 0, 'no page was lost')
    result.require(result.json['verdict'] == 'fail', 'the verdict is not fail')
    result.require_stdout(r'^FAIL: [0-9]+ pages lost by dirty tracking, by the injected fault '
                          r'drop-dirty-entry: the first, 0x[0-9a-f]+ of VM 0, ')


def without_the_option_nothing_is_tracked():
    result = run_json('--pcpus', PCPU_LIST, '--count', COUNT, GUEST)
    require_sound(result, ['ipi', 'pv'])
    result.require(result.json['dirty'] is None, 'there is a member "dirty"')
    result.require(result.json['config']['dirty'] == 'none', 'config.dirty is not none')


def without_rings_it_says_so():
    result = run('--dirty', 'ring', GUEST)
    result.require_status(3)
    result.require_one_error(r'KVM has no dirty rings .*: take --dirty bitmap$')


def a_harvest_is_no_flush(kind):
    """Where page tables are shadowed it makes vCPUs forget what was writable, and no more."""
    if json.loads(run('host', '--json').stdout)['host']['kvm']['module'] != 'kvm_pvm':
        return
    result = run(f'dirty-{kind}', command=[os.path.join(BUILD, 'tests/kvm/stale_after')])
    result.require_status(0)
    result.require(result.stdout == 'stale\n', f'a harvest by {kind} passes for a flush')


suite = Suite()
suite.test('without --dirty nothing is tracked', without_the_option_nothing_is_tracked)
kinds = ['bitmap']
if kvm_has_rings():
    kinds.append('ring')
    suite.test('a full ring is emptied', a_full_ring_is_emptied)
else:
    suite.test('without rings it says so', without_rings_it_says_so)
for a_kind in kinds:
    suite.test(f'{a_kind}: no page is lost', no_page_is_lost, a_kind)
    suite.test(f'{a_kind}: what is written is found', what_is_written_is_found, a_kind)
    suite.test(f'{a_kind}: ebizzy, every 1 ms', lambda kind: no_page_is_lost(
        kind, 'scenario=ebizzy', options=('--dirty-every', '1ms')), a_kind)
    suite.test(f'{a_kind}: two VMs', lambda kind: no_page_is_lost(
        kind, options=('--vms', 2, '--vcpus', 2)), a_kind)
    suite.test(f'{a_kind}: a dropped entry is noticed', a_dropped_entry_is_noticed, a_kind)
    suite.test(f'{a_kind}: a harvest is no flush', a_harvest_is_no_flush, a_kind)
suite.done()
