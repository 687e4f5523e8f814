#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What minivmm costs, counted in instructions of an emulated CPU: see docs/repeatable.md.

Counts everything in one machine of `minivmm lab --repeatable`, prints a table, and fails
if a count has grown by more than 2% over the one in the file of counts. Counts depend on the
emulator, the kernel and the compiler: where these are others, nothing is compared, the exit
status is 77, and a line says why.
"""
import argparse
import json
import os
import re
import subprocess
import sys

TICK_NS = 10  # Bochs's clock here: an instruction
MOST_GROWTH = 0.02
SKIPPED = 77

# It waits for grace periods of KVM's, whose length depends on when they begin: 13 and 20 million
# ticks were seen of two builds that differ elsewhere.
START = 'exec to the first guest instruction, 8 vCPUs'

# In the machine, whose current directory has what is included below. Results are apart by lines
# that begin with "== ".
SCRIPT = """
run() {
	echo "== $1"
	shift
	minivmm --quiet --seed 1 --json /tmp/r.json "$@" >/tmp/out 2>&1 && cat /tmp/r.json || cat /tmp/out
}
echo "== vcpu"; tests/bench/bench_vcpu 10
echo "== startup"; tests/bench/bench_startup 3 /usr/bin/minivmm --seed 1 --vcpus 8 --count 5 GUEST 2>&1
run ipi --vcpus 2 --shootdown ipi --count 500 GUEST -- scenario=ping
for n in 8 16 32; do
	run pv-$n --vcpus $n --pcpus 0 --shootdown pv --slice 1ms --count 60 GUEST -- scenario=ping
done
echo "== end"
"""


def machine_output(minivmm, build):
    guest = 'src/guest-kernel/guest.elf'
    words = [os.path.abspath(minivmm), 'lab', '--repeatable']
    for path in ('tests/bench/bench_vcpu', 'tests/bench/bench_startup', guest):
        words += ['--include', path]
    words += ['--exec', '--', 'sh', '-c', SCRIPT.replace('GUEST', guest)]
    done = subprocess.run(words, cwd=build, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, text=True)
    if done.returncode == 3 and 'the emulated machine' not in done.stderr: # something is not installed
        sys.stderr.write(done.stderr)
        sys.exit(SKIPPED)
    if done.returncode or '== end' not in done.stdout:
        sys.exit(f'bench-repeatable: the machine ended with {done.returncode}:\n'
                 f'{done.stdout}{done.stderr}')
    return done.stdout


def sections_of(output):
    """{name: text} of what stands between the lines that begin with "== "."""
    parts = re.split(r'^== (\S+)$', output, flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2]))


def read_json(sections, name):
    try:
        return json.loads(sections[name])
    except ValueError:
        sys.exit(f'bench-repeatable: {name} printed\n{sections[name]}')


def instructions(ns):
    return ns / TICK_NS


def made_by(sections, compiler):
    host = read_json(sections, 'ipi')['host']
    return {'emulator': host['emulator'], 'kernel': host['kernel'], 'compiler': compiler}


def median(values):
    in_order = sorted(values)
    return in_order[len(in_order) // 2]


def counts_of(sections):
    """{name: instructions}, in the order of the table."""
    vcpu = read_json(sections, 'vcpu')
    ipi = read_json(sections, 'ipi')
    pv = {n: read_json(sections, f'pv-{n}')['mechanisms']['pv']['latency_ns']['min']
          for n in (8, 16, 32)}
    check = ipi['selfcheck']
    startups = [int(word) for word in re.findall(r'^\d+$', sections['startup'], re.MULTILINE)]
    if not startups:
        sys.exit(f'bench-repeatable: startup printed\n{sections["startup"]}')
    ns = {
        'exit, bare KVM_RUN loop': vcpu['exit_bare_loop_ns'],
        'exit, run loop': vcpu['exit_run_loop_ns'],
        'end of slice to KVM_RUN of the next vCPU': vcpu['expiry_to_run_ns']['mean'],
        'guest to guest': vcpu['guest_to_guest_plain_ns']['mean'],
        'guest to guest with a flush': vcpu['guest_to_guest_flush_ns']['mean'],
        'resume, no flush': check['plain_resume_ns'],
    }
    for name, primitive in check['primitives'].items():
        if primitive['resume_ns']:
            ns[f'resume, flush by {name}'] = primitive['resume_ns']
    ns |= {
        'shootdown by IPI at 1:1': ipi['mechanisms']['ipi']['latency_ns']['min'],
        'shootdown by pv, 7 of 7 preempted': pv[8],
        'shootdown by pv, each further preempted target': (pv[32] - pv[16]) / 16,
        START: median(startups),
    }
    return {name: round(instructions(value), 2) for name, value in ns.items()}


def verdict_on(name, count, old):
    if old is None:
        return 'new'
    if name == START:
        return 'not compared'
    if count > old * (1 + MOST_GROWTH):
        return 'GREW'
    return 'fell' if count < old * (1 - MOST_GROWTH) else ''


def compare(counts, before):
    """[(name, count, count before or None, verdict)] and whether that passes."""
    rows = [(name, count, before.get(name), verdict_on(name, count, before.get(name)))
            for name, count in counts.items()]
    rows += [(name, None, old, 'LOST') for name, old in before.items() if name not in counts]
    return rows, not any(verdict in ('GREW', 'LOST') for *_, verdict in rows)


def print_rows(rows):
    def text(count):
        return '-' if count is None else f'{count:,.10g}'
    print(f'{"":50} {"instructions":>14} {"before":>14}')
    for name, count, old, verdict in rows:
        print(f'{name:50} {text(count):>14} {text(old):>14} {verdict}')


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--minivmm', required=True)
    parser.add_argument('--build', required=True)
    parser.add_argument('--compiler', required=True)
    parser.add_argument('--counts', required=True, help='the file of counts')
    parser.add_argument('--update', action='store_true', help='write that file')
    options = parser.parse_args()

    sections = sections_of(machine_output(options.minivmm, options.build))
    made = made_by(sections, options.compiler)
    counts = counts_of(sections)
    with open(options.counts, encoding='utf-8') as file:
        before = json.load(file)
    comparable = before['made_by'] == made
    rows, passed = compare(counts, before['counts'] if comparable else {})
    print_rows(rows)
    if options.update:
        with open(options.counts, 'w', encoding='utf-8') as file:
            json.dump({'schema': 'minivmm.instructions/1', 'made_by': made, 'counts': counts}, file,
                      indent=2)
            file.write('\n')
        print(f'written to {options.counts}')
        return 0
    if not comparable:
        print(f'not compared: the counts in {os.path.basename(options.counts)} are of '
              f'{before["made_by"]}, these of {made}', file=sys.stderr)
        return SKIPPED
    if not passed:
        print('a count grew by more than 2%: if that is meant, `ninja bench-repeatable-update` '
              'writes them anew, for the same commit', file=sys.stderr)
    return 0 if passed else 1


if __name__ == '__main__':
    sys.exit(main())
