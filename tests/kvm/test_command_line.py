# SPDX-License-Identifier: MIT
"""Bad input: exit status 2 and one line that says what is wrong. Needs no KVM."""

import os
import struct
import tempfile

from kvmtest import GUEST, PCPUS, Suite, run

# Offsets in the ELF header and in a program header.
E_TYPE, E_MACHINE, E_ENTRY, E_PHOFF, E_PHENTSIZE, E_PHNUM = 16, 18, 24, 32, 54, 56
P_TYPE, P_OFFSET, P_PADDR, P_FILESZ, P_MEMSZ, PHDR_BYTES = 0, 8, 24, 32, 40, 56
PT_INTERP = 3

with open(GUEST, 'rb') as guest_file:
    IMAGE = guest_file.read()
PHOFF = struct.unpack_from('<Q', IMAGE, E_PHOFF)[0]


def patched(*patches):
    """The guest's image with values of a format written at offsets."""
    image = bytearray(IMAGE)
    for layout, offset, value in patches:
        struct.pack_into('<' + layout, image, offset, value)
    return bytes(image)


def segment(index, offset):
    return PHOFF + index * PHDR_BYTES + offset


# what is wrong, the file's contents, what the message says
BAD_FILES = [
    ('empty', b'', 'is empty'),
    ('text', b'#!/bin/sh\necho hello\n', 'is not an ELF file'),
    ('cut within the magic', IMAGE[:3], 'is not an ELF file'),
    ('cut within the header', IMAGE[:40], 'is truncated'),
    ('cut within the program headers', IMAGE[:PHOFF + 20], 'is truncated'),
    ('cut within a segment', IMAGE[:PHOFF + 4 * PHDR_BYTES + 64], 'is truncated|damaged'),
    ('32-bit', patched(('B', 4, 1)), '32-bit'),
    ('of no class', patched(('B', 4, 7)), 'damaged'),
    ('big-endian', patched(('B', 5, 2)), 'little-endian'),
    ('for another machine', patched(('H', E_MACHINE, 183)), 'another machine'),
    ('position-independent', patched(('H', E_TYPE, 3)), '-no-pie'),
    ('an object file', patched(('H', E_TYPE, 1)), 'linked'),
    ('a core file', patched(('H', E_TYPE, 4)), 'not an executable'),
    ('dynamic', patched(('I', segment(0, P_TYPE), PT_INTERP)), 'dynamically linked'),
    ('without program headers', patched(('H', E_PHNUM, 0)), 'no program headers'),
    ('with 65535 program headers', patched(('H', E_PHNUM, 65535)), 'claims 65535'),
    ('with odd program headers', patched(('H', E_PHENTSIZE, 32)), 'of 32 bytes'),
    ('with program headers nowhere', patched(('Q', E_PHOFF, 1 << 63)), 'truncated'),
    ('with a segment over reserved memory', patched(('Q', segment(0, P_PADDR), 0x2000)),
     'keeps for itself'),
    ('with a segment outside memory', patched(('Q', segment(0, P_PADDR), 1 << 40)),
     'does not fit'),
    ('with a segment that wraps round', patched(('Q', segment(0, P_PADDR), 2**64 - 4096)),
     'does not fit'),
    ('with a segment without end', patched(('Q', segment(0, P_MEMSZ), 2**64 - 1)), 'does not fit'),
    ('with more in the file than in memory', patched(('Q', segment(0, P_MEMSZ), 1)), 'takes'),
    ('with a segment beyond the file', patched(('Q', segment(0, P_OFFSET), 1 << 62)), 'truncated'),
    ('with overlapping segments',
     patched(('Q', segment(1, P_PADDR), struct.unpack_from('<Q', IMAGE, segment(0, P_PADDR))[0])),
     'overlap'),
    ('with an entry in no segment', patched(('Q', E_ENTRY, 0x300)), 'entry point'),
]

# arguments before a good guest, what the message says
BAD_OPTIONS = [
    (['--vcpus', '0'], "--vcpus '0' .*1 to 256"),
    (['--vcpus', '257'], "--vcpus '257' .*1 to 256"),
    (['--vcpus', '-1'], "--vcpus '-1'"),
    (['--vcpus', 'many'], "--vcpus 'many'"),
    (['--vcpus', '99999999999999999999'], '--vcpus'),
    (['--vcpus', ''], '--vcpus'),
    (['--vms', '0'], "--vms '0'"),
    (['--vms', '1000000'], '--vms'),
    (['--pcpus', '4095'], 'CPU 4095'),
    (['--pcpus', f'{PCPUS[0]},{PCPUS[0]}'], 'twice'),
    (['--pcpus', '1-0'], '--pcpus'),
    (['--pcpus', '0-'], '--pcpus'),
    (['--pcpus', ''], '--pcpus'),
    (['--mem', '0'], '--mem'),
    (['--mem', '1M'], '4M'),
    (['--mem', '4G'], '3G'),
    (['--mem', '64Q'], '--mem'),
    (['--mem', '5000001'], '4K pages'),
    (['--mem', '4M', '--vcpus', '256'], 'need at least'),
    (['--slice', '0'], '--slice'),
    (['--slice', '0ms'], '--slice'),
    (['--slice', '1ns'], '10us to 10s'),
    (['--slice', '4 parsecs'], '--slice'),
    (['--slice-jitter', '101'], '--slice-jitter'),
    (['--sched', 'round-robbin'], "did you mean 'round-robin'"),
    (['--shootdown', 'ip'], "did you mean 'ipi'"),
    (['--shootdown', 'ipi,,pv'], '--shootdown'),
    (['--shootdown', 'pv,pv'], 'twice'),
    (['--shootdown', ''], '--shootdown'),
    (['--flush-via', 'sregz'], "did you mean 'sregs'"),
    (['--flush-via', 'wbinvd'], '--list'),
    (['--duration', '0s'], '--duration'),
    (['--duration', '2d'], '--duration'),
    (['--duration', '1e99'], '--duration'),
    (['--count', '0'], '--count'),
    (['--seed', 'dice'], '--seed'),
    (['--inject', 'skip-ipi-flash'], "did you mean 'skip-ipi-flush'"),
    (['--timeout', '0'], '--timeout'),
    (['--json', ''], '--json'),
    (['--json', '/nonexistent/directory/x.json'], 'cannot be written'),
    (['--json', '/dev/null/x.json'], 'cannot be written'),
    (['--json', '/'], 'cannot be written'),
    (['--record', ''], '--record'),
    (['--record', '/nonexistent/directory/x.sched'], 'cannot be written'),
    (['--record', '/'], 'cannot be written'),
    (['--replay', ''], '--replay'),
    (['--replay', '/nonexistent/x.sched'], 'No such file'),
    (['--replay', '/'], 'not a regular file'),
    (['--replay', '/dev/zero'], 'not a regular file'),
    (['--replay', '/dev/null'], 'not a regular file'),
    (['--replay', '/etc/passwd'], 'line 1: this is no schedule'),
    (['--replay', GUEST], 'line 1: '),
    (['--quiet', '--verbose'], 'exclude'),
    (['--quiet=yes'], 'takes no value'),
    (['--vcpu', '4', '--durations', '1s'], "did you mean '--duration'"),
    (['-v'], "'-v'"),
    (['/etc/passwd'], 'too many'),
]

# whole command lines, what the message says
BAD_COMMANDS = [
    ([], 'no guest given'),
    (['--'], 'no guest given'),
    ([''], 'empty'),
    (['/nonexistent/guest.elf'], 'No such file'),
    (['/'], 'is a directory'),
    (['/dev/zero'], 'not a regular file'),
    ([GUEST, '--vcpus'], 'needs a value'),
    ([GUEST, '--', 'ping'], 'KEY=VALUE'),
    ([GUEST, '--', '=ping'], 'KEY=VALUE'),
    ([GUEST, '--', 'scenario=a b'], 'KEY=VALUE'),
    ([GUEST, '--', 'scenario=' + 'x' * 2000], 'too long'),
]


def refused(arguments, pattern):
    result = run(*arguments)
    result.require_status(2)
    result.require_one_error(pattern)
    result.require(result.stdout == '', 'something on stdout')


def file_is_refused(contents, pattern):
    with tempfile.NamedTemporaryFile(suffix='.elf') as file:
        file.write(contents)
        file.flush()
        refused([file.name], pattern)


def fifo_is_refused():
    with tempfile.TemporaryDirectory() as directory:
        path = os.path.join(directory, 'fifo')
        os.mkfifo(path)
        refused([path], 'not a regular file')


def huge_file_is_refused():
    with tempfile.NamedTemporaryFile() as file:
        file.truncate(1 << 40)
        refused([file.name], 'larger than')


SCHEDULE = ('minivmm.schedule/1\nvms 1\nvcpus 4\npcpus {pcpus}\nshootdown ipi\nguest-sha256 '
            + '0' * 64 + '\noption slice {slice}\nentries {entries}\n1 0 0.0 0 1 expired\n{end}')

# what is wrong with a schedule, what is different in it, what the message says
BAD_SCHEDULES = [
    ('truncated', {'end': ''}, 'line 10: is missing: the file is not whole'),
    ('short of entries', {'entries': 2}, 'line 10: a number'),
    ('of more entries than can be', {'entries': 1 << 40}, 'line 8: a number'),
    ('with more behind its end', {'end': 'end\n' * 2}, 'line 10: there is more'),
    ('with a bad option', {'slice': '1ns'}, "x.sched': --slice '1ns' is out of range"),
    ('of more pCPUs than there are', {'pcpus': 256}, 'on 256 pCPUs'),
]


def schedule_is_refused(values, pattern):
    standard = {'pcpus': 1, 'slice': '4ms', 'entries': 1, 'end': 'end\n'}
    with tempfile.TemporaryDirectory() as directory:
        path = os.path.join(directory, 'x.sched')
        with open(path, 'w', encoding='ascii') as file:
            file.write(SCHEDULE.format(**{**standard, **values}))
        refused(['--replay', path, GUEST], pattern)


def schedule_that_is_a_fifo_is_refused():
    with tempfile.TemporaryDirectory() as directory:
        path = os.path.join(directory, 'fifo')
        os.mkfifo(path)
        refused(['--replay', path, GUEST], 'not a regular file')


def sweep_knows_no_schedules():
    for option in ('--record', '--replay'):
        refused(['sweep', option, 'x', GUEST], f"unknown option '{option}'")


def answered(option, pattern):
    result = run(option)
    result.require_status(0)
    result.require_stdout(pattern)
    result.require(result.stderr == '', 'something on stderr')


def old_name_is_understood(command, old, new, value, refusal):
    result = run(*command, old, value, '--help')
    result.require_status(0)
    result.require(result.stderr == f'minivmm: {old} is called {new} now: the old name will go\n',
                   'not one line that names the new option')
    bad = run(*command, old, 'nonsense', GUEST)
    bad.require_status(2)
    bad.require(f'{new}{refusal}' in bad.stderr, 'not refused by its new name')


def printed_to_a_full_device(*command):
    """What could not be printed is no success, whoever printed it."""
    with open('/dev/full', 'wb') as full:
        result = run(*command, stdout=full)
    result.require_status(3)
    result.require_one_error('No space left on device')


suite = Suite(needs_kvm=False)
suite.test('--help', answered, '--help', '^Usage: minivmm ')
suite.test('--version', answered, '--version', r'^minivmm \d+\.\d+\.\d+$')
suite.test('--list', answered, '--list', '^mechanisms')
for a_name, a_file, a_pattern in BAD_FILES:
    suite.test(f'a guest that is {a_name}', file_is_refused, a_file, a_pattern)
suite.test('an old name of an option', old_name_is_understood,
           [], '--slice-phase', '--slice-alignment', 'anti',
           ": there is no alignment 'nonsense'")
suite.test("an old name of a sweep's option", old_name_is_understood,
           ['sweep'], '--cell', '--part', '1/2', " 'nonsense'")
for a_command in ('--help', '--list', '--version', 'host --help', 'sweep --help', 'merge --help',
                  'trace-stats --help'):
    suite.test(f'minivmm {a_command} > /dev/full', printed_to_a_full_device, *a_command.split())
suite.test('a guest that is a FIFO', fifo_is_refused)
suite.test('a guest that is a huge file', huge_file_is_refused)
for a_name, some_values, a_pattern in BAD_SCHEDULES:
    suite.test(f'a schedule that is {a_name}', schedule_is_refused, some_values, a_pattern)
suite.test('a schedule that is a FIFO', schedule_that_is_a_fifo_is_refused)
suite.test('a sweep with schedules', sweep_knows_no_schedules)
for some_options, a_pattern in BAD_OPTIONS:
    suite.test(' '.join(some_options), refused, some_options + [GUEST], a_pattern)
for a_command, a_pattern in BAD_COMMANDS:
    suite.test('minivmm ' + ' '.join(a_command)[:60], refused, a_command, a_pattern)
suite.done()
