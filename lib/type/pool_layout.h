/*
 * type/pool_layout.h - where a pool allocator keeps what, as a small text says it
 * (docs/formats/pools.md): for --pool-layout, and for the allocators that heapfx knows.
 *
 * Offsets are bytes from the start of their structure; LAYOUT_ABSENT where the text says nothing.
 */
#ifndef HEAPFX_TYPE_POOL_LAYOUT_H
#define HEAPFX_TYPE_POOL_LAYOUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"

#define LAYOUT_ABSENT UINT32_MAX

enum {
	LAYOUT_STRUCT_MAX = 64 << 10, /* bytes of a head, and of a chunk's header */
	LAYOUTS_MAX = 64,
	LAYOUT_LIST_MAX = 4, /* of each thing that may be given several times */
};

/* Where heads are looked for. */
enum layout_place {
	PLACE_BLOCK,	/* `offset` bytes into each used block of malloc's */
	PLACE_PAGE,	/* `offset` bytes into each page that no heap claims */
	PLACE_ANYWHERE, /* at each aligned word of writable memory */
	PLACE_OUTSIDE,	/* the same where no heap claims it */
	PLACE_POINTER,	/* where the variable `symbol` points */
	PLACE_VARIABLE, /* the variable `symbol` itself */
};

/* When it is worth looking at all. */
enum layout_need {
	NEED_SYMBOL, /* a module defines it */
	NEED_MODULE, /* the name of a module begins like this */
	NEED_CALL,   /* a module that defines it not has its address in its data: it calls it */
	NEED_TEXT,   /* the program has it among its literals, or these are not at hand */
};

struct pool_layout {
	const char *name; /* of the kind of pool, as reports call it */
	unsigned line;	  /* where it begins */
	struct {
		enum layout_need kind;
		const char *name;
	} needs[LAYOUT_LIST_MAX]; /* one is enough; none: it is always at home */
	struct {
		enum layout_place place;
		uint32_t offset;
		const char *symbol;
	} finds[LAYOUT_LIST_MAX];
	struct layout_magic {
		uint32_t offset, width; /* 4 or 8 bytes */
		uint64_t value;
	} magics[LAYOUT_LIST_MAX];
	uint32_t codes[LAYOUT_LIST_MAX]; /* addresses of functions */
	unsigned n_needs, n_finds, n_magics, n_codes;
	struct {
		uint32_t size;
		uint32_t self;	 /* its own address */
		uint32_t place;	 /* the address of the block or page that it lies in */
		uint32_t ref;	 /* the address of the word that points at it; 0: none does */
		uint32_t mapped; /* an address of memory that is there */
		uint32_t room, room_max; /* bytes behind it in its first chunk, at most so many */
		uint32_t name;		 /* the address of its name */
		uint32_t text, text_max; /* its name itself */
		uint32_t parent, child, sibling;
		uint32_t first;	       /* chunk; absent: it begins its first chunk */
		uint32_t current;      /* an address in one of its chunks; 0: none */
		uint32_t avail, limit; /* free part of its first chunk */
		uint32_t total;	       /* bytes of all its chunks */
		uint32_t large, more;  /* lists of blocks of its own */
		/* what keeps chunks for later: a structure with so many lists of them */
		uint32_t spare, spare_lists, n_spare_lists;
	} head;
	struct {
		uint32_t size, next, prev, ref, owner, end, avail;
		uint32_t bytes, bytes_more; /* a count of its bytes, and what that leaves out */
		uint32_t fixed;		    /* bytes of every chunk */
	} chunk;
	struct {
		uint32_t next;
		uint32_t data;	       /* absent: its nodes are the blocks themselves */
		uint32_t bytes, width; /* a count of its bytes; absent: what malloc made of it */
	} large;
	uint32_t spare_owner; /* in that structure: the head that it counts for */
};

struct pool_layouts {
	struct pool_layout *v;
	size_t n, cap;
	struct arena mem; /* names */
};

/*
 * Adds what the text says.  ERR_USAGE names `file` and the line that is wrong; `ret` then has what
 * came before.
 */
struct err *pool_layouts_parse(const char *file, const char *text, size_t n,
			       struct pool_layouts *ret) MUST_CHECK;
void pool_layouts_fini(struct pool_layouts *l); /* a zeroed one is fine */

#endif
