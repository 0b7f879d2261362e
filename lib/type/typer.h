/*
 * type/typer.h - say what blocks are, and how their words are called.
 *
 * Typers run one after another over all blocks, in the order of the registry, once, after roots
 * and edges are known to be findable (blocks and image are const); each writes where it knows
 * better.  The loop is theirs.
 */
#ifndef HEAPFX_TYPE_TYPER_H
#define HEAPFX_TYPE_TYPER_H

#include "graph/graph.h"
#include "graph/types.h"
#include "heap/blocks.h"
#include "image/image.h"

/* What typers write; n of each. */
struct type_columns {
	type_id *type;
	uint8_t *confidence; /* enum type_confidence */
	uint8_t typer;	     /* index of the one that runs */
	struct types *types;
	const struct graph *graph; /* with nodes, roots and edges; without types */
};

/* Stands for the address of a thread's register, by DWARF number: where no program has memory. */
static inline taddr typer_register(uint32_t thread, uint64_t no)
{
	return UINT64_MAX - (thread * (uint64_t)TARGET_MAX_REGS + no) * 8;
}

struct pools;
struct count_rules;

/* What else is known of the process; NULLs: nothing. */
struct hints {
	const struct pools *pools;
	const struct count_rules *rules; /* what the user says of structs of the program's own */
};

struct typer_ops {
	const char *name; /* "go", "c++ vtable", "dwarf" */
	/* NULL context: nothing for it here. */
	struct err *(*open)(struct env *env, const struct image *img, const struct blocks *blocks,
			    const struct hints *hints, void **ret_ctx);
	struct err *(*assign)(void *ctx, struct type_columns *cols);
	/*
	 * How the word at `offset` of the value at `addr` (`size` bytes, of a type of this typer) is called:
	 * ".h.func1.buf", "[3].items", `["/receipt"]`.  False: nothing to say.  For output.
	 * `addr` 0: of any such value; what depends on its contents is left out.
	 */
	bool (*path)(void *ctx, const struct type_row *type, taddr addr, uint64_t size, uint64_t offset, struct text *ret);
	/* How a static address is called: "net/http.DefaultServeMux", "main.cache.items[3]"; or typer_register(). For output. */
	bool (*global)(void *ctx, taddr addr, struct text *ret);
	/* Entries of the map at `addr` (of a type of this typer); 0: none, or no map. */
	uint64_t (*entries)(void *ctx, const struct type_row *type, taddr addr);
	/* Where a type of this typer stands in the source; false: unknown. For output. */
	bool (*place)(void *ctx, const struct type_row *type, struct type_place *ret);
	void (*close)(void *ctx);
};
extern const struct typer_ops *const typer_registry[]; /* type/registry.c; NULL-terminated */

#endif
