#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Arrows between folders go one way: docs/architecture.md lists the rooms from top to bottom."""

import pathlib
import re
import sys

# Worlds that may include another's rooms, beside include/.
WORLDS = {'vmm': {'vmm', 'vcpu'}, 'vcpu': {'vcpu'}, 'guest-kernel': {'guest-kernel'}}

source = pathlib.Path(sys.argv[1])
page = (source / 'docs/architecture.md').read_text()
rooms = re.findall(r'^\| `src/([a-z/-]+)` \|', page, re.M)
place = {room: number for number, room in enumerate(rooms)}
problems = []

for path in sorted((source / 'src').rglob('*.[chS]')):
    room = str(path.parent.relative_to(source / 'src'))
    name = path.relative_to(source)
    if room not in place:
        problems.append(f'{name}: docs/architecture.md does not list src/{room}')
        continue
    for line in path.read_text().splitlines():
        match = re.match(r'#\s*include "((?:vmm|vcpu|guest-kernel)(?:/[\w-]+)*)/[\w-]+\.h"', line)
        if not match:
            continue
        other = match.group(1)
        if other.split('/')[0] not in WORLDS[room.split('/')[0]]:
            problems.append(f'{name}: includes {other}, which is no business of src/{room}')
        elif room.split('/')[0] == other.split('/')[0] and place.get(other, -1) < place[room]:
            problems.append(f'{name}: includes {other}, which stands above src/{room}')

existing = {str(path.parent.relative_to(source / 'src'))
            for path in (source / 'src').rglob('*.[chS]')}
problems += [f'docs/architecture.md lists src/{room}, which is empty' for room in rooms
             if room not in existing]
for problem in problems:
    print(problem)
sys.exit(bool(problems))
