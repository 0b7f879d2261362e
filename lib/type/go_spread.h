/*
 * type/go_spread.h - types along typed pointers, each block by its strongest evidence.
 *
 * Seeds are given with spread_exact(), spread_memory(), spread_pointer(); spread_run() then follows
 * every typed block's pointers until nothing new is known.  One thread.
 */
#ifndef HEAPFX_TYPE_GO_SPREAD_H
#define HEAPFX_TYPE_GO_SPREAD_H

#include "heap/blocks.h"
#include "image/window.h"
#include "type/go_shape.h"
#include "type/typer.h"

enum { SPREAD_STACK = 1 << 16, SPREAD_PENDING = 64, SPREAD_QUEUE = 16 };

/* A pointer, and what it says of the block it points at. */
struct candidate {
	uint64_t value, grain;
	struct shape *shape; /* NULL: the block itself tells (`op`) */
	uint64_t extent;     /* values from there on: capacity of a slice, length of a string */
	uint32_t id;
	uint8_t op;	     /* enum slot_op */
	uint8_t most;	     /* enum type_confidence that it may give */
	bool from_dead;
};

struct to_follow {
	taddr at; /* of the block as the index has it */
	uint32_t id;
};

struct spread {
	struct env *env;
	const struct image *img;
	const struct blocks *blocks;
	const struct go *go;
	struct shapes *shapes;
	struct type_columns *cols;
	uint64_t low, span; /* all blocks lie in [low, low + span) */
	uint16_t *classes;  /* by size / 8, rounded up */
	struct {
		struct shape **v; /* by type_id; of other typers: NULL */
		size_t n, cap;
	} by_id;
	struct to_follow *stack; /* the last first: near in memory to what was followed before */
	uint32_t count;		 /* of SPREAD_STACK */
	struct to_follow queue[SPREAD_QUEUE]; /* off the stack, their bytes on the way */
	uint32_t turn, queued;	 /* queue[turn - queued .. turn - 1] */
	struct col later;	 /* one bit an id: typed, not followed, not on the stack */
	uint64_t n_later;
	struct candidate pending[SPREAD_PENDING];
	uint32_t at, seen, done; /* in pending: given, looked up, decided; done <= seen <= at */
	struct image_window window;
	/*
	 * What is followed is dead and not swept: where it leads to a block that is not, that may have been
	 * swept, and something else be there.  Set by who calls.
	 */
	bool from_dead;
	const struct claim *claim; /* the one used last */
	struct err *err;	 /* the first; all else stops */
	struct shape *sudog;	 /* NULL if unknown */
	void (*before_closure)(void *arg, struct shape *closure); /* may give it a layout; NULL: none */
	void *before_closure_arg;
	uint64_t changes_left;	 /* of one type to another as sure */
	uint64_t contradictions; /* blocks that two typed pointers call differently */
};

struct err *spread_open(struct env *env, const struct image *img, const struct blocks *blocks, const struct go *go,
			struct shapes *shapes, struct type_columns *cols, struct spread *ret) MUST_CHECK;
void spread_close(struct spread *s);

/* The runtime says so. `at`, `id`: of a used block. */
void spread_exact(struct spread *s, taddr at, uint32_t id, struct shape *shape);
/* A value of `shape` at an address outside the heap: its pointers are evidence. */
void spread_memory(struct spread *s, taddr at, struct shape *shape);
void spread_pointer(struct spread *s, uint64_t value, struct shape *shape, uint64_t extent, enum type_confidence most);
/* An interface value: the words {type or itab, data}. False: the first word is neither. */
bool spread_boxed(struct spread *s, uint64_t word, uint64_t data, bool is_itab, enum type_confidence most);
/* The words of a value from `at` on, `left` bytes of them: the first is a pointer word of `type`. */
void spread_word(struct spread *s, taddr at, uint64_t left, const struct go_type *type);
void spread_func(struct spread *s, uint64_t value, enum type_confidence most);
/* Until nothing is left to follow. */
struct err *spread_run(struct spread *s) MUST_CHECK;

#endif
