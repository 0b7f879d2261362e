/*
 * heap/walker.h - one allocator: find its heaps in an image, claim their ranges, list their blocks.
 *
 * Several walkers may win: each claims the ranges it proves (real processes mix allocators).
 * Order of calls: bid -> open -> claim -> walk (any thread, once a claim) -> settle -> info -> explain... -> close.
 * A walker that took something for granted in open() may be wrong: then all heaps are closed and begin anew.
 */
#ifndef HEAPFX_HEAP_WALKER_H
#define HEAPFX_HEAP_WALKER_H

#include "base/env.h"
#include "base/text.h"
#include "image/image.h"

struct walker_bid {
	unsigned score; /* 0 = not here; >= 50 = symbols or structure agree */
	char why[160];	/* "main_arena at 0x7f.. by structure and disassembly, glibc 2.36" */
};

/* A range of addresses one heap owns: from its first block's first byte to its last one's end. */
struct claim {
	taddr start, end;
	uint32_t arena;	    /* index in heap_info.arenas; UINT32_MAX: none (mmapped) */
	uint16_t kind;	    /* the walker's own: main arena piece, heap, mmapped chunk */
	/*
	 * Blocks are indexed by the pointer the program holds: `bias` bytes past the block's own start.
	 * The index covers keys [start + bias, end + bias), so that a block's size is the distance to
	 * the next key; the last `overhead` bytes of it are not the program's to use.
	 */
	uint8_t bias, overhead;
	uint8_t head;	    /* bytes at the start of each block before what the program holds: Go's malloc header */
	bool small_grains;  /* blocks start at multiples of 8, not of 16 */
	bool no_pointers;   /* of a precise heap: none of its words may hold one (Go's noscan spans) */
	/*
	 * What was asked for aligned begins inside its block, at the first address of that alignment, and
	 * nothing says where: a pointer there is one to the block (mimalloc).
	 */
	bool aligned_inside;
};

struct claim_sink {
	struct err *(*add)(struct claim_sink *sink, const struct claim *claim);
};

/*
 * Takes the blocks of one claim by the address the program holds (malloc's return value), 16-aligned,
 * in any order; each reaches to the next.  Ranges that are no blocks (arena headers, fence posts,
 * damaged stretches) are added as gaps.  Inline functions in heap/blocks.h, for they run hundreds of
 * millions of times.
 */
struct block_sink;
struct blocks;

/* A stretch of memory that is no block of any claim. */
struct heap_region {
	taddr start, end;
	const char *category; /* literals: "go/stacks", "go/idle", "go/returned", "go/metadata" */
	const char *label;    /* for people: "goroutine stacks: in use" */
	bool returned;	      /* given back to the system, or never written to: zeros in it are no memory */
};

struct region_sink {
	struct err *(*add)(struct region_sink *sink, const struct heap_region *region);
};

/* One live allocation that the allocator's own profiler sampled, or knows because it knows each. */
struct heap_sample {
	taddr block;
	uint64_t size;	    /* of the block, or asked for: as its profiler counts */
	const taddr *pcs;   /* return addresses, innermost first */
	uint64_t n_pcs;
	taddr stack;	    /* the same number, the same stack; 0: not said */
	double objects, bytes; /* that it stands for; 0: not known */
	bool every;	    /* nothing is left out: it stands for itself */
};

struct sample_sink {
	struct err *(*add)(struct sample_sink *sink, const struct heap_sample *sample);
};

enum arena_kind { ARENA_MAIN, ARENA_THREAD, ARENA_MMAP, ARENA_OTHER };

/* Totals by the allocator's own free lists: "tcache", "fastbin", "smallbin", "unsorted", "top" ... */
struct where_total {
	const char *where; /* a literal, in the allocator's own words */
	uint64_t count, bytes;
	/*
	 * Pages with contents that go back to the system when the allocator is asked to (malloc_trim(),
	 * arena.<i>.purge, ..); of a cache: once it is flushed, with what else then lies free there.
	 */
	uint64_t returnable;
};

/* What it was told, or has come to: M_TRIM_THRESHOLD. */
struct heap_setting {
	const char *name; /* a literal, as its manual has it */
	uint64_t bytes;
};

struct heap_arena {
	taddr addr;	    /* the arena's own structure; 0 if it has none */
	uint8_t kind;	    /* enum arena_kind */
	uint64_t bytes;	    /* taken from the system */
	uint64_t used, free, overhead; /* bytes; used + free + overhead == bytes */
	uint64_t n_used, n_free;
	uint64_t top;	    /* bytes at its end that could go back at once */
	uint64_t largest_free;
	uint32_t attached;  /* threads that use it, when the allocator says */
};

/* The blocks of one size class, in its slabs, spans or groups. */
struct class_total {
	uint64_t size;			/* of each */
	uint64_t units, blocks, used, cached; /* cached: free, in a thread's cache */
};

/* What a walker knows about the whole heap, after the walk. */
struct heap_info {
	const char *allocator;	/* "glibc" */
	char version[32];	/* "2.36", "2.35-2.41" when the structures do not tell them apart, "" if unknown */
	char how[64];		/* "debug-info|symbols|disassembly|layout", joined by "+" when several agree */
	char why[160];		/* the bid's sentence */
	struct heap_arena *arenas;
	size_t n_arenas;
	uint64_t n_used, used, n_free, free, overhead; /* bytes: used + free + overhead == the sum of all claims */
	struct where_total wheres[16];
	size_t n_wheres;
	struct class_total *classes; /* by size; NULL: it has none */
	size_t n_classes;
	/* Bytes outside its claims: free and not given back; given back, only their addresses kept. */
	uint64_t idle, returned;
	struct where_total idles[4]; /* the free ones by the place that keeps them: "dirty", "muzzy" */
	size_t n_idles;
	bool knows_returnable; /* of wheres and idles */
	struct heap_setting settings[4];
	size_t n_settings;
	uint64_t checks_passed, checks_failed; /* invariants evaluated */
	/* Damage, each with a place: diag()'ed when all is walked (heap/in_flight.h). */
	struct heap_damage {
		taddr at;
		taddr low, high; /* the memory that it is about */
		uint32_t in_flight; /* the thread that was at work on that; 0: none */
		char *what; /* "chunk at 0x..: size 0x31 runs past top 0x..; likely an overrun of the block at 0x.." */
	} *damage;
	size_t n_damage;
};

struct walker_ops {
	const char *name; /* "glibc", "jemalloc", "go", ... */
	void (*bid)(struct env *env, const struct image *img, struct walker_bid *ret);
	struct err *(*open)(struct env *env, const struct image *img, void **ret_ctx);
	/*
	 * open() takes something for granted that it would cost a look at all memory to know, and open_sure()
	 * does not.  mistaken(), after the claims (may it be why they meet another heap's?) and after the walk:
	 * was that wrong?  Both NULL: nothing is.
	 */
	struct err *(*open_sure)(struct env *env, const struct image *img, void **ret_ctx);
	bool (*mistaken)(const void *ctx, bool claims_meet);
	/* Every range this heap owns, in any order. Those that share a 4-KiB page are walked by one thread. */
	struct err *(*claim)(void *ctx, struct claim_sink *sink);
	/* Lists one claim's blocks. Any thread; the ctx is shared, so per-claim results go to a slot of the claim. */
	struct err *(*walk)(void *ctx, uint32_t claim, struct block_sink *sink);
	/*
	 * Once, after all claims are walked and before blocks have ids: what no single claim could tell.
	 * May list more blocks in claims that were walked.  NULL: nothing.
	 */
	struct err *(*settle)(void *ctx, struct block_sink *sink);
	/* After that, once: totals, in a struct the ctx owns. */
	const struct heap_info *(*info)(void *ctx);
	/*
	 * One block in words: arena, bin, header bytes, the list it hangs on.  Returns the literal
	 * that `where` shows for a free block, NULL for a used one.
	 */
	const char *(*explain)(void *ctx, taddr block, struct text *ret);
	/*
	 * Ranges outside its claims that are the allocator's own data (arenas in .data, mp_, tcache
	 * structs are blocks of their own): never roots.  NULL: none.
	 */
	struct err *(*metadata)(void *ctx, struct claim_sink *sink);
	/*
	 * Memory outside its claims that it took from the system, for the breakdown: each byte once.
	 * NULL: none.
	 */
	struct err *(*regions)(void *ctx, struct region_sink *sink);
	/* What its profiler sampled, after info; NULL: it has none. */
	struct err *(*samples)(void *ctx, struct sample_sink *sink);
	/*
	 * The pages around a block that go back to the system, or to other uses, when nothing in them
	 * is used, and not before: its slab, span or group. False: none but the block's own. Any thread.
	 */
	bool (*unit)(void *ctx, taddr block, taddr *ret_start, taddr *ret_end);
	const char *unit_name; /* "slab"; NULL with unit */
	/* Bytes at the start of a free block that its links and keys may lie in; 0: they lie elsewhere. */
	uint8_t links;
	/*
	 * A precise collector's heap: its blocks live by exact roots and exact slots alone (no word found
	 * by chance keeps one), those that nothing reaches are `uncollected`, and a pointer into the
	 * middle of a block is as good as one to its start.
	 */
	bool precise;
	/* What is asked for is rounded up to a multiple of so many bytes; 0: to size classes. */
	uint8_t rounding;
	/*
	 * What finds its heaps, claims and blocks again, as far as no reader's asking kept it already
	 * (image/shadow.h). Once, after info.  NULL: that was all.
	 */
	struct err *(*keep)(void *ctx, const struct blocks *b);
	/*
	 * Which of the n words from `at` (8-aligned, inside one claim) may hold pointers: bit i of
	 * mask[i / 64] for word i; all of mask is written.  Any thread.  NULL: every word.
	 */
	void (*slots)(void *ctx, uint32_t claim, taddr at, unsigned n, uint64_t *mask);
	/*
	 * The collector found this used block dead, and its place is not free only because nobody swept
	 * it yet: what it points at may be swept, and be something else by now.  NULL: no block is so.
	 */
	bool (*is_dead)(void *ctx, taddr block);
	bool tells_plain; /* walk() fills block_sink.plain, for it reads the words beside anyway */
	void (*close)(void *ctx);
};

extern const struct walker_ops *const walker_registry[]; /* heap/registry.c; NULL-terminated */

#endif
