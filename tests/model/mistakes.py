# SPDX-License-Identifier: MIT
"""Makes plausible mistakes in the shipped code, one at a time; the explorer has to find each.

Called with the build directory: what test_shipped is linked from is there, and only the file
with the mistake in it is compiled anew. White space in the texts is of no importance. A text that
is no longer there fails the test: then the mistake has to be made elsewhere, or is impossible now.
"""

import concurrent.futures
import glob
import json
import os
import re
import shlex
import subprocess
import sys
import tempfile

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
VECTORS = 'src/guest-kernel/cpu/vectors.S'
PV = 'include/minivmm/pv_flush.h'
STEAL = 'src/vcpu/protocol/steal.c'
EXCHANGE = '''__atomic_compare_exchange_n(preempted, &state, state | KVM_VCPU_FLUSH_TLB, false,
    __ATOMIC_SEQ_CST, __ATOMIC_RELAXED)'''
FLUSH_SEEN = 'if (byte & KVM_VCPU_FLUSH_TLB) vcpu_flush(v);'

# The stages to try where it is known which will find it; elsewhere all are, one after the other.
STAGES = {
    'src/vcpu': ['hypercall', 'hypercall-each-other'],
    'src/vcpu/cpu/idle.c': ['halted-nmi'],
    'src/vmm/machine': ['yield', 'hypercall'],
    'src/guest-kernel/mechanisms/hypercall.c': ['hypercall'],
    'src/guest-kernel/mechanisms/ipi_yield.c': ['yield'],
    'src/guest-kernel/mechanisms/pv_recheck.c': ['pv-recheck-again'],
}

# What is mistaken: (name, where, [(text, other text), ...]). Where is a file, or a folder of
# which one file has the text.
MISTAKES = [
    # The byte.
    ('mark by a store', PV, [
        ('__atomic_fetch_or(preempted, KVM_VCPU_PREEMPTED, __ATOMIC_SEQ_CST);',
         '__atomic_store_n(preempted, KVM_VCPU_PREEMPTED, __ATOMIC_SEQ_CST);')]),
    ('mark by load and store', PV, [
        ('__atomic_fetch_or(preempted, KVM_VCPU_PREEMPTED, __ATOMIC_SEQ_CST);',
         '*preempted |= KVM_VCPU_PREEMPTED;')]),
    ('take by load and store', PV, [
        ('return __atomic_exchange_n(preempted, 0, __ATOMIC_SEQ_CST);',
         'uint8_t was = *preempted; *preempted = 0; return was;')]),
    ('take by two atomic accesses', PV, [
        ('return __atomic_exchange_n(preempted, 0, __ATOMIC_SEQ_CST);',
         '''uint8_t was = __atomic_load_n(preempted, __ATOMIC_SEQ_CST);
         __atomic_store_n(preempted, 0, __ATOMIC_SEQ_CST); return was;''')]),
    ('take leaves the mark', PV, [
        ('return __atomic_exchange_n(preempted, 0, __ATOMIC_SEQ_CST);',
         'return __atomic_fetch_and(preempted, KVM_VCPU_PREEMPTED, __ATOMIC_SEQ_CST);')]),
    ('take gives back nothing', PV, [
        ('return __atomic_exchange_n(preempted, 0, __ATOMIC_SEQ_CST);',
         '__atomic_exchange_n(preempted, 0, __ATOMIC_SEQ_CST); return 0;')]),
    ('defer by a blind store', PV, [
        ('bool ok = ' + EXCHANGE + ';',
         'bool ok = true; __atomic_store_n(preempted, state | KVM_VCPU_FLUSH_TLB, __ATOMIC_SEQ_CST);')]),
    ('defer by a look and a store', PV, [
        ('bool ok = ' + EXCHANGE + ';',
         'bool ok = *preempted == state; if (ok) *preempted = state | KVM_VCPU_FLUSH_TLB;')]),
    ('defer by an OR', PV, [
        ('bool ok = ' + EXCHANGE + ';',
         'bool ok = true; __atomic_fetch_or(preempted, KVM_VCPU_FLUSH_TLB, __ATOMIC_SEQ_CST);')]),
    ('an exchange that failed counts as deferred', PV, [
        ('return ok ? PV_DEFERRED : PV_RACED;', 'return ok ? PV_RACED : PV_DEFERRED;')]),
    ('every exchange counts as deferred', PV, [
        ('return ok ? PV_DEFERRED : PV_RACED;', '(void)ok; return PV_DEFERRED;')]),
    ('a request that pends is enough', PV, [
        ('bool ok = ' + EXCHANGE,
         'if (state & KVM_VCPU_FLUSH_TLB) return PV_DEFERRED; bool ok = ' + EXCHANGE)]),
    ('the byte is read twice', PV, [
        ('bool ok = ' + EXCHANGE,
         'state = __atomic_load_n(preempted, __ATOMIC_RELAXED); bool ok = ' + EXCHANGE)]),
    ('no look before the exchange', PV, [
        ('if (!(state & KVM_VCPU_PREEMPTED))', 'if (state & ~3u)')]),
    ('the exchange asks for nothing', PV, [
        (EXCHANGE, EXCHANGE.replace('state | KVM_VCPU_FLUSH_TLB', 'state'))]),

    # The host.
    ('look, then take', STEAL, [
        ('uint8_t byte = pv_take(&v->steal.page->preempted);',
         '''uint8_t byte = __atomic_load_n(&v->steal.page->preempted, __ATOMIC_SEQ_CST);
         pv_take(&v->steal.page->preempted);''')]),
    ('take only what looks asked for', STEAL, [
        ('uint8_t byte = pv_take(&v->steal.page->preempted);',
         '''uint8_t byte = __atomic_load_n(&v->steal.page->preempted, __ATOMIC_SEQ_CST);
         if (byte & KVM_VCPU_FLUSH_TLB) byte = pv_take(&v->steal.page->preempted);
         else __atomic_store_n(&v->steal.page->preempted, 0, __ATOMIC_SEQ_CST);''')]),
    ('flush before take', STEAL, [
        ('uint8_t byte = pv_take(&v->steal.page->preempted);',
         'uint8_t byte = __atomic_load_n(&v->steal.page->preempted, __ATOMIC_SEQ_CST);'),
        (FLUSH_SEEN,
         '''if (byte & KVM_VCPU_FLUSH_TLB) vcpu_flush(v);
         pv_take(&v->steal.page->preempted);''')]),
    ('a request is taken and forgotten', STEAL, [(FLUSH_SEEN, '')]),
    ('the request is tested with ==', STEAL, [
        ('if (byte & KVM_VCPU_FLUSH_TLB)', 'if (byte == KVM_VCPU_FLUSH_TLB)')]),
    ('no take without a wait', STEAL, [
        ('v->protocol->enter(v);', 'if (waited_ns) v->protocol->enter(v);')]),
    ('mark instead of take', STEAL, [
        ('.enter = take_and_flush,', '.enter = steal_mark,'),
        ('static void take_and_flush(', '__attribute__((unused)) static void take_and_flush(')]),
    ('the flush is not handed to KVM', 'src/vcpu/protocol', [
        ('v->run->kvm_dirty_regs |= KVM_SYNC_X86_SREGS;', '')]),
    ('marked when it goes on', 'src/vcpu/run_loop.c', [
        ('steal_enter(l->v, waited_ns);', 'steal_enter(l->v, waited_ns); steal_leave(l->v);')]),
    ('the byte is not taken after a kick', 'src/vcpu/run_loop.c', [
        ('l->v->stats.preemptions += waited_ns != 0; enter_slice(l, waited_ns);',
         'l->v->stats.preemptions += waited_ns != 0;')]),
    ('the byte is taken after a kick only if it waited', 'src/vcpu/run_loop.c', [
        ('l->v->stats.preemptions += waited_ns != 0; enter_slice(l, waited_ns);',
         'l->v->stats.preemptions += waited_ns != 0; if (waited_ns) enter_slice(l, waited_ns);')]),
    ('a yield goes on without taking', 'src/vcpu/run_loop.c', [
        ('if (!alive) return false; enter_slice(l, waited_ns);', 'if (!alive) return false;')]),
    ('a directed yield that goes on at once does not take', 'src/vcpu/run_loop.c', [
        ('if (!alive) return false; enter_slice(l, waited_ns);',
         'if (!alive) return false; if (waited_ns) enter_slice(l, waited_ns);')]),
    ('a vCPU that was halted takes no pCPU', 'src/vcpu/run_loop.c', [
        ('if (!pcpus_acquire(l->pcpus, l->i, &waited_ns)) return false;', 'waited_ns = 0;')]),
    ('a vCPU that was halted does not take', 'src/vcpu/run_loop.c', [
        ('''if (!pcpus_acquire(l->pcpus, l->i, &waited_ns)) return false;
         enter_slice(l, waited_ns);''',
         'if (!pcpus_acquire(l->pcpus, l->i, &waited_ns)) return false;')]),
    ('an NMI lets a halted vCPU in', 'src/vcpu/cpu/idle.c', [
        ('set_state(v, KVM_MP_STATE_UNINITIALIZED); vcpu_enter(v, ret_exit);',
         'set_state(v, KVM_MP_STATE_HALTED); vcpu_enter(v, ret_exit);')]),
    ('a yield goes to VM 0', 'src/vmm/machine', [
        ('(int)(t->i - v->index + (unsigned)target)', '(int)target')]),

    # The pair in_guest and must_flush.
    ('must_flush is looked at before in_guest is set', 'src/vcpu', [
        ('''__atomic_store_n(&v->in_guest, 1, __ATOMIC_SEQ_CST);
         if (__atomic_load_n(&v->must_flush, __ATOMIC_SEQ_CST) &&''',
         '''uint32_t must = __atomic_load_n(&v->must_flush, __ATOMIC_SEQ_CST);
         __atomic_store_n(&v->in_guest, 1, __ATOMIC_SEQ_CST);
         if (must &&''')]),
    ('in_guest is looked at before must_flush is set', 'src/vcpu', [
        ('''__atomic_store_n(&v->must_flush, 1, __ATOMIC_SEQ_CST);
         if (__atomic_load_n(&v->in_guest, __ATOMIC_SEQ_CST))''',
         '''uint32_t inside = __atomic_load_n(&v->in_guest, __ATOMIC_SEQ_CST);
         __atomic_store_n(&v->must_flush, 1, __ATOMIC_SEQ_CST);
         if (inside)''')]),
    ('in_guest is set by a plain store', 'src/vcpu', [
        ('__atomic_store_n(&v->in_guest, 1, __ATOMIC_SEQ_CST);',
         '__atomic_store_n(&v->in_guest, 1, __ATOMIC_RELEASE);')]),
    ('must_flush is set by a plain store', 'src/vcpu', [
        ('''__atomic_store_n(&v->must_flush, 1, __ATOMIC_SEQ_CST);
         if (__atomic_load_n(&v->in_guest, __ATOMIC_SEQ_CST))''',
         '''__atomic_store_n(&v->must_flush, 1, __ATOMIC_RELEASE);
         if (__atomic_load_n(&v->in_guest, __ATOMIC_SEQ_CST))''')]),
    ('nobody is kicked out of the guest', 'src/vcpu', [
        ('if (__atomic_load_n(&v->in_guest, __ATOMIC_SEQ_CST)) vcpu_kick(v);', '')]),
    ('a flush that was asked for is forgotten', 'src/vcpu', [
        ('__atomic_store_n(&v->must_flush, 0, __ATOMIC_SEQ_CST); vcpu_flush(v);',
         '__atomic_store_n(&v->must_flush, 0, __ATOMIC_SEQ_CST);')]),
    ('in_guest is set after the look, inside', 'src/vcpu', [
        ('return !__atomic_load_n(&v->in_guest, __ATOMIC_SEQ_CST) ||',
         'return __atomic_load_n(&v->in_guest, __ATOMIC_SEQ_CST) ||')]),
    ('the initiator does not wait until its targets are out', 'src/vmm/machine', [
        ('!v->protocol->flush_is_safe(&t->vm->vcpu[i])', 'false')]),
    ('the flush is asked of one vCPU alone', 'src/vmm/machine', [
        ('v->protocol->request_flush(&t->vm->vcpu[i]);', 'v->protocol->request_flush(t->vm->vcpu);')]),

    # The guest.
    ('a ticket is taken by load and store', 'src/guest-kernel/shootdown/ipi.c', [
        ('__atomic_add_fetch(&percpus[target].requested, 1, __ATOMIC_SEQ_CST);',
         '++percpus[target].requested;')]),
    ('the end of a phase is counted by load and store', 'src/guest-kernel/scenarios/phase.c', [
        ('__atomic_add_fetch(&vcpus_stopped, 1, __ATOMIC_SEQ_CST);', '''__atomic_store_n(&vcpus_stopped, __atomic_load_n(&vcpus_stopped, __ATOMIC_SEQ_CST) + 1,
         __ATOMIC_SEQ_CST);''')]),
    ('nobody waits for the end of a phase', 'src/guest-kernel/scenarios/phase.c', [
        ('uint64_t all_stopped = self->phases * self->nr_vcpus;', 'uint64_t all_stopped = self->phases;')]),
    ('the ticket of another is waited for', 'src/guest-kernel/shootdown/ipi.c', [
        ('__atomic_add_fetch(&percpus[target].requested', '__atomic_fetch_add(&percpus[target].requested')]),
    ('interrupts before tickets', 'src/guest-kernel/shootdown/ipi.c', [
        ('uint32_t count = take_tickets(targets, tickets);',
         '''send_all(self, targets); uint32_t count = take_tickets(targets, tickets);
         if (count <= MV_MAX_VCPUS) return;''')]),
    ('no interrupt is sent', 'src/guest-kernel/shootdown/ipi.c', [
        ('apic_write(XAPIC_ICR_LOW, ICR_ASSERT | VECTOR_SHOOTDOWN);', '')]),
    ('the initiator does not wait', 'src/guest-kernel/shootdown/ipi.c', [
        ('bool answered = wait_for(self, target, tickets.of[target], meanwhile);',
         'bool answered = !meanwhile || served(target, tickets.of[target]);')]),
    ('the initiator waits for one ticket too many', 'src/guest-kernel/shootdown/ipi.c', [
        ('__ATOMIC_ACQUIRE) >= ticket', '__ATOMIC_ACQUIRE) > ticket')]),
    ('any answer is enough', 'src/guest-kernel/shootdown/ipi.c', [
        ('__ATOMIC_ACQUIRE) >= ticket', '__ATOMIC_ACQUIRE) + 1 >= ticket')]),
    ('a lost race sends no interrupt', 'src/guest-kernel/mechanisms/pv.c', [
        ('if (answer == PV_DEFERRED)', 'if (answer != PV_RUNNING)')]),
    ('who runs is left out', 'src/guest-kernel/mechanisms/pv.c', [
        ('if (answer == PV_DEFERRED)', 'if (answer != PV_RACED)')]),
    ('pv interrupts nobody', 'src/guest-kernel/mechanisms/pv.c', [
        ('ipi_flush(self, targets, ipi_just_wait);', '')]),
    ('a look again that lost the race ends the wait', 'src/guest-kernel/mechanisms/pv_recheck.c', [
        ('return answer == PV_DEFERRED ||', 'return answer != PV_RUNNING ||')]),
    ('a look again asks for nothing', 'src/guest-kernel/mechanisms/pv_recheck.c', [
        ('steps.try_defer(&percpus[target].steal.preempted);',
         '''__atomic_load_n(&percpus[target].steal.preempted, __ATOMIC_SEQ_CST) & 1
         ? PV_DEFERRED : PV_RUNNING;''')]),
    ('a look again ends the wait in any case', 'src/guest-kernel/mechanisms/pv_recheck.c', [
        ('ipi_just_wait(self, target);', 'true;')]),
    ('hypercall asks for nothing', 'src/guest-kernel/mechanisms/hypercall.c', [
        ('platform->flush(targets);', '')]),
    ('ipi-yield lends its pCPU to itself', 'src/guest-kernel/mechanisms/ipi_yield.c', [
        ('platform->yield_to(target);', 'platform->yield_to(self->index);')]),
    ('the local flush is forgotten', 'src/guest-kernel/shootdown/shootdown.c', [
        ('steps.flush_self(self, unmap);', '')]),
    ('the local flush is of another page', 'src/guest-kernel/shootdown/shootdown.c', [
        ('flush_page(paging_window_gva(self->index));', 'flush_page(paging_window_gva(self->index + 1));')]),
    ('the PTE is stored after the shootdown', 'src/guest-kernel/shootdown/shootdown.c', [
        ('store_entries(self, unmap); uint64_t stores_end = rdtsc();', 'uint64_t stores_end = rdtsc();'),
        ('self->mechanism->flush_others(self, &targets);',
         'self->mechanism->flush_others(self, &targets); store_entries(self, unmap);')]),
    ('the pages are given up before the local flush', 'src/guest-kernel/shootdown/shootdown.c', [
        ('uint64_t flush_start = rdtsc();', 'oracle_complete(self); uint64_t flush_start = rdtsc();'),
        ('uint64_t flush_end = rdtsc(); oracle_complete(self);', 'uint64_t flush_end = rdtsc();')]),

    # The handler, in assembly.
    ('the handler acknowledges before the flush', VECTORS, [
        ('mov %rdx, %cr3\n\tmov %rax, %gs:PERCPU_ACKED', 'mov %rax, %gs:PERCPU_ACKED\n\tmov %rdx, %cr3')]),
    ('the handler reads the ticket after the flush', VECTORS, [
        ('mov %gs:PERCPU_REQUESTED, %rax\n\tmov %cr3, %rdx\n\tmov %rdx, %cr3',
         'mov %cr3, %rdx\n\tmov %rdx, %cr3\n\tmov %gs:PERCPU_REQUESTED, %rax')]),
    ('the handler does not flush', VECTORS, [
        ('mov %cr3, %rdx\n\tmov %rdx, %cr3', '')]),
    ('the handler does not acknowledge', VECTORS, [
        ('mov %rdx, %cr3\n\tmov %rax, %gs:PERCPU_ACKED', 'mov %rdx, %cr3')]),
]


class Broken(Exception):
    """The list of mistakes, or the build, is not as it should be."""


def pattern_of(text):
    return re.compile(r'\s*'.join(re.escape(token) for token in re.findall(r'\w+|[^\w\s]', text)))


def files_of(where):
    path = os.path.join(TOP, where)
    if os.path.isfile(path):
        return [where]
    return [os.path.relpath(found, TOP) for found in glob.glob(path + '/**/*.[ch]', recursive=True)]


def with_mistake(where, changes):
    """The file, and its text with the mistake in it."""
    found = []
    for file in files_of(where):
        with open(os.path.join(TOP, file), encoding='utf-8') as stream:
            text = stream.read()
        counts = [len(pattern_of(old).findall(text)) for old, _ in changes]
        if all(count == 1 for count in counts):
            found.append((file, text))
    if len(found) != 1:
        raise Broken(f'{len(found)} places in {where} with: {changes[0][0]}')
    file, text = found[0]
    for old, new in changes:
        text = pattern_of(old).sub(lambda _, new=new: new, text)
    return file, text


class Build:
    """What test_shipped is made of."""

    def __init__(self, folder):
        self.folder = os.path.abspath(folder)
        with open(os.path.join(folder, 'compile_commands.json'), encoding='utf-8') as stream:
            commands = [c for c in json.load(stream) if '/libshipped.a.p/' in c['output']]
        self.commands = {os.path.relpath(os.path.join(c['directory'], c['file']), TOP): c for c in commands}
        self.deps = self.read_deps([c['output'] for c in commands])
        self.tests = glob.glob(os.path.join(self.folder, 'tests/model/test_shipped.p/*.o'))
        self.compiler = [word for word in shlex.split(commands[0]['command'])[:2] if not word.startswith('-')]

    def read_deps(self, outputs):
        """What each object was made of. Asked once: a ninja that tidies its log up takes it away from
        another that asks at the same time."""
        text = subprocess.run(['ninja', '-C', self.folder, '-t', 'deps', *outputs], capture_output=True,
                              text=True, check=True).stdout
        return {block.split(':', 1)[0]: block for block in text.strip().split('\n\n')}

    def includes(self, source, header):
        """Whether a source is affected by a header."""
        return header in self.deps[self.commands[source]['output']]

    def affected(self, file):
        if file.endswith('.S'):
            return []
        if file in self.commands:
            return [file]
        return [source for source in self.commands if self.includes(source, file)]

    def compile(self, source, file, overlay):
        """The object of a source, `file` being what is changed; its errors are the caller's."""
        command = self.commands[source]
        words = shlex.split(command['command'])
        output = os.path.join(overlay, command['output'].replace('/', '_'))
        words[words.index('-o') + 1] = output
        if source == file:
            words[words.index('-c') + 1] = os.path.join(overlay, file)
        first = next(i for i, word in enumerate(words) if word.startswith('-I'))
        words[first:first] = ['-w', '-I' + os.path.join(overlay, 'include'), '-I' + os.path.join(overlay, 'src')]
        words = [word for word in words if not word.startswith('-W') or word.startswith('-Wl')]
        for option in ('-MF', '-MQ'):
            words[words.index(option) + 1] = output + '.d'
        subprocess.run(words, cwd=command['directory'], check=True, capture_output=True, text=True)
        return output

    def link(self, objects, program):
        kept = [os.path.join(self.folder, c['output']) for s, c in self.commands.items() if s not in objects]
        subprocess.run([*self.compiler, '-no-pie', '-Wl,--unresolved-symbols=ignore-all', '-o', program,
                        *self.tests, *kept, *objects.values()], check=True, capture_output=True, text=True)


def explore(build, where, changes):
    """What the explorer says of the mistake."""
    file, text = with_mistake(where, changes)
    with tempfile.TemporaryDirectory() as overlay:
        os.makedirs(os.path.join(overlay, os.path.dirname(file)))
        with open(os.path.join(overlay, file), 'w', encoding='utf-8') as stream:
            stream.write(text)
        objects = {source: build.compile(source, file, overlay) for source in build.affected(file)}
        program = os.path.join(overlay, 'explorer')
        build.link(objects, program)
        vectors = os.path.join(overlay if file == VECTORS else TOP, VECTORS)
        return subprocess.run([program, '-v', vectors, *STAGES.get(where, [])], capture_output=True,
                              text=True, check=False, timeout=600)


def judge(build, mistake):
    """Whether the mistake was found, and a line or more about it."""
    name, where, changes = mistake
    try:
        run = explore(build, where, changes)
    except Broken as what:
        return False, f'{name}: {what}'
    except subprocess.CalledProcessError as what:
        return False, f'{name}: cannot be built:\n{what.stderr}'
    except subprocess.TimeoutExpired:
        return False, f'{name}: the explorer does not end'
    stage = re.search(r'^not ok \d+ - ([\w-]+): (\d+) states.*?(\d+) steps', run.stdout, re.M)
    why = re.search(r'=> (.*)', run.stdout)
    if not stage or not why or why[1].startswith('the schedule'):
        return False, f'{name}: not found (status {run.returncode}) {run.stderr}'
    return True, f'{name}: in {stage[1]}, after {stage[3]} steps: {why[1]}'


def main():
    build = Build(sys.argv[1])
    wanted = [m for m in MISTAKES if len(sys.argv) < 3 or any(word in m[0] for word in sys.argv[2:])]
    print(f'1..{len(wanted)}')
    ok = True
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        for number, (found, line) in enumerate(pool.map(lambda m: judge(build, m), wanted), 1):
            first, *rest = line.rstrip().splitlines()
            print(f'{"ok" if found else "not ok"} {number} - {first}', *(f'#   {text}' for text in rest),
                  sep='\n', flush=True)
            ok &= found
    return 0 if ok else 1


if __name__ == '__main__':
    sys.exit(main())
