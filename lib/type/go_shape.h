/*
 * type/go_shape.h - what a Go block can be: a value, an array behind a slice, a piece of a map.
 *
 * A shape is made once for each type and compiled into a flat list of its pointers, so that
 * spreading types over millions of blocks looks at no descriptor again.
 */
#ifndef HEAPFX_TYPE_GO_SHAPE_H
#define HEAPFX_TYPE_GO_SHAPE_H

#include "base/addrmap.h"
#include "graph/types.h"
#include "image/go.h"
#include "image/go_type.h"

enum shape_kind {
	SHAPE_VALUE,	/* one value of `type` */
	SHAPE_ARRAY,	/* values of `type` one after another: behind a slice, the slots of a map */
	SHAPE_STRING,	/* the bytes of a string */
	SHAPE_MAP,	/* the header: runtime.hmap to 1.23, maps.Map since; `type`: the map's */
	SHAPE_DIRECTORY, SHAPE_TABLE, /* of a Swiss map of `type` */
	SHAPE_EXTRA, SHAPE_OVERFLOW, /* to 1.23: runtime.mapextra of a map of `type`, its arrays of buckets */
	SHAPE_CHAN,	/* the header, with its buffer when that holds no pointers; `type`: the channel's */
	SHAPE_CLOSURE,	/* a function and what it captured; `type`: their layout, NULL if unknown */
	SHAPE_KINDS
};

/* How a pointer word is followed. */
enum slot_op {
	SLOT_POINTER, SLOT_SLICE, SLOT_STRING, SLOT_EFACE, SLOT_IFACE, SLOT_FUNC, SLOT_POOL, SLOT_NODE,
	SLOT_MAP, /* from a map's header alone */
};

struct slot {
	uint64_t offset; /* of the pointer itself: an interface's second word */
	uint8_t op;	 /* enum slot_op */
	struct shape *target; /* NULL where the memory tells */
};

struct shape {
	const struct go_type *type;
	uint8_t kind;	 /* enum shape_kind */
	bool compiled;
	bool is_weak;	 /* stands for something bigger by the runtime's own convention */
	bool is_hchan;	 /* runtime.hchan: a channel, of what type it says itself */
	bool is_layout;	 /* what a generic function sees: any type of that layout */
	bool has_pointers;
	uint64_t tile;	 /* slots repeat after so many bytes; 0: they do not */
	uint64_t size;	 /* of the whole, 0 = as large as the block */
	uint32_t block_size; /* that an allocation of `size` bytes takes, 0 = unknown */
	const struct slot *slots; /* ascending */
	uint32_t n_slots;
	type_id id;	 /* 0 before one is assigned */
	taddr pc;	 /* of a closure's function */
	const struct go_type *layout; /* of a closure: what it captured, if known */
	uint8_t boxed_op; /* enum slot_op: how a value of `type` in an interface word is followed */
	struct shape *boxed; /* its target */
};

struct shapes {
	struct env *env;
	const struct go *go;
	struct addrmap known;	/* by kind and type, or kind and function */
	struct addrmap boxed, itabs; /* shapes by descriptor, by itab; `none` for words that are neither */
	struct shape none;
	struct shape *string;
	const struct go_type *pool_local;
	uint64_t n_slots;	/* of all: bounded */
	struct arena mem;
};

struct err *shapes_open(struct env *env, const struct go *go, struct shapes *ret) MUST_CHECK;
void shapes_close(struct shapes *s);

/* All of these: NULL when out of memory, or for a NULL type. */
struct shape *shape_value(struct shapes *s, const struct go_type *type);
struct shape *shape_array(struct shapes *s, const struct go_type *type);
struct shape *shape_of(struct shapes *s, enum shape_kind kind, const struct go_type *type);
struct shape *shape_closure(struct shapes *s, taddr pc); /* NULL: no function begins there */
bool shape_closure_at(struct shapes *s, uint64_t word);	 /* the same for any word */
/* By the first word of an interface; NULL: it is no such word. */
struct shape *shape_boxed(struct shapes *s, taddr descriptor);
struct shape *shape_itab(struct shapes *s, taddr itab);
/* How a pointer word of a type is followed; false: not at all. */
bool shape_slot(struct shapes *s, const struct go_type *type, struct slot *ret);
/* Makes the list of slots, once. False when out of memory. */
bool shape_compile(struct shapes *s, struct shape *shape);

/* What types[] calls it: docs/formats/go.md. */
void shape_name(const struct shapes *s, const struct shape *shape, struct text *ret);

/* The field of a struct; NULL: it has none of that name. */
const struct go_field *go_field_named(const struct go_type *t, const char *name);

/* What the allocator spends on n bytes; `scan`: with pointers, which since 1.22 may cost a header. */
uint64_t go_block_size(const struct go *go, uint64_t n, bool scan);

/* Offsets in the headers of maps. */
enum {
	HMAP_COUNT = 0, HMAP_B = 9, HMAP_BUCKETS = 16, HMAP_OLDBUCKETS = 24, HMAP_EXTRA = 40,
	SWISS_USED = 0, SWISS_DIR = 16, SWISS_DIR_LEN = 24,
	TABLE_CAPACITY = 2, TABLE_GROUPS = 16, TABLE_MASK = 24,
};

#endif
