# SPDX-License-Identifier: MIT
"""Mutation of the core, the guest's part of it included: calls, atomics and loops.

Where mutate.py mistakes operators and constants, this makes mistakes of structure: two
neighbouring calls change places, a call whose result nobody uses is left out, an atomic
read-modify-write becomes a load and a store, a loop leaves out its first or its last turn. All
unit suites judge them, and for what it is made of, the explorer of tests/model. Only what a
mutant changes is compiled anew; all else is taken from a build directory.

    python3 tests/mutate_core.py BUILD [--kinds calls,atomics,loops] [--sample N --seed S] [--part 1/4] [FILE...]
"""

import argparse
import concurrent.futures
import glob
import json
import os
import random
import re
import shlex
import subprocess
import sys
import tempfile
import time

from mutate import Mutant, is_code, print_row, read, share, without_comment

TOP = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
PV = 'include/minivmm/pv_flush.h'  # in most of what there is
UNBROKEN = 'src/vcpu/run_loop.c'  # in the unit tests and in the explorer
CORE = ('src/vcpu/**/*.[ch]', 'src/guest-kernel/shootdown/*.[ch]', 'src/guest-kernel/mechanisms/*.[ch]',
        'src/guest-kernel/cpu/*.[ch]', PV, 'src/guest-kernel/scenarios/phase.c', 'src/vmm/machine/exits.c')
FIRST_SUITES = {
    'src/vcpu/sched': ['pcpu', 'pcpu_slices', 'pcpu_replay', 'replay', 'sched_policy', 'host_cpus'],
    'src/vcpu': ['steal', 'pv_flush', 'run_loop', 'vcpu_idle', 'vm', 'vcpu_cpuid', 'kvm_ioctl', 'refusals', 'steal_kernel',
                 'host_cpus'],
    'src/guest-kernel': ['guest_mechanisms', 'guest_shootdown', 'guest_steal', 'guest_oracle',
                         'guest_scenarios', 'guest_vectors', 'guest_memory',
                         'guest_doorbell', 'guest_trace', 'guest_phase'],
    '': ['pv_flush', 'steal', 'guest_mechanisms'],
}
# All but the three largest, which take longer than the others together.
STAGES = ['pv-kicked', 'pv-yielding', 'tickets', 'phase-end', 'halted-nmi', 'yield', 'pv-again', 'hypercall', 'halted',
          'halted-marked', 'pv-store-buffers', 'pv', 'pv-two-pcpus', 'pv-recheck-again']
SUITE_S, EXPLORER_S = 60, 200  # a mutant hangs, and is dead, if it takes longer
SUITES_AT_A_TIME = 6  # most of them wait most of the time

# Hints to the CPU; tracing on the host, of which mutate.py says the same; memory, which AddressSanitizer
# looks after; and what does nothing on this machine.
LEFT_ALONE = ('trace', 'PV_STEP', 'cpu_relax', '__builtin_ia32_pause', '__atomic_thread_fence', 'va_end',
              'calloc', 'free', 'pthread_mutex_init', 'pthread_mutex_destroy')
NOT_A_CALL = ('if', 'for', 'while', 'switch', 'return', 'sizeof', 'do', 'else', *LEFT_ALONE)
CALL = re.compile(r'(?:\(void\))?(\w+(?:(?:->|\.)\w+|\[[^\]]*\])*)\(.*\);')
ASSIGNED_CALL = re.compile(r'(?:[\w ]*?[ *])?[\w.>\[\]-]+ = (\w[\w.>\[\]-]*)\([^?]*\);')


# ---- finding places ----------------------------------------------------------------------

class Statement:
    """In the lines from `first` to `last`, counted from 0."""

    def __init__(self, lines, first, last):
        self.first, self.last = first, last
        self.indent = re.match(r'\t*', lines[first])[0]
        self.text = ' '.join(without_comment(line)[0].strip() for line in lines[first:last + 1])

    def is_a(self, pattern):
        match = pattern.fullmatch(self.text)
        return bool(match) and match[1] not in NOT_A_CALL

    def is_call(self):
        return self.is_a(CALL)

    def has_call(self):
        return self.is_call() or self.is_a(ASSIGNED_CALL)


def statements_of(lines):
    """What ends in a semicolon and is indented; of a line that only begins a block, nothing."""
    number = 0
    in_comment = False
    while number < len(lines):
        starts = '/*' in lines[number] and '*/' not in lines[number]
        if not in_comment and not starts and lines[number].startswith('\t') and is_code(lines[number]):
            last = end_of(lines, number)
            if last is not None:
                yield Statement(lines, number, last)
                number = last
        in_comment = (in_comment or starts) and '*/' not in lines[number]
        number += 1


def end_of(lines, first):
    text = ''
    for last in range(first, min(first + 8, len(lines))):
        text += without_comment(lines[last])[0].strip()
        if text.count('(') == text.count(')'):
            return last if text.endswith(';') and text.count('{') == text.count('}') else None
    return None


def is_a_body(lines, statement):
    """Whether it is all that an if or a loop before it is about."""
    before = lines[statement.first - 1]
    return len(re.match(r'\t*', before)[0]) < len(statement.indent) and not before.rstrip().endswith(('{', ':'))


def calls_in(path, lines):
    statements = list(statements_of(lines))
    for one in statements:
        if one.is_call():
            yield Mutant(path, one.first, one.last, one.text, one.indent + ';')
    for one, two in zip(statements, statements[1:]):
        if one.has_call() and two.has_call() and one.indent == two.indent and two.first == one.last + 1 \
                and not is_a_body(lines, one):
            yield Mutant(path, one.first, two.last, f'{one.text} {two.text}',
                         f'{one.indent}{two.text} {one.text}')


def arguments_of(text):
    """Of a call, up to its closing parenthesis, and what follows."""
    depth, begin, found = 0, 1, []
    for at, char in enumerate(text):
        depth += {'(': 1, '[': 1, '{': 1, ')': -1, ']': -1, '}': -1}.get(char, 0)
        if depth == 0 or (depth == 1 and char == ','):
            found.append(text[begin:at].strip())
            begin = at + 1
        if depth == 0:
            return found, text[at + 1:]
    raise ValueError(f'no call: {text}')


OPERATORS = {'or': '|', 'and': '&', 'add': '+', 'sub': '-', 'xor': '^'}


def weakened(name, arguments):
    """The same by a load and a store, between which others may come."""
    where, value = arguments[:2]
    load = f'__typeof__(*({where})) was_ = __atomic_load_n({where}, __ATOMIC_SEQ_CST)'
    store = f'__atomic_store_n({where}, %s, __ATOMIC_SEQ_CST)'
    if name == 'exchange_n':
        return f'({{ {load}; {store % value}; was_; }})'
    if name == 'compare_exchange_n':
        return f'({{ {load}; bool same_ = was_ == *({value}); if (same_) {store % arguments[2]}; ' \
            f'else *({value}) = was_; same_; }})'
    fetch = re.fullmatch(r'fetch_(\w+)', name)
    operator = OPERATORS[fetch[1] if fetch else name.split('_')[0]]
    return f'({{ {load}; {store % f"(__typeof__(was_))(was_ {operator} ({value}))"}; ' \
        f'was_{"" if fetch else f" {operator} ({value})"}; }})'


def atomics_in(path, lines):
    kinds = '|'.join(OPERATORS)
    pattern = re.compile(rf'__atomic_(exchange_n|compare_exchange_n|fetch_(?:{kinds})|(?:{kinds})_fetch)(?=\()')
    for number, line in enumerate(lines):
        match = pattern.search(line)
        if not match or line.lstrip().startswith('*'):
            continue
        last = next(i for i in range(number, len(lines)) if lines[i].rstrip().endswith(';'))
        text = ' '.join(part.strip() for part in lines[number:last + 1])
        match = pattern.search(text)
        arguments, rest = arguments_of(text[match.end():])
        yield Mutant(path, number, last, text, text[:match.start()] + weakened(match[1], arguments) + rest)


FOR = re.compile(r'\t+(?:for \((?P<init>[^;]*); (?P<condition>[^;]+); (?P<step>[^;]*)\)|for_each_\w+ \(.*\))(?: \{)?')


def first_left_out(line):
    """Works for any kind of loop; break and continue mean what they did."""
    brace = ' {' if line.endswith(' {') else ''
    head = line.strip().removesuffix(' {')
    return f'for (int turn_ = 0, once_ = 1; once_; once_ = 0) {head} if (turn_++ == 0) {{}} else{brace}'


def last_left_out(match):
    condition = match['condition']
    step = re.search(r'([+*])= (\w+|\w+ / sizeof.*)$', match['step'])
    ahead = f'{step[1]} ({step[2]})' if step else '+ 1'
    if re.search(r'\w+-- > ', condition):
        shorter = re.sub(r'-- > (\w+)', r'-- > \1 + 1', condition)
    elif re.search(r' <=? ', condition):
        shorter = re.sub(r'(\w+) (<=?) ', rf'\1 {ahead} \2 ', condition, count=1)
    elif '--' in match['step']:
        shorter = re.sub(r'(\w+) > ', r'\1 - 1 > ', condition, count=1)
    else:
        return None
    return match[0].replace(condition, shorter).strip()


def loops_in(path, lines):
    for number, line in enumerate(lines):
        code = without_comment(line)[0]
        match = FOR.fullmatch(code)
        if not match or match['condition'] == '':
            continue
        yield Mutant(path, number, number, code, first_left_out(code))
        last = match['condition'] and last_left_out(match)
        if last:
            yield Mutant(path, number, number, code, last)


KINDS = {'calls': calls_in, 'atomics': atomics_in, 'loops': loops_in}


def mutants_of(path, kinds):
    lines = read(path).splitlines()
    for kind in kinds:
        for mutant in KINDS[kind](path, lines):
            mutant.kind = kind
            yield mutant


# ---- building and judging ----------------------------------------------------------------

class Program:
    """One that suites are run by, from the objects of a build directory."""

    def __init__(self, build, name, parts):
        self.build, self.name = build, os.path.join(build, name)
        with open(os.path.join(build, 'compile_commands.json'), encoding='utf-8') as stream:
            commands = [c for c in json.load(stream) if c['output'].startswith(parts)]
        self.commands = {os.path.relpath(os.path.join(c['directory'], c['file']), TOP): c for c in commands}
        link = self.ninja('-t', 'commands', name).splitlines()[-1]
        self.link_words = shlex.split(link)
        self.headers = {}

    def ninja(self, *words):
        return subprocess.run(['ninja', '-C', self.build, '--quiet', *words], capture_output=True, text=True,
                              check=True).stdout

    def affected(self, path):
        if path in self.commands:
            return [path]
        if path.endswith('.c'):
            return []
        return [s for s in self.commands if os.path.join(TOP, path) in self.headers_of(s)]

    def headers_of(self, source):
        if source not in self.headers:
            words = self.ninja('-t', 'deps', self.commands[source]['output']).split()
            self.headers[source] = {os.path.normpath(os.path.join(self.build, word)) for word in words}
        return self.headers[source]

    def compile(self, source, path, overlay):
        command = self.commands[source]
        words = [w for w in shlex.split(command['command']) if not w.startswith('-W') or w.startswith('-Wl')]
        output = os.path.join(overlay, command['output'].replace('/', '_'))
        words[words.index('-o') + 1] = output
        if source == path:
            words[words.index('-c') + 1] = os.path.join(overlay, path)
        first = next(i for i, word in enumerate(words) if word.startswith('-I'))
        words[first:first] = ['-w', '-Werror=return-type', f'-I{overlay}/include', f'-I{overlay}/src']
        for option in ('-MF', '-MQ'):
            words[words.index(option) + 1] = output + '.d'
        subprocess.run(words, cwd=command['directory'], check=True, capture_output=True)
        return output

    def link(self, objects, program):
        """Objects that are given come before an archive's, which then are not asked for."""
        words = list(self.link_words)
        words[words.index('-o') + 1] = program
        for source, output in objects.items():
            old = self.commands[source]['output']
            if old in words:
                words[words.index(old)] = output
            else:
                words.insert(words.index('-o'), output)
        subprocess.run(words, cwd=self.build, check=True, capture_output=True)

    def make(self, path, overlay):
        """The program with the mistake in it, or None if it has nothing to do with the file."""
        sources = self.affected(path)
        if not sources:
            return None
        program = os.path.join(overlay, os.path.basename(self.name))
        with concurrent.futures.ThreadPoolExecutor(2) as pool:
            objects = list(pool.map(lambda source: self.compile(source, path, overlay), sources))
        self.link(dict(zip(sources, objects)), program)
        return program


class Explorer(Program):
    """Its objects are in an archive that is linked whole, so it cannot have others beside it."""

    def link(self, objects, program):
        kept = [os.path.join(self.build, c['output']) for s, c in self.commands.items() if s not in objects]
        words = [w for w in self.link_words if not w.endswith('libshipped.a') and 'whole-archive' not in w]
        words[words.index('-o') + 1] = program
        subprocess.run([*words, *kept, *objects.values()], cwd=self.build, check=True, capture_output=True)


class Judge:
    def __init__(self, build):
        self.build = build
        self.noticed_by = ''
        self.suites = Program(build, 'tests/unit/unit-tests', ('tests/unit/unit-tests.p/', 'src/vmm/libvmm.a.p/'))
        self.explorer = Explorer(build, 'tests/model/test_shipped', ('tests/model/libshipped.a.p/',))
        self.environment = {**os.environ, 'MINIVMM_SOURCE': TOP, 'CK_TIMEOUT_MULTIPLIER': '2',
                            'MINIVMM_GUEST': os.path.join(build, 'src/guest-kernel/guest.elf')}
        text = read('tests/unit/meson.build')
        self.all_suites = re.findall(r"'(\w+)'", re.search(r'unit_suites = \[(.*?)\]', text, re.S)[1])

    def can_judge(self, path):
        return bool(self.suites.affected(path) or self.explorer.affected(path))

    def run(self, words, seconds, stdout=subprocess.DEVNULL):
        """Whether it passes, in time."""
        process = self.start(words, stdout)
        try:
            return process.wait(timeout=seconds) == 0
        except subprocess.TimeoutExpired:
            return False
        finally:
            end(process)

    def start(self, words, stdout=subprocess.DEVNULL):
        return subprocess.Popen(words, stdout=stdout, stderr=subprocess.DEVNULL,
                                stdin=subprocess.DEVNULL, env=self.environment, start_new_session=True)

    def suites_pass(self, program, path):
        """Several at a time, those that are likely to notice before the others; up to the first that fails."""
        first = next(suites for part, suites in FIRST_SUITES.items() if path.startswith(part))
        waiting = first + [suite for suite in self.all_suites if suite not in first]
        running = {}
        try:
            while waiting or running:
                while waiting and len(running) < SUITES_AT_A_TIME:
                    self.noticed_by = waiting.pop(0)
                    running[self.start([program, self.noticed_by])] = (self.noticed_by, time.monotonic() + SUITE_S)
                for process, (self.noticed_by, deadline) in list(running.items()):
                    if process.poll() or time.monotonic() > deadline:
                        return False
                    if process.returncode == 0:
                        del running[process]
                time.sleep(0.01)
            return True
        finally:
            for process in running:
                end(process)

    def explorer_passes(self, explorer, overlay, stages):
        """As it does if only its own replay of a schedule fails (see mistakes.py)."""
        log = os.path.join(overlay, 'log')
        vectors = os.path.join(TOP, 'src/guest-kernel/cpu/vectors.S')
        with open(log, 'w+', encoding='utf-8') as stream:
            passes = self.run([explorer, '-v', vectors, *stages], EXPLORER_S, stream)
            stream.seek(0)
            return passes or '=> the schedule' in stream.read()

    def passes_unbroken(self):
        """With the explorer on its first stage: that it can be made, and what it says, is what counts."""
        mutant = Mutant(UNBROKEN, 0, 0, '', read(UNBROKEN).splitlines()[0])
        with tempfile.TemporaryDirectory() as overlay:
            write_mutant(overlay, mutant)
            return self.suites_pass(self.suites.make(UNBROKEN, overlay), UNBROKEN) \
                and self.explorer_passes(self.explorer.make(UNBROKEN, overlay), overlay, STAGES[:1])

    def survives(self, mutant):
        """None if it does not compile."""
        with tempfile.TemporaryDirectory() as overlay:
            write_mutant(overlay, mutant)
            try:
                suites = self.suites.make(mutant.path, overlay)
                explorer = self.explorer.make(mutant.path, overlay)
            except subprocess.CalledProcessError:
                return None
            if suites and not self.suites_pass(suites, mutant.path):
                return False
            self.noticed_by = 'explorer'
            return not explorer or self.explorer_passes(explorer, overlay, STAGES)


def end(process):
    """It and whatever it has started."""
    for child in children_in(process.pid):
        try:
            os.kill(child, 9)
        except ProcessLookupError:
            pass
    process.wait()


def children_in(session):
    for pid in filter(str.isdigit, os.listdir('/proc')):
        try:
            if os.getsid(int(pid)) == session:
                yield int(pid)
        except ProcessLookupError:
            pass


def write_mutant(overlay, mutant):
    lines = read(mutant.path).splitlines()
    lines[mutant.first:mutant.last + 1] = [mutant.new]
    file = os.path.join(overlay, mutant.path)
    os.makedirs(os.path.dirname(file))
    with open(file, 'w', encoding='utf-8') as stream:
        stream.write('\n'.join(lines) + '\n')


# ---- which, and how many -------------------------------------------------------------------

def options_of_command():
    parser = argparse.ArgumentParser(description='break the core; the suites have to notice')
    parser.add_argument('build', help='a build directory that is up to date')
    parser.add_argument('files', nargs='*', help='all of the core')
    parser.add_argument('--kinds', default=','.join(KINDS), help='some of ' + ','.join(KINDS))
    parser.add_argument('--sample', type=int, help='so many mutants, drawn at random')
    parser.add_argument('--seed', type=int, default=random.randrange(1 << 32))
    parser.add_argument('--part', default='1/1', help='of what was chosen the K-th of N parts, as K/N')
    parser.add_argument('--least', type=float, default=85, help='percent of each kind that have to die (85)')
    parser.add_argument('--verbose', action='store_true', help='say of each what became of it')
    parser.add_argument('--list', action='store_true', help='say which there are, and no more')
    return parser.parse_intermixed_args()


def core_files():
    return sorted(os.path.relpath(path, TOP) for pattern in CORE
                  for path in glob.glob(os.path.join(TOP, pattern), recursive=True))


def choose(options, judge):
    files = [path for path in options.files or core_files()]
    unknown = [path for path in files if not judge.can_judge(path)]
    kinds = options.kinds.split(',')
    left_out = [path for path in unknown if next(mutants_of(path, kinds), None)]
    if left_out:
        print('in no suite that runs here:', *left_out)
    everything = [m for path in files if path not in unknown for m in mutants_of(path, kinds)]
    if not options.sample:
        return everything
    print(f'--seed {options.seed} chooses {options.sample} of {len(everything)} mutants', flush=True)
    return random.Random(options.seed).sample(everything, min(options.sample, len(everything)))


def main():
    options = options_of_command()
    judge = Judge(os.path.abspath(options.build))
    part, parts = map(int, options.part.split('/'))
    mutants = choose(options, judge)[part - 1::parts]
    if options.list:
        print(*(f'{m.kind}: {m.describe()}' for m in mutants), sep='\n')
        return 0
    if not judge.passes_unbroken():
        sys.exit(f'{judge.noticed_by} fails without a mutant')
    counts = {}
    for mutant in mutants:
        verdict = judge.survives(mutant)
        if options.verbose:
            word = {True: 'alive', False: f'dead ({judge.noticed_by})', None: 'not built'}[verdict]
            print(word, mutant.kind, mutant.describe(), flush=True)
        elif verdict:
            print(f'survives: {mutant.kind}: {mutant.describe()}', flush=True)
        if verdict is not None:
            for row in (mutant.kind, mutant.path):
                dead, alive = counts.get(row, (0, 0))
                counts[row] = (dead + (not verdict), alive + verdict)
    for row in sorted(counts):
        print_row(row, *counts[row])
    return 0 if all(share(*counts[kind]) >= options.least for kind in KINDS if kind in counts) else 1


if __name__ == '__main__':
    sys.exit(main())
