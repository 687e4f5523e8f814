# SPDX-License-Identifier: MIT
"""`meson install` puts in place what README, the man page and `minivmm lab` name."""

import json
import os
import sys

# Where it is below the prefix, and where it comes from.
WANTED = {
    'bin/minivmm': 'src/vmm/minivmm',
    'libexec/minivmm/fetch_kernel': 'tests/nested/fetch_kernel',
    'share/man/man1/minivmm.1': 'data/minivmm.1',
    'share/bash-completion/completions/minivmm': 'data/minivmm.bash',
    'share/minivmm/guest.elf': 'src/guest-kernel/guest.elf',
}


def main():
    build = sys.argv[1]
    with open(os.path.join(build, 'meson-info/intro-installed.json'), encoding='utf-8') as file:
        installed = json.load(file)
    problems = []
    for place, source in WANTED.items():
        found = [path for path, target in installed.items()
                 if target.endswith('/' + place) and path.endswith('/' + source)]
        if not found:
            problems.append(f'{source} is not installed as PREFIX/{place}')
        elif place.startswith(('bin/', 'libexec/')) and os.path.exists(found[0]) \
                and not os.access(found[0], os.X_OK):
            problems.append(f'{source} cannot be executed')
    for problem in problems:
        print(problem, file=sys.stderr)
    sys.exit(1 if problems else 0)


main()
