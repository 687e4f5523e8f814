#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The benchmarks that minivmm is held to: prints a table and writes bench.json.

Ratios are taken within one run. A figure that misses its target is shown so; the
exit status tells only whether everything could be measured.
"""
import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile


def run(minivmm, guest, *options, args=()):
    """The JSON result of one run that passed."""
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "result.json")
        command = [minivmm, "--quiet", "--json", path, *options, guest, "--", *args]
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        if done.returncode != 0:
            sys.exit("bench: %s\nended with status %d:\n%s"
                     % (" ".join(command), done.returncode, done.stdout))
        with open(path) as result:
            return json.load(result)


def human(ns):
    for unit, size in (("s", 1e9), ("ms", 1e6), ("us", 1e3)):
        if ns >= size:
            return "%.3g %s" % (ns / size, unit)
    return "%.3g ns" % ns


class Table:
    def __init__(self):
        self.rows = []

    def add(self, name, value, unit, target=None, note=""):
        """target is the most that is wanted, in the unit of the value."""
        self.rows.append({"name": name, "value": value, "unit": unit, "target": target,
                          "met": None if target is None else value <= target, "note": note})

    @staticmethod
    def show(value, unit):
        if unit == "ns":
            return human(value)
        if unit == "bytes":
            return "%.2f MiB" % (value / 2**20)
        return "%.3g%s" % (value, unit)

    def print(self):
        for row in self.rows:
            target = "" if row["target"] is None else "at most " + self.show(row["target"],
                                                                             row["unit"])
            met = {None: "", True: "met", False: "MISSED"}[row["met"]]
            print("  %-52s %12s   %-18s %-7s %s" % (
                row["name"], self.show(row["value"], row["unit"]), target, met, row["note"]))


def bench_preempted_targets(table, minivmm, guest):
    result = run(minivmm, guest, "--vcpus", "8", "--pcpus", "0", args=["scenario=ping"])
    ipi, pv = (result["mechanisms"][name] for name in ("ipi", "pv"))
    table.add("pv shootdown, 7 of 7 targets preempted, p50", pv["latency_ns"]["p50"], "ns", 1000)
    table.add("ipi shootdown, the same run, p50", ipi["latency_ns"]["p50"], "ns",
              note="slice 4 ms")
    table.add("PTE store, p50 (pv)", pv["pte_write_ns"]["p50"], "ns")
    table.add("local flush, p50 (pv)", pv["local_flush_ns"]["p50"], "ns")


def bench_many_targets(table, minivmm, guest):
    """The cost of one more preempted target, from 15 and 255 of them."""
    p50 = {}
    for vcpus in (16, 256):
        result = run(minivmm, guest, "--vcpus", str(vcpus), "--pcpus", "0", "--mem", "256M",
                     "--shootdown", "pv", "--duration", "4s", args=["scenario=ping"])
        p50[vcpus] = result["mechanisms"]["pv"]["latency_ns"]["p50"]
    table.add("pv shootdown, 255 of 255 targets preempted, p50", p50[256], "ns")
    table.add("pv shootdown, each further preempted target", (p50[256] - p50[16]) / 240, "ns", 20)


def bench_vcpu(table, program):
    runs = [json.loads(subprocess.check_output([program])) for _ in range(5)]

    def median(value):
        return statistics.median(value(r) for r in runs)

    table.add("exit loop : bare KVM_RUN loop",
              median(lambda r: r["exit_run_loop_ns"] / r["exit_bare_loop_ns"]), "x", 1.1,
              human(median(lambda r: r["exit_run_loop_ns"])) + " an exit")
    table.add("reschedule with a flush : without, guest to guest, p50",
              median(lambda r: r["guest_to_guest_flush_ns"]["p50"]
                     / r["guest_to_guest_plain_ns"]["p50"]), "x", 1.2)
    table.add("guest to guest with a flush, p50",
              median(lambda r: r["guest_to_guest_flush_ns"]["p50"]), "ns", 35000)
    for name, target in (("p50", 20000), ("p99", 40000)):
        table.add("end of slice to KVM_RUN of the next vCPU, " + name,
                  median(lambda r: r["expiry_to_run_ns"][name]), "ns", target)


def bench_startup(table, program, minivmm, guest):
    output = subprocess.check_output([program, "21", minivmm, "--vcpus", "8", "--duration", "10ms",
                                      guest])
    samples = [int(line) for line in output.split()]
    table.add("exec to first guest instruction, 8 vCPUs, p50", statistics.median(samples), "ns",
              10_000_000, "of %d runs, %s to %s" % (len(samples), human(min(samples)),
                                                    human(max(samples))))
    result = run(minivmm, guest, "--vcpus", "8")
    table.add("VMM memory beyond the guest's, 8 vCPUs", result["vmm_rss_bytes"], "bytes", 16 << 20)


def bench_boost(table, minivmm, guest):
    for work_us in (20, 100, 500):
        result = run(minivmm, guest, "--duration", "4s", args=["work_us=%d" % work_us])
        ipi, pv = (result["mechanisms"][name] for name in ("ipi", "pv"))
        table.add("throughput pv : ipi, storm, %d us of work, 2:1" % work_us,
                  pv["throughput_per_s"] / ipi["throughput_per_s"], "x")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minivmm", required=True)
    parser.add_argument("--guest", required=True)
    parser.add_argument("--programs", required=True, help="the folder of the other programs")
    parser.add_argument("--out", default="bench.json")
    options = parser.parse_args()
    table = Table()

    bench_preempted_targets(table, options.minivmm, options.guest)
    bench_many_targets(table, options.minivmm, options.guest)
    bench_vcpu(table, os.path.join(options.programs, "bench_vcpu"))
    bench_startup(table, os.path.join(options.programs, "bench_startup"), options.minivmm,
                  options.guest)
    bench_boost(table, options.minivmm, options.guest)

    host = run(options.minivmm, options.guest, "--duration", "10ms")["host"]
    print("minivmm %s on %s, %d CPUs, %s, %s" % (
        host["minivmm_version"], host["cpu_model"], host["online_cpus"], host["kernel"],
        host["kvm"]["module"]))
    table.print()
    with open(options.out, "w") as out:
        json.dump({"schema": "minivmm.bench/1", "host": host, "rows": table.rows}, out, indent=2)
    print("written to %s" % options.out)


if __name__ == "__main__":
    main()
