# SPDX-License-Identifier: MIT
"""What the test beds have in common: the suite's last line, its guests, and how a bed is skipped."""

import os
import sys

END_MARK = 'END OF SUITE'

# In tests/guests of a build, and in src/guest-kernel.
GUESTS = [f'tests/guests/{name}.elf' for name in ('access', 'fault', 'pvh', 'reset', 'steal', 'wake')] \
    + [f'src/guest-kernel/{name}.elf' for name in ('guest', 'guest_by_pvh')]


def skip(reason):
    print(f'1..0 # SKIP {reason}', flush=True)
    print(f'SKIPPED, nothing was tested: {reason}', file=sys.stderr)
    sys.exit(0)


def skip_without(packages, kernel, files):
    """Skips if packages are missing, or if not all of these files were fetched with the kernel."""
    if packages:
        skip('please install ' + ' '.join(packages))
    if not all(os.path.exists(os.path.join(kernel, name)) for name in files):
        skip('no kernel for the emulated machine: tests/nested/fetch_kernel '
             f'{os.path.relpath(kernel)} gets Debian\'s linux-image-cloud-amd64')
