#!/bin/bash
# SPDX-License-Identifier: MIT
# Measures which branches the tests take, in build-coverage, and holds the files of
# docs/coverage.md against what it asks of them. `--kvm` adds the tests on /dev/kvm.
# Leaves coverage.txt and coverage.html there, about all of src/.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
suites=(--suite unit)
[[ ${1:-} != --kvm ]] || suites+=(--suite kvm)

# Not optimised, or else the branches would be those of the machine code.
[[ -f build-coverage/build.ninja ]] ||
	meson setup build-coverage -Db_coverage=true -Doptimization=0
ninja -C build-coverage
find build-coverage -name '*.gcda' -delete
meson test -C build-coverage --no-rebuild --print-errorlogs --timeout-multiplier 4 "${suites[@]}"
gcovr --root . build-coverage --branches --exclude-unreachable-branches \
	--filter src/ --filter include/minivmm/ \
	--json-summary build-coverage/coverage.json --html-details build-coverage/coverage.html \
	--txt build-coverage/coverage.txt
cat build-coverage/coverage.txt

# Rows of the table: | `file` | least share of branches in percent | what is left out, and why |
below=()
# shellcheck disable=SC2016 # backticks of Markdown
while read -r file least; do
	taken=$(jq -r --arg file "$file" \
		'.files[] | select(.filename == $file) | .branch_percent' build-coverage/coverage.json)
	printf '%-32s %5s%% of branches, at least %d%%\n' "$file" "${taken:-no }" "$least"
	jq -en --arg taken "$taken" --arg least "$least" \
		'($taken | tonumber) >= ($least | tonumber)' >/dev/null 2>&1 || below+=("$file")
done < <(sed -nE 's/^\| `([a-z_\/.]+)` \| ([0-9]+)% \|.*/\1 \2/p' docs/coverage.md)
((${#below[@]} == 0)) || printf 'below its share: %s\n' "${below[@]}"
((${#below[@]} == 0))
