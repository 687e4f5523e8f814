#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""docs/protocol.md says of each rule what shows it, and names every fault there is.

It names only tests and faults that exist.
"""

import pathlib
import re
import sys

NR_RULES = 20

source = pathlib.Path(sys.argv[1])
page = (source / 'docs/protocol.md').read_text()
rules = [line for line in page.splitlines() if line.startswith('|')]
tests = '\n'.join(path.read_text() for path in sorted((source / 'tests').rglob('*'))
                  if path.suffix in ('.build', '.c', '.h', '.py', '.pml'))
catalog = (source / 'include/minivmm/catalog.h').read_text().split('#define MV_FAULTS')[1]
faults = set(re.findall(r'X\(\w+, "([a-z-]+)"', catalog))

problems = []
for name in {name for line in rules for name in re.findall(r'"([^"]+)"', line)}:
    # A case of a bad guest is written "guest: case" here and ('guest', 'case') there.
    if not all(re.search(rf'\b{re.escape(part)}\b', tests) for part in name.split(': ')):
        problems.append(f'names the test "{name}", which does not exist')
for macro in re.findall(r'`protocol fails with (\w+)`', page):
    if f"'{macro.upper()}'" not in tests:
        problems.append(f'names the variant {macro} of protocol.pml, which does not exist')

table = {int(cells[1]): cells for cells in (line.split('|') for line in rules)
         if cells[1].strip().isdigit()}
if sorted(table) != list(range(1, NR_RULES + 1)):
    problems.append(f'has the rules {sorted(table)}, not 1 to {NR_RULES}')
problems += [f'names no test of rule {n}' for n, cells in table.items()
             if not re.search(r'`[^`]+`', cells[4]) or 'not yet' in cells[4].lower()]

named = {cell for line in rules for cell in [line.split('|')[-2].strip()]
         if re.fullmatch(r'[a-z]+(-[a-z]+)+', cell)}
problems += [f'names the fault {fault}, which does not exist' for fault in sorted(named - faults)]
problems += [f'does not name the fault {fault}' for fault in sorted(faults - named)]

for problem in problems:
    print('docs/protocol.md', problem)
sys.exit(bool(problems))
