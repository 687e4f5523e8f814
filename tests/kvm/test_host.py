# SPDX-License-Identifier: MIT
"""A host that lacks something: exit status 3 and one line; and output that nobody takes."""

import json
import os
import shutil
import tempfile

import in_lab
from kvmtest import (BUILD, GUEST, MINIVMM, PCPU_LIST, SHORT_RUN, Suite, finish, read_json, run, start,
                     test_guest)

RUN = ['--pcpus', PCPU_LIST, *SHORT_RUN, GUEST]
NOBODY = '65534'


# ---- what is missing ---------------------------------------------------------------

def without_permission():
    """As a user who may not open /dev/kvm, from a place that everybody can reach."""
    if in_lab.INSIDE:  # where everybody may
        os.chmod('/dev/kvm', 0o600)
    with tempfile.TemporaryDirectory() as directory:
        os.chmod(directory, 0o755)
        copies = [shutil.copy(path, directory) for path in (MINIVMM, GUEST)]
        result = run(command=['setpriv', '--reuid', NOBODY, '--clear-groups', *copies])
        result.require_status(3)
        result.require_one_error('no permission to use /dev/kvm')


def in_own_mounts(script):
    """Runs minivmm after a script, in a mount namespace: nobody else sees what it mounts."""
    shell = ['sh', '-ec', script + '; exec "$@"', 'sh']
    return run(*RUN, command=['unshare', '--mount', *shell, MINIVMM])


def without_device():
    result = in_own_mounts('mount -t tmpfs none /dev')
    result.require_status(3)
    result.require_one_error('there is no /dev/kvm: load the KVM module')


def device_is_no_kvm():
    for script in ('mount --bind /dev/null /dev/kvm', 'mount --bind /etc/passwd /dev/kvm',
                   'mount -t tmpfs none /dev; mkdir /dev/kvm'):
        result = in_own_mounts(script)
        result.require_status(3)
        result.require_one_error('/dev/kvm is no KVM')


def sweep_without_proc():
    """A sweep starts itself again and again, by a path that is not /proc's."""
    with tempfile.TemporaryDirectory() as directory:
        shell = ['sh', '-ec', 'mount -t tmpfs none /proc; exec "$@"', 'sh']
        result = run('--repeats', 1, '--count', 20, '--vcpus-per-pcpu', 1, '--pcpus', PCPU_LIST,
                     '--out', directory, '--quiet', GUEST,
                     command=['unshare', '--mount', *shell, MINIVMM, 'sweep'])
        result.require_status(0)


# ---- limits --------------------------------------------------------------------------

def limited(limit):
    """Under any limit it runs, or says in one line what it could not get."""
    result = run('--vcpus', 8, '--pcpus', PCPU_LIST, test_guest('finish'), '--', 'case=code-0',
                 command=['prlimit', limit, MINIVMM])
    result.require_status(0, 3)
    if result.status == 3:
        result.require_one_error('.')
    return result


def too_little_memory():
    statuses = set()
    for mib in range(16, 257, 8):
        statuses.add(limited(f'--as={mib << 20}').status)
    assert statuses == {0, 3}, f'the limits were all too low or too high: {statuses}'


def memory_for_the_guest_is_named():
    result = run('--mem', '512M', *RUN, command=['prlimit', f'--as={128 << 20}', MINIVMM])
    result.require_status(3)
    result.require_one_error('cannot allocate 512M of guest memory')


def too_few_pending_signals():
    """Each slice timer takes one."""
    result = run(*RUN, command=['prlimit', '--sigpending=0', MINIVMM])
    result.require_status(3)
    result.require_one_error('ulimit -i')


def too_few_files():
    statuses = set()
    # With fewer not even the guest's file can be opened.
    for files in range(5, 40):
        statuses.add(limited(f'--nofile={files}').status)
    assert statuses == {0, 3}, f'the limits were all too low or too high: {statuses}'


# ---- output that nobody takes ---------------------------------------------------------

def broken_pipe():
    """The JSON is written all the same, and the failure is told."""
    with tempfile.TemporaryDirectory() as directory:
        path = os.path.join(directory, 'result.json')
        reader, writer = os.pipe()
        os.close(reader)
        process = start(['--json', path, *RUN], stdout=writer)
        os.close(writer)
        result = finish(process)
        result.require_status(3)
        result.require_one_error('the result could not be printed')
        data = read_json(result, path)
        result.require(data and data['verdict'] == 'pass', 'the JSON is not there')


def full_disk():
    with open('/dev/full', 'wb') as full:
        result = run(*RUN, stdout=full)
    result.require_status(3)
    result.require_one_error('the result could not be printed')
    result = run('--json', '/dev/full', *RUN)
    result.require_status(3)
    result.require_one_error('could not be written')


def closed_descriptors(closed, status):
    """A file that is opened must not become stdout: the guest's text would get into it."""
    with tempfile.TemporaryDirectory() as directory:
        path = os.path.join(directory, 'result.json')
        shell = ['sh', '-c', f'exec "$@" {closed}', 'sh']
        result = run('--json', path, '--pcpus', PCPU_LIST, test_guest('doorbell'), '--',
                     'case=good', command=[*shell, MINIVMM])
        result.require_status(status)
        data = read_json(result, path)
        result.require(data and data['verdict'] == 'pass', 'the JSON is not there')
        others = set(os.listdir(directory)) - {'result.json'}
        result.require(not others, f'left files behind: {others}')


def host_is_described():
    result = run('host')
    result.require_status(0)
    result.require_stdout(r'^  ring 3 +native, ')
    result.require_stdout(r'^  KVM module +kvm_')
    described = run('host', '--json')
    described.require_status(0)
    data = json.loads(described.stdout)
    described.require(data['schema'] == 'minivmm.host/1', 'another schema')
    described.require(not data['ring3']['emulated'], 'ring 3 is emulated')
    slower = data['ring0']['ns_per_instruction'] / data['ring3']['ns_per_instruction']
    described.require(data['ring0']['emulated'] == (slower > 10),
                      f'ring 0 is {slower:.1f} times slower than ring 3')
    proofs = {p['proof'] for p in data['selfcheck']['primitives'].values()}
    described.require('flushes' in proofs or data['selfcheck']['exit_alone_flushes'],
                      'no primitive was proven')
    run('host', '--frobnicate').require_status(2)
    run('host', '--help').require_stdout('^Usage: minivmm host')


def hanging_probe_is_named():
    """A KVM that never comes back from ring 0: that is said, and all else found out."""
    shim = os.path.join(BUILD, 'tests/kvm/libhanging_ring0.so')
    described = run('host', '--json', env={**os.environ, 'LD_PRELOAD': shim})
    described.require_status(0)
    data = json.loads(described.stdout)
    described.require(data['ring0'] is None, 'ring 0 has a speed all the same')
    hang = {'ring0'}
    if data['host']['kvm']['module'] != 'kvm_pvm' and data['paging'].startswith('shadow'):
        hang.add('cr3_moves')  # which a guest in ring 0 tries
    described.require(set(data['not_found_out']) == hang, f'other than {hang} is not found out')
    described.require('did not end within' in data['not_found_out']['ring0'], 'another reason')
    described.require(data['ring3'] and data['selfcheck'], 'the rest is not there')


suite = Suite()
suite.test('minivmm host describes it', host_is_described)
suite.test('a probe that hangs is named', hanging_probe_is_named)
if os.geteuid() == 0:
    suite.test('no permission for /dev/kvm', without_permission)
    suite.test('no /dev/kvm', without_device)
    suite.test('/dev/kvm is no KVM', device_is_no_kvm)
    suite.test('sweep without /proc', sweep_without_proc)
suite.test('too little memory', too_little_memory)
suite.test('memory for the guest is named', memory_for_the_guest_is_named)
suite.test('too few files', too_few_files)
suite.test('too few pending signals', too_few_pending_signals)
suite.test('stdout is a broken pipe', broken_pipe)
suite.test('stdout and JSON on a full disk', full_disk)
for some_closed, a_status in ('<&-', 0), ('>&-', 3), ('2>&-', 0), ('<&- >&- 2>&-', 3):
    suite.test(f'closed descriptors {some_closed}', closed_descriptors, some_closed, a_status)
suite.done()
