/*
 * type/typing.h - the typers of a graph: run once, asked for names as long as the graph lives.
 */
#ifndef HEAPFX_TYPE_TYPING_H
#define HEAPFX_TYPE_TYPING_H

#include "type/typer.h"

struct typing; /* NULL is fine for all of these: no typer had anything to say */
/* Opens and runs those that are at home here; NULL in *ret when none is. `graph` needs roots alone; `hints`: NULL, none. */
struct err *typing_run(struct env *env, const struct image *img, const struct blocks *blocks,
		       const struct hints *hints, const struct graph *graph, const struct typer_ops *const *typers,
		       struct typing **ret) MUST_CHECK;
void typing_free(struct typing *t);

/* One type an id of blocks: in the narrow column if all fit, else in the other; the rest is NULL. */
void typing_columns(const struct typing *t, const uint16_t **ret_narrow, const type_id **ret_wide);
/* The context of one typer, for noters that know its language; NULL: it is not at home. */
void *typing_context(const struct typing *t, const struct typer_ops *ops);
const struct types *typing_types(const struct typing *t);

/*
 * How the word at `offset` of a block is called, by the typer of its type: a string that lives as long
 * as `t`; NULL when nobody can tell, "" where the language sees no step.  `start` and `size`: of the block as the program holds it.
 */
const char *typing_path(struct typing *t, uint32_t id, taddr start, uint64_t size, uint64_t offset);
/* The same of any block of that type: what depends on contents is left out. */
const char *typing_field(struct typing *t, type_id type, uint64_t offset);
/* Entries of the map that a block at `start` is; 0: none, or it is no map. */
uint64_t typing_entries(const struct typing *t, uint32_t id, taddr start);
/* Where a type is declared in the source; NULL: unknown. */
bool typing_place(const struct typing *t, type_id type, struct type_place *ret);
/* How a static address is called; false: no typer can tell, `ret` is untouched. */
bool typing_global(const struct typing *t, taddr addr, struct text *ret);

#endif
