# SPDX-License-Identifier: MIT
"""Runs that must pass: every scenario, mechanism, ratio, primitive and policy."""

from kvmtest import (PCPU_LIST, PCPUS, GUEST, SLOWNESS, Suite, catalog, require_sound, run,
                     run_json)

OF_THE_KERNEL = 'pv-kernel'  # not every kernel can
MECHANISMS = [name for name in catalog('mechanisms') if name != OF_THE_KERNEL]
MOST_AT_ONCE = 8  # MV_MAX_MECHANISMS

# Many vCPUs of an emulated machine take long to start.
PATIENCE = ['--timeout', '300s'] if SLOWNESS > 1 else []


def measure(*arguments, mechanisms=None):
    """A short run of these mechanisms on two pCPUs, which has to be sound.

    On a host that is busy with other work it may be too short for one shootdown, and
    inconclusive: then a longer run decides.
    """
    mechanisms = mechanisms or MECHANISMS[:MOST_AT_ONCE]
    for duration in ('300ms', '3s'):
        result = run_json('--pcpus', PCPU_LIST, '--duration', duration, *PATIENCE,
                          '--shootdown', ','.join(mechanisms), GUEST, *arguments)
        if result.status != 4:
            break
    require_sound(result, mechanisms)
    return result


def scenario_at_ratio(scenario, ratio):
    vcpus = max(2, ratio * len(PCPUS))
    for first in range(0, len(MECHANISMS), MOST_AT_ONCE):
        result = measure('--vcpus', vcpus, '--', f'scenario={scenario}',
                         mechanisms=MECHANISMS[first:first + MOST_AT_ONCE])
        result.require(result.json['scenario'] == scenario, 'another scenario ran')
        result.require(len(result.json['vcpus']) == vcpus, 'another number of vCPUs')
        require_mechanisms_differ(result)


def require_mechanisms_differ(result):
    """Some interrupt every target; pv leaves out just those whose flush it defers."""
    for name, m in result.json['mechanisms'].items():
        deferred_at_once = m['flushes_deferred'] - m['rechecks_deferred']
        if not name.startswith('pv'):
            result.require(m['flushes_deferred'] == 0, f'{name} deferred a flush')
        if name != 'pv-recheck':
            result.require(m['rechecks_deferred'] == 0, f'{name} looked again')
        if name == 'hypercall':
            result.require(m['ipis_sent'] == 0, 'hypercall sent an IPI')
        else:
            result.require(m['ipis_sent'] + deferred_at_once == m['targets'],
                           f'{name}: interrupted and deferred targets are not all targets')


def fewer_targets(scenario, targets):
    """Each shootdown is for so many vCPUs, and no other reads what nobody made it forget."""
    vcpus = 2 * max(2, len(PCPUS))
    result = measure('--vcpus', vcpus, '--', f'scenario={scenario}', f'targets={targets}')
    require_mechanisms_differ(result)
    for name, m in result.json['mechanisms'].items():
        most = targets * m['shootdowns']
        result.require(m['targets'] == most or scenario == 'lazy' and m['targets'] < most,
                       f'{name}: {m["shootdowns"]} shootdowns had {m["targets"]} targets')


def too_many_targets():
    for vcpus, others in ((4, '3 others'), (2, '1 other')):
        result = run('--pcpus', PCPUS[0], '--vcpus', vcpus, GUEST, '--', f'targets={vcpus}')
        result.require_status(2)
        result.require_stdout(rf'^guest: targets={vcpus}: each vCPU has only {others}$')


def overcommit_defers_flushes():
    result = measure('--vcpus', 4 * len(PCPUS), '--', 'scenario=storm', mechanisms=['pv'])
    deferred = result.json['mechanisms']['pv']['flushes_deferred']
    flushed = sum(vcpu['host']['flushes'] for vcpu in result.json['vcpus'])
    result.require(deferred > 0, 'no flush was deferred')
    # Several requests to one preempted vCPU are one flush.
    result.require(0 < flushed <= deferred, f'{deferred} flushes deferred, {flushed} done')
    for vcpu in result.json['vcpus']:
        result.require(vcpu['host']['steal_ns'] > 0, 'a vCPU never waited for its pCPU')


def two_vms():
    result = measure('--vms', 2, '--vcpus', max(2, len(PCPUS)))
    shot = [0, 0]
    for vcpu in result.json['vcpus']:
        shot[vcpu['vm']] += sum(n['shootdowns'] for n in vcpu['guest'].values())
    result.require(all(shot), f'shootdowns of the two VMs: {shot}')


def primitive(name):
    result = measure('--flush-via', name)
    if name != 'auto':
        result.require(result.json['flush_via'] == name, 'another primitive was used')
    result.require(sum(v['host']['flushes'] for v in result.json['vcpus']) > 0,
                   'the primitive was never used')


def marks_of_the_kernel():
    """Sound where the kernel marks what it preempts, and refused with the reason elsewhere."""
    result = run_json('--pcpus', PCPU_LIST, '--duration', '300ms',
                      '--shootdown', f'ipi,{OF_THE_KERNEL}', GUEST)
    if result.status == 3:
        result.require_one_error(r'kernel does not mark the vCPUs that it preempts')
        return
    require_sound(result, ['ipi', OF_THE_KERNEL])
    require_mechanisms_differ(result)


def count_ends_the_run():
    result = measure('--count', 50)
    for name, m in result.json['mechanisms'].items():
        result.require(m['shootdowns'] >= 50, f'{name} ended after {m["shootdowns"]} shootdowns')


def count_waits_for_a_reader():
    """vCPU 0 is done long before its slice is over, and nobody has looked before it is."""
    for _ in range(5):
        result = run_json('--pcpus', PCPUS[0], '--vcpus', 2, '--slice', '100ms', '--count', 1,
                          '--shootdown', 'pv', GUEST, '--', 'scenario=ping')
        require_sound(result, ['pv'])


def seed_is_recorded():
    result = measure('--seed', 12345)
    result.require(result.json['config']['seed'] == 12345, 'the seed given is not recorded')
    result.require_stdout(r'\bseed 12345\b')
    drawn = measure(), measure()
    seeds = [result.json['config']['seed'] for result in drawn]
    drawn[0].require(seeds[0] != seeds[1], f'the same seed was drawn twice: {seeds}')
    drawn[0].require_stdout(rf'\bseed {seeds[0]}\b')


def many_vcpus(scenario, vcpus, *options):
    result = measure('--vcpus', vcpus, *options, '--', f'scenario={scenario}')
    ran = [vcpu for vcpu in result.json['vcpus'] if vcpu['host']['slices'] > 0]
    result.require(len(ran) == vcpus, f'{len(ran)} of {vcpus} vCPUs ran')


suite = Suite()
for a_scenario in catalog('scenarios'):
    for a_ratio in (1, 2, 4):
        suite.test(f'{a_scenario} at {a_ratio}:1', scenario_at_ratio, a_scenario, a_ratio)
for words in ('lazy away=switch', 'sweep-size pages=512', 'sweep-size pages=8 flush=full',
              'idle idle_pct=99', 'idle idle_pct=0', 'rcu read_us=200 work_us=0'):
    suite.test(words, measure, '--', *f'scenario={words}'.split())
for a_scenario in catalog('scenarios'):
    suite.test(f'{a_scenario} targets=1', fewer_targets, a_scenario, 1)
suite.test('storm targets=2', fewer_targets, 'storm', 2)
suite.test('more targets than vCPUs', too_many_targets)
suite.test('overcommit defers flushes', overcommit_defers_flushes)
suite.test('two VMs', two_vms)
for a_primitive in catalog('flush primitives'):
    suite.test(f'flush via {a_primitive}', primitive, a_primitive)
for a_policy in catalog('policies'):
    suite.test(f'policy {a_policy}', measure, '--sched', a_policy)
suite.test('busy threads', measure, '--vcpus', len(PCPUS), '--background', '1:19')
suite.test('marks of the kernel', marks_of_the_kernel)
suite.test('one pCPU', measure, '--pcpus', PCPUS[0], '--vcpus', 3)
suite.test('slices of 100 us', measure, '--slice', '100us')
suite.test('slices without jitter', measure, '--slice-jitter', '0')
suite.test('--count ends the run', count_ends_the_run)
suite.test('--count waits for a reader', count_waits_for_a_reader)
suite.test('--seed is recorded', seed_is_recorded)
for a_scenario in catalog('scenarios'):
    suite.test(f'64 vCPUs, {a_scenario}', many_vcpus, a_scenario, 64, '--slice', '1ms')
suite.test('256 vCPUs', many_vcpus, 'storm', 256, '--mem', '256M', '--slice', '1ms')
suite.done()
