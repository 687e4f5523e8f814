/* SPDX-License-Identifier: MIT */
/*
 * Every name that a user can give for a mechanism, a scenario or a fault.
 *
 * The guest builds its tables from this list and so does the VMM, for --list,
 * for the spelling of names and for what the host has to do. To add one, write
 * its file and add its line here.
 */
#ifndef MINIVMM_CATALOG_H
#define MINIVMM_CATALOG_H

/*
 * X(id, name, host, summary). The guest's src/guest-kernel/mechanisms/<id>.c defines
 * <id>_flush_others(). `host` says what the host does for it while its phases run, as a
 * set of MV_HOST_*.
 */
#define MV_MECHANISMS(X)                                                                     \
	X(ipi, "ipi", 0, "interrupt every target and wait for all of them")                  \
	X(ipi_yield, "ipi-yield", MV_HOST_MARKS,                                             \
	  "ipi, and lend the pCPU to a target that is preempted")                            \
	X(pv, "pv", MV_HOST_MARKS,                                                           \
	  "defer the flush of preempted targets, interrupt and wait for the others")         \
	X(pv_recheck, "pv-recheck", MV_HOST_MARKS,                                           \
	  "pv, and do not wait for targets that are preempted after the interrupt was sent") \
	X(pv_halted, "pv-halted", MV_HOST_MARKS | MV_HOST_MARKS_HALTED,                      \
	  "pv, on a host that marks halted vCPUs too")                                       \
	X(pv_kernel, "pv-kernel", MV_HOST_KERNEL,                                            \
	  "pv, with the kernel's marks, flushes and scheduling")                             \
	X(hypercall, "hypercall", MV_HOST_FLUSHES,                                           \
	  "leave the flush to the host, which knows who runs")

#define MV_HOST_MARKS	     1 /* marks vCPUs that it preempts, and flushes them on request */
#define MV_HOST_MARKS_HALTED 2 /* marks halted vCPUs too */
#define MV_HOST_FLUSHES	     4 /* flushes the vCPUs that a guest names (MV_DB_FLUSH) */
#define MV_HOST_KERNEL	     8 /* leaves steal time and scheduling to the kernel */

/* X(id, name, summary). scenarios/<id>.c defines `const struct scenario scenario_<id>`. */
#define MV_SCENARIOS(X)                                                                           \
	X(ping, "ping", "vCPU 0 shoots, the others read what it maps")                            \
	X(storm, "storm", "every vCPU works for a while, then shoots all the others")             \
	X(ebizzy, "ebizzy", "every vCPU allocates, copies, searches and frees; each free shoots") \
	X(idle, "idle", "storm among some vCPUs, while the others are halted most of the time")   \
	X(lazy, "lazy", "storm that spares vCPUs which are away in another address space")        \
	X(rcu, "rcu", "vCPU 0 replaces an object and waits until no reader has the old one")      \
	X(tables, "tables", "vCPU 0 frees page tables, which the others walk in software")        \
	X(sweep_size, "sweep-size",                                                               \
	  "vCPU 0 shoots ranges of one size, the others read their pages")                        \
	X(dirty, "dirty", "storm whose work is to write pages, for --dirty")

/*
 * What can be given to scenarios as KEY=VALUE. X(key, least, most, standard, summary): a
 * number. X(key, first, second, summary): one of two words, the first if none is given.
 */
#define MV_NUMBERS(X)                                                                             \
	X(work_us, 0, 1000000, 100,                                                               \
	  "storm, idle, lazy, rcu, tables, dirty: work between two shootdowns or sections (100)") \
	X(chunk_kb, 4, 1024, 256, "ebizzy: size of an allocation (256)")                          \
	X(idle_pct, 0, 99, 50, "idle: share of vCPUs that are idle (50)")                         \
	X(wake_us, 10, 1000000, 1000, "idle: how often an idle vCPU wakes by itself (1000)")      \
	X(away_us, 0, 1000000, 100, "lazy: how long a vCPU is away (100)")                        \
	X(read_us, 0, 1000000, 10, "rcu, tables: length of a read-side section (10)")             \
	X(pages, 1, 512, 1, "sweep-size: pages of a shootdown (1)")                               \
	X(set_kb, 4, 3145728, 16384, "dirty: size of the working set of all vCPUs (16384)")       \
	X(stride, 1, 512, 1, "dirty: of so many pages one is written (1)")                        \
	X(writes, 1, 1000000, 64, "dirty: pages that a vCPU writes between two shootdowns (64)")  \
	X(targets, 0, 255, 0, "any: shoot so many other vCPUs, the next ones; 0 is all (0)")

#define MV_CHOICES(X)                                                             \
	X(away, borrow, switch,                                                   \
	  "lazy: \"borrow\" the tables that are loaded, or \"switch\" to others") \
	X(flush, invlpg, full,                                                    \
	  "sweep-size: flush page by page with \"invlpg\", or the \"full\" TLB")

/*
 * X(id, name, shootdown, summary): ways to break the protocol on purpose, each of which a
 * run must catch as stale reads. `shootdown` is what is measured where the user names no
 * mechanisms. The host's are in src/vcpu/protocol/fault.c, the guest's in
 * src/guest-kernel/shootdown/fault.c.
 */
#define MV_FAULTS(X)                                                                            \
	X(skip_deferred_flush, "skip-deferred-flush", "ipi,pv",                                 \
	  "host: resume a vCPU without the flush that was asked for")                           \
	X(skip_ipi_flush, "skip-ipi-flush", "ipi,pv",                                           \
	  "guest: acknowledge an IPI without flushing")                                         \
	X(skip_local_flush, "skip-local-flush", "ipi,pv",                                       \
	  "guest: shoot down the TLBs of others, and forget one's own")                         \
	X(lose_flush_bit, "lose-flush-bit", "ipi,pv",                                           \
	  "host: mark again with a plain store, which erases a request (CVE-2019-3016)")        \
	X(mark_while_running, "mark-while-running", "ipi,pv",                                   \
	  "host: mark a vCPU that still executes guest code")                                   \
	X(clear_after_flush, "clear-after-flush", "ipi,pv",                                     \
	  "host: flush first and take the byte later, so that a request in between is lost")    \
	X(inverted_cmpxchg, "inverted-cmpxchg", "ipi,pv",                                       \
	  "guest: take a failed compare-and-exchange for a deferred flush")                     \
	X(skip_lazy_flush, "skip-lazy-flush", "ipi,pv",                                         \
	  "guest, lazy: come back without the flush that was left out meanwhile")               \
	X(skip_readers, "skip-readers", "ipi,pv",                                               \
	  "guest, rcu: end a grace period without waiting for readers inside a section")        \
	X(free_early, "free-early", "ipi,pv",                                                   \
	  "guest, tables: free a page table right after the shootdown, without a grace period") \
	X(hypercall_no_wait, "hypercall-no-wait", "hypercall",                                  \
	  "host, hypercall: go on before the targets have left the guest (Linux 1ebfaa11ebb5)")       \
	X(drop_dirty_entry, "drop-dirty-entry", "ipi",                                          \
	  "host, --dirty: forget one of the pages that each harvest found dirty")               \
	X(mark_in_access, "mark-in-access", "ipi,pv",                                           \
	  "host: mark in the middle of an access (CVE-2022-39189); guest.elf makes none that "  \
	  "shows it")

#endif
