/*
 * report/profile.h - amounts at the ends of paths: what profilers and flame graphs show.
 *
 * One of paths through a graph holds the names of roots, types and fields; one of a runtime's own
 * profiler holds places of code.  Bounded by who makes it: some tens of thousands of samples.
 * Strings as in report.h: of the report's arena, raw bytes of the dump.
 */
#ifndef HEAPFX_REPORT_PROFILE_H
#define HEAPFX_REPORT_PROFILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { PROFILE_VALUES = 4, PROFILE_COMMENTS = 4 };

struct rp_value_type {
	const char *type, *unit; /* "inuse_space", "bytes" */
};

/* One call of a place, or one step of a path. */
struct rp_line {
	const char *function;
	const char *file; /* NULL = unknown */
	uint32_t line;	  /* 0 = unknown */
};

struct rp_location {
	uint64_t address; /* 0 = none */
	uint32_t mapping; /* index in mappings, + 1; 0 = none */
	const struct rp_line *lines; /* inlined calls come before what they were inlined into */
	size_t n_lines;
};

struct rp_mapping {
	uint64_t start, end, offset;
	const char *path, *build_id;
};

struct rp_label {
	const char *key, *text; /* text NULL: a number */
	uint64_t number;
	const char *unit;	/* of a number; may be NULL */
};

struct rp_sample {
	const uint32_t *locations; /* indices; innermost first */
	size_t n_locations;
	int64_t values[PROFILE_VALUES];
	const struct rp_label *labels;
	size_t n_labels;
};

struct rp_profile {
	struct rp_value_type values[PROFILE_VALUES];
	size_t n_values, main_value; /* what is shown first */
	struct rp_value_type period_type; /* type NULL: none */
	uint64_t period;
	const struct rp_location *locations;
	size_t n_locations;
	const struct rp_mapping *mappings;
	size_t n_mappings;
	const struct rp_sample *samples;
	size_t n_samples;
	const char *comments[PROFILE_COMMENTS];
	size_t n_comments;
};

enum profile_kind {
	PROFILE_PATHS, /* of the live graph, from roots; and free memory */
	PROFILE_GO_HEAP, /* what a Go runtime sampled, as its programs serve it */
	PROFILE_GO_BLOCK, /* how long its goroutines waited, if it took that down */
	PROFILE_GO_MUTEX,
	PROFILE_SAMPLES, /* what the profiler of a C allocator sampled of what is live */
	PROFILE_KINDS
};

#endif
