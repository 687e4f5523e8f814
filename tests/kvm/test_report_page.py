# SPDX-License-Identifier: MIT
"""The report of a sweep in a real browser: it loads without errors and shows its charts."""

import collections
import contextlib
import os
import re
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import zlib

import in_lab
from kvmtest import GUEST, HANG_S, MINIVMM, PCPU_LIST, Failure, Suite, kvm_problem, run

BROWSERS = ('chromium', 'chromium-browser', 'google-chrome')
FLAGS = ('--headless', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run',
         '--disable-background-networking', '--disable-component-update', '--disable-sync',
         '--enable-logging=stderr', '--hide-scrollbars', '--window-size=1000,1300')
DARK = '--blink-settings=preferredColorScheme=0'

# The paper of the page, and the first two mechanisms, in light and in dark.
LIGHT_COLOURS = {'paper': (0xFC, 0xFC, 0xFA), 'ipi': (194, 65, 12), 'pv': (29, 78, 216)}
DARK_COLOURS = {'paper': (0x14, 0x17, 0x1C), 'ipi': (0xFB, 0x92, 0x3C), 'pv': (0x7A, 0xA8, 0xFF)}


def require(condition, why):
    if not condition:
        raise Failure(why)


def browse(browser, page, *arguments):
    """What the browser prints on stdout; its helpers, which outlive it, are ended too."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        process = subprocess.Popen(
            [browser, *FLAGS, f'--user-data-dir={profile}', *arguments, 'file://' + page],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            encoding='utf-8', errors='replace', start_new_session=True)
        try:
            stdout, stderr = process.communicate(timeout=HANG_S)
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
    require(process.returncode == 0, f'exit status {process.returncode}: {stderr[-2000:]}')
    told = re.findall(r'CONSOLE.*', stderr)
    require(not told, f'the browser\'s console: {told}')
    return stdout


# ---- a screenshot ----------------------------------------------------------------------------

def read_png(path):
    """Width and rows of an 8-bit RGB or RGBA image, each row as bytes, and bytes a pixel."""
    with open(path, 'rb') as file:
        data = file.read()
    require(data[:8] == b'\x89PNG\r\n\x1a\n', 'no PNG')
    packed, at = b'', 8
    while at < len(data):
        length, kind = struct.unpack('>I4s', data[at:at + 8])
        body = data[at + 8:at + 8 + length]
        if kind == b'IHDR':
            width, _, depth, colour = struct.unpack('>IIBB', body[:10])
        elif kind == b'IDAT':
            packed += body
        at += length + 12
    require(depth == 8 and colour in (2, 6), f'PNG of depth {depth} and colour type {colour}')
    size = 3 if colour == 2 else 4
    return width, size, unfilter(zlib.decompress(packed), width * size, size)


def paeth(a, b, c):
    p = a + b - c
    far_a, far_b, far_c = abs(p - a), abs(p - b), abs(p - c)
    return a if far_a <= far_b and far_a <= far_c else b if far_b <= far_c else c


def unfilter(data, stride, size):
    """Undoes the five filters of PNG (RFC 2083, section 6)."""
    rows, above = [], bytearray(stride)
    for start in range(0, len(data), stride + 1):
        kind, row = data[start], bytearray(data[start + 1:start + 1 + stride])
        left, corner = bytearray(size), bytearray(size)
        if kind == 2:
            row = bytearray((a + b) & 255 for a, b in zip(row, above))
        for i in range(0, stride if kind in (1, 3, 4) else 0):
            a, b, c = left[i % size], above[i], corner[i % size]
            guess = a if kind == 1 else (a + b) // 2 if kind == 3 else paeth(a, b, c)
            left[i % size] = row[i] = (row[i] + guess) & 255
            corner[i % size] = b
        rows.append(row)
        above = row
    return rows


def count_pixels(path, colours):
    _, size, rows = read_png(path)
    seen = collections.Counter()
    for row in rows:
        seen.update(zip(row[0::size], row[1::size], row[2::size]))
    return {name: seen[colour] for name, colour in colours.items()}


# ---- tests -----------------------------------------------------------------------------------

def the_page_has_its_charts_and_tables(browser, page):
    dom = browse(browser, page, '--dump-dom')
    charts = re.findall(r'<svg role="img" aria-label="([^"]*)"', dom)
    require(len(charts) == 5, f'charts: {charts}')
    require('id="published"' in dom, 'the published table is missing')
    for figure in ('46,799', '42,691', '37,539', '1.78', '2.32'):
        require(figure in dom, f'the published figure {figure} is missing')
    require(dom.rstrip().endswith('</html>'), 'the page is cut off')


def it_needs_nothing_from_elsewhere(_browser, page):
    with open(page, encoding='utf-8') as file:
        text = file.read()
    require('<script' not in text, 'it has a script')
    loaded = re.findall(r'(?:src|href)="([^"#]*)"', text)
    outside = [link for link in loaded if '//' in link]
    require(not outside, f'it refers to {outside}')


def its_charts_can_be_seen(browser, page, arguments, colours):
    with tempfile.TemporaryDirectory() as directory:
        picture = os.path.join(directory, 'page.png')
        browse(browser, page, *arguments, f'--screenshot={picture}')
        counts = count_pixels(picture, colours)
    require(counts['paper'] > 200000, f'the background: {counts}')
    require(counts['ipi'] > 30 and counts['pv'] > 30, f'the lines of the charts: {counts}')


def make_report(directory, out):
    arguments = ['--preset', 'paper', '--count', '10', '--slice', '500us', '--repeats', '2']
    if not kvm_problem():
        run('sweep', '--out', out, '--pcpus', PCPU_LIST, *arguments, GUEST,
            timeout_s=180).require_status(0)
        return
    # In an emulated machine, which has no gnuplot; a merge draws the charts here.
    emulated = os.path.join(directory, 'emulated')
    run('sweep', '--out', emulated, '--pcpus', '0-1', *arguments, GUEST,
        command=in_lab.words(MINIVMM), timeout_s=900).require_status(0)
    run('merge', '--out', out, emulated).require_status(0)


def main():
    suite = Suite(one_lab=False)
    browser = next(filter(None, map(shutil.which, BROWSERS)), None)
    missing = None if browser else 'no ' + ' or '.join(BROWSERS)
    missing = missing if shutil.which('gnuplot') else 'no gnuplot'
    if missing:
        print(f'1..0 # SKIP {missing}')
        print(f'SKIPPED, nothing was tested: {missing}', file=sys.stderr)
        return
    with tempfile.TemporaryDirectory() as directory:
        out = os.path.join(directory, 'out')
        page = os.path.join(out, 'report.html')
        make_report(directory, out)
        for test in (the_page_has_its_charts_and_tables, it_needs_nothing_from_elsewhere):
            suite.test(test.__name__, test, browser, page)
        for name, arguments, colours in (('light', (), LIGHT_COLOURS),
                                         ('dark', (DARK,), DARK_COLOURS)):
            suite.test(f'its_charts_can_be_seen_in_{name}', its_charts_can_be_seen, browser, page,
                       arguments, colours)
    suite.done()


main()
