/*
 * image/go_globals.h - package variables of a program without debug info, by the code that uses them.
 *
 * Functions that refer to a variable say what it is (image/go_reading.h), and their packages, inlined ones as what they
 * were, whose it is.
 */
#ifndef HEAPFX_IMAGE_GO_GLOBALS_H
#define HEAPFX_IMAGE_GO_GLOBALS_H

#include "image/go_type.h"

struct go_global {
	taddr addr;
	const struct go_type *type;
	/* not so: a pointer, of which one method was called whose receiver may be the first field alone */
	bool is_sure;
};

struct go_globals;
/*
 * Code that refers to words of wanted[n], addresses in the data of Go's modules, is read.  By all of
 * env's threads, with the same result for any number of them.
 */
struct err *go_globals_open(struct env *env, const struct go *go, const taddr *wanted, size_t n,
			    struct go_globals **ret) MUST_CHECK;
void go_globals_close(struct go_globals *g); /* NULL is fine */

/* Ascending by address; none overlaps another. */
const struct go_global *go_globals_types(const struct go_globals *g, size_t *ret_n);
/* Whose variable [start, end) is: "gopkg.in/yaml.v3". False: functions of several packages use it, or none. */
bool go_globals_package(const struct go_globals *g, taddr start, taddr end, struct text *ret);
/*
 * "net/http.0x5c0.mux[3]": the package, the place in the module, the way to the word where the type is known.
 * False: no package could be told.
 */
bool go_globals_name(const struct go_globals *g, taddr addr, struct text *ret);

#endif
