/*
 * result.h - a saved analysis made in memory, and everything a command may read of one.
 *
 * For the fuzz target and the unit test: bytes are changed, checksums made right again, and what is
 * still opened is walked whole.
 */
#ifndef HEAPFX_TESTS_FUZZ_RESULT_H
#define HEAPFX_TESTS_FUZZ_RESULT_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "base/vec.h"
#include "fact/paths.h"
#include "save/format.h"

/* Of two types: a slot called the same in all, and one by a key that is not kept. */
static const char *result_field_of(void *ctx, type_id type, uint64_t offset)
{
	(void)ctx;
	if (offset)
		return NULL;
	return type == 1 ? "List.next" : "Table.slots[...].value";
}

static const char *result_field(void *ctx, node_id src, uint64_t offset)
{
	return src < 5 ? result_field_of(ctx, 1, offset) : "Table.slots[\"a]\"].value";
}

static void result_root(void *ctx, uint32_t root, struct text *ret)
{
	(void)ctx;
	text_printf(ret, "table+0x%x", 8 + 8 * root);
}

static void result_place(void *ctx, uint32_t root, struct root_place *ret)
{
	(void)ctx;
	ret->goroutine = root;
	text_add(&ret->function, "main.run");
	text_add(&ret->frame, "main.run main.go:12");
	text_add(&ret->variable, "rows");
}

/* What the dump would tell of its types, fields and roots. */
static void result_tell_types(struct graph *g)
{
	static const struct graph_ops ops = { .field = result_field, .field_of = result_field_of,
					      .root = result_root, .place = result_place };
	static struct type_row rows[] = { { .name = "" },
					  { .name = "List", .size = 32, .language = LANG_CXX },
					  { .name = "Table", .size = 32, .whole = "Map nodes" } };
	static struct type_rival rival = { 3, 2 };
	static const struct types types = { .v = rows, .n = 3, .rivals = { .v = &rival, .n = 1 } };
	static const uint16_t of[20] = { 1, 1, 1, 1, 1, 2, 2, 2, 2, 2 };
	static const uint8_t slot[15] = { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2, SLOT_UNKNOWN };

	g->types = &types;
	g->type_narrow = of;
	g->slot = slot;
	g->ops = &ops;
}

/* Twenty nodes of 32 bytes: a list, a ring, a few of no holder, two of them free; two roots. */
static struct graph *result_graph(struct env *env)
{
	static const struct root_source source = { .kind = ROOT_GLOBAL, .thread = UINT32_MAX,
						   .module = -1, .start = 0x1000, .end = 0x2000 };
	struct graph_builder *b = NULL;
	struct graph *g = NULL;
	struct err *err = graph_builder_new(env, &b);

	for (unsigned i = 0; i < 20 && !err; i++)
		err = graph_add_node(b, 0x10000 + 32 * i, 32);
	for (unsigned i = 0; i < 15 && !err; i++)
		err = graph_add_edge(b, i, i == 9 ? 5 : i + 1);
	if (!err)
		err = graph_add_root(b, &source, 0, 0x1008);
	if (!err)
		err = graph_add_root(b, &source, 12 | EDGE_INTERIOR, 0x1010);
	if (!err)
		err = graph_build_finish(b, &g);
	graph_builder_free(b);
	if (err)
		abort();
	((uint64_t *)g->live)[0] &= ~(1ull << 17 | 1ull << 19);
	g->n_live -= 2;
	g->live_bytes -= 64;
	result_tell_types(g);
	return g;
}

static const char *result_where(void *ctx, node_id node)
{
	(void)ctx;
	return node == 17 ? "tcache" : "top";
}

/* A report with one of nearly everything. */
static void result_report(struct report *r, struct env *env)
{
	static struct rp_hop hop = { .address = 0x10000, .size = 32, .type = "T", .repeat = 1 };
	static uint64_t addresses[] = { 0x10000 };
	static struct rp_evidence evidence = { "a", "b" };
	static const struct rp_column columns[] = { { "n", CELL_COUNT }, { "t", CELL_TEXT } };
	static struct rp_cell cells[] = { { .u = 1 }, { .text = "x" } };
	struct rp_suspect s = { .id = "s1", .rule = "lost/definite", .title = "t", .count = 1,
				.addresses = addresses, .n_addresses = 1, .has_chain = true,
				.chain = { .hops = &hop, .n_hops = 1 }, .evidence = &evidence,
				.n_evidence = 1 };
	struct rp_table table = { .name = "x", .title = "X", .columns = columns, .n_columns = 2,
				  .rows = cells, .n_rows = 1 };
	struct rp_thread thread = { .tid = 1, .name = "main" };
	struct rp_finding finding = { .rule = "lost/definite", .message = "m", .suspect = 0 };
	struct rp_heap heap = { .allocator = "glibc", .version = "2", .how = "layout" };
	struct rp_breakdown part = { .category = "heap/used", .label = "l", .bytes = 640 };

	*r = (struct report){ .input = { .path = "core", .kind = "elf-core", .arch = "x86_64" },
			      .problems = &env->diags };
	if (!vec_push(&r->suspects, &s) || !vec_push(&r->tables, &table) ||
	    !vec_push(&r->threads, &thread) || !vec_push(&r->findings, &finding) ||
	    !vec_push(&r->heaps, &heap) || !vec_push(&r->breakdown, &part))
		abort();
	r->go = node_map(r, NULL, "go");
	node_uint(r, node_map(r, r->go, "memstats"), "n", NODE_BYTES, 5);
	node_text(r, node_list(r, r->go, "pools"), NULL, "p");
}

/* malloc'd with an alignment that a mapping would have. */
static char *result_make(size_t *ret_n)
{
	static const char *const allocators[] = { "glibc" };
	static const struct save_place place = { .start = 0x10000, .end = 0x10000 + 32 * 20 };
	struct save_source src = { .input = { "core", 1234, 5678 }, .places = &place, .n_places = 1,
				   .allocators = allocators, .n_allocators = 1,
				   .where = result_where };
	struct facts facts = {};
	struct report report;
	struct env env;
	char *bytes = NULL, *ret;
	FILE *out = open_memstream(&bytes, ret_n);
	struct graph *g;
	struct err *err;

	env_init(&env);
	g = result_graph(&env);
	result_report(&report, &env);
	err = facts_compute(&env, g, FACT_REACH | FACT_DOM, &facts);
	src.graph = g;
	src.facts = &facts;
	src.report = &report;
	if (!err && out)
		err = save_write(&env, &src, out);
	if (err || !out || fclose(out))
		abort();
	ret = aligned_alloc(SECTION_ALIGN, align_up(*ret_n, SECTION_ALIGN));
	if (!ret)
		abort();
	memcpy(ret, bytes, *ret_n);
	free(bytes);
	report_fini(&report);
	facts_fini(&facts);
	graph_free(g);
	env_fini(&env);
	return ret;
}

/* As if whoever changed the bytes knew the format. */
static void result_fix_hashes(char *bytes, size_t n)
{
	struct save_section table[N_SECTIONS];
	struct save_header h;

	if (n < sizeof(h) + sizeof(table))
		return;
	memcpy(&h, bytes, sizeof(h));
	memcpy(table, bytes + sizeof(h), sizeof(table));
	for (unsigned i = 0; i < N_SECTIONS; i++) {
		uint64_t size = table[i].n * table[i].elem_size;

		if (table[i].offset <= n && size <= n - table[i].offset)
			table[i].hash = hash_bytes(bytes + table[i].offset, size);
	}
	h.bytes = n;
	h.hash = hash_bytes(table, sizeof(table));
	h.self = hash_bytes(&h, offsetof(struct save_header, self));
	memcpy(bytes, &h, sizeof(h));
	memcpy(bytes + sizeof(h), table, sizeof(table));
}

static void result_walk_graph(struct env *env, struct saved *s)
{
	const struct graph *g = s->graph;
	struct text t = TEXT_INIT;
	struct saved_block b;
	struct edge_label label;

	for (node_id i = 0; i < g->n; i++) {
		saved_block(s, i, &b);
		(void)reach_name(s->facts.reach[i]);
		if (graph_is_live(g, i))
			(void)facts_retained(&s->facts, i);
		for (edge_id e = graph_row(g, i); e < graph_row(g, i + 1); e++)
			(void)g->ops->edge(g->ctx, i, EDGE_NODE(g->dst[e]), &label);
		if (graph_kind_name(g, i))
			text_add(&t, graph_kind_name(g, i));
		(void)(g->types && types_rival(g->types, i));
	}
	for (type_id i = 0; g->types && i < g->types->n && i < 64; i++)
		for (uint64_t at = 0; at < SLOT_BLOCK; at += 8) {
			const char *name = g->ops->field_of(g->ctx, i, at);

			text_add(&t, name ? name : "");
		}
	for (uint32_t i = 0; i < g->n_roots; i++) {
		struct root_place p = ROOT_PLACE_INIT;

		text_reset(&t);
		g->ops->root(g->ctx, i, &t);
		g->ops->place(g->ctx, i, &p);
		root_place_fini(&p);
	}
	err_free(facts_compute(env, g, FACT_PARENT | FACT_REVERSE, &s->facts));
	for (node_id i = 0; i < g->n && i < 32 && s->facts.have & FACT_REVERSE; i++) {
		struct paths paths;

		if (graph_is_live(g, i) && !paths_find(env, g, &s->facts, i, 3, &paths))
			paths_fini(&paths);
	}
	text_fini(&t);
}

/* Opens and reads all of it, if it is one; whether it was sound. */
static bool result_use(const void *bytes, size_t n)
{
	static const char *const formats[] = { "json", "text", "html", "sarif", "markdown", "junit",
					       "openmetrics", "gitlab", "github", "folded", "pprof" };
	struct writer_options opt = { .top = 10, .width = 100 };
	struct saved *s = NULL;
	struct env env;
	struct err *err;
	bool is_sound;

	env_init(&env);
	env.threads = 1;
	err = saved_open(&env, "fuzz", bytes, n, &s);
	for (size_t i = 0; !err && i < sizeof(formats) / sizeof(*formats); i++) {
		FILE *out = fopen("/dev/null", "w");

		if (out) {
			err_free(writer_by_name(formats[i])->write(&s->report, &opt, out));
			fclose(out);
		}
	}
	if (!err)
		err = saved_check(s, SAVE_ALL);
	if (!err)
		result_walk_graph(&env, s);
	is_sound = !err;
	err_free(err);
	saved_close(s);
	env_fini(&env);
	return is_sound;
}

#endif
