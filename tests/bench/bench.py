#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The benchmarks that minivmm is held to: prints a table and writes bench.json.

Ratios are taken within one run. A figure that misses its target is shown so; the
exit status tells only whether everything could be measured.
"""
import argparse
import glob
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time


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
    if ns < 0:
        return "nothing"
    for unit, size in (("s", 1e9), ("ms", 1e6), ("us", 1e3)):
        if ns >= size:
            return "%.3g %s" % (ns / size, unit)
    return "%.3g ns" % ns


class Table:
    def __init__(self):
        self.rows = []

    def add(self, name, value, unit, target=None, note="", least=False):
        """target is the most, or the least, that is wanted, in the unit of the value."""
        met = None
        if target is not None:
            met = value >= target if least else value <= target
        self.rows.append({"name": name, "value": value, "unit": unit, "target": target,
                          "target_is_least": least, "met": met, "note": note})

    @staticmethod
    def show(value, unit):
        if value is None:
            return "never"
        if unit == "ns":
            return human(value)
        if unit == "bytes":
            return "%.2f MiB" % (value / 2**20)
        return "%.3g%s" % (value, unit)

    def print(self):
        for row in self.rows:
            target = ""
            if row["target"] is not None:
                target = ("at least " if row["target_is_least"] else "at most ") + self.show(
                    row["target"], row["unit"])
            met = {None: "", True: "met", False: "MISSED"}[row["met"]]
            print("  %-66s %10s   %-16s %-7s %s" % (
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


# What an exit took where the targets were set. Exits, entries and little else is what a
# hand-over consists of, and a shootdown: their times are also held in multiples of an exit.
TARGET_EXIT_NS = 15500


def add_in_exits(table, what, exits, target_ns):
    table.add("  ... %sin exits of a bare KVM_RUN loop" % what, exits, "x",
              target_ns / TARGET_EXIT_NS)


def measure_vcpu(program):
    return [json.loads(subprocess.check_output([program])) for _ in range(5)]


def median_exit_ns(runs):
    return statistics.median(r["exit_bare_loop_ns"] for r in runs)


def bench_vcpu(table, runs):
    def median(value):
        return statistics.median(value(r) for r in runs)

    def add_time(name, value, target_ns):
        table.add(name, median(value), "ns", target_ns)
        add_in_exits(table, "", median(lambda r: value(r) / r["exit_bare_loop_ns"]), target_ns)

    table.add("exit loop : bare KVM_RUN loop",
              median(lambda r: r["exit_run_loop_ns"] / r["exit_bare_loop_ns"]), "x", 1.1,
              human(median(lambda r: r["exit_run_loop_ns"])) + " an exit")
    table.add("reschedule with a flush : without, guest to guest, p50",
              median(lambda r: r["guest_to_guest_flush_ns"]["p50"]
                     / r["guest_to_guest_plain_ns"]["p50"]), "x", 1.2)
    add_time("guest to guest with a flush, p50",
             lambda r: r["guest_to_guest_flush_ns"]["p50"], 35000)
    for quantile, target in (("p50", 20000), ("p99", 40000)):
        add_time("end of slice to KVM_RUN of the next vCPU, " + quantile,
                 lambda r, q=quantile: r["expiry_to_run_ns"][q], target)


def bench_startup(table, program, minivmm, guest):
    output = subprocess.check_output([program, "21", minivmm, "--vcpus", "8", "--duration", "10ms",
                                      guest])
    samples = [int(line) for line in output.split()]
    table.add("exec to first guest instruction, 8 vCPUs, p50", statistics.median(samples), "ns",
              10_000_000, "of %d runs, %s to %s" % (len(samples), human(min(samples)),
                                                    human(max(samples))))
    result = run(minivmm, guest, "--vcpus", "8")
    table.add("VMM memory beyond the guest's, 8 vCPUs", result["vmm_rss_bytes"], "bytes", 16 << 20)


class Overcommit:
    """Storm at 1:1 and overcommitted, run next to each other and again and again."""

    def __init__(self, minivmm, guest, pcpus, repeats):
        self.minivmm, self.guest, self.pcpus, self.repeats = minivmm, guest, pcpus, repeats

    def run(self, ratio, mechanisms, work_us, *options):
        return run(self.minivmm, self.guest, "--vcpus", str(ratio * self.pcpus),
                   "--shootdown", mechanisms, *options, args=["work_us=%d" % work_us])["mechanisms"]

    def pairs(self, ratio, mechanisms, work_us, *options):
        """(1:1, overcommitted) for each repeat."""
        return [(self.run(1, mechanisms, work_us, *options),
                 self.run(ratio, mechanisms, work_us, *options)) for _ in range(self.repeats)]


def spread(values):
    return "%.3g to %.3g of %d" % (min(values), max(values), len(values))


def add_kept(table, overcommit, exit_ns, ratio, work_us, slice_ms, least, phase="independent"):
    """Throughput kept of 1:1, for pv-recheck, with pv beside it."""
    slice_ns = slice_ms * 1e6
    pairs = overcommit.pairs(ratio, "pv,pv-recheck", work_us, "--slice", "%dms" % slice_ms,
                             "--slice-alignment", phase)
    for name, target in (("pv-recheck", least), ("pv", None)):
        kept = [over[name]["throughput_per_s"] / even[name]["throughput_per_s"]
                for even, over in pairs]
        lost_ns = (1 - statistics.median(kept)) * slice_ns
        table.add("%s keeps of 1:1, %d us of work, %d:1, slice %d ms%s"
                  % (name, work_us, ratio, slice_ms, "" if phase == "independent" else ", " + phase),
                  statistics.median(kept), "x", target,
                  "%s, %s lost a slice" % (spread(kept), human(lost_ns)), least=True)
        if target:
            add_in_exits(table, "lost a slice, ", lost_ns / exit_ns, (1 - target) * slice_ns)


def bench_keep(table, overcommit, exit_ns):
    for slice_ms, least, work in ((4, 0.97, (100, 500)), (1, 0.93, (100,))):
        for work_us in work:
            for ratio in (2, 3, 8):
                add_kept(table, overcommit, exit_ns, ratio, work_us, slice_ms, least)
    for phase in ("aligned", "anti"):
        add_kept(table, overcommit, exit_ns, 2, 100, 4, 0.97, phase)


def bench_boost(table, overcommit, exit_ns):
    """Beside each boost what it would be if the mechanism lost nothing: its 1:1 over ipi."""
    work_ns, slice_ns = 100e3, 4e6
    for name, target in (("pv", 20), ("pv-recheck", 25)):
        boosts, most, rounds_ns = [], [], []
        for even, both in overcommit.pairs(2, "ipi," + name, 100):
            ipi = both["ipi"]["throughput_per_s"]
            boosts.append(both[name]["throughput_per_s"] / ipi)
            most.append(even[name]["throughput_per_s"] / ipi)
            rounds_ns.append(overcommit.pcpus * 1e9 / both[name]["throughput_per_s"])
        table.add("throughput %s : ipi, 100 us of work, 2:1" % name, statistics.median(boosts),
                  "x", target, "%s; with no loss %.3gx" % (spread(boosts),
                                                           statistics.median(most)), least=True)
        # ipi completes one round in each slice.
        add_in_exits(table, "a round without its work, ",
                     (statistics.median(rounds_ns) - work_ns) / exit_ns,
                     slice_ns / target - work_ns)


def bench_tail(table, overcommit):
    """pv-recheck overcommitted against ipi at 1:1."""
    for title, options, field in (("net of own steal", (), "latency_net_ns"),
                                  ("wall time, --grace 500us", ("--grace", "500us"), "latency_ns")):
        pairs = [(overcommit.run(1, "ipi", 100), overcommit.run(3, "pv-recheck", 100, *options))
                 for _ in range(overcommit.repeats)]
        for quantile, target in (("p99", 2), ("p999", 3)):
            ratios = [over["pv-recheck"][field][quantile] / even["ipi"]["latency_ns"][quantile]
                      for even, over in pairs]
            table.add("latency %s, pv-recheck 3:1 : ipi 1:1, %s" % (quantile, title),
                      statistics.median(ratios), "x", target, spread(ratios))
        lost = [over["pv-recheck"]["sender_descheduled"] / over["pv-recheck"]["shootdowns"]
                for _, over in pairs]
        table.add("shootdowns whose sender lost its pCPU, %s" % title,
                  statistics.median(lost) * 100, "%")


SIZES = [1 << i for i in range(10)]
SIZES_SHOWN = (1, 32, 512)
PRICES = (("local flush", "local_flush_ns", "for the initiator"),
          ("ipi shootdown", "latency_ns", "for the others"))


def crossing(sizes, dearer_by):
    """The size from which on what begins cheaper is dearer, or None if it never is.

    dearer_by is the difference at each size; between two sizes it is a straight line. A
    size counts if it is dearer at all larger ones, too: noise may cross several times.
    """
    first = len(sizes)
    while first and dearer_by[first - 1] > 0:
        first -= 1
    if first == len(sizes):
        return None
    if first == 0:
        return sizes[0]
    low, high = dearer_by[first - 1], dearer_by[first]
    return sizes[first - 1] + (sizes[first] - sizes[first - 1]) * -low / (high - low)


def measure_sizes(minivmm, guest, pcpus, backwards):
    """What sweep-size found: {(pages, way): mechanism}. Both ways of a size run side by side."""
    found = {}
    for pages in SIZES:
        for way in ("full", "invlpg") if backwards else ("invlpg", "full"):
            found[pages, way] = run(
                minivmm, guest, "--vcpus", "2", "--pcpus", pcpus, "--shootdown", "ipi",
                "--count", "400",
                args=["scenario=sweep-size", "pages=%d" % pages, "flush=" + way])["mechanisms"]["ipi"]
    return found


def add_crossing(table, repeats, field, whose):
    crossings = [crossing(SIZES, [found[pages, "invlpg"][field]["p50"]
                                  - found[pages, "full"][field]["p50"] for pages in SIZES])
                 for found in repeats]
    name = "full flush cheaper than INVLPG, %s, from" % whose
    crossed = [pages for pages in crossings if pages is not None]
    if 2 * len(crossed) <= len(crossings):
        table.add(name, None, " pages", note="they do not cross up to %d pages in %d of %d"
                  % (SIZES[-1], len(crossings) - len(crossed), len(crossings)))
    else:
        table.add(name, statistics.median(crossed), " pages",
                  note="%s, %d crossed" % (spread(crossed), len(crossed)))


def bench_size(table, minivmm, guest, nr_repeats):
    """INVLPG for each page of a shootdown against a full flush, and where the two cross."""
    cpus = sorted(os.sched_getaffinity(0))[:2]
    if len(cpus) < 2:
        print("bench: size: left out, it needs two CPUs")
        return
    repeats = [measure_sizes(minivmm, guest, "%d,%d" % tuple(cpus), i % 2)
               for i in range(nr_repeats)]
    for title, field, whose in PRICES:
        for pages in SIZES_SHOWN:
            for way in ("invlpg", "full"):
                table.add("%s of %d page%s, %s, p50" % (title, pages, "s"[:pages > 1], way),
                          statistics.median(found[pages, way][field]["p50"] for found in repeats),
                          "ns")
        add_crossing(table, repeats, field, whose)


def bench_sweep(table, minivmm, guest):
    """What a sweep of short runs spends between them: the shorter they are, the larger its share."""
    with tempfile.TemporaryDirectory() as folder:
        out = os.path.join(folder, "sweep")
        start_s = time.monotonic()
        subprocess.run([minivmm, "sweep", "--vcpus-per-pcpu", "1,2,3,4,8", "--slice", "1ms,4ms",
                        "--sched", "round-robin,random", "--repeats", "1", "--duration", "200ms",
                        "--out", out, guest, "--", "work_us=20,50,100,200,500"],
                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=True)
        all_ns = (time.monotonic() - start_s) * 1e9
        runs = glob.glob(os.path.join(out, "runs", "*.json"))
        guests_ns = 0
        for path in runs:
            with open(path) as result:
                guests_ns += json.load(result)["elapsed_ns"]
    table.add("sweep of 100 cells, 2 x 200 ms each, outside guests", (1 - guests_ns / all_ns) * 100,
              "%", 5, "%d runs in %s" % (len(runs), human(all_ns)))


SECTIONS = ("latency", "size", "vcpu", "startup", "keep", "boost", "tail", "trace", "sweep")


def measure(table, sections, options):
    overcommit = Overcommit(options.minivmm, options.guest, len(os.sched_getaffinity(0)),
                            options.repeats)
    if {"vcpu", "keep", "boost"} & set(sections):
        vcpu_runs = measure_vcpu(os.path.join(options.programs, "bench_vcpu"))
        exit_ns = median_exit_ns(vcpu_runs)
    if "latency" in sections:
        bench_preempted_targets(table, options.minivmm, options.guest)
        bench_many_targets(table, options.minivmm, options.guest)
    if "size" in sections:
        bench_size(table, options.minivmm, options.guest, options.repeats)
    if "vcpu" in sections:
        bench_vcpu(table, vcpu_runs)
    if "startup" in sections:
        bench_startup(table, os.path.join(options.programs, "bench_startup"), options.minivmm,
                      options.guest)
    if "keep" in sections:
        bench_keep(table, overcommit, exit_ns)
    if "boost" in sections:
        bench_boost(table, overcommit, exit_ns)
    if "tail" in sections:
        bench_tail(table, overcommit)
    if "trace" in sections:
        bench_trace(table, options.minivmm, options.guest)
    if "sweep" in sections:
        bench_sweep(table, options.minivmm, options.guest)


def pairs_with_trace(minivmm, guest, count, *options, args):
    """Results without and with --trace of short runs, one right after the other."""
    with tempfile.TemporaryDirectory() as folder:
        trace = ("--trace", os.path.join(folder, "trace.json"))
        for pair in range(count):
            result = {}
            for traced in (True, False) if pair % 2 else (False, True):
                extra = trace if traced else ()
                result[traced] = run(minivmm, guest, *options, *extra, args=args)
            yield result[False]["mechanisms"], result[True]["mechanisms"]


def bench_trace(table, minivmm, guest):
    for name in ("ipi", "pv"):
        ratios = [without[name]["throughput_per_s"] / traced[name]["throughput_per_s"]
                  for without, traced in pairs_with_trace(
                      minivmm, guest, 15, "--vcpus", "2", "--shootdown", name, "--duration",
                      "500ms", args=["work_us=20"])]
        low, _, high = statistics.quantiles(ratios, n=4)
        table.add("throughput without : with --trace, storm, 20 us, 1:1, %s" % name,
                  statistics.median(ratios), "x", 1.03,
                  "half of %d pairs: %.3f to %.3f" % (len(ratios), low, high))
    added = [traced["pv"]["latency_ns"]["p50"] - without["pv"]["latency_ns"]["p50"]
             for without, traced in pairs_with_trace(
                 minivmm, guest, 5, "--vcpus", "4", "--pcpus", "0", "--shootdown", "pv",
                 "--duration", "300ms", args=["scenario=ping"])]
    table.add("added by --trace to a pv shootdown of 3 preempted targets, p50",
              statistics.median(added), "ns")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minivmm", required=True)
    parser.add_argument("--guest", required=True)
    parser.add_argument("--programs", required=True, help="the folder of the other programs")
    parser.add_argument("--out", default="bench.json")
    parser.add_argument("--repeats", type=int, default=3, help="of what is compared (3)")
    parser.add_argument("--only", nargs="+", choices=SECTIONS, default=SECTIONS)
    options = parser.parse_args()
    table = Table()

    measure(table, options.only, options)

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
