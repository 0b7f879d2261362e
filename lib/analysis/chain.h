/*
 * analysis/chain.h - what the analyses of this folder share: chains, and parts of suspects.
 *
 * All strings go to the report's arena; every function answers err_nomem alone.
 */
#ifndef HEAPFX_ANALYSIS_CHAIN_H
#define HEAPFX_ANALYSIS_CHAIN_H

#include "analysis/analysis.h"

enum { SUSPECT_ADDRESSES = 8, EVIDENCE_MAX = 8, SUSPECTS_PER_RULE = 32 };

/* What a node is, in its language's words; NULL = unknown. Lives as long as the graph. */
static inline const char *node_type(const struct graph *g, node_id node)
{
	return graph_type_name(g, node);
}
/* Its type names the pool whose memory it is: of such there may be more than pools. */
static inline bool node_is_of_pool(const struct graph *g, node_id node)
{
	return g->types && g->types->v[graph_type(g, node)].is_pool;
}
const char *slack_rule(enum slack_kind kind); /* "slack/capacity" */
/* Copies `t` into the report; NULL if out of memory. */
const char *report_text(struct report *r, const struct text *t);
/* "blocks of 48 bytes", "blocks of 96.0 KiB" (one: "block of ...") */
void add_blocks_of(struct text *t, uint64_t size, bool one);
/* From the timers of a Go runtime's processor: what it holds is the program's. */
bool chain_is_of_timers(const struct rp_chain *chain);
/* Caches of threads or processors, in the allocators' own words. */
bool is_thread_cache(const char *where);
/* The addresses of the first of `count` nodes, ascending: as many of them as a suspect shows. */
struct err *addresses_add(const struct subject *s, struct report *r, const node_id *nodes,
			  uint64_t count, struct rp_suspect *suspect) MUST_CHECK;
/*
 * Room for EVIDENCE_MAX rows is made at the first; past that, rows are dropped. `value` is copied.
 */
struct err *evidence_add(struct report *r, struct rp_suspect *suspect, const char *what,
			 const char *value) MUST_CHECK;
/* "200 blocks, 15.6 KiB" that the suspect alone keeps; no row when there are none. */
struct err *evidence_held(struct report *r, struct rp_suspect *suspect, const char *what,
			  uint64_t count, uint64_t bytes) MUST_CHECK;
/*
 * Who had it last: a few of the places that no longer count but still point at nodes of the
 * suspect.
 */
struct err *evidence_stale(const struct subject *s, struct report *r, struct rp_suspect *suspect,
			   bool (*is_ours)(const void *ctx, node_id node),
			   const void *ctx) MUST_CHECK;
/* Where it was allocated: the stacks of the samples that are the suspect's, most bytes first. */
struct err *evidence_sites(const struct subject *s, struct report *r, struct rp_suspect *suspect,
			   bool (*is_ours)(const void *ctx, node_id node),
			   const void *ctx) MUST_CHECK;
struct err *finding_add(struct report *r, const char *rule, int64_t suspect,
			const char *message) MUST_CHECK;

#endif
