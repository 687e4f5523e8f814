# SPDX-License-Identifier: MIT
"""Sweeps: whole, stopped and resumed, in parts and merged, invalid, and refused."""

import csv
import hashlib
import json
import os
import pty
import re
import shutil
import signal
import tempfile

from kvmtest import (GUEST, MINIVMM, PCPU_LIST, SLOWNESS, Failure, Suite, finish, run, start,
                     wait_until)

# Counted, not timed: a slow machine takes longer, and measures the same.
SMALL = ['--pcpus', PCPU_LIST, '--count', '10', '--slice', '500us', '--repeats', '2']
CELLS = ['--vcpus-per-pcpu', '1,2,3', GUEST, '--', 'work_us=5,20']
# A sweep is a dozen runs, each of which may wait on a machine that does other work.
HANG_S = 180 * SLOWNESS
PLANNED = 2 * 2 * 3  # repeats, values of work_us, and the places of 1:1, 2:1 and 3:1


def sweep(out, *arguments, cells=CELLS, **options):
    return run('sweep', '--out', out, *SMALL, *arguments, *cells, timeout_s=HANG_S, **options)


def finished_runs(out):
    runs = os.path.join(out, 'runs')
    if not os.path.isdir(runs):
        return set()
    return {name for name in os.listdir(runs) if not name.startswith('.')}


def read_results(out):
    with open(os.path.join(out, 'results.json'), encoding='utf-8') as file:
        return json.load(file)


def read_csv(out):
    with open(os.path.join(out, 'results.csv'), encoding='utf-8', newline='') as file:
        return list(csv.DictReader(file))


def require(condition, why):
    if not condition:
        raise Failure(why)


# ---- a sweep that nobody disturbs --------------------------------------------------------

def a_sweep_leaves_results_of_every_run(out):
    result = sweep(out, '--seed', '7')
    result.require_status(0)
    if shutil.which('gnuplot'):
        result.require(result.stderr == '', 'something on stderr')
    else:
        result.require_one_error('no charts: gnuplot is not installed')
    result.require_stdout(rf'^{PLANNED} of {PLANNED} runs, {PLANNED} of them valid')
    result.require(len(finished_runs(out)) == PLANNED, 'not every run left its result')
    result.require('.unfinished.json' not in os.listdir(os.path.join(out, 'runs')),
                   'a result was left behind')
    require(os.path.getsize(os.path.join(out, 'report.html')) > 10000, 'no report to speak of')


def its_json_says_what_was_found(out):
    data = read_results(out)
    require(data['schema'] == 'minivmm.sweep/1', 'schema')
    require(data['complete'] and data['runs_valid'] == PLANNED, 'not complete')
    require(len(data['hosts']) == 1, 'one machine, one manifest')
    with open(GUEST, 'rb') as file:
        require(data['guest']['sha256'] == hashlib.sha256(file.read()).hexdigest(), 'hash')
    require([cell['overcommit'] for cell in data['cells']] == [1, 2, 3] * 2, 'cells')
    for cell in data['cells']:
        require(cell['valid'] and cell['runs_valid'] == 2, f'cell {cell["cell"]} is not valid')
        for name, mechanism in cell['mechanisms'].items():
            require_intervals(mechanism, f'cell {cell["cell"]}, {name}')
            if cell['overcommit'] == 1:
                require(mechanism['keep']['median'] == 1, '1:1 keeps all of itself')


def require_intervals(mechanism, where):
    for key in ('throughput_per_s', 'keep', 'speedup', 'latency_p50_ns', 'preempted_share'):
        i = mechanism[key]
        require(i['n'] == 2, f'{where}: {key} of {i["n"]} runs')
        require(i['low'] <= i['median'] <= i['high'], f'{where}: {key} is out of order: {i}')


def a_ratio_is_taken_from_the_run_beside_it(out):
    rows = {(row['block'], row['overcommit'], row['repeat'], row['mechanism']): row
            for row in read_csv(out)}
    for (block, _, repeat, mechanism), row in rows.items():
        throughput = float(row['throughput_per_s'])
        base = float(rows[block, '1', repeat, mechanism]['throughput_per_s'])
        first = float(rows[block, row['overcommit'], repeat, 'ipi']['throughput_per_s'])
        require(abs(float(row['keep']) * base / throughput - 1) < 1e-6, f'keep: {row}')
        require(abs(float(row['speedup']) * first / throughput - 1) < 1e-6, f'speedup: {row}')


def its_csv_has_a_row_for_each_run_and_mechanism(out):
    rows = read_csv(out)
    require(len(rows) == 2 * PLANNED, f'{len(rows)} rows')
    require({row['work_us'] for row in rows} == {'5', '20'}, 'the guest\'s argument')
    require({row['mechanism'] for row in rows} == {'ipi', 'pv'}, 'mechanisms')
    keys = {(row['block'], row['cell'], row['repeat'], row['mechanism']) for row in rows}
    require(len(keys) == len(rows), 'a row is there twice')
    of_json = {(r['block'], r['cell'], r['repeat'], m): values['shootdowns']
               for r in read_results(out)['runs'] for m, values in r['mechanisms'].items()}
    for row in rows:
        key = int(row['block']), int(row['cell']), int(row['repeat']), row['mechanism']
        require(float(row['shootdowns']) == of_json[key], f'{key}: the JSON says otherwise')


def its_json_parses_with_jq(out):
    if not shutil.which('jq'):
        return
    result = run('.runs | length', os.path.join(out, 'results.json'), command=('jq',))
    result.require_status(0)
    result.require_stdout(f'^{PLANNED}$')


def its_charts_are_files_of_their_own(out):
    if not shutil.which('gnuplot'):
        return
    charts = os.listdir(os.path.join(out, 'charts'))
    for kind in ('kept', 'speedup', 'preempted', 'latency', 'deferrals'):
        for family in (1, 2):
            require(f'{kind}-{family}.svg' in charts, f'no chart {kind}-{family}.svg')
    with open(os.path.join(out, 'report.html'), encoding='utf-8') as file:
        require(file.read().count('<svg ') == 10, 'charts are missing in the report')


# ---- stopped and resumed ------------------------------------------------------------------

def a_sweep_that_was_stopped_goes_on_where_it_was(whole):
    with tempfile.TemporaryDirectory() as directory:
        out = os.path.join(directory, 'out')
        process = start(['sweep', '--out', out, *SMALL, *CELLS])
        wait_until(lambda: len(finished_runs(out)) >= 3, 'three runs are finished', HANG_S)
        process.send_signal(signal.SIGINT)
        stopped = finish(process, timeout_s=HANG_S)
        stopped.require_status(128 + signal.SIGINT)
        before = finished_runs(out)
        stopped.require(3 <= len(before) < PLANNED, f'{len(before)} runs were finished')
        stopped.require(not read_results(out)['complete'], 'it calls itself complete')
        times = {name: os.stat(os.path.join(out, 'runs', name)).st_mtime_ns for name in before}

        resumed = sweep(out, '--resume')
        resumed.require_status(0)
        resumed.require(finished_runs(out) == finished_runs(whole), 'other runs than at a stretch')
        for name, time_ns in times.items():
            resumed.require(os.stat(os.path.join(out, 'runs', name)).st_mtime_ns == time_ns,
                            f'{name} was run again')
        seeds = {run_seed(out, name) for name in finished_runs(out)}
        resumed.require(len(seeds) == 2, 'it went on with another seed')


def run_seed(out, name):
    with open(os.path.join(out, 'runs', name), encoding='utf-8') as file:
        return json.load(file)['config']['seed']


def only_the_same_sweep_can_be_resumed(whole):
    for arguments, why in (([], 'already holds a sweep'),
                           (['--resume', '--seed', '8'], 'options differ'),
                           (['--resume', '--shootdown', 'pv'], 'options differ')):
        refused = sweep(whole, *arguments)
        refused.require_status(2)
        refused.require_one_error(why)
    other = run('sweep', '--out', whole, *SMALL, '--resume', '--seed', '7',
                '--vcpus-per-pcpu', '1,2,3', MINIVMM, '--', 'work_us=5,20')
    other.require_status(2)
    other.require_one_error('guest differs')


# ---- in parts -------------------------------------------------------------------------------

def parts_make_up_the_whole(whole):
    with tempfile.TemporaryDirectory() as directory:
        parts = [os.path.join(directory, f'part-{i}') for i in (1, 2)]
        merged = os.path.join(directory, 'merged')
        for i, part in enumerate(parts):
            sweep(part, '--seed', '7', '--part', f'{i + 1}/2').require_status(0)
        require(not finished_runs(parts[0]) & finished_runs(parts[1]), 'a run is in both parts')
        result = run('merge', '--out', merged, *parts)
        result.require_status(0)
        result.require(finished_runs(merged) == finished_runs(whole), 'other runs than in one go')
        require(read_results(merged)['complete'], 'not complete')
        twice = run('merge', '--out', merged, *parts)
        twice.require_status(2)
        twice.require_one_error('already holds')
        mixed = run('merge', '--out', os.path.join(directory, 'mixed'), parts[0], whole)
        mixed.require_status(2)
        mixed.require_one_error('with another result')


def what_does_not_belong_together_is_not_merged(whole):
    with tempfile.TemporaryDirectory() as directory:
        other, out = (os.path.join(directory, name) for name in ('other', 'out'))
        shutil.copytree(whole, other)
        path = os.path.join(other, 'manifest.json')
        with open(path, encoding='utf-8') as file:
            text = file.read()
        for old, new, why in (('"--seed=7"', '"--seed=8"', 'in the options'),
                              ('"sha256": "', '"sha256": "0', 'in the guest'),
                              ('"minivmm_version": "', '"minivmm_version": "9', 'in the version'),
                              ('minivmm.sweep-manifest/1', 'something else', 'schema')):
            require(old in text, f'no {old} in the manifest')
            with open(path, 'w', encoding='utf-8') as file:
                file.write(text.replace(old, new))
            refused = run('merge', '--out', out, whole, other)
            refused.require_status(2)
            refused.require_one_error(why)
            require(not os.path.exists(out), 'a refused merge left a folder')


# ---- what is invalid, shown, and refused -------------------------------------------------------

def a_cell_with_stale_reads_is_never_averaged_in():
    with tempfile.TemporaryDirectory() as directory:
        out = os.path.join(directory, 'out')
        result = run('sweep', '--out', out, '--pcpus', PCPU_LIST, '--duration', f'{300 * SLOWNESS}ms',
                     '--repeats', '1', '--vcpus-per-pcpu', '2', '--scenario', 'ping',
                     '--inject', 'skip-ipi-flush', GUEST)
        result.require_status(1)
        result.require_stdout('INVALID')
        data = read_results(out)
        bad = [cell for cell in data['cells'] if not cell['valid']]
        result.require(bad, 'no cell is invalid')
        for cell in bad:
            for name, mechanism in cell['mechanisms'].items():
                n = mechanism['throughput_per_s']['n']
                result.require(n == 0, f'{name}: averaged over {n} invalid runs')
        rows = [row for row in read_csv(out) if row['valid'] == 'false']
        result.require(rows and all(row['reason'] for row in rows), 'no reason is given')
        with open(os.path.join(out, 'report.html'), encoding='utf-8') as file:
            result.require('id="invalid"' in file.read(), 'the report does not tell')


def on_a_terminal_it_shows_the_time_left():
    with tempfile.TemporaryDirectory() as directory:
        master, slave = pty.openpty()
        process = start(['sweep', '--out', os.path.join(directory, 'out'), *SMALL, *CELLS],
                        stderr=slave)
        os.close(slave)
        shown = b''
        while True:
            try:
                shown += os.read(master, 65536)
            except OSError:  # the other end is closed
                break
        os.close(master)
        result = finish(process, timeout_s=HANG_S)
        result.require_status(0)
        text = shown.decode()
        result.require(re.search(rf'\b5 of {PLANNED} runs .*left', text), f'shown: {text[-500:]}')


def list_cells_runs_nothing():
    with tempfile.TemporaryDirectory() as directory:
        out = os.path.join(directory, 'out')
        result = sweep(out, '--list-cells')
        result.require_status(0)
        result.require(len(result.stdout.splitlines()) == PLANNED / 2, 'other cells')
        result.require_stdout(r'^block 0 cell 1 2:1 .*work_us=5$')
        result.require(not os.path.exists(out), 'it made a folder')


def mistakes_are_named_before_anything_runs():
    with tempfile.TemporaryDirectory() as directory:
        out = os.path.join(directory, 'out')
        for arguments, why in ((['--s', '1', GUEST], 'short for several'),
                               (['--repeets', '3', GUEST], "did you mean '--repeats'"),
                               (['--sched', 'round-robin,randon', GUEST], "did you mean 'random'"),
                               (['--scenario', 'ebizy', GUEST], "did you mean 'ebizzy'"),
                               (['no-such-guest.elf'], 'no-such-guest.elf')):
            result = run('sweep', '--out', out, *arguments)
            result.require_status(2)
            result.require_one_error(why)
        refused = run('sweep', '--out', out, *SMALL, GUEST, '--', 'work_us=many')
        refused.require_status(2)
        refused.require_one_error('.')
        require(not finished_runs(out), 'a run that was refused counts as finished')
        run('merge').require_status(2)
        missing = run('merge', '--out', out + '2', directory)
        missing.require_status(2)
        missing.require_one_error('manifest.json')


def main():
    suite = Suite()
    with tempfile.TemporaryDirectory() as directory:
        whole = os.path.join(directory, 'whole')
        for test in (a_sweep_leaves_results_of_every_run, its_json_says_what_was_found,
                     its_csv_has_a_row_for_each_run_and_mechanism,
                     a_ratio_is_taken_from_the_run_beside_it, its_json_parses_with_jq,
                     its_charts_are_files_of_their_own,
                     a_sweep_that_was_stopped_goes_on_where_it_was,
                     only_the_same_sweep_can_be_resumed, parts_make_up_the_whole,
                     what_does_not_belong_together_is_not_merged):
            suite.test(test.__name__, test, whole)
    for test in (a_cell_with_stale_reads_is_never_averaged_in,
                 on_a_terminal_it_shows_the_time_left, list_cells_runs_nothing,
                 mistakes_are_named_before_anything_runs):
        suite.test(test.__name__, test)
    suite.done()


main()
