/*
 * type/gobject.h - GLib's type system as it lies in memory: which classes there are, what they are
 * called, how large their instances are.  No debug info is needed.
 *
 * Source: gobject/gtype.c of GLib 2.40 to 2.84 (struct _TypeNode, struct _InstanceData,
 * static_fundamental_type_nodes), glib/gquark.c (quarks).
 */
#ifndef HEAPFX_TYPE_GOBJECT_H
#define HEAPFX_TYPE_GOBJECT_H

#include "base/addrmap.h"
#include "base/arena.h"
#include "heap/blocks.h"
#include "image/image.h"

/* A class that instances are made of: of GObject, GParamSpec and what else has instances. */
struct gobject_class {
	taddr at;	  /* what the first word of an object points at */
	const char *name; /* "GtkLabel"; NULL: the dump does not have it */
	uint32_t size;	  /* of an object, from what the program holds on */
	uint32_t before;  /* bytes of private data in front of it */
	bool is_object;	  /* derived of GObject: it has a ref_count */
	void *user;	  /* of who asks: NULL at first */
};

struct gobject_types {
	struct {
		struct gobject_class *v; /* in no order that counts */
		size_t n, cap;
	} classes;
	struct {
		struct gobject_node {
			taddr node, data; /* struct _TypeNode, its TypeData; 0: none yet */
		} *v;
		size_t n, cap;
	} nodes; /* of all types */
	struct addrmap by_class; /* index in classes, + 1, by address */
	taddr signals;		 /* g_signal_nodes: pointers by signal id; 0: not found */
	uint32_t n_signals;	 /* room in it */
	taddr low, high;	 /* all of them lie in [low, high) */
	uint32_t most_before;
	struct arena mem;
};

/* Nothing in *ret where the program has no GObject, or one whose layout is unknown. */
struct err *gobject_open(const struct image *img, const struct blocks *blocks,
			 struct gobject_types *ret) MUST_CHECK;
void gobject_close(struct gobject_types *g); /* a zeroed one is fine */
/* What an object begins with; NULL: no class. */
struct gobject_class *gobject_class_at(const struct gobject_types *g, uint64_t word);
/*
 * The instance at `value` that has private data in front of it, as its class says itself: `value - start`
 * bytes, in the block at `start`; or a GClosure behind what its library keeps of it.
 */
bool gobject_is_behind(const struct image *img, taddr start, taddr value);

/* Data of libgobject's own. */
bool gobject_has_data(const struct image *img, const struct segment *seg);
/* The name of a signal; false: the dump does not have it. */
bool gobject_signal(const struct image *img, const struct gobject_types *g, uint32_t id, struct text *ret);
/* A word that says of what type a GValue is: of one with an object in it. */
bool gobject_is_type(const struct image *img, uint64_t word);

enum {
	GOBJECT_REF_COUNT = 8, /* in an object: its ref_count, 32 bits */
	GOBJECT_SIZE = 24,     /* sizeof(GObject) */
};

#endif
