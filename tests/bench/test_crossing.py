# SPDX-License-Identifier: MIT
"""Where the bench says that two curves cross."""

import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from bench import crossing  # noqa: E402

SIZES = [1, 2, 4, 8]

# by how much the one is dearer at each size, from which size on it is
CASES = [
    ([-10, -5, 5, 10], 3),
    ([-10, -1, 3, 10], 2.5),
    ([-10, -5, 0, 5], 4),
    ([-10, -5, -5, 15], 5),
    ([1, 2, 3, 4], 1),
    ([-4, -3, -2, -1], None),
    ([-4, -3, -2, 0], None),
    # Noise: only the last time counts.
    ([-5, 1, -5, 5], 6),
    ([1, -1, 1, 2], 3),
    ([-5, 5, 5, -1], None),
]

wrong = [(dearer_by, wanted, crossing(SIZES, dearer_by)) for dearer_by, wanted in CASES
         if crossing(SIZES, dearer_by) != wanted]
for case in wrong:
    print('%s: wanted %s, got %s' % case)
sys.exit(1 if wrong else 0)
