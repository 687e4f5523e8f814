#!/bin/sh
# SPDX-License-Identifier: MIT
# The suite that runs inside the nested test beds: minivmm, driven and judged, in TAP.
# usage: suite.sh kvm_amd|kvm_intel nested|shadow DIRECTORY-OF-GUESTS
#
# With shadow page tables a translation that nobody flushes stays stale for as long as it
# takes, so that every fault must be caught. With nested ones the emulated CPU drops its TLB at
# each entry into a guest: what is forgotten there cannot show, and only what must work is tested.
kvm_module=$1
paging=$2
guests=$3
guest=$guests/guest.elf
# Seconds are dear in Bochs, so that kvm_intel is tested at 1:1 and 2:1 alone, and faults are
# given less time at first.
case $kvm_module in
kvm_amd) extension=SVM numbers_of_vcpus='2 4 8' durations='1s 6s' ;;
kvm_intel) extension=VMX numbers_of_vcpus='2 4' durations='200ms 1s 6s' ;;
esac
hang_s=60
tests=0
failed=0

# Runs a check (a function or command with arguments) and reports it under a name.
check() { # NAME COMMAND...
	name=$1
	shift
	tests=$((tests + 1))
	start_s=$(cut -d ' ' -f 1 /proc/uptime)
	: >/tmp/why
	if "$@"; then
		verdict=ok
	else
		verdict='not ok'
		failed=$((failed + 1))
	fi
	end_s=$(cut -d ' ' -f 1 /proc/uptime)
	echo "$verdict $tests - $name ($(echo "$start_s $end_s" | awk '{ printf "%.1f", $2 - $1 }') s)"
	sed 's/^/# /' /tmp/why
}

# A guest with several vCPUs that wait with interrupts disabled: see docs/hosts.md, "VMX in Bochs".
check_busy() { # NAME COMMAND...
	if [ "$kvm_module" = kvm_amd ]; then
		check "$@"
	else
		tests=$((tests + 1))
		echo "ok $tests - $1 # SKIP it waits with interrupts disabled, and keeps its CPU in Bochs"
	fi
}

because() { # TEXT
	{
		echo "$1"
		cat /tmp/command
		cat /tmp/stdout /tmp/stderr
	} >>/tmp/why
	return 1
}

# Runs minivmm, with its result in /tmp/result.json.
run() { # ARGUMENT...
	rm -f /tmp/result.json
	echo "minivmm $*" >/tmp/command
	timeout -s KILL "$hang_s" minivmm --json /tmp/result.json "$@" >/tmp/stdout 2>/tmp/stderr
	status=$?
	[ "$status" != 137 ] || because "still running after $hang_s s"
}

names() { # HEADING: the names that --list has below it
	minivmm --list | awk -v heading="$1" '
		/^[^ ]/ { wanted = index($0, heading) == 1 }
		/^ / && wanted { print $1 }'
}

# A field of a mechanism in the result. Each has a line of its own there.
field() { # MECHANISM FIELD
	awk -v mechanism="\"$1\": {" -v field="\"$2\":" '
		/^  "mechanisms"/ { in_mechanisms = 1 }
		in_mechanisms && /^    "/ { wanted = index($0, mechanism) }
		in_mechanisms && /^  }/ { exit }
		wanted && $1 == field { sub(",$", "", $2); print $2; exit }' /tmp/result.json
}

# ---- what must work ----------------------------------------------------------

sound() { # MECHANISMS ARGUMENT...: a run that passes, and in which something happened
	mechanisms=$1
	shift
	run --timeout 55s --count "$count" --shootdown "$(echo "$mechanisms" | tr ' ' ,)" "$@" || return
	[ "$status" = 0 ] || because "exit status $status" || return
	[ ! -s /tmp/stderr ] || because 'something on stderr' || return
	grep -q '^  "verdict": "pass"' /tmp/result.json || because 'the verdict is not pass' || return
	for mechanism in $mechanisms; do
		[ "$(field "$mechanism" shootdowns)" -gt 0 ] ||
			because "$mechanism: no shootdown" || return
		[ "$(field "$mechanism" stale_reads)" = 0 ] ||
			because "$mechanism: stale reads" || return
	done
}

# No more mechanisms in one run than MV_MAX_MECHANISMS.
all_mechanisms() { # ARGUMENT...
	names mechanisms | xargs -n 8 >/tmp/groups
	while read -r group; do
		sound "$group" "$@" </dev/null || return
	done </tmp/groups
}

# The guest does the same under both; only who marks, flushes and schedules differs.
equal_to_kernel() {
	sound 'pv pv-kernel' --vcpus 4 "$guest" -- scenario=storm || return
	for mechanism in pv pv-kernel; do
		deferred=$(field "$mechanism" flushes_deferred)
		[ "$deferred" -gt 0 ] || because "$mechanism deferred nothing" || return
		sent=$(field "$mechanism" ipis_sent)
		[ $((deferred + sent)) = "$(field "$mechanism" targets)" ] ||
			because "$mechanism: deferred and interrupted targets are not all" || return
		for key in shootdowns targets_preempted_share throughput_per_s; do
			echo "$mechanism: $key $(field "$mechanism" $key)" >>/tmp/why
		done
	done
}

# A guest from tests/guests, which ends its run by itself. What else such guests do wrong, and
# how minivmm words it, does not depend on the kind of KVM: tests/kvm has those.
guest_ends() { # GUEST CASE STATUS
	run --timeout 55s --shootdown ipi --duration 100ms --vcpus 4 "$guests/$1.elf" -- "case=$2" || return
	[ "$status" = "$3" ] || because "exit status $status instead of $3"
}

# A guest with a PVH note alone, which leads itself and looks for stale reads itself.
runs_by_pvh() { # GUEST WORD...
	by_pvh=$1
	shift
	run --timeout 55s --vcpus 4 "$guests/$by_pvh.elf" -- "$@" || return
	[ "$status" = 0 ] || because "exit status $status"
}

self_check_proves() { # PRIMITIVE
	run --duration 10ms --shootdown ipi "$guest" -- scenario=ping || return
	grep -A 1 "\"$1\": {" /tmp/result.json | grep -q '"proof": "flushes"' ||
		because "the self-check has not proven $1"
}

# ---- what must be seen ---------------------------------------------------------

is_stale_after() { # ACTION
	echo "stale_after $1" >/tmp/command
	stale_after "$1" >/tmp/stdout 2>/tmp/stderr
	[ "$(cat /tmp/stdout)" = stale ] || because "the translation did not stay stale"
}

# Some faults bite only in a race that has to happen: where it did not, once more and longer.
is_caught() { # FAULT
	for duration in $durations; do
		run --inject "$1" --duration "$duration" "$guest" || return
		[ "$status" = 4 ] || break
	done
	[ "$status" = 1 ] || because "exit status $status: the fault was not caught" || return
	grep -Eq '^FAIL: .* (stale reads|pages lost)' /tmp/stdout || because 'no word of stale reads'
}

# What guest.elf is not made to show, and guests/access.elf is: it asks in the middle of an
# access for a flush that cannot be, and only a host that defers flushes there comes to see it.
is_caught_by_access() { # FAULT
	run --inject "$1" --vcpus 2 --pcpus 0 --timeout 30s "$guests/access.elf" -- case=two-in-one || return
	[ "$status" = 1 ] || because "exit status $status: the fault was not caught" || return
	grep -q '^FAIL: .* doorbell: no flush mask' /tmp/stdout || because 'no word of the mask'
}

host_is_known() {
	echo 'minivmm host' >/tmp/command
	minivmm host >/tmp/stdout 2>/tmp/stderr || because 'it failed' || return
	grep -q "KVM module  *$kvm_module" /tmp/stdout || because "not $kvm_module" || return
	grep -q "CPU  *has $extension" /tmp/stdout || because "no $extension" || return
	grep -q 'ring 0  *native' /tmp/stdout || because 'ring 0 is not native' || return
	grep -q 'the kernel marks preemption  *yes' /tmp/stdout || because 'no marks'
}

# ---- the suite -----------------------------------------------------------------

show_what_is_forgotten() {
	for action in exit kick same-sregs tracking dirty-bitmap dirty-ring; do
		check "stale after $action" is_stale_after "$action"
	done
	for primitive in $(names 'flush primitives' | grep -v auto); do
		check "$primitive is proven" self_check_proves "$primitive"
	done
	for fault in $(names faults | grep -v -e none -e mark-in-access); do
		check "$fault is caught" is_caught "$fault"
	done
	check 'mark-in-access is caught' is_caught_by_access mark-in-access
}

show_what_works() {
	# Shootdowns and not time: an emulated machine on a busy host is slow, and must not fail for it.
	count=4
	for scenario in $(names scenarios); do
		for vcpus in $numbers_of_vcpus; do
			check "$scenario, $vcpus vCPUs on 2 pCPUs" \
				all_mechanisms --vcpus "$vcpus" "$guest" -- "scenario=$scenario"
		done
	done
	for primitive in $(names 'flush primitives'); do
		check "flush via $primitive" sound 'ipi pv' --flush-via "$primitive" "$guest"
	done
	# Before and after a phase all memory is read.
	for kind in bitmap ring; do
		check "dirty tracking by $kind" sound 'ipi pv' --dirty "$kind" --mem 8M "$guest"
	done
	for case in truthful moved rubbish disabled; do
		check "steal time: $case" guest_ends steal "$case" 0
	done
	for case in hlt-xapic doorbell-xapic hlt-doorbell init-running init-halted; do
		check "wake: $case" guest_ends wake "$case" 0
	done
	check 'started by PVH: start' runs_by_pvh pvh case=start
	for case in wake mask; do
		check_busy "started by PVH: $case" runs_by_pvh pvh "case=$case"
	done
	for words in 'scenario=ping shootdown=ipi' 'scenario=storm shootdown=ipi,pv'; do
		check_busy "the guest started by PVH: $words" runs_by_pvh guest_by_pvh $words duration_ms=200
	done
	check 'a triple fault ends the run' guest_ends fault triple-fault-in-ring3 1
	count=60
	check 'pv does as the kernel does' equal_to_kernel
}

check "minivmm host knows $kvm_module, and that the kernel marks" host_is_known
[ "$paging" = nested ] || show_what_is_forgotten
# What works has to be seen once under VMX, with EPT: in Bochs a run takes long.
[ "$kvm_module $paging" = 'kvm_intel shadow' ] || show_what_works

echo "1..$tests"
echo "END OF SUITE: $failed failed"
