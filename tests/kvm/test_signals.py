# SPDX-License-Identifier: MIT
"""SIGINT and SIGTERM at any moment: an orderly end, the partial result, nothing left."""

import contextlib
import os
import signal
import tempfile
import time

from kvmtest import (PCPU_LIST, GUEST, SHORT_RUN, SLOWNESS, Failure, Suite, finish, read_json, run,
                     start, test_guest, wait_until)

VCPUS = 4
MOMENTS = 24  # of the sweep over a whole run
LONG = ['--pcpus', PCPU_LIST, '--vcpus', VCPUS, '--duration', '60s', GUEST]
SHORT = ['--pcpus', PCPU_LIST, '--vcpus', VCPUS, *SHORT_RUN, GUEST]


class Interruptible:
    """A run with --json in a directory of its own, in which nothing else may be left."""

    def __init__(self, *arguments):
        self.directory = tempfile.TemporaryDirectory()
        self.json_path = os.path.join(self.directory.name, 'result.json')
        self.started_s = time.monotonic()
        self.process = start(['--json', self.json_path, *arguments])

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.kill()
            self.process.communicate()
        self.directory.cleanup()

    def nr_vcpu_threads(self):
        """Its threads but for the first, and for those that KVM adds."""
        if self.process.poll() is not None:
            raise Failure('it ended too early:\n' + self.end().describe())
        names = []
        for task in os.scandir(f'/proc/{self.process.pid}/task'):
            with contextlib.suppress(FileNotFoundError, ProcessLookupError):  # it has ended
                with open(os.path.join(task.path, 'comm'), encoding='ascii') as file:
                    names.append(file.read())
        return len([name for name in names if not name.startswith('kvm-')]) - 1

    def wait_until_all_run(self):
        wait_until(lambda: self.nr_vcpu_threads() == VCPUS, 'all vCPUs have threads')

    def wait_until_shooting(self):
        """A good second of CPU time is well beyond the guest's own start."""
        wait_until(lambda: self.cpu_ticks() > SLOWNESS * os.sysconf('SC_CLK_TCK'),
                   'the guest has run')

    def cpu_ticks(self):
        with open(f'/proc/{self.process.pid}/stat', encoding='ascii') as file:
            fields = file.read().rpartition(')')[2].split()
        return int(fields[11]) + int(fields[12])

    def send(self, number):
        self.process.send_signal(number)

    def end(self):
        result = finish(self.process, self.started_s)
        result.json = read_json(result, self.json_path)
        others = set(os.listdir(self.directory.name)) - {'result.json'}
        result.require(not others, f'left files behind: {others}')
        return result


def blocks(pid, number):
    """Whether the process has blocked this signal, to read it later."""
    try:
        with open(f'/proc/{pid}/status', encoding='ascii') as file:
            mask = next(line.split()[1] for line in file if line.startswith('SigBlk'))
    except FileNotFoundError:
        return False
    return bool(int(mask, 16) >> (number - 1) & 1)


def require_interrupted(result, number):
    """The partial result is printed and written, and marked so."""
    result.require_status(128 + number)
    result.require(result.stderr == '', 'something on stderr')
    result.require_stdout('^INTERRUPTED by .*: the figures are partial$')
    result.require(result.json is not None, 'no JSON was written')
    result.require(result.json['verdict'] == 'interrupted', 'the verdict is not interrupted')
    result.require(result.json['partial'] is True, 'the JSON is not marked partial')
    result.require(result.json['signal'] == number, 'the JSON names another signal')


def during_start_up(number):
    """As soon as the signal is caught, long before a guest runs."""
    with Interruptible(*LONG) as running:
        wait_until(lambda: blocks(running.process.pid, number), 'the signal is blocked')
        running.send(number)
        require_interrupted(running.end(), number)


def while_threads_start(number):
    with Interruptible(*LONG) as running:
        wait_until(lambda: running.nr_vcpu_threads() > 0, 'the first vCPU has a thread')
        running.send(number)
        require_interrupted(running.end(), number)


def mid_run(number):
    with Interruptible(*LONG) as running:
        running.wait_until_all_run()
        running.wait_until_shooting()
        running.send(number)
        result = running.end()
    require_interrupted(result, number)
    shot = sum(m['shootdowns'] for m in result.json['mechanisms'].values())
    result.require(shot > 0, 'the partial result has no shootdowns')


def again_and_again(number):
    """Impatience: the signal is sent until the process is gone."""
    with Interruptible(*LONG) as running:
        running.wait_until_all_run()
        while running.process.poll() is None:
            running.send(number)
            time.sleep(0.001)
        require_interrupted(running.end(), number)


def with_bad_guest(guest, case, number):
    """A guest that does nothing, or too much, does not delay the end."""
    with Interruptible('--pcpus', PCPU_LIST, '--vcpus', VCPUS, '--timeout', '60s',
                       test_guest(guest), '--', f'case={case}') as running:
        running.wait_until_all_run()
        running.send(number)
        require_interrupted(running.end(), number)


def at_any_moment(number):
    """A sweep over a short run, from exec to its end and beyond."""
    whole = run(*SHORT)
    whole.require_status(0)
    for moment in range(MOMENTS):
        with Interruptible(*SHORT) as running:
            # The moment itself is what varies here: there is nothing to wait for.
            time.sleep(whole.seconds * moment / (MOMENTS - 4))
            running.send(number)
            require_clean_end(running.end(), number)


def require_clean_end(result, number):
    """Too early to be caught, or caught, or too late to matter."""
    if result.status == -number:
        result.require(result.json is None and result.stdout == '', 'killed with a result')
    elif result.status == 0:
        result.require(result.json['verdict'] == 'pass', 'exit status 0 without a pass')
    else:
        require_interrupted(result, number)


suite = Suite()
for a_signal in (signal.SIGINT, signal.SIGTERM):
    name = a_signal.name
    suite.test(f'{name} during start-up', during_start_up, a_signal)
    suite.test(f'{name} while threads start', while_threads_start, a_signal)
    suite.test(f'{name} in the middle of a run', mid_run, a_signal)
    suite.test(f'{name} again and again', again_and_again, a_signal)
    suite.test(f'{name} with a guest that loops', with_bad_guest, 'hang', 'loop-in-ring3', a_signal)
    suite.test(f'{name} with a guest that halts', with_bad_guest, 'hang', 'halt-masked', a_signal)
    suite.test(f'{name} with a guest that floods', with_bad_guest, 'print', 'flood', a_signal)
    suite.test(f'{name} at any moment', at_any_moment, a_signal)
suite.done()
