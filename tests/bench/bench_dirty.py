#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What a harvest of dirty pages costs, by bitmap and by ring: against memory, and against pages.

Runs of both kinds alternate. A point is the median over runs of the median harvest. The
guest runs `dirty` on two vCPUs at 1:1, with one mechanism, and each run measures
it without tracking beside it. `--chart FILE` draws both tables as SVG.
"""
import argparse
import json
import math
import os
import statistics
import subprocess
import sys
import tempfile

KINDS = ['bitmap', 'ring']
MEMORY = ['64M', '256M', '1G', '3G']  # 4 MiB of it are written to
EVERY = ['5ms', '20ms', '100ms']      # in 256 MiB: the longer, the more pages in a harvest
STRIDES = [1, 64]                     # dense and sparse
COLOURS = {'bitmap': '#b45309', 'ring': '#1d4ed8', 'bitmap, sparse': '#f59e0b',
           'ring, sparse': '#60a5fa'}


def run(options, kind, memory, every, *words):
    """(harvest in us, pages of a harvest, throughput kept) of one run."""
    cpus = ','.join(map(str, sorted(os.sched_getaffinity(0))[:2]))
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, 'run.json')
        command = [options.minivmm, '--quiet', '--dirty', kind, '--dirty-every', every, '--shootdown',
                   'ipi', '--pcpus', cpus, '--vcpus', '2', '--mem', memory, '--duration', '500ms',
                   '--json', path, options.guest, '--', 'scenario=dirty', *words]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            sys.exit(f'bench_dirty: {" ".join(command)}\n{done.stdout}{done.stderr}')
        with open(path, encoding='utf-8') as file:
            dirty = json.load(file)['dirty']
    return (dirty['harvest_ns']['p50'] / 1e3, dirty['pages'] / dirty['harvests'],
            dirty['throughput_kept']['ipi'])


def measure(options, memory, every, *words):
    """By kind: the medians of what run() says."""
    runs = {kind: [] for kind in KINDS}
    for _ in range(options.runs):
        for kind in KINDS:
            runs[kind].append(run(options, kind, memory, every, *words))
    return {kind: [statistics.median(column) for column in zip(*runs[kind])] for kind in KINDS}


def row(label, point):
    bitmap, ring = (point[kind] for kind in KINDS)
    print(f'| {label} | {bitmap[1]:.0f} | {ring[1]:.0f} | {bitmap[0]:.1f} us | {ring[0]:.1f} us | '
          f'{bitmap[0] / ring[0]:.2f} | {bitmap[2]:.2f} | {ring[2]:.2f} |', flush=True)


def heading(first):
    print(f'\n| {first} | pages a harvest: bitmap | ring | a harvest, p50: bitmap | ring | '
          'bitmap : ring | kept: bitmap | ring |\n|---|---|---|---|---|---|---|---|')


def panel(lines, labels, left, title, high):
    """One chart: `lines` by name, a value for each label; the upright axis is logarithmic."""
    def x(i):
        return left + i / (len(labels) - 1) * 300

    def y(value):
        return 260 - 220 * math.log(max(value, 1)) / math.log(high)

    parts = [f'<text x="{left}" y="24">{title}</text>']
    parts += [f'<text x="{x(i):.0f}" y="280" text-anchor="middle">{label}</text>'
              for i, label in enumerate(labels)]
    for value in (1, 10, 100):
        parts.append(f'<path stroke="#e5e7eb" d="M{left} {y(value):.0f}h300"/><text x="{left - 8}" '
                     f'y="{y(value):.0f}" text-anchor="end">{value}</text>')
    for n, (name, values) in enumerate(lines.items()):
        points = ' '.join(f'{x(i):.0f},{y(value):.0f}' for i, value in enumerate(values))
        parts.append(f'<polyline fill="none" stroke="{COLOURS[name]}" stroke-width="2" '
                     f'points="{points}"/><text x="{left + 8}" y="{44 + 16 * n}" '
                     f'fill="{COLOURS[name]}">{name}</text>')
    return parts


def draw(path, by_memory, by_pages):
    values = [value for lines in (by_memory, by_pages) for line in lines.values() for value in line]
    high = 1.2 * max(values)
    parts = ['<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 800 300" font-size="12" '
             'font-family="sans-serif"><rect width="800" height="300" fill="white"/>',
             *panel(by_memory, MEMORY, 60, 'a harvest (us) by guest memory', high),
             *panel(by_pages, EVERY, 460, 'a harvest (us) by the time between two', high), '</svg>']
    with open(path, 'w', encoding='utf-8') as file:
        file.write('\n'.join(parts) + '\n')


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--minivmm', required=True)
    parser.add_argument('--guest', required=True)
    parser.add_argument('--runs', type=int, default=3)
    parser.add_argument('--chart', metavar='FILE')
    options = parser.parse_args()
    by_memory, by_pages = {}, {}

    heading('memory')
    for memory in MEMORY:
        point = measure(options, memory, '20ms', 'set_kb=4096', 'writes=16', 'work_us=1000')
        row(memory, point)
        for kind in KINDS:
            by_memory.setdefault(kind, []).append(point[kind][0])
    heading('every, stride')
    for stride in STRIDES:
        for every in EVERY:
            point = measure(options, '256M', every, 'set_kb=196608', 'writes=256',
                            f'stride={stride}')
            row(f'{every}, {stride}', point)
            for kind in KINDS:
                name = kind + (', sparse' if stride > 1 else '')
                by_pages.setdefault(name, []).append(point[kind][0])
    if options.chart:
        draw(options.chart, by_memory, by_pages)


if __name__ == '__main__':
    main()
