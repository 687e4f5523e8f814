# SPDX-License-Identifier: MIT
"""The statistics of sweeps against a second implementation: Python's statistics module.

usage: test_stats.py PRINT_STATS
"""

import json
import math
import random
import statistics
import subprocess
import sys

RESAMPLES = 4000


def ours(values):
    text = ' '.join(map(repr, values))
    output = subprocess.run([sys.argv[1]], input=text, capture_output=True, text=True, check=True)
    return json.loads(output.stdout)


def bootstrap(values, rng):
    """The 95% percentile interval of the median, by other code and other random numbers."""
    medians = [statistics.median(rng.choices(values, k=len(values))) for _ in range(RESAMPLES)]
    cuts = statistics.quantiles(medians, n=40, method='inclusive')
    return cuts[0], cuts[-1]


def samples(rng):
    for nr in (3, 5, 10, 31, 100):
        yield f'{nr} uniform', [rng.random() for _ in range(nr)]
        yield f'{nr} normal', [rng.gauss(100, 15) for _ in range(nr)]
        yield f'{nr} lognormal', [rng.lognormvariate(0, 1) for _ in range(nr)]
        yield f'{nr} alike', [42.0] * nr


def compare(name, values, rng):
    """What differs, as a list of lines."""
    result = ours(values)
    problems = []

    def same(what, got, wanted, tolerance):
        if not math.isclose(got, wanted, rel_tol=1e-12, abs_tol=tolerance):
            problems.append(f'{name}: {what}: {got} here, {wanted} by Python')

    same('median', result['median'], statistics.median(values), 0)
    expected = statistics.quantiles(values, n=20, method='inclusive')
    for q, (got, wanted) in enumerate(zip(result['quantiles'], expected)):
        same(f'quantile {(q + 1) * 5}%', got, wanted, 1e-12)
    # Two bootstraps agree but for the luck of the draw.
    spread = max(values) - min(values)
    low, high = bootstrap(values, rng)
    same('low', result['low'], low, 0.08 * spread)
    same('high', result['high'], high, 0.08 * spread)
    return problems


def main():
    rng = random.Random(1)
    problems = []
    for name, values in samples(rng):
        problems += compare(name, values, rng)
    for problem in problems:
        print(problem)
    sys.exit(1 if problems else 0)


main()
