/*
 * analysis/analysis.h - a question asked of a graph.
 *
 * An analysis reads the subject and the facts it declared and adds to the report.  It never
 * prints, never re-reads the input, never calls another analysis: what two share is a fact or a
 * helper of this folder.
 */
#ifndef HEAPFX_ANALYSIS_ANALYSIS_H
#define HEAPFX_ANALYSIS_ANALYSIS_H

#include "fact/fact.h"
#include "graph/graph.h"
#include "report/report.h"

struct subject {
	const struct graph *graph;
	const struct facts *facts;
	unsigned top; /* how many suspects are wanted */
	/* A place that still holds a pointer to each lost head: filled by the pipeline, see type/build.h. */
};

struct analysis_ops {
	const char *name;    /* "leaks", "cycles", "suspects" */
	const char *summary; /* one line for --help */
	unsigned needs;	     /* enum fact bits */
	struct err *(*run)(struct env *env, const struct subject *s, struct report *r);
};
extern const struct analysis_ops *const analysis_registry[]; /* in the order they run; NULL-terminated */

#endif
