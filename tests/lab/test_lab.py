# SPDX-License-Identifier: MIT
"""`minivmm lab` as its user meets it: streams, files, signals, and machines that die."""

import contextlib
import fcntl
import json
import os
import pty
import re
import select
import shutil
import signal
import struct
import sys
import tempfile
import termios

import kvmtest
from kvmtest import BUILD, GUEST, MINIVMM, Failure, Suite, finish, run, start, wait_until

HANG_S = 250  # a boot takes 5 s on an idle machine
KERNEL = os.path.join(BUILD, 'nested-kernel/complete')
SHORT = ['--count', 5]


def skip_if_something_is_missing():
    missing = [package for path, package in ((shutil.which('qemu-system-x86_64'), 'qemu-system-x86'),
                                             (shutil.which('busybox'), 'busybox-static'))
               if not path]
    reason = 'please install ' + ' '.join(missing) if missing else None
    if not reason and not os.path.exists(KERNEL):
        reason = 'no kernel for emulated machines: ./dev setup fetches one'
    if reason:
        print(f'1..0 # SKIP {reason}', flush=True)
        print(f'SKIPPED, nothing was tested: {reason}', file=sys.stderr)
        sys.exit(0)


def lab(*arguments, **options):
    return run('lab', *arguments, timeout_s=HANG_S, **options)


def emulators_of(directory):
    """The emulators that have this directory's name in their environment."""
    found = []
    for pid in filter(str.isdigit, os.listdir('/proc')):
        try:
            with open(f'/proc/{pid}/environ', 'rb') as file:
                environment = file.read()
            with open(f'/proc/{pid}/comm', encoding='ascii') as file:
                if directory.encode() in environment and file.read().startswith('qemu'):
                    found.append(int(pid))
        except OSError:
            pass
    return found


# ---- as if it ran here -----------------------------------------------------------------------

def runs_the_guest():
    """The table and the JSON say where it ran, and the files come out."""
    with tempfile.TemporaryDirectory() as directory:
        json_path, trace_path = (os.path.join(directory, name) for name in ('r.json', 't.json'))
        result = lab('--paging', 'shadow', '--', GUEST, '--json', json_path,
                     f'--trace={trace_path}', *SHORT)
        result.require_status(0)
        result.require(result.stderr == '', 'something on stderr')
        result.require_stdout(r'^emulated by QEMU \d\S* \(TCG\), shadow page tables: times are')
        result.require_stdout('^PASS: ')
        data = kvmtest.read_json(result, json_path)
        result.require(data['host']['emulator'].startswith('QEMU '), 'no emulator in the JSON')
        result.require(data['host']['kvm']['paging'] == 'shadow page tables', 'another paging')
        with open(trace_path, encoding='utf-8') as file:
            json.load(file)
        result.require(set(os.listdir(directory)) == {'r.json', 't.json'}, 'left files behind')


def streams_are_apart():
    text = 'some text\n' * 20000
    with tempfile.TemporaryFile('w+') as file:
        file.write(text)
        file.seek(0)
        result = lab('--exec', '--', 'sh', '-c', 'cat; echo to stderr >&2; exit 7', stdin=file)
    result.require_status(7)
    result.require(result.stdout == text, 'stdin did not come out of stdout')
    result.require(result.stderr == 'to stderr\n', 'stderr is another')


def sweep_comes_out():
    with tempfile.TemporaryDirectory() as directory:
        result = lab('--', 'sweep', GUEST, '--repeats', 1, '--vcpus-per-pcpu', 1, *SHORT,
                     '--out', 'results', '--quiet', cwd=directory)
        result.require_status(0)
        names = os.listdir(os.path.join(directory, 'results'))
        result.require('results.csv' in names, f'only {names} came out')


def sweep_in_machines():
    """Two machines at a time; when it was killed, nothing is left running, and it can be resumed."""
    with tempfile.TemporaryDirectory() as directory:
        command = ['sweep', '--lab', '--memory 512M', '--jobs', 2, '--repeats', 3, '--seed', 7,
                   '--vcpus-per-pcpu', 1, *SHORT, '--out', 'results', GUEST]
        runs = os.path.join(directory, 'results/runs')
        process = start(command, cwd=directory, env={**os.environ, 'LAB_MARK': directory})
        wait_until(lambda: len(emulators_of(directory)) == 2, 'two emulators run')
        wait_until(lambda: any(name.startswith('block') for name in os.listdir(runs)), 'a result')
        process.kill()
        process.communicate()
        wait_until(lambda: not emulators_of(directory), 'the emulators have gone', HANG_S)
        result = run(*command, '--resume', cwd=directory, timeout_s=HANG_S)
        result.require_status(0)
        result.require_stdout(r'^3 of 3 runs, 3 of them valid')
        result.require(sorted(os.listdir(runs)) ==
                       [f'block-0000-cell-0000-repeat-00{n}.json' for n in range(3)],
                       'not the runs that were planned')
        with open(os.path.join(directory, 'results/results.json'), encoding='utf-8') as file:
            results = json.load(file)
        result.require('--lab=--memory 512M' in results['arguments'], 'the lab is not recorded')
        result.require(results['hosts'][0]['emulator'].startswith('QEMU'), 'not run in a machine')


def a_machine_of_a_sweep_dies():
    with tempfile.TemporaryDirectory() as directory:
        result = run('sweep', '--lab', '--timeout 1s', '--repeats', 1, '--out', 'results', GUEST,
                     cwd=directory, timeout_s=HANG_S)
        result.require_status(3)
        result.require_one_error('the emulated machine still ran when')
        result.require(os.listdir(os.path.join(directory, 'results/runs')) == [], 'left files')


def keeps():
    """What an emulator was started with, and all that the kernel said."""
    with tempfile.TemporaryDirectory() as directory:
        result = lab('--keep', 'kept', '--exec', '--', 'true', cwd=directory)
        result.require_status(0)
        kept = os.path.join(directory, 'kept')
        result.require(sorted(os.listdir(kept)) == ['command', 'console', 'initramfs'],
                       f'it kept {os.listdir(kept)}')
        for name, words in (('command', r"qemu-system-x86_64 .* -append 'console=ttyS0 "),
                            ('console', r'Linux version \d')):
            with open(os.path.join(kept, name), encoding='utf-8', errors='replace') as file:
                result.require(re.search(words, file.read()), f'no {words} in {name}')


def found_by_its_name():
    """As an installed one is started."""
    path = os.path.dirname(MINIVMM) + ':' + os.environ['PATH']
    result = run('lab', '--', '--version', command=['minivmm'], env={**os.environ, 'PATH': path},
                 timeout_s=HANG_S)
    result.require_status(0)
    result.require_stdout('^minivmm ')


def is_interrupted():
    """The signal reaches the command inside, which ends by itself; what it wrote comes out."""
    script = 'trap "echo caught; exit 5" INT; echo ready; while :; do sleep 0.1; done'
    process = start(['lab', '--exec', '--', 'sh', '-c', script])
    first = process.stdout.readline()
    process.send_signal(signal.SIGINT)
    result = finish(process, timeout_s=HANG_S)
    result.require(first == b'ready\n', f'the first line is {first}')
    result.require_status(5)
    result.require(result.stdout == 'caught\n', 'the signal did not arrive')


class Terminal:
    """A terminal of 33 lines of 77, and who types in it. What it shows is read up to some words."""

    def __init__(self):
        self.master, self.slave = pty.openpty()
        fcntl.ioctl(self.slave, termios.TIOCSWINSZ, struct.pack('4H', 33, 77, 0, 0))
        self.shown = b''

    def attributes(self):
        return termios.tcgetattr(self.slave)

    def type(self, keys):
        os.write(self.master, keys)

    def wait_for(self, words, timeout_s=HANG_S):
        """Words that what was typed does not have in it, since a terminal echoes that."""
        while words not in self.shown:
            if not select.select([self.master], [], [], timeout_s)[0]:
                raise Failure(f'{words} did not appear in {timeout_s} s: {self.shown}')
            self.shown += os.read(self.master, 4096)
        self.shown = self.shown.partition(words)[2]

    def type_until(self, keys, words):
        """Behind a Ctrl-C: Linux empties both queues of a terminal when it has sent the signal, so
        that a prompt that was quick, or keys that were, are lost (drivers/tty/n_tty.c, isig())."""
        for _ in range(HANG_S // 5):
            self.type(keys)
            with contextlib.suppress(Failure):
                return self.wait_for(words, timeout_s=5)
        raise Failure(f'{words} did not appear: {self.shown}')

    def close(self):
        os.close(self.slave)
        os.close(self.master)


def has_a_shell():
    """In this terminal, whose size it has and whose Ctrl-C it gets, and which is as it was then."""
    terminal = Terminal()
    before = terminal.attributes()
    process = start(['lab', '--shell'], stdin=terminal.slave, stdout=terminal.slave,
                    stderr=terminal.slave, env={**os.environ, 'PS1': 'prompt> '})
    terminal.wait_for(b'prompt> ')
    # It is tail that prints, so it is there, and no shell has its hands on signals any more.
    terminal.type(b"echo star''ted >/tmp/text; tail -f /tmp/text\r")
    terminal.wait_for(b'started')
    terminal.type(b'\x03')
    terminal.wait_for(b'^C')
    terminal.type_until(b"echo al''ive\r", b'alive')
    terminal.type(b'stty size; exit $((3 + 4))\r')
    terminal.wait_for(b'33 77')
    result = finish(process, timeout_s=HANG_S)
    after = terminal.attributes()
    terminal.close()
    result.require_status(7)
    result.require(before == after, 'the terminal is not as it was')


# ---- what goes wrong ---------------------------------------------------------------------------

def dies(script, pattern):
    """The machine ends, and one line names how; the older result stays."""
    result = lab('--exec', '--', 'sh', '-c', script)
    result.require_status(3)
    lines = result.stderr.splitlines()
    result.require(lines and re.search(pattern, lines[0]), f'the first line lacks /{pattern}/')
    result.require('RIP=' in result.stderr, 'no registers')


def is_killed():
    """After kill -9 there is no process, and no file."""
    with tempfile.TemporaryDirectory() as directory:
        process = start(['lab', '--exec', '--', 'sleep', '1000'], cwd=directory,
                        env={**os.environ, 'LAB_MARK': directory})
        wait_until(lambda: emulators_of(directory), 'the emulator runs')
        process.kill()
        process.wait()
        wait_until(lambda: not emulators_of(directory), 'the emulator has gone')
        if os.listdir(directory):
            raise Failure('left files behind')
        process.communicate()


def refuses(arguments, status, pattern, **options):
    result = lab(*arguments, **options)
    result.require_status(status)
    result.require_one_error(pattern)


def without_qemu():
    """A directory of that name is no program."""
    with tempfile.TemporaryDirectory() as directory:
        os.mkdir(os.path.join(directory, 'qemu-system-x86_64'))
        refuses(['--', GUEST], 3, "no qemu-system-x86_64: install Debian's package qemu-system-x86",
                env={**os.environ, 'PATH': directory})


def times_out():
    result = lab('--timeout', '20s', '--exec', '--', 'sleep', '1000')
    result.require_status(3)
    result.require(result.stderr.startswith('minivmm: lab: the emulated machine still ran when'),
                   'the first line is another')


skip_if_something_is_missing()
suite = Suite(needs_kvm=False)
suite.test('runs the guest', runs_the_guest)
suite.test('streams are apart', streams_are_apart)
suite.test('the results of a sweep come out', sweep_comes_out)
suite.test('found by its name', found_by_its_name)
suite.test('--keep', keeps)
suite.test('a sweep in machines', sweep_in_machines)
suite.test('a sweep whose machine dies', a_machine_of_a_sweep_dies)
suite.test('SIGINT', is_interrupted)
suite.test('a shell', has_a_shell)
suite.test('a machine that turns itself off', dies, 'poweroff -f', 'turned itself off before')
suite.test('a machine that panics', dies, 'echo c >/proc/sysrq-trigger', 'panicked before')
suite.test('killed', is_killed)
suite.test('--timeout', times_out)
suite.test('no QEMU', without_qemu)
for words, status, pattern in (
        (['--machine', 'mips', 'x'], 2, "--machine 'mips' is no machine: give svm or vmx"),
        (['--pcpus', 33, 'x'], 2, "--pcpus '33' is out of range"),
        (['--memory', '1M', 'x'], 2, "--memory '1M' is too little"),
        (['--memory', '900000G', GUEST], 3, 'needs 900000G of memory'),
        (['--kernel', '/nowhere', GUEST], 2, "--kernel '/nowhere' is no file"),
        (['--modules', '/proc/self', GUEST], 3, 'no kvm-amd.ko in'),
        (['--', GUEST, '--bogus'], 2, "unknown option '--bogus'"),
        (['--', GUEST, '--json', '/nowhere/r.json'], 2, '/nowhere/r.json'),
        ([], 2, 'what shall run in the machine')):
    suite.test('refused: lab ' + ' '.join(map(str, words[:2])), refuses, words, status, pattern)
suite.done()
