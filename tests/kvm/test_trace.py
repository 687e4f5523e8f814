# SPDX-License-Identifier: MIT
"""--trace and trace-stats: a trace is whole, consistent, and survives a guest that lies."""

import json
import os
import re
import tempfile
from collections import Counter, defaultdict

from kvmtest import (GUEST, PCPU_LIST, PCPUS, Failure, Suite, require_sound, run, run_json,
                     test_guest)

HOST_PID = 1
MECHANISMS = ['ipi', 'pv', 'pv-recheck']


class Trace:
    """A trace file, taken apart by the rules of the trace event format."""

    def __init__(self, result, path):
        self.result = result
        with open(path, encoding='utf-8') as file:
            data = json.load(file)
        self.about = data['otherData']
        self.names = {}
        self.slices = defaultdict(list)  # by track: (begin, end, name, category, args)
        self.instants = Counter()
        self.flows = defaultdict(dict)
        self.open = defaultdict(list)
        self.last = {}
        for event in data['traceEvents']:
            self.take(event)
        self.require(not any(self.open.values()), f'slices that never end: {dict(self.open)}')

    def require(self, condition, why):
        self.result.require(condition, 'trace: ' + why)

    def take(self, event):
        phase, track = event['ph'], (event['pid'], event['tid'])
        if phase == 'M':
            self.names[track, event['name']] = event['args']
        elif phase in 'sf':
            self.require(phase not in self.flows[event['id']], f'two ends: {event}')
            self.flows[event['id']][phase] = event
        else:
            self.take_in_order(phase, track, event)

    def take_in_order(self, phase, track, event):
        self.require(event['ts'] >= self.last.get(track, 0), f'time goes back at {event}')
        self.last[track] = event['ts']
        if phase == 'B':
            self.open[track].append(event)
        elif phase == 'E':
            self.require(self.open[track], f'an end without a beginning: {event}')
            begin = self.open[track].pop()
            self.slices[track].append((begin['ts'], event['ts'], begin['name'],
                                       begin.get('cat'), begin.get('args', {})))
        elif phase == 'i':
            self.instants[event['name']] += 1
        else:
            self.require(False, f'an event of an unknown kind: {event}')

    def of_category(self, category):
        return [s for slices in self.slices.values() for s in slices if s[3] == category]

    def require_tracks_named(self):
        for track in self.last:
            self.require((track, 'thread_name') in self.names, f'track {track} has no name')

    def require_flows_paired(self):
        for number, ends in self.flows.items():
            self.require(set(ends) == {'s', 'f'}, f'flow {number} has one end: {ends}')
            start, finish = ends['s'], ends['f']
            self.require(start['ts'] <= finish['ts'], f'flow {number} goes back in time')
            self.require(start['name'] == finish['name'], f'flow {number} changes its name')
            for end in (start, finish):
                self.require(self.is_inside(end), f'no slice that an arrow could end at: {end}')

    def is_inside(self, event):
        if not hasattr(self, 'sorted'):
            self.sorted = {track: sorted(s) for track, s in self.slices.items()}
        track = (event['pid'], event['tid'])
        return any(s[0] <= event['ts'] <= s[1]
                   for s in self.around(self.sorted.get(track, []), event['ts']))

    @staticmethod
    def around(slices, time):
        """The slices that may contain this time: those that begin last before it."""
        low, high = 0, len(slices)
        while low < high:
            middle = (low + high) // 2
            if slices[middle][0] <= time:
                low = middle + 1
            else:
                high = middle
        return slices[max(0, low - 300):low]

    def require_one_vcpu_per_pcpu(self):
        for track, slices in self.slices.items():
            if track[0] != HOST_PID:
                continue
            ends = 0
            for begin, end, name, *_ in slices:
                self.require(begin >= ends, f'{name} begins before the one before it ends')
                ends = end


def traced(*arguments, guest=GUEST):
    """A run with --trace; its result has the trace, and what trace-stats says of it."""
    with tempfile.TemporaryDirectory() as directory:
        path = os.path.join(directory, 'trace.json')
        result = run_json('--trace', path, '--pcpus', PCPU_LIST, *arguments[:arguments.index('--')],
                          guest, *arguments[arguments.index('--'):])
        if not os.path.exists(path):
            raise Failure('no trace was written\n' + result.describe())
        result.trace = Trace(result, path)
        result.stats = run('trace-stats', path)
        result.stats.require_status(0)
    result.trace.require_tracks_named()
    result.trace.require_flows_paired()
    return result


def whole(scenario, vms):
    result = traced('--vms', vms, '--vcpus', max(2, 4 * len(PCPUS) // vms), '--duration', '400ms',
                    '--shootdown', ','.join(MECHANISMS), '--', f'scenario={scenario}')
    require_sound(result, MECHANISMS)
    trace = result.trace
    trace.require_one_vcpu_per_pcpu()
    require_counts_agree(result)
    for name in ('mark', 'exchange', 'flush', 'kick', 'defer', 'IPI', 'exit: MMIO'):
        trace.require(trace.instants[name] > 0, f'no {name} in it')
    for state in ('running', 'preempted', 'waits for a phase'):
        trace.require(any(s[2] == state for s in trace.of_category('state')), f'never {state}')
    kinds = {ends['s']['name'] for ends in trace.flows.values()}
    trace.require(kinds == {'IPI', 'deferred flush'}, f'arrows for {kinds} only')


def require_counts_agree(result):
    """Nothing lost: the trace has every shootdown, mark and flush that was counted."""
    trace, data = result.trace, result.json
    trace.require(trace.about['events_lost'] == 0, f'events were lost: {trace.about}')
    trace.require(trace.about['events_invalid'] == 0, f'invalid events: {trace.about}')
    trace.require(data['trace'] == {key: trace.about[key] for key in data['trace']},
                  'the report counts other events')
    shot = Counter(s[2] for s in trace.of_category('shootdown'))
    for name in MECHANISMS:
        trace.require(shot[name] == data['mechanisms'][name]['shootdowns'],
                      f'{shot[name]} shootdowns by {name}')
    waits = Counter(ends['s']['name'] for ends in trace.flows.values())
    answered = (sum(m['ipis_sent'] for m in data['mechanisms'].values())
                - data['mechanisms']['pv-recheck']['rechecks_deferred'])
    trace.require(waits['IPI'] == answered, f'{waits["IPI"]} arrows for {answered} answers')
    for counter, name in (('marks', 'mark'), ('flushes', 'flush')):
        total = sum(vcpu['host'][counter] for vcpu in data['vcpus'])
        trace.require(trace.instants[name] == total, f'{trace.instants[name]} of {total} {counter}')


def stats_tell_the_time():
    result = traced('--duration', '400ms', '--shootdown', 'ipi,pv', '--', 'scenario=storm')
    text = result.stats.stdout
    result.stats.require(re.search(r'^\d+ VMs? of \d+ vCPUs: [\d,]+ events recorded, 0 lost', text),
                         'the number of lost events is missing')
    result.stats.require_stdout(r'^ +ipi +ipi +pv +pv$')
    result.require_stdout(r'^  trace: [\d,]+ events recorded, 0 lost$')
    shares = [[float(share) for share in re.findall(r'([\d.]+)%', line)]
              for line in text.splitlines() if line.startswith('    ')]
    shares = [row for row in shares if len(row) == 4]
    for column in zip(*shares):
        result.stats.require(99 < sum(column) < 101, f'shares add up to {sum(column):.1f}%')


def lost_events_are_counted():
    """A vCPU that shoots at vCPUs that never run fills its ring within the run."""
    result = traced('--pcpus', PCPUS[0], '--vcpus', 4, '--mem', '4M', '--shootdown', 'pv',
                    '--count', 6000, '--', 'scenario=ping')
    about = result.trace.about
    result.trace.require(about['events_lost'] > 0, f'nothing was lost: {about}')
    result.require_stdout(r'^  trace: [\d,]+ events recorded, [1-9][\d,]* lost')
    result.stats.require_stdout(r' [1-9][\d,]* lost')
    result.trace.require(result.trace.of_category('shootdown'), 'no shootdown is left')


def lying_guest(case):
    result = traced('--vcpus', 4, '--', f'case={case}', guest=test_guest('trace'))
    result.require_status(0)
    result.require_stdout('^PASS: ')


def unwritable():
    result = run('--trace', '/nowhere/at/all.json', GUEST)
    result.require_status(2)
    result.require_one_error(r"--trace '/nowhere/at/all.json' cannot be written")


def no_trace(path, pattern):
    result = run('trace-stats', *path)
    result.require_status(2)
    result.require_one_error(pattern)


suite = Suite()
for a_scenario in ('storm', 'ebizzy'):
    suite.test(f'a whole trace of {a_scenario}', whole, a_scenario, 1)
suite.test('a whole trace of two VMs', whole, 'storm', 2)
suite.test('trace-stats tells where the time went', stats_tell_the_time)
suite.test('lost events are counted', lost_events_are_counted)
for a_case in ('rubbish', 'plausible', 'wrong-times'):
    suite.test(f'a guest writes into its ring: {a_case}', lying_guest, a_case)
suite.test('a trace that cannot be written', unwritable)
suite.test('trace-stats of a file that is none', no_trace, [GUEST], 'is not a whole trace')
suite.test('trace-stats of no file', no_trace, ['/nowhere'], 'cannot be read: No such file')
suite.test('trace-stats without a file', no_trace, [], 'trace-stats needs one trace')
suite.done()
