/*
 * pipeline.h - the stages of a run: input -> image -> blocks -> graph -> facts -> report.
 */
#ifndef HEAPFX_CMD_PIPELINE_H
#define HEAPFX_CMD_PIPELINE_H

#include "analysis/analysis.h"
#include "cli.h"
#include "heap/blocks.h"
#include "image/image.h"
#include "image/smaps.h"
#include "input/input.h"
#include "report/report.h"
#include "type/build.h"
#include "type/count_rules.h"
#include "type/pools.h"

struct run {
	struct env env;
	const struct options *opt;
	struct input *input;
	struct image *image;
	struct shadow *shadow; /* what is read of the dump is kept there; NULL but for `shrink` */
	struct blocks blocks;
	bool has_blocks;
	struct pools pools;	    /* from STAGE_BLOCKS on */
	struct pool_layouts layouts; /* --pool-layout */
	struct count_rules rules;    /* --count-rules */
	struct smaps smaps; /* --smaps; no rows without */
	struct saved *saved; /* the input is a saved result: image and blocks are not there */
	struct graph *graph;
	struct facts facts;
	struct report report;
	unsigned profiles; /* what its writers need: 1 << enum profile_kind, enum picture_need */
	struct progress_bar {
		bool shown;
		const char *phase;
		unsigned percent;
	} bar;
};

enum stage {
	STAGE_IMAGE,
	STAGE_BLOCKS,
	STAGE_GRAPH,
	STAGE_REPORTED, /* the graph, of which report_run() will tell */
};

/* No stage at all: for commands that read no dump. */
void run_start(struct run *run, const struct options *opt);
/* Runs the stages up to and with `last`. run_end() must follow in any case. */
struct err *run_open(struct run *run, const struct options *opt, enum stage last) MUST_CHECK;
/* The same of a run that was started: `run->input` may be there already, and is then not opened. */
struct err *run_open_started(struct run *run, enum stage last) MUST_CHECK;
/*
 * Says what `err` (NULL is fine) or --strict has to say, closes the run, answers the status: else
 * `done`.
 */
enum exit_status run_end(struct run *run, struct err *err, enum exit_status done);
void run_close(struct run *run); /* without a word: for a run that is a part of another */
/* The same where no dump is read: whatever failed, it was a capture. */
enum exit_status run_end_capture(struct run *run, struct err *err);
void end_progress(struct run *run); /* clears the progress line, before anything else is printed */

/* describe.c: image and heaps -> report.input, threads, modules, heaps, problems. */
struct err *describe_run(struct run *run) MUST_CHECK;
/* Whether report.heaps has a heap of blocks.heaps; those that it has keep their order. */
bool heap_is_told(const struct blocks *b, size_t heap);
/* describe_go.c: the Go runtime -> report.go; nothing without one. */
struct err *describe_go(struct run *run) MUST_CHECK;
/* describe_go_gc.c: its collector -> report.go.gc. */
struct go_memstats;
void describe_go_gc(struct run *run, const struct go_memstats *m);
/* describe_go_pools.c: what the facts of the analyses add to it: pools; subject->residences. */
struct err *describe_go_pools(struct run *run, struct subject *subject) MUST_CHECK;
/* describe_go.c: what each group of goroutines alone keeps. */
struct err *describe_go_held(struct run *run) MUST_CHECK;
/* describe_go_stuck.c: who waits for whom, of those that nobody can wake. */
struct err *describe_go_stuck(struct run *run) MUST_CHECK;
/* go_profile.c: what its runtime sampled of its allocations, if a writer needs it. */
struct err *describe_go_profile(struct run *run) MUST_CHECK;
/* heap_samples.c: what a C allocator's own profiler sampled; subject->samples. */
struct err *describe_heap_samples(struct run *run, struct subject *subject) MUST_CHECK;
/* describe_pools.c: programs' own allocators -> report.pools; whose an address is, in words. */
struct err *describe_pools(struct run *run) MUST_CHECK;
void pool_words(struct run *run, taddr at, struct text *ret);
/* go_sites.c: what a Go runtime's profiler sampled, added to it. */
struct err *describe_go_sites(struct run *run, struct subject *subject) MUST_CHECK;
/* describe_go_maps.c: the same for its maps. */
struct err *describe_go_maps(struct run *run) MUST_CHECK;
/*
 * breakdown.c: report.breakdown and the memory totals; needs FACT_REACH for the split of used
 * blocks.
 */
struct err *breakdown_run(struct run *run) MUST_CHECK;
void measure_run(struct run *run); /* the memory totals alone */
/* describe_space.c: the address space by state -> report.space, if a writer shows it. */
struct err *describe_space(struct run *run) MUST_CHECK;
/* The registered analyses, each with its facts, into the report. */
struct err *analyze_run(struct run *run) MUST_CHECK;

/* The whole report: description, analyses, breakdown. */
struct err *report_run(struct run *run) MUST_CHECK;
void print_escaped(FILE *out, const char *s); /* a line */

/* extents.c: subject.extents and where, from the claims of heaps; in the report's memory. */
struct err *find_extents(struct run *run, struct subject *subject) MUST_CHECK;

/* lost_evidence.c: who had, or allocated, the largest lost blocks; subject->stale. */
struct err *find_lost_evidence(struct run *run, struct subject *subject) MUST_CHECK;
/* "dead stack of thread 12, ...", "freed block 0x..": in the report's memory. */
/* "probably thread 12: no other uses ..", in the report's memory; NULL: nobody knows. */
struct err *find_allocating_thread(struct run *run, node_id node, const char **ret) MUST_CHECK;

/* The diags on standard error, for commands whose result has no place for them. */
void print_problems(const struct run *run);

#endif
