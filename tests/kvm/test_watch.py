# SPDX-License-Identifier: MIT
"""`minivmm watch`: vCPUs of QEMU and of minivmm are found, and their preemption is counted."""

import contextlib
import json
import os
import shutil
import signal
import sys
import tempfile

import kvmtest
from kvmtest import GUEST, PCPU_LIST, PCPUS, Failure, Suite, finish, run, start, wait_until

# It fills 64 KiB, and the first instruction, 16 bytes before the end, jumps to itself.
SPINNING_FIRMWARE = bytes(0xfff0) + b'\xeb\xfe' + bytes(14)


def skip_if_not_permitted():
    result = run('watch', '--all', '--time', '100ms', os.getpid())
    if result.status == 3 and 'perf events' in result.stderr:
        print(f'1..0 # SKIP {result.stderr.strip()}', flush=True)
        print(f'SKIPPED, nothing was tested: {result.stderr.strip()}', file=sys.stderr)
        sys.exit(0)


def kill(process):
    process.kill()
    process.communicate()


@contextlib.contextmanager
def busy_cpus():
    """A thread that never sleeps on each CPU that the others have."""
    loops = [start(['-c', 'while :; do :; done'], ['sh'],
                   preexec_fn=lambda cpu=cpu: os.sched_setaffinity(0, {cpu})) for cpu in PCPUS]
    try:
        yield
    finally:
        for loop in loops:
            kill(loop)


@contextlib.contextmanager
def qemu():
    """QEMU with a vCPU that spins, and one that was never started."""
    with tempfile.NamedTemporaryFile() as firmware:
        firmware.write(SPINNING_FIRMWARE)
        firmware.flush()
        process = start(['-name', 'spins,debug-threads=on', '-machine', 'microvm', '-accel',
                         'tcg,thread=multi', '-smp', 2, '-m', '16M', '-display', 'none',
                         '-nodefaults', '-bios', firmware.name], ['qemu-system-x86_64'],
                        preexec_fn=lambda: os.sched_setaffinity(0, PCPUS))
        try:
            wait_until(lambda: len(threads_named(process, 'CPU ')) == 2 or
                       process.poll() is not None, 'QEMU has its vCPUs')
            if process.poll() is not None:
                raise Failure('QEMU ended: ' + process.communicate()[1].decode())
            yield process
        finally:
            kill(process)


def threads_named(process, beginning):
    found = []
    for tid in os.listdir(f'/proc/{process.pid}/task'):
        with contextlib.suppress(OSError), open(f'/proc/{process.pid}/task/{tid}/comm') as file:
            if file.read().startswith(beginning):
                found.append(int(tid))
    return found


def watch_until(process, condition, what, *options):
    """Watches for a second at a time until what was counted is as it should be."""
    last = None

    def holds():
        nonlocal last
        if process.poll() is not None:
            raise Failure(f'it ended with {process.returncode} before {what}')
        last = run('watch', '--json', '--time', '1s', *options, process.pid)
        last.require_status(0, 2)  # 2: it has no vCPUs yet
        if last.status == 2:
            return False
        last.json = json.loads(last.stdout)
        return condition(last.json)
    try:
        wait_until(holds, what)
    except Failure as failure:
        raise Failure(f'{failure}\n{last.describe() if last else ""}') from failure
    return last


def consistent(result):
    for thread in result.json['threads']:
        preempted, slept = thread['preempted'], thread['slept']
        result.require(preempted['ns'] + slept['ns'] <= thread['known_ns'], 'time is counted twice')
        for kind in (preempted, slept):
            result.require(kind['longest_ns'] <= kind['ns'], 'a part is longer than the whole')
            result.require(not kind['in_kvm_run'] or kind['in_kvm_run'] <= kind['count'],
                           'more in KVM_RUN than there were')


def vcpus_of_qemu_are_watched():
    with qemu() as process, busy_cpus(), tempfile.TemporaryDirectory() as directory:
        trace = os.path.join(directory, 'trace')
        result = watch_until(process, lambda data: data['threads'][0]['preempted']['ns'] > 0,
                             'vCPU 0 was preempted', '--trace', trace)
        names = [(thread['vcpu'], thread['name']) for thread in result.json['threads']]
        result.require(names == [(0, 'CPU 0/TCG'), (1, 'CPU 1/TCG')], f'threads: {names}')
        result.require(not result.json['threads'][0]['preempted']['in_kvm_run'],
                       'TCG is never in KVM_RUN')
        consistent(result)
        stats = run('trace-stats', trace)
        stats.require_status(0)
        stats.require_stdout('^1 VM of 2 vCPUs: ')
        with open(trace, encoding='ascii') as file:
            result.require('"name":"preempted"' in file.read(), 'the trace has no preemption')


def threads_are_chosen():
    with qemu() as process:
        for options, condition in (
                (['--threads', 'CPU 1/*'], lambda names: names == ['CPU 1/TCG']),
                (['--all'], lambda names: len(names) > 2 and 'CPU 0/TCG' in names)):
            result = run('watch', '--json', '--time', '100ms', *options, process.pid)
            result.require_status(0)
            names = [thread['name'] for thread in json.loads(result.stdout)['threads']]
            result.require(condition(names), f'threads: {names}')
        result = run('watch', '--threads', 'nobody', process.pid)
        result.require_status(2)
        result.require_one_error("has no thread named 'nobody'")


def has_attached(watcher, process):
    """Whether it has mapped a ring for each thread of the process."""
    with open(f'/proc/{watcher.pid}/maps', encoding='utf-8') as file:
        rings = file.read().count('[perf_event]')
    return rings >= len(os.listdir(f'/proc/{process.pid}/task'))


def watch_ends(how):
    """With the VMM, or by a signal: the table comes in any case."""
    with qemu() as process:
        watcher = start(['watch', '--json', process.pid])
        wait_until(lambda: has_attached(watcher, process), 'the watch has begun')
        if how is None:
            process.kill()
        else:
            watcher.send_signal(how)
        result = finish(watcher)
        result.require_status(0)
        data = json.loads(result.stdout)
        result.require(data['has_ended'] == (how is None), 'it does not say how it ended')
        result.require(len(data['threads']) == 2, 'threads are missing')


def vcpus_of_minivmm_are_watched():
    process = start(['--pcpus', PCPU_LIST, '--vcpus', 4, '--duration', '1h', '--quiet', GUEST])
    try:
        with busy_cpus():
            result = watch_until(process, lambda data: not data['sees_kvm_run'] or (
                [thread['vcpu'] for thread in data['threads']] == [0, 1, 2, 3] and
                sum(thread['preempted']['in_kvm_run'] for thread in data['threads']) > 0),
                'four vCPUs were found, and one preempted in KVM_RUN')
        consistent(result)
    finally:
        process.send_signal(signal.SIGINT)
        process.communicate()


def refused(arguments, pattern):
    result = run('watch', *arguments)
    result.require_status(2)
    result.require_one_error(pattern)


def ended_process():
    process = start(['-c', 'exit 0'], ['sh'])
    process.communicate()
    return process.pid


skip_if_not_permitted()
suite = Suite(needs_kvm=False)
suite.test('no such process', refused, [ended_process()], 'there is no process ')
suite.test('a process without vCPUs', refused, [os.getpid()], 'has no vCPU threads: --all ')
if shutil.which('qemu-system-x86_64'):
    suite.test('vCPUs of QEMU are found by name', vcpus_of_qemu_are_watched)
    suite.test('threads are chosen', threads_are_chosen)
    suite.test('the watch ends with the VMM', watch_ends, None)
    suite.test('the watch ends with SIGINT', watch_ends, signal.SIGINT)
else:
    print('SKIPPED: watching QEMU: please install qemu-system-x86', file=sys.stderr)
if kvmtest.kvm_problem():
    print(f'SKIPPED: watching minivmm: {kvmtest.kvm_problem()}', file=sys.stderr)
else:
    suite.test('vCPUs of minivmm are found in KVM_RUN', vcpus_of_minivmm_are_watched)
suite.done()
