# SPDX-License-Identifier: MIT
"""Boots the nested test bed, a kvm_amd machine emulated by QEMU, and reports its suite as TAP."""

import argparse
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time

from bed import END_MARK, GUESTS, skip, skip_without

# A boot takes some seconds and the suite a minute; nothing in it is silent for so long.
SILENCE_S = 75

# Commands that are needed here, and the Debian packages that hold them.
COMMANDS = {
    'qemu-system-x86_64': 'qemu-system-x86',
    'cpio': 'cpio',
}
BUSYBOX = shutil.which('busybox')
BIOS = ('/usr/share/seabios/bios-256k.bin', '/usr/share/qemu/bios-256k.bin')
KERNEL_FILES = ('vmlinuz', 'irqbypass.ko', 'kvm.ko', 'kvm-amd.ko')


def is_static(path):
    """Whether a busybox needs no C library."""
    with open(path, 'rb') as file:
        return b'ld-linux' not in file.read(4096)


def skip_if_something_is_missing(kernel):
    packages = [package for command, package in COMMANDS.items() if not shutil.which(command)]
    if not any(map(os.path.exists, BIOS)):
        packages.append('seabios')
    if not BUSYBOX or not is_static(BUSYBOX):
        packages.append('busybox-static')
    skip_without(packages, kernel, KERNEL_FILES)


# ---- the machine's file system ---------------------------------------------------------

def make_initramfs(build, kernel, arguments, work):
    """Everything that runs inside, packed as the kernel wants it; returns the path."""
    root = os.path.join(work, 'root')
    files = {
        BUSYBOX: 'bin/busybox',
        arguments.init: 'init',
        arguments.suite: 'suite.sh',
    }
    for program in ('minivmm-static', 'stale_after', 'hold_vm'):
        files[os.path.join(build, 'tests/nested', program)] = 'bin/' + program.removesuffix('-static')
    for module in KERNEL_FILES[1:]:
        files[os.path.join(kernel, module)] = 'modules/' + module
    for guest in GUESTS:
        files[os.path.join(build, guest)] = 'guests/' + os.path.basename(guest)
    for source, name in files.items():
        target = os.path.join(root, name)
        os.makedirs(os.path.dirname(target), exist_ok=True)
        shutil.copy(source, target)
    os.chmod(os.path.join(root, 'init'), 0o755)

    names = [os.path.relpath(os.path.join(directory, name), root)
             for directory, directories, names in os.walk(root) for name in directories + names]
    path = os.path.join(work, 'initramfs')
    with open(path, 'wb') as file:
        subprocess.run(['cpio', '--quiet', '-o', '-H', 'newc'], cwd=root, stdout=file, check=True,
                       input='\n'.join(names).encode())
    return path


# ---- the machine -------------------------------------------------------------------------

class Machine:
    """An emulated machine that runs; `results` is its second serial port."""

    def __init__(self, kernel, initramfs, npt, work):
        self.monitor = os.path.join(work, 'monitor')
        self.console = os.path.join(work, 'console')
        self.last_sign_s = time.monotonic()
        self.process = subprocess.Popen(
            ['qemu-system-x86_64', '-nodefaults', '-no-reboot', '-display', 'none',
             '-machine', 'q35', '-accel', 'tcg,thread=single', '-cpu', 'max', # see docs/hosts.md
             '-smp', '2', '-m', '1024',
             '-serial', 'file:' + self.console, '-serial', 'stdio',
             '-monitor', f'unix:{self.monitor},server,nowait',
             '-kernel', os.path.join(kernel, 'vmlinuz'), '-initrd', initramfs,
             '-append', f'console=ttyS0 no_timer_check quiet panic=-1 npt={npt}'],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
        self.hung = False
        threading.Thread(target=self._watch, daemon=True).start()

    def lines(self):
        """What the suite prints, until the machine is off or hangs."""
        for line in self.process.stdout:
            self.last_sign_s = time.monotonic()
            yield line.decode('utf-8', 'replace').rstrip()
        self.process.wait()

    def _watch(self):
        while self.process.poll() is None:
            if time.monotonic() - self.last_sign_s > SILENCE_S:
                self.hung = True
                self.registers = self._read_registers()
                self.process.kill()
                return
            time.sleep(0.5)

    def _read_registers(self):
        with socket.socket(socket.AF_UNIX) as monitor:
            monitor.settimeout(5)
            monitor.connect(self.monitor)
            monitor.sendall(b'info registers -a\nquit\n')
            text = b''
            try:
                while chunk := monitor.recv(65536):
                    text += chunk
            except OSError:
                pass
        return text.decode('utf-8', 'replace').replace('\r', '')

    def read_console(self):
        with open(self.console, errors='replace') as file:
            return file.read()


def report(machine):
    """Prints the suite's lines; 0 if it ran to its end and all passed."""
    tests, failed, complete = 0, False, False
    for line in machine.lines():
        complete = complete or line.startswith(END_MARK)
        if line.startswith(('ok ', 'not ok ')):
            tests += 1
            failed = failed or line.startswith('not ok ')
        print(line if not line.startswith(END_MARK) else '# ' + line, flush=True)
    if complete and not machine.hung:
        return 1 if failed else 0

    print(f'not ok {tests + 1} - the machine ran its suite to the end')
    why = f'silent for {SILENCE_S} s' if machine.hung else 'it turned itself off before'
    print(f'# {why}\n1..{tests + 1}', flush=True)
    print(f'{why}; its console:\n{machine.read_console()}', file=sys.stderr)
    if machine.hung:
        print('its CPUs:\n' + machine.registers, file=sys.stderr)
    return 1


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--npt', choices='01', required=True)
    parser.add_argument('--build', required=True)
    parser.add_argument('--init', required=True)
    parser.add_argument('--suite', required=True)
    parser.add_argument('--skip', help='run nothing, for this reason')
    arguments = parser.parse_args()

    kernel = os.path.join(arguments.build, 'nested-kernel')
    if arguments.skip:
        skip(arguments.skip)
    skip_if_something_is_missing(kernel)
    # So that the machine goes, too, when the test is ended from outside.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    with tempfile.TemporaryDirectory() as work:
        initramfs = make_initramfs(arguments.build, kernel, arguments, work)
        machine = Machine(kernel, initramfs, arguments.npt, work)
        try:
            return report(machine)
        finally:
            machine.process.kill()
            machine.process.wait()


sys.exit(main())
