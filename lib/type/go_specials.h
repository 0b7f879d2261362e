/*
 * type/go_specials.h - what the spans of a Go heap say of single objects: finalizers, cleanups, weak
 * handles, samples of the allocation profile (runtime/mheap.go, struct special).
 */
#ifndef HEAPFX_TYPE_GO_SPECIALS_H
#define HEAPFX_TYPE_GO_SPECIALS_H

#include "image/go.h"

struct go_special {
	taddr object;  /* the element it is of, as its span has it */
	uint64_t elem; /* its size */
	taddr fields;  /* of the special, behind what all kinds have */
	uint8_t kind;  /* the special's own number: go_layout.special_kind */
	bool noscan;   /* of a span without pointers */
};

/* All of them, span by span. Damage is diag()'ed as "go/special"; not when env is NULL. */
struct err *go_specials_each(struct env *env, const struct go *go,
			     struct err *(*fn)(void *arg, const struct go_special *special),
			     void *arg) MUST_CHECK;

#endif
