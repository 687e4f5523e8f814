# SPDX-License-Identifier: MIT
"""Endurance: random runs for a given time, the oracle on, memory and files watched.

Everything is drawn from one seed, which is printed first. The first run that is not a
pass ends it, with the command that repeats that run.
"""

import argparse
import json
import os
import random
import re
import shlex
import subprocess
import sys
import tempfile
import time

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.append(os.path.join(TOP, 'tests', 'kvm'))

import listing  # noqa: E402, where the line above says

UNITS_S = {'s': 1, 'm': 60, 'h': 3600}
SAMPLE_S = 0.1
GROWTH_KIB = 4096     # of a run's memory between a quarter of it and its end
INCONCLUSIVE = 4      # some mechanism was not given a single slice: many vCPUs, long slices
END_S = 120           # what a run may take beyond its own time-out

# What is drawn from; what stands twice is drawn twice as often.
MIX = {
    '--vcpus': [2, 3, 4, 6, 8, 16],
    '--vms': [1, 1, 1, 2, 3],
    '--slice': ['500us', '1ms', '4ms', '4ms', '10ms'],
    '--slice-jitter': [0, 25, 90],
    '--grace': ['0', '0', '100us', '1ms'],
    '--flush-via': ['auto', 'auto', 'sregs', 'sync-regs', 'steal-msr'],
}
OF_SLICES = ['--slice', '--slice-jitter', '--grace']
FLAGS = [[], [], ['--mark-exits']]
ONE_PCPU = [False, False, True]
WORK_US = [0, 5, 20, 100]
# Two of three runs have nothing in them that takes its time, for the sake of many shootdowns.
DENSE_SCENARIOS = ['ping', 'storm', 'idle']
DENSE_MECHANISMS = ['pv', 'pv-recheck', 'pv-halted', 'hypercall']


def parse_time(text):
    match = re.fullmatch(r'(\d+)([smh])', text)
    if not match:
        raise argparse.ArgumentTypeError('give a time as in 30s, 10m or 2h')
    return int(match[1]) * UNITS_S[match[2]]


def catalog(minivmm, heading):
    """The names below a heading of --list that begins with this word."""
    listed = subprocess.run([minivmm, '--list'], capture_output=True, text=True, check=True)
    return listing.names_below(listed.stdout, heading)


class Sampler:
    """What a process needs of memory and files while it runs."""

    def __init__(self, pid):
        self.pid = pid
        self.samples = []

    def take(self):
        try:
            with open(f'/proc/{self.pid}/status', encoding='ascii') as file:
                fields = dict(line.split(':', 1) for line in file)
            self.samples.append((int(fields['VmRSS'].split()[0]),
                                 len(os.listdir(f'/proc/{self.pid}/fd'))))
        except (FileNotFoundError, KeyError, ProcessLookupError, ValueError):
            pass  # it is ending

    def growth(self):
        """In KiB and in files, from a quarter of the run to its end."""
        # The last samples may be of a process that is being torn down: the largest counts.
        later = self.samples[len(self.samples) // 4:]
        if not later:
            return 0, 0
        return (max(rss for rss, _ in later) - later[0][0],
                max(files for _, files in later) - later[0][1])

    def peak(self):
        return max((rss for rss, _ in self.samples), default=0)


class Soak:
    def __init__(self, options):
        build = os.path.join(TOP, 'build')
        self.minivmm = os.path.join(build, 'src/vmm/minivmm')
        self.guest = os.path.join(build, 'src/guest-kernel/guest.elf')
        self.random = random.Random(options.seed)
        self.run_s = options.run
        self.mechanisms = [name for name in catalog(self.minivmm, 'mechanisms')
                           if name != 'pv-kernel']  # needs a kernel that marks
        self.scenarios = catalog(self.minivmm, 'scenarios')
        self.policies = catalog(self.minivmm, 'policies')
        self.runs = self.inconclusive = self.grace_periods = self.shootdowns = self.reads = self.stale = 0
        self.peak_kib = []

    def draw_command(self):
        draw = self.random
        dense = self.runs % 3 != 0
        mechanisms = DENSE_MECHANISMS if dense else self.mechanisms
        mechanisms = draw.sample(mechanisms, draw.randint(1, len(mechanisms)))
        policy = draw.choice(self.policies)
        command = [self.minivmm]
        for option, values in MIX.items():
            if policy == 'host' and option in OF_SLICES:
                continue  # the host's scheduler has none
            command += [option, str(draw.choice(values))]
        command += draw.choice(FLAGS)
        if dense or draw.choice(ONE_PCPU):
            command += ['--pcpus', str(draw.choice(sorted(os.sched_getaffinity(0))))]
        command += ['--sched', policy, '--shootdown', ','.join(mechanisms),
                    '--duration', f'{self.run_s * 1000 // len(mechanisms)}ms',
                    '--seed', str(draw.randrange(1 << 53)),
                    '--timeout', f'{self.run_s + 60}s', self.guest, '--']
        return command + [
            'scenario=' + draw.choice(DENSE_SCENARIOS if dense else self.scenarios),
            f'work_us={0 if dense else draw.choice(WORK_US)}']

    def run_once(self, command):
        """What failed, or None; what the run counted is added up."""
        with tempfile.TemporaryDirectory() as directory:
            path = os.path.join(directory, 'result.json')
            with open(os.path.join(directory, 'out'), 'w+', encoding='utf-8') as out:
                process = subprocess.Popen([command[0], '--json', path, *command[1:]],
                                           stdin=subprocess.DEVNULL, stdout=out,
                                           stderr=subprocess.STDOUT)
                sampler = self.watch(process)
                out.seek(0)
                text = out.read()
            if process.returncode not in (0, INCONCLUSIVE) or not os.path.exists(path):
                return f'exit status {process.returncode}\n{text}'
            with open(path, encoding='utf-8') as file:
                self.add_up(json.load(file))
            self.inconclusive += process.returncode == INCONCLUSIVE
        self.peak_kib.append(sampler.peak())
        kib, files = sampler.growth()
        if kib > GROWTH_KIB or files > 0:
            return f'it grew by {kib} KiB and {files} files while it ran'
        return None

    def watch(self, process):
        sampler = Sampler(process.pid)
        end_s = time.monotonic() + self.run_s + END_S
        while process.poll() is None:
            sampler.take()
            if time.monotonic() > end_s:
                process.kill()
            time.sleep(SAMPLE_S)
        return sampler

    def add_up(self, data):
        for m in data['mechanisms'].values():
            if data['scenario'] == 'rcu':  # flushes nothing
                self.grace_periods += m['shootdowns']
            else:
                self.shootdowns += m['shootdowns']
            self.reads += m['oracle_reads']
            self.stale += m['stale_reads']

    def soak(self, seconds):
        """Runs until the time is over; what failed, or None."""
        end_s = time.monotonic() + seconds
        while time.monotonic() < end_s:
            command = self.draw_command()
            failure = self.run_once(command)
            self.runs += 1
            if failure:
                return f'{failure}\nto repeat it: {shlex.join(command)}'
            if self.inconclusive > 5 + self.runs // 10:
                return 'too many runs were inconclusive'
            if self.runs % 10 == 0:
                print(self.summary(), flush=True)
        return None

    def summary(self):
        return (f'{self.runs} runs, {self.inconclusive} too short, {self.shootdowns:,} shootdowns, '
                f'{self.grace_periods:,} grace periods, {self.reads:,} translations '
                f'checked, {self.stale} stale; at most {max(self.peak_kib, default=0)} KiB resident')


def main():
    parser = argparse.ArgumentParser(description='random runs of minivmm for a given time')
    parser.add_argument('time', type=parse_time, help='as in 30s, 10m or 2h')
    parser.add_argument('--seed', type=int, default=random.randrange(1 << 53))
    parser.add_argument('--run', type=int, default=4, help='seconds of each run (4)')
    options = parser.parse_args()
    print(f'soak: --seed {options.seed}', flush=True)
    soak = Soak(options)
    failure = soak.soak(options.time)
    if failure:
        print(failure, file=sys.stderr)
    print(('FAIL: ' if failure else 'PASS: ') + soak.summary())
    return 1 if failure else 0


sys.exit(main())
