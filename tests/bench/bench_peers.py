#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""minivmm next to QEMU's microvm: the same guest and scenario, in turn, on the same pCPUs.

What counts are the ratios, each taken from runs that alternate. Latencies are the guest's
own; times of processes are taken from outside, and in the same way for both.
"""
import argparse
import json
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time

ROUNDS = 15
DURATION_MS = 200
HANG_S = 60

QEMU = ["qemu-system-x86_64", "-accel", "kvm", "-machine", "microvm", "-nodefaults", "-no-reboot",
        "-display", "none", "-serial", "stdio", "-device", "isa-debug-exit,iobase=0xf4",
        "-smp", "2", "-m", "64"]
QEMU_PASSED = 1  # isa-debug-exit makes 2 * code + 1 of the guest's code


def peak_memory(pid):
    """VmHWM in bytes; 0 once the process has ended. What wait4() says counts its parent too."""
    try:
        with open("/proc/%d/status" % pid) as file:
            found = re.search(r"^VmHWM:\s+(\d+) kB", file.read(), re.M)
    except OSError:
        return 0
    return int(found.group(1)) * 1024 if found else 0


def run(command, status):
    """(its stdout, seconds to its first byte there, seconds to its end, peak memory)."""
    start_s = time.monotonic()
    with tempfile.TemporaryFile("w+") as errors:
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=errors)
        hang = threading.Timer(HANG_S, process.kill)
        hang.start()
        first = process.stdout.read(1)
        first_s = time.monotonic() - start_s
        peak = 0
        while process.poll() is None:
            peak = max(peak, peak_memory(process.pid))
            time.sleep(0.002)
        end_s = time.monotonic() - start_s
        hang.cancel()
        output = (first + process.stdout.read()).decode("utf-8", "replace")
        if process.returncode != status:
            errors.seek(0)
            sys.exit("bench_peers: %s\nended with status %d:\n%s%s" % (
                " ".join(command), process.returncode, output, errors.read()))
    return output, first_s, end_s, peak


def run_qemu(guest, pinned):
    output, first_s, end_s, peak = run(
        [*pinned, *QEMU, "-kernel", guest, "-append",
         "scenario=ping shootdown=ipi duration_ms=%d" % DURATION_MS], QEMU_PASSED)
    return {
        "first_instruction": first_s * 1e9,  # it prints a byte before all else
        "whole_run": end_s * 1e9,
        "peak_memory": peak,
        "ipi_p50": int(re.search(r"^ipi: .* p50_ns=(\d+)", output, re.M).group(1)),
        "exit_p50": int(re.search(r" exit_p50_ns=(\d+)", output).group(1)),
    }


def run_minivmm(minivmm, programs, guest, pcpus, pinned):
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "result.json")
        _, _, end_s, peak = run(
            [*pinned, minivmm, "--vcpus", "2", "--pcpus", pcpus, "--shootdown", "ipi",
             "--duration", "%dms" % DURATION_MS, "--json", path, guest, "--", "scenario=ping"], 0)
        with open(path) as file:
            result = json.load(file)
    start = subprocess.check_output(
        [*pinned, os.path.join(programs, "bench_startup"), "1", minivmm, "--vcpus", "2",
         "--pcpus", pcpus, "--duration", "10ms", guest])
    vcpu = json.loads(subprocess.check_output([*pinned, os.path.join(programs, "bench_vcpu")]))
    return {
        "first_instruction": int(start.split()[0]),
        "whole_run": end_s * 1e9,
        "peak_memory": peak,
        "ipi_p50": result["mechanisms"]["ipi"]["latency_ns"]["p50"],
        "exit_p50": vcpu["exit_run_loop_ns"],
    }


ROWS = (
    ("first_instruction", "exec to the first guest instruction", 1e6, "ms", 0.1),
    ("whole_run", "exec to the end of a run of %d ms" % DURATION_MS, 1e6, "ms", None),
    ("peak_memory", "peak memory, guest included", 2**20, "MiB", 0.1),
    ("ipi_p50", "IPI shootdown at 1:1, p50", 1e3, "us", 1.0),
    ("exit_p50", "exit to the VMM and back, quickest round", 1e3, "us", None),
)


def report(ours, peers):
    print("  %-42s %12s %12s %9s" % ("medians of %d" % ROUNDS, "minivmm", "QEMU", "ratio"))
    for key, name, scale, unit, target in ROWS:
        # bench_vcpu takes a mean: the quickest round is the one that nothing disturbed.
        middle = min if key == "exit_p50" else statistics.median
        a, b = (middle([r[key] for r in side]) for side in (ours, peers))
        met = "" if target is None else "at most %g: %s" % (
            target, "met" if a / b <= target else "MISSED")
        print("  %-42s %8.3g %-3s %8.3g %-3s %8.3gx  %s" % (
            name, a / scale, unit, b / scale, unit, a / b, met))
    print("  Under QEMU the guest itself spends at least 120 ms of a run on finding CPUs and time.")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minivmm", required=True)
    parser.add_argument("--guest", required=True)
    parser.add_argument("--programs", required=True, help="the folder of the other programs")
    options = parser.parse_args()
    if not shutil.which(QEMU[0]):
        sys.exit("bench_peers: please install qemu-system-x86")

    cpus = sorted(os.sched_getaffinity(0))[:2]
    if len(cpus) < 2:
        sys.exit("bench_peers: two CPUs are needed")
    pcpus = ",".join(map(str, cpus))
    pinned = ["taskset", "-c", pcpus]
    ours, peers = [], []
    for _ in range(ROUNDS):
        ours.append(run_minivmm(options.minivmm, options.programs, options.guest, pcpus, pinned))
        peers.append(run_qemu(options.guest, pinned))
    report(ours, peers)


if __name__ == "__main__":
    main()
