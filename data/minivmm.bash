# SPDX-License-Identifier: MIT
# Bash completion for minivmm; a unit test compares the words with the option table.
# shellcheck shell=bash disable=SC2207

_minivmm_options="
 --vcpus --vms --pcpus --mem --initrd --strict-io --slice --slice-jitter --slice-alignment --grace --sched
 --shootdown --flush-via --dirty --dirty-every --background --mark-exits --hide --duration --count --seed --record
 --replay
 --inject --timeout --json
 --trace --no-sandbox --list --quiet --verbose --version --help "
_minivmm_mechanisms=" ipi ipi-yield pv pv-recheck pv-halted pv-kernel hypercall "
_minivmm_scenarios=" ping storm ebizzy idle lazy rcu tables sweep-size dirty "
_minivmm_parameters=" scenario work_us chunk_kb idle_pct wake_us away_us read_us pages set_kb stride
 writes targets away flush "
_minivmm_policies=" round-robin random gang boost host "
_minivmm_alignments=" independent aligned anti "
_minivmm_primitives=" auto sregs sync-regs steal-msr "
_minivmm_faults="
 none skip-deferred-flush skip-ipi-flush skip-local-flush lose-flush-bit mark-while-running mark-in-access
 clear-after-flush inverted-cmpxchg skip-lazy-flush skip-readers free-early
 hypercall-no-wait drop-dirty-entry "
_minivmm_dirty=" none bitmap ring "
_minivmm_features=" pv-tlb-flush steal-time "

_minivmm_sweep_options="
 --vcpus-per-pcpu --vms --shootdown --scenario --pcpus --repeats --seed --preset --out --resume
 --list-cells --part --lab --jobs --mem --slice --slice-jitter --slice-alignment --grace --sched --flush-via
 --hide --duration --count --timeout --quiet --help "
_minivmm_merge_options=" --out --quiet --help "
_minivmm_lab_options="
 --machine --repeatable --paging --pcpus --memory --kernel --modules --include --exec --shell --keep --timeout --help "
_minivmm_watch_options=" --time --interval --threads --all --json --trace --help "

# Completes the last of several names with commas between, keeping those before it.
_minivmm_list() {
	local before=""
	[[ $2 == *,* ]] && before="${2%,*},"
	COMPREPLY=($(compgen -P "$before" -W "$1" -- "${2##*,}"))
}

_minivmm() {
	local word="${COMP_WORDS[COMP_CWORD]}" before="${COMP_WORDS[COMP_CWORD - 1]}"
	local options="$_minivmm_options"

	case "${COMP_WORDS[1]}" in
	sweep) options="$_minivmm_sweep_options" ;;
	watch) options="$_minivmm_watch_options" ;;
	merge) options="$_minivmm_merge_options" ;;
	lab) [[ " ${COMP_WORDS[*]:0:COMP_CWORD} " == *" -- "* ]] || options="$_minivmm_lab_options" ;;
	esac

	# Bash takes "--opt=value" for three words.
	if [[ $word == "=" ]]; then
		word=""
	elif [[ $before == "=" ]]; then
		before="${COMP_WORDS[COMP_CWORD - 2]}"
	fi
	COMPREPLY=()
	case "$before" in
	--shootdown) _minivmm_list "$_minivmm_mechanisms" "$word" ;;
	--hide) _minivmm_list "$_minivmm_features" "$word" ;;
	--sched) _minivmm_list "$_minivmm_policies" "$word" ;;
	--scenario) _minivmm_list "$_minivmm_scenarios" "$word" ;;
	--preset) COMPREPLY=($(compgen -W "paper" -- "$word")) ;;
	--out) COMPREPLY=($(compgen -d -- "$word")) ;;
	--slice-alignment) COMPREPLY=($(compgen -W "$_minivmm_alignments" -- "$word")) ;;
	--flush-via) COMPREPLY=($(compgen -W "$_minivmm_primitives" -- "$word")) ;;
	--dirty) COMPREPLY=($(compgen -W "$_minivmm_dirty" -- "$word")) ;;
	--inject) COMPREPLY=($(compgen -W "$_minivmm_faults" -- "$word")) ;;
	scenario) COMPREPLY=($(compgen -W "$_minivmm_scenarios" -- "$word")) ;;
	--machine) COMPREPLY=($(compgen -W "svm vmx" -- "$word")) ;;
	--paging) COMPREPLY=($(compgen -W "nested shadow" -- "$word")) ;;
	--modules | --keep) COMPREPLY=($(compgen -d -- "$word")) ;;
	--kernel | --include) COMPREPLY=($(compgen -f -- "$word")) ;;
	--json | --trace | --initrd | --record | --replay) COMPREPLY=($(compgen -f -- "$word")) ;;
	--vcpus | --vms | --pcpus | --mem | --slice | --slice-jitter | --grace | --dirty-every | --duration | --count | \
		--seed | --timeout | --memory | --vcpus-per-pcpu | --repeats | --part | --time | --interval | --threads) ;;
	*)
		if [[ " ${COMP_WORDS[*]:0:COMP_CWORD} " == *" -- "* ]]; then
			COMPREPLY=($(compgen -S = -W "$_minivmm_parameters" -- "$word"))
		elif [[ $word == -* ]]; then
			COMPREPLY=($(compgen -W "$options" -- "$word"))
		else
			COMPREPLY=($(compgen -f -- "$word"))
			((COMP_CWORD == 1)) &&
				COMPREPLY+=($(compgen -W "host sweep merge trace-stats watch lab" -- "$word"))
		fi
		;;
	esac
}

complete -o filenames -F _minivmm minivmm
