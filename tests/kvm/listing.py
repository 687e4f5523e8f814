# SPDX-License-Identifier: MIT
"""What `minivmm --list` says."""


def names_below(listing, heading):
    """The names below the heading that begins with this word."""
    names, wanted = [], False
    for line in listing.splitlines():
        if line.startswith(' '):
            if wanted:
                names.append(line.split()[0])
        elif line:
            wanted = line.startswith(heading)
    return names
