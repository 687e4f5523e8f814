# SPDX-License-Identifier: MIT
"""Mutation: breaks the protocol, the scheduler and the loader, one place at a time.

Each mutant is compiled with the unit tests that matter and has to make one of them
fail. Those that survive are printed; docs/coverage.md says which may, and why.
"""

import argparse
import concurrent.futures
import glob
import math
import os
import random
import re
import resource
import select
import shutil
import signal
import subprocess
import sys
import time

TOP = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
WORK = os.path.join(TOP, 'build-mutants')
FLAGS = ['-std=gnu11', '-O1', '-D_GNU_SOURCE', '-fsanitize=address,undefined',
         '-fno-sanitize-recover=all', '-Werror=return-type', '-Iinclude', '-Itests/unit/instead', '-Isrc',
         '-Itests/unit']
# Of these, calls can be made to fail.
LIBC_FAILURES = ['tests/unit/libc_failures.c']
WRAPPED = ['-Wl,--wrap=' + call
           for call in ('calloc', 'fsync', 'linkat', 'malloc', 'pthread_mutex_unlock', 'read',
                        'realloc', 'renameat', 'sched_getscheduler', 'sched_yield')]
# steal.c names functions of vcpu.c, which need KVM and are not called here.
LIBRARIES = ['-fsanitize=address,undefined', *WRAPPED, '-Wl,--unresolved-symbols=ignore-all', '-lcheck_pic', '-lsubunit', '-lelf', '-lrt', '-lm', '-pthread']

# A mutant hangs, and is dead, if a test takes so many times as long as the longest takes
# without it, and so many seconds; of CPU time fewer seconds will do, since a busy machine
# adds little to them. Or if all its threads sleep, and have done nothing for a while.
PATIENCE, PATIENCE_S, CPU_PATIENCE_S, ASLEEP_S = 10, 20, 5, 3

PCPU_SUITES = ['pcpu', 'pcpu_slices', 'pcpu_replay']
PCPU_SOURCES = ['tests/unit/pcpu_stage.c', 'src/vcpu/base/clock.c', 'src/vcpu/sched/pcpu.c', 'src/vcpu/sched/dispatch.c',
                'src/vcpu/sched/replay.c', 'src/vcpu/sched/schedule_log.c', 'src/vcpu/sched/sched_policy.c', 'src/vcpu/sched/host_policy.c', 'src/vcpu/base/cpu_mask.c', 'src/vcpu/base/error.c']
STEAL_SOURCES = ['src/vcpu/protocol/steal_msr.c', 'src/vcpu/cpu/call.c', 'src/vcpu/base/kvm_ioctl.c', 'src/vcpu/base/error.c']
ELF_SOURCES = ['src/vmm/guest/elf_image.c', 'src/vmm/guest/elf_notes.c', 'src/vmm/guest/elf_file.c', 'src/vcpu/base/error.c']

# What is broken: (group, the suites that have to notice, the sources they need).
TARGETS = {
    'include/minivmm/pv_flush.h': ('protocol', ['pv_flush', 'steal'], ['src/vcpu/protocol/steal.c', 'src/vcpu/protocol/fault.c', *STEAL_SOURCES]),
    'src/vcpu/protocol/steal.c': ('protocol', ['steal'], ['src/vcpu/protocol/fault.c', *STEAL_SOURCES]),
    'src/vcpu/sched/sched_policy.c': ('scheduler', ['sched_policy'], []),
    'src/vcpu/sched/pcpu.c': ('scheduler', PCPU_SUITES, PCPU_SOURCES),
    'src/vcpu/sched/dispatch.c': ('scheduler', PCPU_SUITES, PCPU_SOURCES),
    'src/vcpu/sched/replay.c': ('scheduler', ['replay', *PCPU_SUITES], PCPU_SOURCES),
    'src/vcpu/sched/schedule_log.c': ('scheduler', ['replay', 'pcpu_replay'], PCPU_SOURCES),
    'src/vmm/guest/elf_image.c': ('loader', ['elf'], ELF_SOURCES),
    'src/vmm/guest/elf_notes.c': ('loader', ['elf'], ELF_SOURCES),
    'src/vmm/guest/elf_file.c': ('loader', ['elf'], ELF_SOURCES),
}

RUNNING = set()  # the sessions of mutants under test

SWAPS = [('==', '!='), ('!=', '=='), ('<=', '<'), ('>=', '>'), ('&&', '||'), ('||', '&&'),
         ('++', '--'), ('--', '++'), ('+=', '-='), ('-=', '+='), ('|=', '&='), ('&=', '|='),
         ('^=', '|='), (' < ', ' <= '), (' > ', ' >= '), (' + ', ' - '), (' - ', ' + '),
         (' * ', ' + '), (' / ', ' * '), (' % ', ' / '), (' & ', ' | '), (' | ', ' & '),
         (' ^ ', ' | '), (' << ', ' >> '), (' >> ', ' << '),
         ('true', 'false'), ('false', 'true')]


class Mutant:
    """Other text in place of the lines from `first` to `last`, counted from 0."""

    def __init__(self, path, first, last, old, new):
        self.path, self.first, self.last, self.old, self.new = path, first, last, old, new

    def describe(self):
        new = self.new.strip()
        return f'{self.path}:{self.first + 1}: {self.old.strip()}  ->  ' \
            f'{"(removed)" if new == ";" else new}'


# ---- finding places ----------------------------------------------------------------------

# Tracing, which changes nothing else, and the steps of the model in tests/model.
NOT_MUTATED = ('trace(', 'PV_STEP(', '__atomic_thread_fence(')


def is_code(line):
    text = line.strip()
    return bool(text) and not text.startswith(
        ('/*', '*', '//', '#', 'X(', '_Static_assert', *NOT_MUTATED))


def outside_strings(line, position):
    return line[:position].count('"') % 2 == 0


def swaps_in(line):
    for old, new in SWAPS:
        start = line.find(old)
        while start >= 0:
            if outside_strings(line, start):
                yield line[:start] + new + line[start + len(old):]
            start = line.find(old, start + len(old))


def negations_in(line):
    for match in re.finditer(r'!(?!=)', line):
        if outside_strings(line, match.start()):
            yield line[:match.start()] + line[match.end():]


def constants_in(line):
    for match in re.finditer(r'(?<![\w.])(0x[0-9a-f]+|\d+)(?=u?l*(?![\w.]))', line):
        if outside_strings(line, match.start()):
            yield line[:match.start()] + str(int(match[1], 0) + 1) + line[match.end():]


def is_statement(text):
    """A whole statement that declares nothing."""
    return bool(re.fullmatch(r'(\*?\w[\w.>\-\[\]+]*\s*([-+|&^*]?=[^=].*|\+\+|--|\(.*\))'
                             r'|(return|continue|break).*);', text))


def statement_at(lines, first):
    """The last line of the statement that begins in this line, or None."""
    text = ''
    for last in range(first, min(first + 12, len(lines))):
        text += without_comment(lines[last])[0].strip() + ' '
        if text.count('(') == text.count(')') and text.count('{') == text.count('}'):
            return last if is_statement(text.strip()) else None
    return None


def without_comment(line):
    return re.match(r'(.*?)(\s*/\*.*\*/\s*)?$', line.rstrip('\n')).groups(default='')


def mutants_of_line(path, lines, number):
    code, comment = without_comment(lines[number])
    for new in [*swaps_in(code), *negations_in(code), *constants_in(code)]:
        yield Mutant(path, number, number, code, new + comment)
    last = statement_at(lines, number)
    if last is not None:
        old = ' '.join(line.strip() for line in lines[number:last + 1])
        yield Mutant(path, number, last, old, ';')


def mutants_of(path):
    lines = read(path).splitlines()
    in_comment = False
    for number, line in enumerate(lines):
        starts_comment = '/*' in line and '*/' not in line
        if not in_comment and not starts_comment and is_code(line):
            yield from mutants_of_line(path, lines, number)
        in_comment = (in_comment or starts_comment) and '*/' not in line


# ---- building and judging ----------------------------------------------------------------

def read(path):
    with open(os.path.join(TOP, path), encoding='utf-8') as file:
        return file.read()


def compile_source(folder, source):
    return subprocess.run(['gcc', *FLAGS, '-c', source, '-o', object_of(source)], cwd=folder,
                          capture_output=True, check=False).returncode == 0


def sources_of(path):
    """The tests of a target, and what they need; without main.c, which is not the same for all."""
    _, suites, others = TARGETS[path]
    own = [path] if path.endswith('.c') and path not in others else []
    return [f'tests/unit/test_{suite}.c' for suite in suites] + LIBC_FAILURES + others + own


def prepare(paths, jobs):
    """A tree with the objects of everything, which the benches start from."""
    folder = os.path.join(WORK, 'unbroken')
    shutil.rmtree(WORK, ignore_errors=True)
    for part in ('include', 'src', 'tests/unit'):
        shutil.copytree(os.path.join(TOP, part), os.path.join(folder, part))
    sources = sorted({source for path in paths for source in sources_of(path)})
    with concurrent.futures.ThreadPoolExecutor(jobs) as pool:
        for source, compiled in zip(sources, pool.map(lambda s: compile_source(folder, s), sources)):
            if not compiled:
                sys.exit(f'{source} does not compile')


class Bench:
    """The tests of one target in a directory, all compiled but for what a mutant changes."""

    def __init__(self, path, number):
        self.path = path
        self.folder = os.path.join(WORK, str(number))
        self.sources = ['tests/unit/main.c', *sources_of(path)]
        self.affected = [path] if path.endswith('.c') else \
            [source for source in sources_of(path) if source not in LIBC_FAILURES]
        shutil.rmtree(self.folder, ignore_errors=True)
        shutil.copytree(os.path.join(WORK, 'unbroken'), self.folder)
        self.choose_suites(TARGETS[path][1])
        if not compile_source(self.folder, 'tests/unit/main.c'):
            sys.exit('tests/unit/main.c does not compile')
        self.patience_s, self.cpu_s, self.longest_s = 100, 100, 0
        if self.tests_pass() is not True:
            sys.exit(f'the tests of {path} fail without a mutant')
        self.patience_s = max(PATIENCE_S, PATIENCE * self.longest_s)
        self.cpu_s = int(max(CPU_PATIENCE_S, PATIENCE * self.longest_s))

    def choose_suites(self, suites):
        """The unit tests' main() shall know these suites only."""
        rows = ' '.join(f'X({suite})' for suite in suites)
        self.write('tests/unit/unit.h', re.sub(r'#define UNIT_SUITES\(X\)\s*\\\n(?:.*\\\n)*.*\n',
                                               f'#define UNIT_SUITES(X) {rows}\n',
                                               read('tests/unit/unit.h')))

    def write(self, path, text):
        with open(os.path.join(self.folder, path), 'w', encoding='utf-8') as file:
            file.write(text)

    def link(self):
        return subprocess.run(['gcc', *map(object_of, self.sources), '-o', 'tests.bin', *LIBRARIES],
                              cwd=self.folder, capture_output=True, check=False).returncode == 0

    def tests_pass(self):
        """True, False, or None if it cannot be built."""
        if not all(compile_source(self.folder, source) for source in self.affected) or not self.link():
            return None
        process = subprocess.Popen(['./tests.bin'], cwd=self.folder, stdout=subprocess.PIPE,
                                   stderr=subprocess.DEVNULL, start_new_session=True,
                                   preexec_fn=self.limit_cpu_time,
                                   env={**os.environ, 'MINIVMM_SOURCE': TOP,
                                        'CK_LOG_FILE_NAME': '-'})
        RUNNING.add(process.pid)
        try:
            return self.watch(process) and process.wait() == 0
        finally:
            kill_session(process.pid)
            RUNNING.discard(process.pid)
            process.stdout.close()
            process.wait()

    def limit_cpu_time(self):
        """Of each test, since each is a process of its own."""
        resource.setrlimit(resource.RLIMIT_CPU, (self.cpu_s, self.cpu_s))

    def watch(self, process):
        """Follows check's log up to its end or the first failure; False if it fails or hangs."""
        while True:
            start = time.monotonic()
            if not self.says_something(process):
                return False
            self.longest_s = max(self.longest_s, time.monotonic() - start)
            lines = os.read(process.stdout.fileno(), 1 << 16)
            if not lines or re.search(rb':[FE]:', lines):
                return not lines

    def says_something(self, process):
        """False if the tests hang instead."""
        asleep_s = 0
        before = None
        for _ in range(math.ceil(self.patience_s)):
            if select.select([process.stdout], [], [], 1)[0]:
                return True
            now = activity(process.pid)
            asleep_s = asleep_s + 1 if now and now == before else 0
            if asleep_s >= ASLEEP_S:
                return False
            before = now
        return False

    def survives(self, mutant):
        """As tests_pass()."""
        text = read(self.path)
        lines = text.splitlines()
        lines[mutant.first:mutant.last + 1] = [mutant.new]
        self.write(self.path, '\n'.join(lines) + '\n')
        try:
            return self.tests_pass()
        finally:
            self.write(self.path, text)


def processes_of(session):
    """Each test runs in a process group of its own, but in the session of them all."""
    for pid in filter(str.isdigit, os.listdir('/proc')):
        try:
            if os.getsid(int(pid)) == session:
                yield int(pid)
        except ProcessLookupError:
            pass


def kill_session(session):
    for pid in processes_of(session):
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            pass


def give_up(signal_number, _):
    """Without it the mutants under test would outlive this script, and some of them spin."""
    for session in list(RUNNING):
        kill_session(session)
    shutil.rmtree(WORK, ignore_errors=True)
    os._exit(128 + signal_number)


def activity(session):
    """CPU time and context switches of all threads; None while any does not sleep."""
    threads = []
    for pid in processes_of(session):
        for path in glob.glob(f'/proc/{pid}/task/*/'):
            try:
                with open(path + 'stat', encoding='ascii') as stat, open(path + 'status', encoding='ascii') as status:
                    fields = stat.read().rpartition(')')[2].split()
                    threads.append((path, fields[11], fields[12], re.findall(r'switches:\s*(\d+)', status.read())))
            except (FileNotFoundError, ProcessLookupError):
                return None
            if fields[0] != 'S':
                return None
    return sorted(threads)


def object_of(source):
    return source.replace('/', '_') + '.o'


def judge(path, mutants, jobs):
    """Whether each mutant survives; None: it does not compile."""
    def work(number):
        bench = Bench(path, number)
        answers = []
        for mutant in mutants[number::jobs]:
            answers.append(bench.survives(mutant))
            if answers[-1]:
                print('survives: ' + mutant.describe(), flush=True)
        return answers

    with concurrent.futures.ThreadPoolExecutor(jobs) as pool:
        return [answer for answers in pool.map(work, range(jobs)) for answer in answers]


# ---- which, and how many -------------------------------------------------------------------

def choose(options):
    """Mutants by file, all of them or a sample."""
    everything = [mutant for path in options.files for mutant in mutants_of(path)]
    if options.sample and options.sample < len(everything):
        print(f'--seed {options.seed} chooses {options.sample} of {len(everything)} mutants')
        everything = random.Random(options.seed).sample(everything, options.sample)
    return {path: [m for m in everything if m.path == path] for path in options.files}


def share(dead, alive):
    return 100 * dead / max(dead + alive, 1)


def print_row(name, dead, alive):
    print(f'{name:28} {dead:4} of {dead + alive:4} mutants died: {share(dead, alive):5.1f}%', flush=True)


def main():
    parser = argparse.ArgumentParser(description='break the code; the unit tests have to notice')
    parser.add_argument('files', nargs='*', default=list(TARGETS), help='all targets')
    parser.add_argument('--sample', type=int, help='so many mutants, drawn at random')
    parser.add_argument('--seed', type=int, default=random.randrange(1 << 32))
    parser.add_argument('--least', type=float, default=90,
                        help='percent that have to die, of a sample or of each group (90)')
    parser.add_argument('--jobs', type=int, default=2)
    options = parser.parse_args()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, give_up)
    counts = {}
    chosen = choose(options)
    prepare([path for path in options.files if chosen[path]], options.jobs)
    for path, mutants in chosen.items():
        if not mutants:
            continue
        verdicts = judge(path, mutants, min(options.jobs, len(mutants)))
        dead, alive = verdicts.count(False), verdicts.count(True)
        print_row(path, dead, alive)
        group = 'sample' if options.sample else TARGETS[path][0]
        counts[group] = [sum(pair) for pair in zip(counts.get(group, (0, 0)), (dead, alive))]
    for group, (dead, alive) in counts.items():
        print_row(group, dead, alive)
    shutil.rmtree(WORK, ignore_errors=True)
    return 0 if all(share(*pair) >= options.least for pair in counts.values()) else 1


if __name__ == '__main__':
    sys.exit(main())
