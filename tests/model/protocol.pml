/* SPDX-License-Identifier: MIT */
/*
 * The protocol among three vCPUs, as a Promela model for spin.
 *
 * Every vCPU is a target, the first INITIATORS of them remap a page of their own once
 * and shoot it down. A vCPU may lose its pCPU before any of its instructions, as often
 * as the host likes; it takes interrupts, and halts when it has nothing to do.
 *
 * Assumptions about memory: sequential consistency, each atomic { } being one access.
 * What store buffers add is explored by test_interleavings.c and tried on the CPU by
 * tests/litmus/. A flushed TLB is filled again at once with whatever the page tables say:
 * for finding old translations no other order is worse.
 *
 * The macros that meson.build names break one rule each; every one has to fail.
 */
#define N 3
#ifndef INITIATORS
#define INITIATORS 2
#endif
#define PAGES ((1 << INITIATORS) - 1)

#define PREEMPTED 1
#define FLUSH_TLB 2

byte state[N];	      /* the shared byte of each vCPU */
bool running[N] = true; /* in guest mode */
bool halted[N];
bool irq[N];	      /* in its interrupt handler */
bool ipi[N];	      /* pending */
bool nmi[N];	      /* one has come */
byte requested[N];    /* the last ticket taken */
byte acked[N];	      /* the last ticket served */

/* Sets of pages, one per initiator. */
byte remapped;	      /* the PTE is the new one */
byte old[N] = PAGES;  /* this vCPU's TLB has the old translation */
byte complete;	      /* the shootdown is over: nobody may use the old one */

/* Who gets an NMI: the one vCPU that is a target and nothing else. */
#define NMI(i) ((i) == N - 1)

/* The vCPU's own code executes: it has a pCPU, and no interrupt is being served. */
#define GUEST(i) (running[i] && !irq[i])

inline flush(i)
{
	old[i] = PAGES & ~remapped
}

/* ---- the guest: a shootdown, and then nothing but interrupts ----------------- */

inline store_pte(i)
{
	atomic { GUEST(i) -> remapped = remapped | (1 << i) }
}

/* pv_try_defer(): leaves the target in the set unless the flush was deferred. */
inline try_defer(i, t)
{
	atomic { GUEST(i) -> seen = state[t] };
	if
	:: seen & PREEMPTED ->
		atomic {
			GUEST(i) ->
#ifdef BLIND_STORE
			state[t] = PREEMPTED | FLUSH_TLB;
			targets = targets & ~(1 << t)
#else
			if
			:: state[t] == seen ->
				state[t] = seen | FLUSH_TLB;
#ifndef INVERTED_CMPXCHG
				targets = targets & ~(1 << t)
#endif
			:: else ->
#ifdef INVERTED_CMPXCHG
				targets = targets & ~(1 << t)
#else
				skip
#endif
			fi
#endif
		}
	:: else
	fi;
	seen = 0
}

inline interrupt(i, t)
{
	atomic {
		GUEST(i) ->
		requested[t] = requested[t] + 1;
		ticket[t] = requested[t]
	};
	atomic { GUEST(i) -> ipi[t] = true }
}

inline wait_for(i, t)
{
#ifdef DO_NOT_WAIT
	skip
#else
	atomic { GUEST(i) && acked[t] >= ticket[t] -> ticket[t] = 0 }
#endif
}

inline shoot_down(i)
{
	targets = ((1 << N) - 1) & ~(1 << i);
#ifndef DEFER_BEFORE_PTE
	store_pte(i);
#endif
	for (t : 0 .. N - 1) {
		if
		:: targets & (1 << t) -> try_defer(i, t)
		:: else
		fi
	}
	for (t : 0 .. N - 1) {
		if
		:: targets & (1 << t) -> interrupt(i, t)
		:: else
		fi
	}
	for (t : 0 .. N - 1) {
		if
		:: targets & (1 << t) -> wait_for(i, t)
		:: else
		fi
	}
#ifdef DEFER_BEFORE_PTE
	store_pte(i);
#endif
	atomic { GUEST(i) -> old[i] = old[i] & ~(1 << i); complete = complete | (1 << i) }
}

proctype vcpu(byte i)
{
	byte seen, targets, t;
	byte ticket[N];

	if
	:: i < INITIATORS -> shoot_down(i)
	:: else
	fi;
	d_step { t = 0; targets = 0 };
end:	do
	:: atomic { GUEST(i) && !ipi[i] -> running[i] = false; halted[i] = true }
	od
}

/* The handler of the shootdown IPI. It may lose its pCPU between any two steps. */
proctype handler(byte i)
{
	byte ticket;

end:	do
	:: atomic { GUEST(i) && ipi[i] -> irq[i] = true; ipi[i] = false };
#ifdef TICKET_AFTER_FLUSH
		atomic { running[i] -> flush(i) };
#endif
		atomic { running[i] -> ticket = requested[i] };
#ifdef ACK_BEFORE_FLUSH
		atomic { running[i] -> acked[i] = ticket };
#endif
#if !defined(SKIP_IPI_FLUSH) && !defined(TICKET_AFTER_FLUSH)
		atomic { running[i] -> flush(i) };
#endif
		atomic { running[i] -> acked[i] = ticket; irq[i] = false; ticket = 0 }
	od
}

/* ---- the host ---------------------------------------------------------------- */

inline mark(i)
{
#ifdef LOSE_FLUSH_BIT
	state[i] = PREEMPTED
#else
	state[i] = state[i] | PREEMPTED
#endif
}

inline lose_pcpu(i)
{
#ifdef MARK_WHILE_RUNNING
	atomic { running[i] -> mark(i) };
	running[i] = false
#else
	atomic { running[i] -> running[i] = false };
	mark(i)
#endif
}

/*
 * A halted vCPU is marked once it could run again, or, if the policy says so, at once. An NMI,
 * of which nothing is seen but that it wakes, may come instead of an interrupt, once: so that
 * the number of states stays small.
 */
inline wake_up(i)
{
#ifdef MARK_HALTED
	atomic { halted[i] -> mark(i) };
end_halted:
	atomic { ipi[i] || (NMI(i) && !nmi[i]) -> nmi[i] = nmi[i] || !ipi[i]; halted[i] = false }
#else
	atomic { halted[i] && (ipi[i] || (NMI(i) && !nmi[i])) -> nmi[i] = nmi[i] || !ipi[i]; halted[i] = false };
	mark(i)
#endif
#ifdef ENTER_BY_NMI
	atomic { running[i] = true }; /* in KVM, before the host has the vCPU back */
	running[i] = false
#endif
}

inline flush_if_asked(i)
{
	if
#ifndef SKIP_DEFERRED_FLUSH
	:: seen & FLUSH_TLB -> flush(i)
#endif
	:: else
	fi
}

/* What comes after the take concerns nobody else, and so is one step. */
inline resume(i)
{
#if defined(CLEAR_AFTER_FLUSH)
	seen = state[i];
	flush_if_asked(i);
	atomic { state[i] = 0; running[i] = true; seen = 0 }
#elif defined(READ_THEN_CLEAR)
	seen = state[i];
	state[i] = 0;
	atomic { flush_if_asked(i); running[i] = true; seen = 0 }
#elif defined(ENTER_BEFORE_FLUSH)
	atomic { seen = state[i]; state[i] = 0 };
	running[i] = true;
	atomic { flush_if_asked(i); seen = 0 }
#else
	atomic { seen = state[i]; state[i] = 0 };
	atomic { flush_if_asked(i); running[i] = true; seen = 0 }
#endif
}

proctype host(byte i)
{
	byte seen;

end:	do
	:: if
	   :: lose_pcpu(i)
	   :: wake_up(i)
	   fi;
	   do /* where the kernel marks too, a vCPU is marked more than once */
	   :: mark(i)
	   :: break
	   od;
	   resume(i)
	od
}

/* ---- the invariant ----------------------------------------------------------- */

#define STALE(i) (running[i] && (old[i] & complete))

active proctype oracle()
{
end:	atomic { STALE(0) || STALE(1) || STALE(2) -> assert(false) }
}

init {
	atomic {
		byte i;

		for (i : 0 .. N - 1) {
			run vcpu(i);
			run handler(i);
			run host(i)
		}
	}
}
