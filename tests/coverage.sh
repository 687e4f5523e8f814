#!/bin/bash
# SPDX-License-Identifier: MIT
# Measures which branches the tests take, in build-coverage, and holds the files of
# docs/coverage.md against what it asks of them. `--kvm` adds the tests on /dev/kvm.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
suites=(--suite unit)
[[ ${1:-} != --kvm ]] || suites+=(--suite kvm)

[[ -f build-coverage/build.ninja ]] || meson setup build-coverage -Db_coverage=true
ninja -C build-coverage
find build-coverage -name '*.gcda' -delete
meson test -C build-coverage --no-rebuild --print-errorlogs --timeout-multiplier 4 "${suites[@]}"
gcovr --root . build-coverage --branches --exclude-unreachable-branches \
	--filter src/vmm/ --filter src/vcpu/ --filter include/minivmm/ \
	--json-summary build-coverage/coverage.json --html-details build-coverage/coverage.html \
	--print-summary

# Rows of the table: | `file` | least share of branches in percent | what is left out, and why |
failed=0
# shellcheck disable=SC2016 # backticks of Markdown
while read -r file least; do
	taken=$(jq -r --arg file "$file" \
		'.files[] | select(.filename == $file) | .branch_percent' build-coverage/coverage.json)
	if jq -en --arg taken "$taken" --arg least "$least" \
		'($taken | tonumber) >= ($least | tonumber)' >/dev/null; then
		printf '%-32s %5s%% of branches\n' "$file" "$taken"
	else
		printf '%-32s %5s%% of branches, less than %s%%\n' "$file" "${taken:-no}" "$least"
		failed=1
	fi
done < <(sed -nE 's/^\| `([a-z_\/.]+)` \| ([0-9]+)% \|.*/\1 \2/p' docs/coverage.md)
exit "$failed"
