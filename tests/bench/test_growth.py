# SPDX-License-Identifier: MIT
"""What the count of instructions calls growth, and what it makes of the machine's output."""

import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from bench_repeatable import START, compare, sections_of  # noqa: E402

BEFORE = {'loop': 1000, 'start': 10}

# counts, whether they pass, the verdict on each row
CASES = [
    ({'loop': 1000, 'start': 10}, True, ['', '']),
    ({'loop': 1020, 'start': 10.2}, True, ['', '']),
    ({'loop': 1020.1, 'start': 10}, False, ['GREW', '']),
    ({'loop': 1000, 'start': 10.21}, False, ['', 'GREW']),
    ({'loop': 979, 'start': 5}, True, ['fell', 'fell']),
    ({'loop': 1000, 'start': 10, 'more': 1}, True, ['', '', 'new']),
    ({'loop': 1000}, False, ['', 'LOST']),
    ({'loop': 1000, 'start': 10, START: 1}, True, ['', '', 'new']),
]

wrong = []
for counts, wanted, verdicts in CASES:
    rows, passed = compare(counts, BEFORE)
    if passed != wanted or [row[3] for row in rows] != verdicts:
        wrong.append(f'{counts}: {rows}, {passed}')
if compare({START: 9}, {START: 1}) != ([(START, 9, 1, 'not compared')], True):
    wrong.append('the start is compared')
if sections_of('x\n== a\n1\n2\n== b\n== end\n') != {'a': '\n1\n2\n', 'b': '\n', 'end': '\n'}:
    wrong.append('sections')
for line in wrong:
    print(line)
sys.exit(1 if wrong else 0)
