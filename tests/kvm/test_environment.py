# SPDX-License-Identifier: MIT
"""Faults around a run: killed, stopped, out of disk, memory, files or CPUs.

docs/debugging.md states what comes of each. MINIVMM_SEED repeats the moments.
"""

import json
import os
import random
import resource
import signal
import subprocess
import tempfile
import time

from kvmtest import (BUILD, GUEST, PCPUS, PCPU_LIST, SHORT_RUN, SLOWNESS, Failure, Suite,
                     _group_exists, finish, read_json, run, run_json, start,
                     test_guest as guests_path, wait_until)

SEED = int(os.environ.get('MINIVMM_SEED', random.randrange(1 << 32)))
KILLS = 30
SHORT = ['--pcpus', PCPU_LIST, '--vcpus', 4, *SHORT_RUN, GUEST]
A_SECOND = ['--pcpus', PCPU_LIST, '--vcpus', 4, '--duration', '500ms', GUEST]
OLDER = '{"an": "older result"}\n'


def write_older(directory):
    path = os.path.join(directory, 'result.json')
    with open(path, 'w', encoding='ascii') as file:
        file.write(OLDER)
    return path


def read_text(path):
    with open(path, encoding='utf-8') as file:
        return file.read()


def wait_until_running(process):
    """The guests have started: there is a thread for each vCPU."""
    def has_threads():
        return len(os.listdir(f'/proc/{process.pid}/task')) >= 5
    wait_until(has_threads, 'all vCPUs have threads')


# ---- killed ------------------------------------------------------------------------------

def kill_at(delay_s):
    """What is left of a run with --json over an older result, killed after so long."""
    with tempfile.TemporaryDirectory() as directory:
        path = write_older(directory)
        process = start(['--json', path, *SHORT])
        time.sleep(delay_s)
        process.kill()
        process.communicate()
        # The kernel ends a probe of the host, which is a process, when its parent is gone.
        wait_until(lambda: not _group_exists(process.pid), 'no process is left')
        text = read_text(path)
        if text != OLDER:
            json.loads(text)
        return [name for name in os.listdir(directory) if name != 'result.json']


def killed_at_random_moments():
    """The older result or the whole new one, and nothing else."""
    whole = run(*SHORT)
    whole.require_status(0)
    moments = random.Random(SEED)
    print(f'# MINIVMM_SEED={SEED}')
    for _ in range(KILLS):
        left = kill_at(moments.uniform(0, whole.seconds * 1.1))
        if left:
            raise Failure(f'left files behind: {left}')


def killed_at_each_call_of_the_report():
    """strace kills it at the entry of each call that puts the result in its place."""
    for call in ('fsync', 'linkat', 'renameat'):
        with tempfile.TemporaryDirectory() as directory:
            path = write_older(directory)
            process = subprocess.run(
                ['strace', '-f', '-o', '/dev/null', '-e', f'trace={call}', '-e',
                 f'inject={call}:signal=KILL:when=1', start_path(), '--json', path, *map(str, SHORT)], capture_output=True, check=False)
            if process.returncode != -signal.SIGKILL:
                raise Failure(f'strace did not kill it at {call}: {process}')
            text = read_text(path)
            if text != OLDER:
                json.loads(text)


def start_path():
    return os.path.join(BUILD, 'src/vmm/minivmm')


# ---- where the result goes ------------------------------------------------------------------

def full_disk(directory):
    """The older result stays, the exit status is 3, the table is printed all the same."""
    path = write_older(directory)
    with open(os.path.join(directory, 'filler'), 'wb', buffering=0) as filler:
        try:
            while True:
                filler.write(bytes(4096))
        except OSError:
            pass
    result = run('--json', path, *SHORT)
    result.require_status(3)
    result.require_one_error('could not be written.*No space left')
    result.require_stdout('^PASS: ')
    result.require(read_text(path) == OLDER, 'the older result has changed')
    result.require(set(os.listdir(directory)) == {'filler', 'result.json'}, 'left files behind')


def full_file_system():
    with tempfile.TemporaryDirectory() as directory:
        mounted = subprocess.run(['mount', '-t', 'tmpfs', '-o', 'size=64k', 'tmpfs', directory],
                                 capture_output=True, check=False).returncode == 0
        if not mounted:
            print('# no right to mount: /dev/full alone stands for a full disk')
            return
        try:
            full_disk(directory)
        finally:
            subprocess.run(['umount', directory], check=True)


def result_is_mounted():
    """As `docker -v FILE:FILE` does it: no other file can take its place."""
    with tempfile.TemporaryDirectory() as directory:
        paths = [os.path.join(directory, name) for name in ('result.json', 'trace', 'schedule')]
        for path in paths:
            with open(path, 'w', encoding='ascii') as file:
                file.write(OLDER)
        mount = ''.join(f'mount --bind {path} {path} && ' for path in paths)
        if subprocess.run(['unshare', '-rm', 'sh', '-c', mount + 'true'], capture_output=True,
                          check=False).returncode:
            print('# no right to mount')
            return
        result = run('-rm', 'sh', '-c', mount + 'exec "$@"', 'sh', start_path(), '--json', paths[0],
                     '--trace', paths[1], '--record', paths[2], *SHORT, command=('unshare',))
        result.require_status(0)
        result.require(result.stderr == '', 'something on stderr')
        result.require_stdout('^PASS: ')
        result.json = read_json(result, paths[0])
        result.require(result.json and result.json['verdict'] == 'pass', 'there is no result')
        json.loads(read_text(paths[1]))
        result.require(read_text(paths[2]) != OLDER, 'there is no schedule')
        result.require(len(os.listdir(directory)) == 3, 'left files behind')


def files_are_limited():
    """What is too large is not written, and everything else is: no signal ends the run."""
    with tempfile.TemporaryDirectory() as directory:
        paths = [os.path.join(directory, name) for name in ('result.json', 'schedule')]
        write_older(directory)
        # What gcov writes at the end of a program built with it is larger, too.
        result = run('--json', paths[0], '--record', paths[1], *SHORT,
                     env=os.environ | {'GCOV_ERROR_FILE': '/dev/null'},
                     preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096)))
        result.require_status(3)
        result.require_one_error("could not be written to '.*result.json': File too large")
        result.require_stdout('^PASS: ')
        result.require(read_text(paths[0]) == OLDER, 'the older result has changed')


def stdout_is_full():
    with open('/dev/full', 'wb') as full:
        result = run(*SHORT, stdout=full)
    result.require_status(3)
    result.require_one_error('could not be printed: No space left')


def json_is_full():
    result = run('--json', '/dev/full', *SHORT)
    result.require_status(3)
    result.require_one_error("could not be written to '/dev/full': No space left")
    result.require_stdout('^PASS: ')


def guest_path_is_no_utf8():
    """A file name is bytes; JSON is UTF-8 whatever they are."""
    with tempfile.TemporaryDirectory() as directory:
        path = os.path.join(directory, os.fsdecode(b'caf\xe9.elf'))
        os.symlink(GUEST, path)
        result = run_json(*SHORT_RUN, path)
    result.require_status(0)
    guest = result.json['config']['guest']
    result.require(guest.endswith('/caf\ufffd.elf'), f'the guest is called {guest!r}')


def pipe_is_closed():
    """The reader goes away in mid-run; the JSON is written all the same."""
    with tempfile.TemporaryDirectory() as directory:
        path = os.path.join(directory, 'result.json')
        reader, writer = os.pipe()
        process = start(['--json', path, *A_SECOND], stdout=writer)
        os.close(writer)
        os.close(reader)
        result = finish(process)
        result.require_status(3)
        result.require_one_error('could not be printed: Broken pipe')
        result.json = read_json(result, path)
        result.require(result.json['verdict'] == 'pass', 'the JSON says otherwise')


# ---- time ------------------------------------------------------------------------------------

def stopped_and_continued():
    """Stopped for longer than any slice, several times: nothing is lost, nothing stale."""
    with tempfile.TemporaryDirectory() as directory:
        path = os.path.join(directory, 'result.json')
        process = start(['--json', path, *A_SECOND])
        wait_until_running(process)
        for _ in range(5):
            process.send_signal(signal.SIGSTOP)
            time.sleep(0.1)
            process.send_signal(signal.SIGCONT)
            time.sleep(0.05)
        result = finish(process)
        result.require_status(0)
        result.json = read_json(result, path)
        require_no_stale_read(result)


def stopped_while_it_starts():
    """Stopped and continued as fast as it goes until it has ended, so in each of its steps."""
    for _ in range(3):
        process = start(SHORT)
        while process.poll() is None:
            process.send_signal(signal.SIGSTOP)
            process.send_signal(signal.SIGCONT)
            time.sleep(0.0002)
        finish(process).require_status(0)


def clock_is_set():
    """The wall clock jumps by two days at each look: no time in the result notices."""
    shim = os.path.join(BUILD, 'tests/kvm/libstepping_clock.so')
    result = run_json(*A_SECOND, env={**os.environ, 'LD_PRELOAD': shim})
    result.require_status(0)
    require_no_stale_read(result)
    result.require(result.json['elapsed_ns'] < 60e9, 'the run took days')
    for m in result.json['mechanisms'].values():
        result.require(m['latency_ns']['max'] < 60e9, 'a shootdown took days')


def kernel_without_random_numbers():
    """The result is written behind the sandbox, where no file can be opened for a seed."""
    shim = os.path.join(BUILD, 'tests/kvm/libno_random.so')
    result = run_json('--seed', 1, *A_SECOND, env={**os.environ, 'LD_PRELOAD': shim})
    result.require_status(0)
    result.require(result.stderr == '', 'something on stderr')


def require_no_stale_read(result):
    for name, m in result.json['mechanisms'].items():
        result.require(m['shootdowns'] > 0, f'{name}: no shootdown')
        result.require(m['stale_reads'] == 0, f'{name}: stale reads')


# ---- CPUs ------------------------------------------------------------------------------------

def set_affinity_of_all_threads(pid, cpus):
    for task in os.listdir(f'/proc/{pid}/task'):
        try:
            os.sched_setaffinity(int(task), cpus)
        except ProcessLookupError:
            pass


def cpu_is_taken_away():
    """All threads are confined to one CPU in mid-run: slower, but right and in time."""
    with tempfile.TemporaryDirectory() as directory:
        path = os.path.join(directory, 'result.json')
        process = start(['--json', path, *A_SECOND])
        wait_until_running(process)
        for _ in range(10):
            set_affinity_of_all_threads(process.pid, PCPUS[:1])
            time.sleep(0.02)
        result = finish(process)
        result.require_status(0)
        result.json = read_json(result, path)
        require_no_stale_read(result)


def outside_the_inherited_mask():
    """--pcpus may name what the kernel permits to who asks, as it does an isolated CPU."""
    if len(PCPUS) < 2:
        print('# one CPU: there is none outside a mask')
        return
    result = run_json('--pcpus', PCPUS[1], *SHORT_RUN, GUEST,
                      preexec_fn=lambda: os.sched_setaffinity(0, PCPUS[:1]))
    result.require_status(0)
    result.require(result.json['config']['pcpus'] == [PCPUS[1]], 'another pCPU')


# ---- real time -------------------------------------------------------------------------------

def in_real_time(policy, priority):
    """What lets a child run by this policy; sched(7)."""
    return lambda: os.sched_setscheduler(0, policy, os.sched_param(priority))


def real_time_is_permitted():
    try:
        subprocess.run(['true'], preexec_fn=in_real_time(os.SCHED_FIFO, 99), check=True)
    except subprocess.SubprocessError:
        print('# no right to a real-time policy: nothing was tried under one')
        return False
    return True


def passes_in_real_time(policy, priority, pcpus):
    result = run_json('--pcpus', pcpus, '--vcpus', 4, *SHORT_RUN, GUEST,
                      preexec_fn=in_real_time(policy, priority))
    result.require_status(0)
    require_no_stale_read(result)


def times_out_in_real_time(priority, guest, case):
    """Whatever the guest does on all CPUs, the run ends when it should."""
    result = run('--pcpus', PCPU_LIST, '--vcpus', 4, '--slice', '10s', '--timeout', '300ms',
                 guests_path(guest), '--', f'case={case}',
                 preexec_fn=in_real_time(os.SCHED_FIFO, priority))
    result.require_status(1)
    result.require_stdout(r'did not end within 300 ms \(--timeout\)')


def is_interrupted_in_real_time(number):
    process = start(['--pcpus', PCPU_LIST, '--vcpus', 4, '--slice', '10s', '--timeout', '1h',
                     guests_path('hang'), '--', 'case=loop-in-ring3'],
                    preexec_fn=in_real_time(os.SCHED_FIFO, 10))
    wait_until_running(process)
    process.send_signal(number)
    finish(process).require_status(128 + number)


def kernel_marks_need_turns():
    """By SCHED_FIFO threads of one priority take no turns, so the kernel preempts no vCPU."""
    result = run('--shootdown', 'pv-kernel', *SHORT, preexec_fn=in_real_time(os.SCHED_FIFO, 10))
    result.require_status(3)
    result.require_one_error('SCHED_FIFO')


# ---- limits ----------------------------------------------------------------------------------

def ends_orderly_within(limit, values):
    """Whatever the limit: a pass, or one line that says what is missing. Never a crash."""
    passed = refused = 0
    for value in values:
        result = run_limited(limit, value)
        if result.status == 127 or 'shared librar' in result.stderr:
            continue  # the loader itself did not get that far
        result.require_status(0, 2, 3)
        if result.status:
            result.require_one_error('.')
            refused += 1
        else:
            passed += 1
    if not passed or not refused:
        raise Failure(f'{passed} runs passed and {refused} were refused: neither may be none')


def run_limited(limit, value):
    return run('--mem', '16M', *SHORT,
               preexec_fn=lambda: resource.setrlimit(limit, (value, value)))


def memory_is_limited():
    mib = 1 << 20
    step = mib if SLOWNESS == 1 else 3 * mib
    ends_orderly_within(resource.RLIMIT_AS, range(4 * mib, 64 * mib, step))


def open_files_are_limited():
    ends_orderly_within(resource.RLIMIT_NOFILE, range(4, 28))


suite = Suite()
suite.test('killed at random moments', killed_at_random_moments)
suite.test('killed at each call of the report', killed_at_each_call_of_the_report)
suite.test('full file system', full_file_system)
suite.test('the results are mounts of their own', result_is_mounted)
suite.test('the size of files is limited', files_are_limited)
suite.test('stdout is full', stdout_is_full)
suite.test('the JSON goes to a full device', json_is_full)
suite.test('the path of the guest is no UTF-8', guest_path_is_no_utf8)
suite.test('closed pipe', pipe_is_closed)
suite.test('SIGSTOP and SIGCONT', stopped_and_continued)
suite.test('SIGSTOP and SIGCONT during start-up', stopped_while_it_starts)
suite.test('the clock is set', clock_is_set)
suite.test('a kernel without random numbers', kernel_without_random_numbers)
suite.test('a CPU is taken away', cpu_is_taken_away)
suite.test('a pCPU outside the inherited mask', outside_the_inherited_mask)
if real_time_is_permitted():
    for a_policy, its_name in (os.SCHED_FIFO, 'SCHED_FIFO'), (os.SCHED_RR, 'SCHED_RR'):
        for a_priority in 1, 99:
            suite.test(f'{its_name} {a_priority}', passes_in_real_time, a_policy, a_priority,
                       PCPU_LIST)
        suite.test(f'{its_name}, with a CPU left over', passes_in_real_time, a_policy, 10, PCPUS[0])
    for a_priority in 10, 99:
        for a_case in 'loop-in-ring3', 'loop-in-ring0', 'halt-masked':
            suite.test(f'SCHED_FIFO {a_priority}: time-out of {a_case}', times_out_in_real_time,
                       a_priority, 'hang', a_case)
    for a_signal in signal.SIGINT, signal.SIGTERM:
        suite.test(f'SCHED_FIFO: {a_signal.name}', is_interrupted_in_real_time, a_signal)
    suite.test('SCHED_FIFO and pv-kernel', kernel_marks_need_turns)
suite.test('memory is limited', memory_is_limited)
suite.test('open files are limited', open_files_are_limited)
suite.done()
