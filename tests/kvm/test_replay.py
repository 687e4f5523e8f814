# SPDX-License-Identifier: MIT
"""--record and --replay: the same order of slices, and a failing run can be repeated."""

import os
import re
import shlex
import shutil
import signal
import tempfile
import time
from collections import defaultdict

from kvmtest import (GUEST, PCPU_LIST, PCPUS, Suite, finish, require_sound, run, run_json, start,
                     wait_until)

# What comes of the guest's own doing, in its own time.
OWN_ENDS = {'halted', 'yielded', 'blocked', 'stopped', 'idle'}


class Schedule:
    """The file of --record, taken apart."""

    def __init__(self, path):
        with open(path, encoding='ascii') as file:
            lines = file.read().splitlines()
        self.schema, self.last = lines[0], lines[-1]
        self.parts = [defaultdict(list)]  # by pCPU: (vCPU, start, ran, end)
        self.phases = []
        self.nr = 0
        for line in lines:
            words = line.split()
            if words[0].isdigit():
                self.nr += 1
                self.take(words[1:])

    def take(self, words):
        if words[0] == 'phase':
            self.phases.append(words[1])
            self.parts.append(defaultdict(list))
        else:
            pcpu, vcpu, began, ran, end = words
            self.parts[-1][pcpu].append((vcpu, int(began), int(ran), end))

    def count(self, ends):
        return sum(s[3] in ends for part in self.parts for of_pcpu in part.values() for s in of_pcpu)


def own_business(slices):
    """The number of slices up to the first that the guest ended itself."""
    return next((k for k, s in enumerate(slices) if s[3] in OWN_ENDS), len(slices))


def record(path, *arguments):
    result = run_json('--record', path, '--pcpus', PCPU_LIST, '--sched', 'random', *arguments, GUEST)
    require_sound(result, ['ipi', 'pv'])
    result.schedule = Schedule(path)
    return result


def recording_is_whole():
    with tempfile.TemporaryDirectory() as directory:
        path = os.path.join(directory, 'run.sched')
        result = record(path, '--vcpus', '6', '--slice', '2ms', '--duration', '500ms')
        schedule, data = result.schedule, result.json
        result.require(os.listdir(directory) == ['run.sched'], 'left files behind')
    result.require(schedule.schema == 'minivmm.schedule/1', 'schema ' + schedule.schema)
    result.require(schedule.last == 'end', 'no last line')
    result.require(data['record'] == {'entries': schedule.nr, 'entries_lost': 0}, 'other entries')
    result.require(data['sandbox_missing'] is None, 'not in the sandbox')
    result.require(schedule.phases[-1] == 'end', 'the last phase')
    result.require(len(schedule.phases) == data['phases'] + 1, 'another number of phases')
    # What the vCPUs do on their way out of a phase is counted, and not recorded.
    for counter, ends in (('preemptions', ['expired']), ('yields', ['yielded']),
                          ('halts', ['halted', 'idle'])):
        counted = sum(vcpu['host'][counter] for vcpu in data['vcpus'])
        recorded = schedule.count(ends)
        # Nobody halts there, so those are only what the end of the run cut off.
        most = recorded + len(data['vcpus']) if counter == 'halts' else counted
        result.require(recorded <= counted <= most,
                       f'{recorded} {ends} recorded, and {counted} {counter} counted')
    # In a phase of these mechanisms nobody yields, but everybody does on the way out.
    in_phases = [s[3] for part in schedule.parts[1:] for of_pcpu in part.values() for s in of_pcpu]
    result.require('expired' in in_phases and 'yielded' not in in_phases,
                   f'in phases: {set(in_phases)}')
    result.require_stdout(rf'^  schedule: [\d,]+ entries recorded$')
    for part in schedule.parts:
        for of_pcpu in part.values():
            for (_, began, ran, _), (_, next_began, *_) in zip(of_pcpu, of_pcpu[1:]):
                result.require(began + ran <= next_began, 'slices overlap on a pCPU')


def require_followed(result, old, new):
    """
    In each part, on each pCPU: up to where a guest ends a slice itself, in either run, the
    slices are those recorded, and a forced exit comes after the same time to the nanosecond.
    """
    compared = 0
    result.require(old.phases == new.phases, 'other phases')
    for before, after in zip(old.parts[1:], new.parts[1:]):
        for pcpu in before:
            nr = min(own_business(before[pcpu]), own_business(after[pcpu]))
            was = [(s[0], s[2], s[3]) for s in before[pcpu][:nr]]
            now = [(s[0], s[2], s[3]) for s in after[pcpu][:nr]]
            result.require(was == now, f'pCPU {pcpu}: other slices: {was} {now}')
            compared += nr
    result.require(compared >= 20, f'only {compared} slices could be compared')


def replay_repeats_the_order(*arguments):
    with tempfile.TemporaryDirectory() as directory:
        old_path, new_path = (os.path.join(directory, name) for name in ('old', 'new'))
        old = record(old_path, '--duration', '1s', '--seed', '7', *arguments)
        # Neither the policy nor the seed may matter to what is recorded.
        new = run_json('--replay', old_path, '--record', new_path, '--sched', 'round-robin',
                       '--seed', '8', GUEST)
        require_sound(new, ['ipi', 'pv'])
        require_followed(new, old.schedule, Schedule(new_path))
    for key in ('vcpus', 'vms', 'slice_ns', 'duration_ns', 'guest_args'):
        new.require(new.json['config'][key] == old.json['config'][key], f'another {key}')
    new.require(len(new.json['config']['pcpus']) == len(PCPUS), 'another number of pCPUs')
    replay = new.json['replay']
    slices = old.json['record']['entries'] - len(old.schedule.phases)
    new.require(replay['decisions'] == slices, f'{replay["decisions"]} decisions of {slices}')
    new.require(0 < replay['ended_alike'] <= replay['followed'] <= slices, f'{replay}')
    # A host that is busy may keep a vCPU for longer than a replay waits; but not in every part.
    new.require(replay['divergences'] <= 2, f'{replay}')
    new.require((replay['divergences'] > 0) == (replay['first_divergence'] is not None), f'{replay}')
    new.require(replay['guest_is_recorded'], 'the guest is the same')
    new.require_stdout(r'^  replay: [\d,]+ of [\d,]+ decisions followed')


def guest_that_is_another_is_said():
    with tempfile.TemporaryDirectory() as directory:
        path, guest = (os.path.join(directory, name) for name in ('old', 'guest.elf'))
        record(path, '--vcpus', '2', '--duration', '200ms')
        shutil.copy(GUEST, guest)
        with open(guest, 'ab') as file:
            file.write(b'\n')
        result = run_json('--replay', path, guest)
    require_sound(result, ['ipi', 'pv'])
    result.require(not result.json['replay']['guest_is_recorded'], 'it passes for the same guest')
    result.require_stdout('^  the guest is not the one that was recorded$')


def misfits_are_refused():
    with tempfile.TemporaryDirectory() as directory:
        path = os.path.join(directory, 'old')
        record(path, '--vcpus', '3', '--duration', '200ms')
        fit = f'recorded with --vms 1 --vcpus 3 on {len(PCPUS)} pCPUs'
        for option in (['--vcpus', '4'], ['--vms', '2'], ['--pcpus', str(PCPUS[0])]):
            if option[0] == '--pcpus' and len(PCPUS) == 1:
                continue
            result = run('--replay', path, *option, GUEST)
            result.require_status(2)
            result.require_one_error(fit)
            result.require(result.stdout == '', 'something on stdout')


def kill_leaves_the_older_file():
    with tempfile.TemporaryDirectory() as directory:
        path = os.path.join(directory, 'run.sched')
        with open(path, 'w', encoding='ascii') as file:
            file.write('older\n')
        process = start(['--record', path, '--pcpus', PCPU_LIST, '--duration', '60s', GUEST])
        wait_until(lambda: len(os.listdir(f'/proc/{process.pid}/task')) > 2, 'it has threads')
        time.sleep(0.3)
        process.send_signal(signal.SIGKILL)
        result = finish(process)
        with open(path, encoding='ascii') as file:
            result.require(file.read() == 'older\n', 'the older file is gone')
        result.require(os.listdir(directory) == ['run.sched'], 'left files behind')


def interrupted_run_leaves_its_schedule():
    with tempfile.TemporaryDirectory() as directory:
        path = os.path.join(directory, 'run.sched')
        process = start(['--record', path, '--pcpus', PCPU_LIST, '--duration', '60s', GUEST])
        wait_until(lambda: len(os.listdir(f'/proc/{process.pid}/task')) > 2, 'it has threads')
        time.sleep(0.5)
        process.send_signal(signal.SIGINT)
        result = finish(process)
        result.require_status(130)
        schedule = Schedule(path)
    result.require(schedule.last == 'end' and schedule.nr > 0, 'the schedule is not whole')


def failure_says_how_to_repeat_it():
    with tempfile.TemporaryDirectory() as directory:
        path = os.path.join(directory, 'a run.sched')
        failed = run_json('--record', path, '--inject', 'skip-deferred-flush', '--pcpus', PCPU_LIST,
                          '--duration', '500ms', GUEST, '--', 'scenario=storm')
        failed.require_status(1)
        lines = failed.stdout.splitlines()
        failed.require(re.match('FAIL: ', lines[-1]), 'the verdict is not the last line')
        told = re.match('repeat with: (.*)', lines[-2])
        failed.require(told, 'it does not say how to repeat it')
        failed.require(told[1] == failed.json['repeat_command'], 'the JSON says another command')
        words = shlex.split(told[1])
        failed.require(words[words.index('--seed') + 1] == str(failed.json['config']['seed']),
                       'another seed')
        again = run(*words[1:], command=words[:1])
        again.require_status(1)
        again.require_stdout('^  replay: ')
        again.require_stdout('stale reads .* skip-deferred-flush')


suite = Suite()
suite.test('a recording is whole', recording_is_whole)
suite.test('a replay repeats the order of slices', replay_repeats_the_order, '--vcpus', '4')
suite.test('a replay of two VMs', replay_repeats_the_order, '--vcpus', '3', '--vms', '2', '--slice',
           '1ms')
suite.test('a replay with another guest', guest_that_is_another_is_said)
suite.test('a replay that does not fit', misfits_are_refused)
suite.test('SIGKILL while recording', kill_leaves_the_older_file)
suite.test('SIGINT while recording', interrupted_run_leaves_its_schedule)
suite.test('a failure is repeated by the command it prints', failure_says_how_to_repeat_it)
suite.done()
