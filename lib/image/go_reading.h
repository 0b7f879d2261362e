/*
 * image/go_reading.h - what a function's code says of types and places.
 *
 * A function is read from its beginning, each instruction once, as one of the ways to it leaves registers and the frame.  That is a
 * way the program may go, so what holds on it holds for the variables that it meets: they have one type on all ways.
 * What the compiler passes to the runtime together says what they are: mapaccess1(type, m),
 * newobject(type), growslice(.., type), a method's receiver.
 *
 * Source: cmd/compile's calls of the runtime and its ABIInternal, Go 1.19 to 1.27, amd64 and arm64.
 */
#ifndef HEAPFX_IMAGE_GO_READING_H
#define HEAPFX_IMAGE_GO_READING_H

#include "image/go_type.h"

enum go_value_kind {
	GO_VALUE_UNKNOWN,
	GO_VALUE_ADDRESS, /* v, static */
	GO_VALUE_LOADED,  /* what the variable at v holds */
	GO_VALUE_NEW,	  /* a new T, whose descriptor is at v */
	GO_VALUE_ARRAY,	  /* several, one after another */
	GO_VALUE_HEADER,  /* a new map or channel of the type whose descriptor is at v */
	GO_VALUE_RESULT,  /* the first result of the function at v */
};
struct go_value {
	uint64_t v;
	uint8_t kind; /* enum go_value_kind */
};

enum go_fact_kind {
	GO_FACT_VALUE,	  /* a T lies there */
	GO_FACT_HEADER,	  /* a T that is a pointer itself: a map, a channel */
	GO_FACT_POINTER,  /* a *T */
	GO_FACT_SLICE,	  /* a []T */
	GO_FACT_RECEIVER, /* a *T, or a pointer to what begins with a T: a method was called */
};

/* NULL: not of interest. */
struct go_reading_to {
	/* A variable in a module's data is, or points to, a T. */
	void (*fact)(void *arg, taddr variable, const struct go_type *t, enum go_fact_kind kind);
	/* Data are used: the 8 bytes there, or their address. */
	void (*use)(void *arg, taddr data, bool is_address, taddr pc);
	/* The function at `code` is put into a new T, with what it captured. */
	void (*closure)(void *arg, taddr code, const struct go_type *t);
	void *arg;
};

/* The type of a variable of which a fact was told; a pointer to a closure is a func. NULL: no memory. */
const struct go_type *go_fact_type(const struct go *go, const struct go_type *t, enum go_fact_kind kind);

struct go_reading;
/* One a thread. NULL in *ret: this machine's code cannot be read. */
struct err *go_reading_open(const struct go *go, const struct go_reading_to *to, struct go_reading **ret) MUST_CHECK;
void go_reading_close(struct go_reading *r); /* NULL is fine */
/* At most GO_CODE_MAX bytes of a function. `stop`: a place behind a call, for go_reading_nth_slot(); 0: none. */
enum { GO_CODE_MAX = 1 << 20 };
struct err *go_reading_function(struct go_reading *r, taddr entry, taddr end, taddr stop) MUST_CHECK;
/*
 * The words that a function had put into its frame at `stop`, by `offset` from the stack pointer.  What is live
 * there is the same variable, and of one type, on every way to the call.
 */
enum { GO_READING_SLOTS = 192 };
bool go_reading_nth_slot(const struct go_reading *r, unsigned i, uint64_t *ret_offset, struct go_value *ret);
/*
 * The type of a variable that holds the value. Of a result: what the function returns, which is read for that, is new in it, or
 * in one that it calls. NULL: nobody knows, or no memory.
 */
const struct go_type *go_reading_type(struct go_reading *r, struct go_value value);

#endif
