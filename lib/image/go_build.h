/*
 * image/go_build.h - which Go built the program, and its modules: the first steps of go_open().
 */
#ifndef HEAPFX_IMAGE_GO_BUILD_H
#define HEAPFX_IMAGE_GO_BUILD_H

#include "image/go.h"

enum { GO_OLDEST = 19, GO_NEWEST = 27 }; /* minors whose layouts are known */

/* ---- go_build.c */

/*
 * The build information of a module of the image (NULL: of none): version, experiments, path, main
 * module; else runtime.buildVersion, when go->modules are known.  Nothing is set when neither is there.
 */
void go_build_read(struct go *go, const struct module *m);
/* Takes a version text: "go1.25.7 X:nogreenteagc", "devel go1.27-3f2b...". False if it is none. */
bool go_build_version(struct go *go, const char *text, size_t n);
/* What the version and the experiments mean for layouts. */
void go_build_conclude(struct go *go);

/* ---- go_module.c */

/* Addresses that hold what looks like a moduledata, in the data of the image's modules; ascending. */
struct go_hits {
	taddr *v;
	size_t n, cap;
};
struct err *go_modules_scan(struct go *go, struct go_hits *ret) MUST_CHECK;
/*
 * Reads them and what they are chained to by the layout of go->minor into go->modules, the first
 * of the chain first: the chain that begins in go->module, else the longest.  Minor 0: it becomes
 * the newest whose layout fits.
 */
struct err *go_modules_read(struct go *go, const struct go_hits *hits) MUST_CHECK;
/* The oldest minor whose moduledata is like that of `minor`. */
unsigned go_modules_oldest_like(unsigned minor);

#endif
