# SPDX-License-Identifier: MIT
"""What the tests of the real minivmm share: TAP, running it, and what it must report.

A test is a function; suite.test(name, function, ...) calls it and prints one TAP line.
It fails by raising Failure, or anything else, and then what was run and what came of it
is printed. Synchronisation waits for conditions, with time-outs that only a hang reaches.
"""

import fcntl
import json
import os
import re
import shlex
import signal
import subprocess
import sys
import tempfile
import time
import traceback

import in_lab
import json_schema
import listing

KVM_GET_API_VERSION = 0xAE00
KVM_API_VERSION = 12

BUILD = os.environ.get('MINIVMM_BUILD', os.path.join(os.getcwd(), 'build'))
SOURCE = os.environ.get('MINIVMM_SOURCE', os.getcwd())
MINIVMM = os.path.join(BUILD, 'src/vmm/minivmm')
GUEST = os.path.join(BUILD, 'src/guest-kernel/guest.elf')

# The host CPUs that serve as pCPUs: two, so that a ratio means the same everywhere.
PCPUS = sorted(os.sched_getaffinity(0))[:2]
PCPU_LIST = ','.join(map(str, PCPUS))

# By so much this machine may be slower than the slowest with KVM.
SLOWNESS = in_lab.SLOWNESS

# Nothing here takes as long; a command that does hangs.
HANG_S = 60 * SLOWNESS

# A short run that passes on any machine. One of a few ms would be inconclusive wherever
# something else has the CPUs meanwhile: in all its time a mechanism can miss its turn.
SHORT_RUN = ['--count', 20]


# kvm_amd has reset a vCPU by the time that it tells of a triple fault.
TRIPLE_FAULT = (r'^FAIL: vCPU \d+ of VM 0: triple fault \(this KVM resets the vCPU, and does not tell '
                r'where it was\)$' if os.path.exists('/sys/module/kvm_amd') else
                r'^FAIL: vCPU \d+ of VM 0 at rip 0x10[0-9a-f]{4}: triple fault$')


def test_guest(name):
    """The path of a guest from tests/guests, or of the bundled one as tests have it."""
    folder = 'src/guest-kernel' if name.startswith('guest_') else 'tests/guests'
    return os.path.join(BUILD, folder, name + '.elf')


class Failure(Exception):
    """A test has failed; the text says why."""


class Run:
    """A command that has ended."""

    def __init__(self, command, status, stdout, stderr, seconds):
        self.command = command
        self.status = status
        self.stdout = stdout
        self.stderr = stderr
        self.seconds = seconds
        self.json = None

    def describe(self):
        return '\n'.join([
            'command: ' + shlex.join(self.command),
            f'exit status: {self.status} after {self.seconds:.2f} s',
            'stdout: ' + _shorten(self.stdout),
            'stderr: ' + _shorten(self.stderr),
        ])

    def require(self, condition, why):
        if not condition:
            raise Failure(f'{why}\n{self.describe()}')

    def require_status(self, *statuses):
        wanted = ' or '.join(map(str, statuses))
        self.require(self.status in statuses, f'exit status {self.status} instead of {wanted}')

    def require_stdout(self, pattern):
        self.require(re.search(pattern, self.stdout, re.M), f'stdout lacks /{pattern}/')

    def require_one_error(self, pattern):
        """One line on stderr that matches."""
        lines = self.stderr.splitlines()
        self.require(len(lines) == 1, f'{len(lines)} lines on stderr instead of one')
        self.require(lines[0].startswith('minivmm: '), 'stderr does not say who speaks')
        self.require(re.search(pattern, lines[0]), f'stderr lacks /{pattern}/')


def _shorten(text, limit=6000):
    if len(text) > limit:
        text = text[:limit // 2] + '\n[...]\n' + text[-limit // 2:]
    return text if text.count('\n') < 2 and not text.endswith('\n') else '\n' + text


def _text(data):
    return data.decode('utf-8', 'replace')


def start(arguments, command=(MINIVMM,), **options):
    """Starts minivmm, or another command, with these arguments."""
    settings = {
        'stdin': subprocess.DEVNULL,
        'stdout': subprocess.PIPE,
        'stderr': subprocess.PIPE,
        'start_new_session': True,
    }
    settings.update(options)
    return subprocess.Popen([str(word) for word in (*command, *arguments)], **settings)


def finish(process, started_s=None, timeout_s=HANG_S):
    """Waits for a command's end; kills its whole process group if it hangs."""
    started_s = time.monotonic() if started_s is None else started_s
    hung = False
    try:
        stdout, stderr = process.communicate(timeout=timeout_s)
    except subprocess.TimeoutExpired:
        hung = True
        os.killpg(process.pid, signal.SIGKILL)
        stdout, stderr = process.communicate()
    run = Run(process.args, process.returncode, _text(stdout or b''), _text(stderr or b''),
              time.monotonic() - started_s)
    run.require(not hung, f'still running after {timeout_s} s')
    run.require(not _group_exists(process.pid), 'left a process behind')
    return run


def _group_exists(group):
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True


def run(*arguments, timeout_s=HANG_S, **options):
    """Runs minivmm, or another command, with these arguments to its end."""
    started_s = time.monotonic()
    return finish(start(arguments, **options), started_s, timeout_s)


def run_json(*arguments, **options):
    """Likewise with --json; result.json is what it wrote, or None if there is no file."""
    with tempfile.TemporaryDirectory() as directory:
        path = os.path.join(directory, 'result.json')
        result = run('--json', path, *arguments, **options)
        result.json = read_json(result, path)
        others = set(os.listdir(directory)) - {'result.json'}
        result.require(not others, f'left files behind: {others}')
    return result


def read_json(result, path):
    """The JSON in that file, which has to obey the schema; None if there is no file."""
    if not os.path.exists(path):
        return None
    with open(path, encoding='utf-8') as file:
        text = file.read()
    try:
        data = json.loads(text)
    except ValueError as error:
        raise Failure(f'not valid JSON: {error}\n{text[:2000]}\n{result.describe()}') from error
    with open(os.path.join(SOURCE, 'docs/run.schema.json'), encoding='utf-8') as file:
        found = json_schema.problems(data, json.load(file))
    result.require(not found, 'the JSON is not as documented: ' + '; '.join(found[:5]))
    return data


def wait_until(condition, what, timeout_s=HANG_S):
    """Waits for a condition that others bring about."""
    end_s = time.monotonic() + timeout_s
    while not condition():
        if time.monotonic() > end_s:
            raise Failure(f'waited {timeout_s} s in vain until {what}')
        time.sleep(0.001)


def catalog(heading):
    """The names below a heading of --list that begins with this word."""
    listed = run('--list')
    listed.require_status(0)
    names = listing.names_below(listed.stdout, heading)
    listed.require(names, f'--list names no {heading}')
    return names


# ---- what a result must be like ------------------------------------------------------

def require_sound(result, mechanisms):
    """A run that passed, and whose figures agree with each other."""
    result.require_status(0)
    result.require(result.stderr == '', 'something on stderr')
    data = result.json
    result.require(data is not None, 'no JSON was written')
    result.require(data['verdict'] == 'pass', 'the verdict is ' + data['verdict'])
    result.require(list(data['mechanisms']) == mechanisms, 'other mechanisms than asked for')
    for name in mechanisms:
        _require_sound_mechanism(result, name)


def _require_sound_mechanism(result, name):
    m = result.json['mechanisms'][name]

    def require(condition, why):
        result.require(condition, f'{name}: {why}')

    require(m['shootdowns'] > 0, 'no shootdown was completed')
    require(m['oracle_reads'] > 0, 'the oracle saw nothing')
    require(m['stale_reads'] == 0, f'{m["stale_reads"]} stale reads')
    require(m['targets_preempted'] <= m['targets'], 'more targets preempted than there were')
    require(m['throughput_per_s'] > 0, 'no throughput')
    for key in ('latency_ns', 'latency_net_ns', 'pte_write_ns', 'local_flush_ns'):
        h = m[key]
        require(h['samples'] == sum(count for _, count in h['histogram']), f'{key}: samples')
        ladder = [h[step] for step in ('min', 'p50', 'p90', 'p99', 'p999', 'max')]
        require(ladder == sorted(ladder), f'{key}: quantiles out of order: {ladder}')
    require(m['latency_ns']['samples'] == m['shootdowns'], 'a latency for each shootdown')
    for counter in ('ops', 'shootdowns', 'targets', 'ipis_sent', 'flushes_deferred', 'oracle_reads'):
        total = sum(vcpu['guest'][name][counter] for vcpu in result.json['vcpus'])
        require(total == m[counter], f'{counter}: the vCPUs add up to {total}')


# ---- TAP ---------------------------------------------------------------------------------

class Suite:
    """One test file: prints a TAP line for each test, and the plan at the end.

    Where there is no KVM the whole file runs in an emulated machine, or, if it needs more of
    this machine than can be taken into that one, each minivmm that it runs: one_lab=False.
    """

    def __init__(self, needs_kvm=True, one_lab=True):
        self.ran = 0
        self.failed = 0
        if needs_kvm:
            self._skip_without_kvm(one_lab)

    def _skip_without_kvm(self, one_lab):
        reason = kvm_problem()
        if reason and not in_lab.INSIDE:
            missing = in_lab.problem(BUILD)
            if not missing and not one_lab:
                return
            if not missing:
                in_lab.replace_process(BUILD, SOURCE)
            reason = f'{reason}, and for an emulated machine: {missing}'
        if reason:
            print(f'1..0 # SKIP {reason}', flush=True)
            print(f'SKIPPED, nothing was tested: {reason}', file=sys.stderr)
            sys.exit(0)

    def test(self, name, function, *arguments):
        self.ran += 1
        reason = in_lab.reason_not_inside(name)
        if reason:
            print(f'ok {self.ran} - {name} # SKIP {reason}', flush=True)
            return
        started_s = time.monotonic()
        try:
            function(*arguments)
            verdict, details = 'ok', ''
        except Failure as failure:
            verdict, details = 'not ok', str(failure)
        except Exception:
            verdict, details = 'not ok', traceback.format_exc()
        self.failed += verdict != 'ok'
        seconds = time.monotonic() - started_s
        print(f'{verdict} {self.ran} - {name} ({seconds:.1f} s)', flush=True)
        if details:  # of TAP's own diagnostics meson test --print-errorlogs shows none
            print(f'{name}: {details}', file=sys.stderr, flush=True)

    def done(self):
        print(f'1..{self.ran}', flush=True)
        sys.exit(1 if self.failed else 0)


def kvm_problem():
    """Why /dev/kvm cannot be used, or None."""
    try:
        fd = os.open('/dev/kvm', os.O_RDWR | os.O_CLOEXEC)
    except OSError as error:
        return f'/dev/kvm cannot be used: {error.strerror}'
    try:
        version = fcntl.ioctl(fd, KVM_GET_API_VERSION)
    except OSError as error:
        return f'/dev/kvm is no KVM: {error.strerror}'
    finally:
        os.close(fd)
    return None if version == KVM_API_VERSION else f'/dev/kvm speaks version {version}'
