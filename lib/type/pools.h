/*
 * type/pools.h - allocators of programs' own that take blocks from malloc or the system: PostgreSQL's
 * MemoryContexts, talloc, what a layout describes.
 *
 * Each is recognised by structures that lead to each other, never by one word alone; what does not
 * agree is left out (docs/formats/pools.md).
 */
#ifndef HEAPFX_TYPE_POOLS_H
#define HEAPFX_TYPE_POOLS_H

#include "base/addrmap.h"
#include "base/arena.h"
#include "heap/blocks.h"
#include "type/pool_layout.h"

#define POOL_NONE UINT32_MAX

/* What a pool has given out, where its library tells kinds apart. */
struct pool_content {
	const char *name; /* a literal: "tables" */
	uint64_t count, bytes;
};

struct pool {
	taddr addr;
	const char *kind;  /* a literal, in its library's words: "MemoryContext" */
	const char *name;  /* NULL: not at hand, or the program's data */
	const char *ident; /* what the program called it by: its data, for --strings alone; NULL */
	uint32_t parent;   /* index, less than its own; POOL_NONE */
	uint32_t n_blocks; /* that it took from malloc or the system */
	uint64_t bytes;	   /* of these */
	uint64_t free;	   /* in them, as far as its library says; UINT64_MAX: unknown */
	bool counts;	   /* its library counts its bytes as well */
	bool agrees;	   /* and they are the same */
	const struct pool_content *contents; /* most bytes first; the pools' memory */
	uint32_t n_contents;
};

/* A block of malloc and whose it is. */
struct pool_block {
	uint32_t block, pool;
	const char *type; /* what it is called; NULL: as its pool */
};

/* Memory of a pool, a part of a block or outside of any heap. */
struct pool_span {
	taddr start, end;
	uint32_t pool;
};

/*
 * One who looks at the beginning of each used block of malloc's: all do in one pass, after open() and
 * before find().  What is asked of `bytes` first decides what that costs: most blocks are refused.
 */
struct pool_seeker {
	uint64_t least; /* bytes of a block that is worth a look; as many are at `bytes` at least */
	struct err *(*see)(void *arg, const uint8_t *bytes, taddr at, uint64_t size);
	void *arg;
};

struct pools {
	struct env *env;
	const struct image *img;
	const struct blocks *blocks;
	struct pool *v; /* parents first */
	size_t n, cap;
	struct {
		struct pool_block *v; /* by block, each once */
		size_t n, cap;
	} members;
	struct {
		struct pool_span *v; /* by start; as far as they were found */
		size_t n, cap;
	} spans;
	struct {
		struct pool_seeker *v; /* while they are looked for */
		size_t n, cap;
	} seekers;
	bool only_sure;	 /* where nothing says what is in the program, nothing is looked for */
	bool left_out;	 /* and so it was */
	struct arena mem;
};

struct pool_ops {
	const char *name;
	/*
	 * Asks for a look at all blocks by pools_seek(), if it may be at home; NULL: it never does.
	 * `ret` is what find() gets; close() is called in any case.
	 */
	struct err *(*open)(struct pools *p, void **ret);
	void (*close)(void *ctx); /* NULL is fine for `ctx` */
	/* Adds pools with their blocks; nothing when it is not at home. */
	struct err *(*find)(struct pools *p, void *ctx);
};
extern const struct pool_ops *const pool_registry[]; /* type/registry.c; NULL-terminated */

/*
 * `layouts`: of the user's own (--pool-layout), asked first; NULL: none.  `only_sure`: of libraries only those
 * that something says are there; a diagnostic, if nothing says which.
 */
struct err *pools_find(struct env *env, const struct image *img, const struct blocks *blocks,
		       const struct pool_layouts *layouts, bool only_sure, struct pools *ret) MUST_CHECK;
void pools_fini(struct pools *p); /* a zeroed one is fine */

/* A bit for each of n blocks that is a pool's; the caller's to close.  Nothing, and zeros, where there are no pools. */
struct err *pools_mark(struct env *env, const struct pools *p, uint64_t n, struct col *ret) MUST_CHECK;

/* The pool whose block it is; POOL_NONE. */
uint32_t pools_of(const struct pools *p, uint32_t block);
/* The pool that has this address in one of its spans, the innermost; POOL_NONE. */
uint32_t pools_at(const struct pools *p, taddr at);
/* "TopMemoryContext/CacheMemoryContext/index info": names from the outermost on, as far as there is room. */
void pools_path(const struct pools *p, uint32_t pool, struct text *ret);
/* The same behind its kind: "apr_pool_t server/request", and the kind alone where nothing is named. */
void pools_words(const struct pools *p, uint32_t pool, struct text *ret);
/* "MemoryContext CacheMemoryContext" */
void pools_label(const struct pool *pool, struct text *ret);

/* For finders. */
struct err *pools_add(struct pools *p, const struct pool *pool, uint32_t *ret) MUST_CHECK;
/* The block is the pool's, from its first byte on; NULL error and nothing done if it is no used block. */
struct err *pools_add_block(struct pools *p, uint32_t pool, taddr block) MUST_CHECK;
/* The same, called by a name of its own, which is copied. */
struct err *pools_add_named(struct pools *p, uint32_t pool, taddr block,
			    const char *type) MUST_CHECK;
/* [at, at + size) is the pool's: counted, and the block as well if it begins there. */
struct err *pools_add_chunk(struct pools *p, uint32_t pool, taddr at, uint64_t size) MUST_CHECK;
/* The block holds the pool's head alone: not counted. */
struct err *pools_add_head(struct pools *p, uint32_t pool, taddr block) MUST_CHECK;
struct err *pools_seek(struct pools *p, const struct pool_seeker *seeker) MUST_CHECK;
/* A static program without symbols: nothing says what is linked in. */
bool pools_is_nameless(struct pools *p);
/* A module's name begins so. */
bool pools_has_module(const struct image *img, const char *name);
/*
 * The program has the text in memory that it cannot write; or could: that is not at hand, and no symbols
 * of its own say what is linked in.
 */
bool pools_may_have_text(struct pools *p, const char *text);
/* A module whose name begins so is there, or the symbol is (NULL: not asked for), or the text may be. */
bool pools_at_home(struct pools *p, const char *module, const char *symbol, const char *text);
/* The segment with dumped memory that the program can write to, around `at`; NULL. */
const struct segment *pools_writable(const struct image *img, taddr at);
/* Such memory that no heap claims, a run at a time. */
struct err *pools_each_run(struct pools *p, struct err *(*fn)(void *arg, taddr start, taddr end),
			   void *arg) MUST_CHECK;
/*
 * Pools of the layouts (type/pools_layout.c), as open(), find() and close() above; a user's that finds none
 * is told how far it came.
 */
struct layout_search;
struct err *pools_open_layouts(struct pools *p, const struct pool_layouts *layouts, bool are_users,
			       struct layout_search **ret) MUST_CHECK;
struct err *pools_find_layouts(struct layout_search *s) MUST_CHECK;
void pools_close_layouts(struct layout_search *s); /* NULL is fine */
/*
 * A literal of the program: text in memory that it cannot write, or in a module's file; NULL if it is
 * anything else.  In p->mem.
 */
const char *pools_literal(struct pools *p, taddr at);
/* Any text, for ident; NULL if it is none. */
const char *pools_data(struct pools *p, taddr at);
const char *pools_data_n(struct pools *p, taddr at, size_t max); /* of at most so many bytes */

#endif
