# SPDX-License-Identifier: MIT
"""What a running VMM may do: nothing but run, and never execute what it could write."""

import os

from kvmtest import GUEST, PCPU_LIST, Failure, Suite, finish, run_json, start, wait_until

VCPUS = 3
ARGUMENTS = ['--pcpus', PCPU_LIST, '--vcpus', VCPUS, '--duration', '60s', GUEST]


def thread_fields(pid, field):
    """What /proc says of each vCPU's thread and of the first."""
    values = []
    for task in os.scandir(f'/proc/{pid}/task'):
        with open(os.path.join(task.path, 'status'), encoding='ascii') as file:
            status = dict(map(str.strip, line.split(':', 1)) for line in file)
        if not status['Name'].startswith('kvm-'):
            values.append(status[field])
    return values


def while_running(look, *options):
    """Calls look(pid) once all vCPUs run, and ends the run."""
    process = start([*options, *ARGUMENTS])
    try:
        wait_until(lambda: cpu_ticks(process.pid) > 50, 'the guests have run')
        look(process.pid)
    finally:
        process.terminate()
        finish(process)


def cpu_ticks(pid):
    with open(f'/proc/{pid}/stat', encoding='ascii') as file:
        fields = file.read().rpartition(')')[2].split()
    return int(fields[11]) + int(fields[12])


def sandbox_missing():
    """Why this build has no sandbox, or None."""
    result = run_json('--pcpus', PCPU_LIST, '--duration', '100ms', GUEST)
    return result.json['sandbox_missing']


def require_all(pid, field, value):
    values = thread_fields(pid, field)
    if len(values) != VCPUS + 1 or set(values) != {value}:
        raise Failure(f'{field} of the threads: {values}')


def all_threads_are_behind_the_filter():
    def look(pid):
        require_all(pid, 'Seccomp', '2')
        require_all(pid, 'NoNewPrivs', '1')
    while_running(look)


def no_sandbox_leaves_it_out():
    while_running(lambda pid: require_all(pid, 'Seccomp', '0'), '--no-sandbox')


def no_memory_is_writable_and_executable():
    def look(pid):
        with open(f'/proc/{pid}/maps', encoding='utf-8') as file:
            lines = file.read().splitlines()
        both = [line for line in lines if 'wx' in line.split()[1]]
        # Code comes from files, and from the kernel ([vdso]); guest memory has no name.
        nameless = [line for line in lines if 'x' in line.split()[1] and len(line.split()) < 6]
        if both or nameless or not lines:
            raise Failure('\n'.join(['these could be executed:', *both, *nameless]))
    while_running(look)


suite = Suite()
suite.test('no memory is writable and executable', no_memory_is_writable_and_executable)
suite.test('--no-sandbox leaves the sandbox out', no_sandbox_leaves_it_out)
if sandbox_missing():
    print(f'# no sandbox in this build: {sandbox_missing()}')
else:
    suite.test('all threads are behind the filter', all_threads_are_behind_the_filter)
suite.done()
