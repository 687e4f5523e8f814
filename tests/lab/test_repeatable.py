# SPDX-License-Identifier: MIT
"""`minivmm lab --repeatable`: the same bytes on every host, however busy, and those of the table.

Two machines run the same command at once, so that each of them and a busy loop on every CPU
compete. One starts in another directory, by another umask, with other variables.
"""

import hashlib
import os
import re
import shutil
import subprocess
import sys
import tempfile

import kvmtest
from kvmtest import BUILD, GUEST, MINIVMM, SOURCE, Failure, Suite

TIMEOUT_S = 1500  # one and a half minutes on an idle machine
TABLE = os.path.join(SOURCE, 'docs/repeatable.md')


def missing():
    """What minivmm says that this host lacks, before it starts anything; None if nothing."""
    with tempfile.NamedTemporaryFile() as empty:
        result = kvmtest.run('lab', '--repeatable', '--memory', '900000G', '--', empty.name)
    reason = result.stderr.strip()
    return None if 'needs 900000G of memory' in reason else reason


def skip_if_something_is_missing():
    reason = missing()
    if reason:
        print(f'1..0 # SKIP {reason}', flush=True)
        print(f'SKIPPED, nothing was tested: {reason}', file=sys.stderr)
        sys.exit(0)


def table_row():
    """The first row of the table: arguments, inputs, digest."""
    with open(TABLE, encoding='utf-8') as file:
        rows = re.findall(r'^\| `([^`]+)` \|.*\| `([0-9a-f]{64})` \| `([0-9a-f]{64})` \|$', file.read(),
                          re.MULTILINE)
    if not rows:
        raise Failure(f'{TABLE} has no row of arguments, inputs and digest')
    return rows[0]


class Machine:
    """`minivmm lab --repeatable ARGUMENTS` in a directory of its own, in the background."""

    def __init__(self, name, arguments, umask, variables):
        self.directory = os.path.join(TOP, name)
        os.makedirs(self.directory)
        shutil.copy(GUEST, os.path.join(self.directory, 'guest.elf'))
        self.command = [MINIVMM, 'lab', '--repeatable', *arguments]
        self.process = subprocess.Popen(
            self.command, cwd=self.directory, umask=umask, env=os.environ | variables,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def finish(self):
        self.stdout, self.stderr = self.process.communicate(timeout=TIMEOUT_S)
        if self.process.returncode != 0 or self.stderr:
            raise Failure(f'{self.command} ended with {self.process.returncode}:\n'
                          f'{self.stdout}\n{self.stderr}')

    def files(self):
        contents = {}
        for name in sorted(os.listdir(self.directory)):
            with open(os.path.join(self.directory, name), 'rb') as file:
                contents[name] = file.read()
        return contents

    def says(self, word):
        """The SHA-256 in the line that begins with this word."""
        found = re.findall(rf'^{word} sha256:([0-9a-f]{{64}})$', self.stdout, re.MULTILINE)
        if len(found) != 1:
            raise Failure(f'no {word} in:\n{self.stdout}')
        return found[0]


def machines_run():
    loops = [subprocess.Popen(['sh', '-c', 'while :; do :; done']) for _ in os.sched_getaffinity(0)]
    arguments = ROW[0].split()
    machines = []
    try:
        machines.append(Machine('one', arguments, 0o022, {}))
        machines.append(Machine('another/deeper/and/longer', arguments, 0o077,
                                {'LANG': 'de_DE.UTF-8', 'TZ': 'Asia/Tokyo', 'SOME_TEXT': 'x' * 3000}))
        for machine in machines:
            machine.finish()
        MACHINES.extend(machines)
    finally:
        for process in [*loops, *(machine.process for machine in machines)]:
            process.kill()
            process.wait()


def same_bytes():
    one, other = MACHINES
    if one.stdout != other.stdout:
        raise Failure(f'one printed\n{one.stdout}\nthe other\n{other.stdout}')
    files = one.files()
    if files != other.files():
        raise Failure('their files differ')
    if set(files) != {'guest.elf', 'r.json', 't.json'}:
        raise Failure(f'their files are {set(files)}')


def digest_is_of_the_json():
    one = MACHINES[0]
    expected = hashlib.sha256(one.files()['r.json']).hexdigest()
    if one.says('digest') != expected or not one.stdout.endswith(f'digest sha256:{expected}\n'):
        raise Failure(f'the last line does not say {expected}:\n{one.stdout}')


def row_of_the_table():
    """Only the same inputs have to give the same digest: another minivmm executes other code."""
    _, inputs, digest = ROW
    one = MACHINES[0]
    if one.says('inputs') != inputs:
        print('# not compared with docs/repeatable.md: the inputs of its first row are others '
              f'({inputs[:12]}, here {one.says("inputs")[:12]}): another minivmm, compiler, kernel '
              'or emulator', flush=True)
    elif one.says('digest') != digest:
        raise Failure(f'the same inputs gave {digest}, and here {one.says("digest")}')


def needs_machines(look):
    if not MACHINES:
        raise Failure('the machines did not run')
    look()


skip_if_something_is_missing()
suite = Suite(needs_kvm=False)
ROW = table_row()
MACHINES = []
with tempfile.TemporaryDirectory() as TOP:
    suite.test('two machines run, beside load', machines_run)
    suite.test('the same bytes, wherever they started', needs_machines, same_bytes)
    suite.test('the last line is the digest of the JSON', needs_machines, digest_is_of_the_json)
    suite.test('a row of the table', needs_machines, row_of_the_table)
suite.done()
