# SPDX-License-Identifier: MIT
"""A guest that is out to hurt: the VMM keeps its memory, ends in time, and reports.

HOSTILE_SECONDS is how long the worst case goes on; continuous integration makes it a
minute, with AddressSanitizer.
"""

import os
import tempfile
import time

from kvmtest import PCPU_LIST, Suite, finish, read_json, run_json, start, test_guest

SECONDS = int(os.environ.get('HOSTILE_SECONDS', '10'))
SHORT_S = 2
GUEST_MIB = 16
VMM_MAX_MIB = 96    # guest memory included; a sanitizer's shadow is not
ASAN_MAX_MIB = 512
END_S = 20          # from the time-out to the end of the process, on a busy machine
SAMPLE_S = 0.05

HUNG = r'^FAIL: the guest did not end within \d+ ms \(--timeout\): vCPU 0 of VM 0 '
ANY_FAILURE = '^FAIL: '


def read_status(pid):
    """VmRSS in MiB, the number of threads, and of open files; None once it has ended."""
    try:
        with open(f'/proc/{pid}/status', encoding='ascii') as file:
            fields = dict(line.rstrip().split(':', 1) for line in file)
        return (int(fields['VmRSS'].split()[0]) // 1024, int(fields['Threads']),
                len(os.listdir(f'/proc/{pid}/fd')))
    except (FileNotFoundError, KeyError, ProcessLookupError):
        return None


def watch(process):
    """Samples of read_status() until the process ends."""
    samples = []
    while process.poll() is None:
        sample = read_status(process.pid)
        if sample:
            samples.append(sample)
        time.sleep(SAMPLE_S)
    return samples


def is_asan_build():
    with open(os.path.join(os.environ.get('MINIVMM_BUILD', 'build'), 'src/vmm/minivmm'),
              'rb') as file:
        return b'__asan_init' in file.read()


def run_hostile(case, seconds, *options):
    """Runs a case; its result, and what was seen of the process meanwhile."""
    with tempfile.TemporaryDirectory() as directory:
        path = os.path.join(directory, 'result.json')
        # Into a file: a pipe that nobody empties would stop the VMM.
        with open(os.path.join(directory, 'stdout'), 'w+b') as stdout:
            started_s = time.monotonic()
            process = start(['--pcpus', PCPU_LIST, '--vcpus', 8, '--mem', f'{GUEST_MIB}M',
                             '--timeout', f'{seconds}s', '--json', path, *options,
                             test_guest('hostile'), '--', f'case={case}'], stdout=stdout)
            samples = watch(process)
            result = finish(process, started_s)
            stdout.seek(0)
            result.stdout = stdout.read().decode('ascii')
        result.json = read_json(result, path)
        left = set(os.listdir(directory)) - {'result.json', 'stdout'}
        result.require(not left, f'left files behind: {left}')
    return result, samples


def require_bounded(result, samples):
    limit = ASAN_MAX_MIB if is_asan_build() else VMM_MAX_MIB
    rss, threads, files = (max(column) for column in zip(*samples))
    result.require(rss <= limit, f'{rss} MiB of memory, {limit} are the most allowed')
    result.require(threads <= 1 + 8 + 8, f'{threads} threads')
    result.require(files < 40, f'{files} open files')


def hostile_guest_is_survived(case, seconds, pattern, *options):
    result, samples = run_hostile(case, seconds, *options)
    result.require_status(1)
    result.require_stdout(pattern)
    result.require(result.stderr == '', 'something on stderr')
    result.require(result.json and result.json['verdict'] == 'fail', 'the JSON says otherwise')
    result.require(result.seconds < seconds + END_S, 'it did not end in time')
    require_bounded(result, samples)


def reset_vcpu_frees_its_pcpu():
    """After its INIT vCPU 1 is given no more turns, although vCPU 0 yields to it."""
    result = run_json('--pcpus', PCPU_LIST.split(',', maxsplit=1)[0], '--vcpus', 2, '--slice', '1ms',
                      test_guest('wake'), '--', 'case=init-running')
    result.require_status(0)
    attacker, victim = (vcpu['host'] for vcpu in result.json['vcpus'])
    result.require(attacker['yields'] >= 100, 'vCPU 0 did not yield')
    result.require(victim['slices'] < 20, f'vCPU 1 had {victim["slices"]} slices')


suite = Suite()
suite.test('a vCPU in reset frees its pCPU', reset_vcpu_frees_its_pcpu)
for a_case in ('scribble', 'exits', 'interrupts', 'move-steal-page', 'reset-others'):
    suite.test(a_case, hostile_guest_is_survived, a_case, SHORT_S, HUNG)
suite.test('scribble, while shootdowns are counted', hostile_guest_is_survived, 'scribble',
           SHORT_S, HUNG, '--count', 1000000000000)
suite.test('restart-others', hostile_guest_is_survived, 'restart-others', SHORT_S, ANY_FAILURE)
suite.test('destroy-page-tables', hostile_guest_is_survived, 'destroy-page-tables', SHORT_S,
           ANY_FAILURE)
suite.test(f'everything, for {SECONDS} s', hostile_guest_is_survived, 'everything', SECONDS, HUNG)
suite.done()
