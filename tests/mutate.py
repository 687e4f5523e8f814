# SPDX-License-Identifier: MIT
"""Mutation: breaks the protocol, the scheduler and the loader, one place at a time.

Each mutant is compiled with the unit tests that matter and has to make one of them
fail. Those that survive are printed; docs/coverage.md says which may, and why.
"""

import argparse
import os
import random
import re
import shutil
import signal
import subprocess
import sys

TOP = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
WORK = os.path.join(TOP, 'build-mutants')
FLAGS = ['-std=gnu11', '-O1', '-D_GNU_SOURCE', '-fsanitize=address,undefined',
         '-fno-sanitize-recover=all', '-Werror=return-type', '-Iinclude', '-Isrc/vcpu', '-Isrc/vmm',
         '-Itests/unit']
LIBRARIES = ['-fsanitize=address,undefined', '-lcheck_pic', '-lsubunit', '-lelf', '-lrt', '-lm', '-pthread']
TEST_S = 30  # a mutant whose tests take longer hangs, and is dead

# What is broken: (the suites that have to notice, the sources they need beside it).
TARGETS = {
    'include/minivmm/pv_flush.h': (['pv_flush', 'steal'], ['src/vcpu/steal.c']),
    'src/vcpu/steal.c': (['steal'], []),
    'src/vcpu/sched_policy.c': (['sched_policy'], []),
    'src/vmm/elf_image.c': (['elf'], ['src/vmm/elf_file.c', 'src/vmm/error.c']),
}

SWAPS = [('==', '!='), ('!=', '=='), ('<=', '<'), ('>=', '>'), ('&&', '||'), ('||', '&&'),
         ('++', '--'), ('+=', '-='), (' < ', ' <= '), (' > ', ' >= '), (' + ', ' - '),
         (' - ', ' + '), (' * ', ' + '), (' / ', ' * '), (' % ', ' / '), (' & ', ' | '),
         (' | ', ' & '), ('(!', '('), ('true', 'false'), ('false', 'true')]


class Mutant:
    def __init__(self, path, line, old, new):
        self.path, self.line, self.old, self.new = path, line, old, new

    def describe(self):
        return f'{self.path}:{self.line + 1}: {self.old.strip()}  ->  {self.new.strip() or "(removed)"}'


# ---- finding places ----------------------------------------------------------------------

# Tracing, which changes nothing else, and the steps of the model in tests/model.
NOT_MUTATED = ('trace(', 'PV_STEP(')


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


def constants_in(line):
    for match in re.finditer(r'(?<![\w.])(\d+)(?![\w.])', line):
        if outside_strings(line, match.start()):
            yield line[:match.start()] + str(int(match[1]) + 1) + line[match.end():]


def is_statement(line):
    """A whole statement in a line of its own that declares nothing."""
    text = line.strip()
    return bool(re.fullmatch(r'(\w[\w.>\-\[\]]*\s*([-+|&^*]?=[^=].*|\+\+|--|\(.*\))'
                             r'|(return|continue|break).*|\*\w+ = .*);', text))


def mutants_of(path):
    with open(os.path.join(TOP, path), encoding='utf-8') as file:
        lines = file.readlines()
    in_comment = False
    for number, line in enumerate(lines):
        starts_comment = '/*' in line and '*/' not in line
        if not in_comment and not starts_comment and is_code(line):
            code, comment = re.match(r'(.*?)(\s*/\*.*\*/\s*)?$', line.rstrip('\n')).groups()
            changed = list(swaps_in(code)) + list(constants_in(code))
            if is_statement(code):
                changed.append(re.match(r'\s*', code)[0] + ';')
            for new in changed:
                yield Mutant(path, number, code, new)
        in_comment = (in_comment or starts_comment) and '*/' not in line


# ---- building and judging ----------------------------------------------------------------

def copy_tree():
    shutil.rmtree(WORK, ignore_errors=True)
    for part in ('include', 'src', 'tests/unit'):
        shutil.copytree(os.path.join(TOP, part), os.path.join(WORK, part))


def limit_suites(suites):
    """The unit tests' main() shall know these suites only."""
    path = os.path.join(WORK, 'tests/unit/unit.h')
    with open(os.path.join(TOP, 'tests/unit/unit.h'), encoding='utf-8') as file:
        text = file.read()
    rows = ' '.join(f'X({suite})' for suite in suites)
    text = re.sub(r'#define UNIT_SUITES\(X\)\s*\\\n(?:.*\\\n)*.*\n',
                  f'#define UNIT_SUITES(X) {rows}\n', text)
    with open(path, 'w', encoding='utf-8') as file:
        file.write(text)


def compile_object(source):
    """0 if it compiles."""
    return subprocess.run(['gcc', *FLAGS, '-c', source, '-o', object_of(source)], cwd=WORK,
                          capture_output=True, check=False).returncode


def object_of(source):
    return source.replace('/', '_') + '.o'


class Bench:
    """The tests of one target, all of which are compiled but for what a mutant changes."""

    def __init__(self, path):
        self.path = path
        suites, others = TARGETS[path]
        tests = [f'tests/unit/test_{suite}.c' for suite in suites]
        limit_suites(suites)
        self.sources = ['tests/unit/main.c', *tests, *others]
        self.affected = tests + others
        if path.endswith('.c'):
            self.sources.append(path)
            self.affected = [path]
        for source in self.sources:
            if compile_object(source):
                sys.exit(f'{source} does not compile')

    def tests_pass(self):
        """True, False, or None if it cannot be built."""
        if any(compile_object(source) for source in self.affected):
            return None
        linked = subprocess.run(['gcc', *map(object_of, self.sources), '-o', 'tests.bin', *LIBRARIES],
                                cwd=WORK, capture_output=True, check=False)
        if linked.returncode:
            return None
        return self.run_tests()

    def run_tests(self):
        process = subprocess.Popen(['./tests.bin'], cwd=WORK, stdout=subprocess.DEVNULL,
                                   stderr=subprocess.DEVNULL, start_new_session=True,
                                   env={**os.environ, 'MINIVMM_SOURCE': TOP,
                                        'ASAN_OPTIONS': 'detect_leaks=0'})
        try:
            return process.wait(TEST_S) == 0
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            return False

    def try_mutant(self, mutant):
        path = os.path.join(WORK, self.path)
        with open(os.path.join(TOP, self.path), encoding='utf-8') as file:
            text = file.read()
        lines = text.splitlines(keepends=True)
        lines[mutant.line] = lines[mutant.line].replace(mutant.old, mutant.new, 1)
        with open(path, 'w', encoding='utf-8') as file:
            file.writelines(lines)
        try:
            return self.tests_pass()
        finally:
            with open(path, 'w', encoding='utf-8') as file:
                file.write(text)


def choose(options):
    """Mutants by file, all of them or a sample."""
    everything = [mutant for path in options.files for mutant in mutants_of(path)]
    if options.sample and options.sample < len(everything):
        print(f'--seed {options.seed} chooses {options.sample} of {len(everything)} mutants')
        everything = random.Random(options.seed).sample(everything, options.sample)
    return {path: [m for m in everything if m.path == path] for path in options.files}


def main():
    parser = argparse.ArgumentParser(description='break the code; the unit tests have to notice')
    parser.add_argument('files', nargs='*', default=list(TARGETS), help='all targets')
    parser.add_argument('--sample', type=int, help='so many mutants, drawn at random')
    parser.add_argument('--seed', type=int, default=random.randrange(1 << 32))
    parser.add_argument('--least', type=float, default=90, help='percent that have to die (90)')
    options = parser.parse_args()
    copy_tree()
    dead = alive = 0
    for path, mutants in choose(options).items():
        bench = Bench(path)
        if bench.tests_pass() is not True:
            sys.exit(f'the tests of {path} fail without a mutant')
        for mutant in mutants:
            passed = bench.try_mutant(mutant)
            dead += passed is False
            alive += passed is True
            if passed:
                print('survives: ' + mutant.describe(), flush=True)
    share = 100 * dead / max(dead + alive, 1)
    print(f'{dead} of {dead + alive} mutants died: {share:.1f}%')
    return 0 if share >= options.least else 1


sys.exit(main())
