/*
 * truth.h - what a corpus program knows about its own blocks, written down before it stops.
 *
 * The notes lie in a mapping of their own, with every address masked, so that writing the truth
 * down keeps nothing alive.  corpus/README.md documents the file format and every kind.
 */
#ifndef HEAPFX_CORPUS_TRUTH_H
#define HEAPFX_CORPUS_TRUTH_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define NOINLINE __attribute__((noinline))

/* An address XOR this mask looks like no address at all, not even to a careless reader. */
#define TRUTH_MASK 0xa5a5a5a5a5a5a5a5ull

enum truth_kind {
	TRUTH_FREED_AGAIN,	/* an earlier note on this address no longer holds */
	DEF,
	IND,
	POSS,
	POSSIND,
	REACH,
	CYC2,
	RING,
	FREED,
	XOR,
	UNALIGNED,
	DEADSTACK,
	ENDSTACK,
	ENDTLS,
	ENDRESULT,
	TLSROOT,
	PTHSPEC,
	STACKROOT,
	REGROOT,
	VECROOT,
	MMAPROOT,
	MULTINH,
	NEWARRAY,
	LENGTH64,
	COWSTRING,
	PLUGIN,
	TRUTH_KINDS,
};

/* Starts a log of at most max_notes notes that truth_close() will write to path. */
void truth_open(const char *path, size_t max_notes);

/* Notes a block of the program and returns it.  Any thread. */
void *truth_note(void *block, size_t size, enum truth_kind kind);

/* Notes a figure that the program knows, as a "#total" row.  key must be static. */
void truth_total(const char *key, uint64_t value);

/*
 * Writes the notes, the totals and what mallinfo2() says, unmaps the log, and overwrites the
 * stack that was used.  Allocates nothing, so that the figures are those of the dump.
 */
void truth_close(void);

/* malloc() of zeroed memory, noted. */
void *noted_alloc(size_t size, enum truth_kind kind);

/* Overwrites 64 KiB of stack below the caller: what its callees left there is gone. */
void wipe_stack(void);

/* Tells the harness on standard output that all is in place; then waits for a signal, for good. */
void ready_and_wait(void) __attribute__((noreturn));

#ifdef __cplusplus
}
#endif

#endif
