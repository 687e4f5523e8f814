# SPDX-License-Identifier: MIT
"""Every command that the documents show works.

What counts as a command: within a fenced block, a line that begins with "$ " or "./", and
the lines that it is continued on after a backslash. Blocks of C, JSON, text or another
language hold none. It must exit with 0, or with N if a comment "# exits with N" follows.

The rest of a block that is opened with "```console exact" is what its commands print, to
the letter. A block of C after "Save this as `NAME`:" is saved under that name first.

The commands of one document run in order in one scratch directory, in which the source
tree, ./minivmm and ./guest.elf are to be found.
"""

import glob
import os
import re
import shlex
import subprocess
import tempfile

import in_lab
from kvmtest import BUILD, GUEST, MINIVMM, PCPUS, SOURCE, Failure, Suite, finish, kvm_problem, start

# Languages of blocks that hold commands; '' is a block without one.
SHELL = {'', 'console', 'sh', 'bash', 'shell'}

# Not run here: what begins so, and why.
NOT_RUN = {
    './dev': 'installs packages and runs these very tests; .ci/run begins with it',
    '.ci/run': 'runs these very tests',
    './.ci/run': 'runs these very tests',
    'meson': 'a build within the build; .ci/run does it',
    'CC=clang meson': 'a build within the build; .ci/run does it',
    'ninja': 'a build within the build; .ci/run does it',
    'git': 'needs the network, or a clone',
    'sudo': 'changes the machine',
    'apt': 'changes the machine',
    'modprobe': 'changes the machine',
    'man': 'needs an installed minivmm',
    'cd': 'follows a clone, which is not made here',
}

EMULATED = kvm_problem() is not None

# Nothing here takes as long.
HANG_S = 900 if EMULATED else 180

# Durations beyond this are cut: that a command works shows in a short run, too. In an emulated
# machine shorter ones become this: in less not every vCPU need have had its turn.
LONGEST_MS = 1000
SHORTEST_MS = LONGEST_MS if EMULATED else 0


class Block:
    """A fenced block of a document."""

    def __init__(self, info, lines, before):
        words = info.split()
        self.language = words[0] if words else ''
        self.exact = 'exact' in words[1:]
        self.lines = lines
        saved = re.search(r'^Save this as `([\w.-]+)`:$', before)
        self.save_as = saved and saved.group(1)

    def commands(self):
        """(command, the lines that follow it) in their order."""
        found = []
        for line in self.lines:
            if found and found[-1][0].endswith('\\'):
                found[-1][0] = found[-1][0][:-1] + line.strip()
            elif line.startswith(('$ ', './')):
                found.append([line.removeprefix('$ '), []])
            elif found:
                found[-1][1].append(line)
        return found


def blocks_of(path):
    with open(path, encoding='utf-8') as file:
        lines = file.read().splitlines()
    found, opened, before, last_text = [], None, '', ''
    for line in lines:
        fence = re.match(r'\s*```(.*)', line)
        if fence and opened is None:
            opened, inside, before = fence.group(1), [], last_text
        elif fence:
            found.append(Block(opened, inside, before))
            opened = None
        elif opened is not None:
            inside.append(line)
        elif line.strip():
            last_text = line
    return found


def bound_durations(command):
    def bound(match):
        asked_ms = int(match.group(2)) * {'ms': 1, 's': 1000, 'm': 60000}[match.group(3)]
        return f'{match.group(1)}{min(max(asked_ms, SHORTEST_MS), LONGEST_MS)}ms'
    return re.sub(r'(--duration[ =])(\d+)(ms|s|m)\b', bound, command)


def run_command(scratch, command, printed):
    wanted = re.search(r'# exits with (\d+)', command)
    process = start(['bash', '-c', bound_durations(command)], command=(), cwd=scratch,
                    stderr=subprocess.STDOUT)
    result = finish(process, timeout_s=HANG_S)
    result.require_status(int(wanted.group(1)) if wanted else 0)
    if printed is not None:
        shown = [line.rstrip() for line in printed]
        result.require(result.stdout.split('\n')[:-1] == shown,
                       'it does not print what the document shows:\n' + '\n'.join(shown))


def save(scratch, block):
    with open(os.path.join(scratch, block.save_as), 'w', encoding='utf-8') as file:
        file.write('\n'.join(block.lines) + '\n')


def write_emulated_minivmm(path):
    """A minivmm that runs in a machine of its own, as a user would run it without KVM."""
    with open(path, 'w', encoding='utf-8') as file:
        file.write(f"""#!/bin/sh
case $1 in
lab) exec {shlex.quote(MINIVMM)} "$@" ;;
*) exec {shlex.join(in_lab.words(MINIVMM))} "$@" ;;
esac
""")
    os.chmod(path, 0o755)


def make_scratch(directory):
    for name in os.listdir(SOURCE):
        if name not in ('.git', 'minivmm', 'guest.elf') and not name.startswith('build'):
            os.symlink(os.path.join(SOURCE, name), os.path.join(directory, name))
    if EMULATED:
        write_emulated_minivmm(os.path.join(directory, 'minivmm'))
    else:
        os.symlink(MINIVMM, os.path.join(directory, 'minivmm'))
    os.symlink(GUEST, os.path.join(directory, 'guest.elf'))


def reason_not_to_run(command):
    if '--pcpus 0 ' in command and 0 not in PCPUS:
        return 'CPU 0 is not allowed to this process'
    if command.startswith('./minivmm lab '):
        missing = in_lab.problem(BUILD)
        if missing:
            return missing
    for beginning, reason in NOT_RUN.items():
        if command == beginning or command.startswith(beginning + ' '):
            return reason
    return None


def check_document(suite, path):
    name = os.path.relpath(path, SOURCE)
    with tempfile.TemporaryDirectory() as scratch:
        make_scratch(scratch)
        for block in blocks_of(path):
            if block.save_as:
                save(scratch, block)
            if block.language not in SHELL:
                continue
            for command, printed in block.commands():
                reason = reason_not_to_run(command)
                if reason:
                    print(f'# not run: {command}: {reason}')
                else:
                    suite.test(f'{name}: {command}', run_command, scratch, command,
                               printed if block.exact else None)


def own_guest_is_shown():
    """The guest in the document is there to be built; otherwise nothing above tested it."""
    shown = blocks_of(os.path.join(SOURCE, 'docs/write-your-own-guest.md'))
    if not any(block.save_as for block in shown) or not any(block.exact for block in shown):
        raise Failure('docs/write-your-own-guest.md shows no guest, or not what it prints')


the_suite = Suite(one_lab=False)
documents = [os.path.join(SOURCE, 'README.md'), *sorted(glob.glob(SOURCE + '/docs/*.md'))]
for document in documents:
    if os.path.exists(document):
        check_document(the_suite, document)
the_suite.test('docs/write-your-own-guest.md shows a guest', own_guest_is_shown)
the_suite.done()
