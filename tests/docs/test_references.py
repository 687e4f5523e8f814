#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What comments and documents name is there: files, and functions written as name().

A comment that names a function which has been renamed sends its reader astray. Names
from elsewhere, of Linux's functions above all, are listed below.
"""

import pathlib
import re
import sys

# Functions of Linux and of the C library that are spoken of and not called.
FUNCTIONS_ELSEWHERE = {
    'copy_thread', 'futex', 'gup_fast', 'kvm_flush_tlb_multi', 'kvm_guest_cpu_offline', 'kvm_steal_time_set_preempted',
    'pv_tlb_flush_supported', 'should_flush_tlb', 'strtoull',
}
# Of Linux, QEMU and Xen, and of a reader's own.
FILES_ELSEWHERE = {'kvm.c', 'asm/tlb.h', 'asm-generic/tlb.h', 'two.c'}
FOLDERS_ELSEWHERE = ('arch/', 'hw/', 'xen/')
CODE = ('.c', '.h', '.S', '.pml')
SCRIPTS = ('.py', '.sh', '.build')

FILE_NAME = re.compile(r'(?<![\w./<*-])((?:[\w-]+/)*[\w-]+\.(?:c|h|S|py|pml|md|sh|ld|css))\b(?!\.\w)')
FUNCTION = re.compile(r'(?<![\w.>$-])([a-z][a-z0-9_]{2,})\(\)')  # not _suffix()
IN_BACKTICKS = re.compile(r'`([a-z_][a-z0-9_]*)`')


def comments_of(path, text):
    """(line number, text) of each line of a comment, or of a document."""
    if path.suffix == '.md':
        yield from enumerate(text.splitlines(), 1)
        return
    if path.suffix in SCRIPTS:
        for number, line in enumerate(text.splitlines(), 1):
            if line.lstrip().startswith('#') and not line.startswith('#!'):
                yield number, line
        return
    for match in re.finditer(r'/\*.*?\*/|//[^\n]*', text, re.S):
        first = text.count('\n', 0, match.start()) + 1
        yield from enumerate(match.group().split('\n'), first)


def code_of(path, text):
    return re.sub(r'/\*.*?\*/|//[^\n]*', ' ', text, flags=re.S) if path.suffix in CODE else text


source = pathlib.Path(sys.argv[1])
paths = [path for folder in ('src', 'include', 'tests', 'docs', 'data')
         for path in sorted((source / folder).rglob('*')) if path.is_file()]
paths += [source / name for name in ('README.md', 'meson.build', 'dev', '.ci/run')]
texts = {path: path.read_text(errors='replace') for path in paths
         if path.suffix in (*CODE, *SCRIPTS, '.md', '')}
names = {'/' + str(path.relative_to(source)) for path in paths}
words = set()
for path, text in texts.items():
    if path.suffix != '.md':
        words.update(re.findall(r'\b[A-Za-z_]\w*(?=\s*\()', code_of(path, text)))

problems = []
for path, text in texts.items():
    if path.suffix == '' or path.name == 'CHANGES.md':
        continue
    own_words = {word for each in (path, path.with_suffix('.c'), path.with_suffix('.h'))
                 for word in re.findall(r'\w+', code_of(each, texts.get(each, '')))}
    for number, line in comments_of(path, text):
        where = f'{path.relative_to(source)}:{number}'
        line = re.sub(r'https?://\S+|<[\w/.-]+>', ' ', line)
        for name in FILE_NAME.findall(line):
            tail = '/' + re.sub(r'^(\.\./)+', '', name)
            if name in FILES_ELSEWHERE or name.startswith(FOLDERS_ELSEWHERE):
                continue
            if not any(each.endswith(tail) for each in names):
                problems.append(f'{where}: there is no file {name}')
        if path.suffix in CODE:
            problems += [f'{where}: neither this file nor its header has `{name}`'
                         for name in IN_BACKTICKS.findall(line) if name not in own_words]
        for name in FUNCTION.findall(line):
            if name not in FUNCTIONS_ELSEWHERE and name not in words:
                problems.append(f'{where}: there is no function {name}()')

for problem in problems:
    print(problem)
sys.exit(bool(problems))
