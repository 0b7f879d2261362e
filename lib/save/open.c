/*
 * save/open.c - a saved analysis in memory: where each column is, and that nothing in it leads out.
 *
 * Opening reads header, table and report.  A column's bytes are looked at when a command first wants
 * them, in one pass for damage and one for sense.
 */
#include <stdlib.h>
#include <string.h>
#include <inttypes.h>

#include "base/guard.h"
#include "base/hash.h"
#include "base/search.h"
#include "fact/parts.h"
#include "save/format.h"

struct saved_file {
	struct env *env;
	const char *name;
	const uint8_t *bytes;
	struct save_section table[N_SECTIONS];
	struct saved_content content;
	struct arena mem;
	struct types types;
	struct grains grains;
	unsigned checked; /* enum save_part */
	/* columns that are not the graph's */
	const uint8_t *where;
	const uint32_t *where_rank;
	const uint8_t *looks;
	const uint64_t *filler;
	const uint64_t *root_words;
	const char *root_text;
};

/* ---- header and table */

bool save_is_one(const void *bytes, uint64_t n)
{
	return n >= 8 && !memcmp(bytes, SAVE_MAGIC, 8);
}

static struct err *read_header(struct saved_file *f, uint64_t n)
{
	struct save_header h;
	uint64_t least = sizeof(h) + sizeof(f->table);

	if (n < least)
		return err_new(ERR_TRUNCATED, "%s: a result that ends in its header", f->name);
	memcpy(&h, f->bytes, sizeof(h));
	memcpy(f->table, f->bytes + sizeof(h), sizeof(f->table));
	if (h.version != SAVE_VERSION || h.n_sections != N_SECTIONS)
		return err_new(ERR_UNSUPPORTED,
			       "%s: a result of another version (%" PRIu32 ", this is %d): "
			       "analyze the dump again", f->name, h.version, SAVE_VERSION);
	if (h.self != hash_bytes(&h, offsetof(struct save_header, self)) ||
	    h.hash != hash_bytes(f->table, sizeof(f->table)))
		return err_new(ERR_FORMAT, "%s: a damaged result: its header is not as it was "
			       "written", f->name);
	if (h.bytes != n)
		return err_new(h.bytes > n ? ERR_TRUNCATED : ERR_FORMAT,
			       "%s: a damaged result: %" PRIu64 " bytes of %" PRIu64, f->name, n,
			       h.bytes);
	return NULL;
}

/* How large an element of each section is. */
static const uint8_t elem_sizes[N_SECTIONS] = {
	[SECTION_REPORT] = 1,	[SECTION_WORDS] = sizeof(struct grain_word),
	[SECTION_BASES] = 8,	[SECTION_SELECT] = 4,	    [SECTION_KEYS] = 8,
	[SECTION_SIZES] = 8,	[SECTION_LIVE] = 8,	    [SECTION_COLLECTED] = 8,
	[SECTION_FILLER] = 8,	[SECTION_WHERE] = 1,	    [SECTION_WHERE_RANK] = 4,
	[SECTION_LOOKS] = 1,	[SECTION_TYPE_NARROW] = 2,
	[SECTION_TYPE_WIDE] = 4, [SECTION_ROW_BASE] = 8,    [SECTION_ROW_GROUP] = 4,
	[SECTION_ROW_OFF] = 1,	[SECTION_ROW_WIDE] = 8,	    [SECTION_DST] = 4,
	[SECTION_SLOTS] = 1,	[SECTION_ROOT_NODE] = 4,    [SECTION_ROOT_SOURCE] = 4,
	[SECTION_ROOT_AT] = 8,	[SECTION_ROOT_WORDS] = 8,   [SECTION_ROOT_TEXT] = 1,
	[SECTION_REACH] = 1,	[SECTION_IDOM] = 4,	    [SECTION_RETAINED] = 4,
	[SECTION_RETAINED_SET] = 8, [SECTION_RETAINED_RANK] = 4,
	[SECTION_RETAINED_WIDE] = 8,
};

static bool table_is_sound(const struct saved_file *f, uint64_t n)
{
	for (unsigned i = 0; i < N_SECTIONS; i++) {
		const struct save_section *s = &f->table[i];
		uint64_t bytes;

		if (s->offset % SECTION_ALIGN || s->offset > n)
			return false;
		if (s->n && (s->elem_size != elem_sizes[i] ||
			     !checked_mul(s->n, s->elem_size, &bytes) || bytes > n - s->offset))
			return false;
	}
	return true;
}

/* NULL when it is absent. */
static const void *section(const struct saved_file *f, unsigned i)
{
	return f->table[i].n ? f->bytes + f->table[i].offset : NULL;
}

static struct err *damaged(const struct saved_file *f, const char *what)
{
	return err_new(ERR_FORMAT, "%s: a damaged result: %s", f->name, what);
}

/* ---- what is small */

static struct err *read_content(struct saved_file *f, struct report *r)
{
	const struct save_section *s = &f->table[SECTION_REPORT];
	struct io io = { .mem = &f->mem, .env = f->env };
	const void *at = section(f, SECTION_REPORT);

	if (!at || hash_bytes(at, s->n) != s->hash)
		return damaged(f, "its report is not as it was written");
	io.in = cursor_init(at, s->n, f->name, s->offset);
	f->content.report = r;
	io_content(&io, &f->content);
	if (io.bad || io.in.bad || cursor_left(&io.in))
		return damaged(f, "no report");
	r->problems = &f->env->diags;
	return NULL;
}

/* Lengths of columns, held against each other. */
static bool counts_are_sound(const struct saved_file *f)
{
	const struct saved_content *c = &f->content;
	const struct save_section *t = f->table;
	const struct { unsigned section; uint64_t n; bool optional; } wanted[] = {
		{ SECTION_KEYS, c->n, true },	  { SECTION_SIZES, c->n, true },
		{ SECTION_LIVE, (c->n + 63) / 64, false },
		{ SECTION_COLLECTED, (c->n + 63) / 64, true },
		{ SECTION_FILLER, (c->n + 63) / 64, true },
		{ SECTION_WHERE, c->n - c->n_live, true },
		{ SECTION_WHERE_RANK, (c->n + 63) / 64, true },
		{ SECTION_LOOKS, c->n, true },	  { SECTION_TYPE_NARROW, c->n, true },
		{ SECTION_TYPE_WIDE, c->n, true },
		{ SECTION_ROW_BASE, (c->n >> ROW_BLOCK_SHIFT) + 1, false },
		{ SECTION_ROW_GROUP, (c->n >> ROW_GROUP_SHIFT) + 1, false },
		{ SECTION_ROW_OFF, c->n + 1, false },
		{ SECTION_DST, c->m, false },	  { SECTION_SLOTS, c->m, true },
		{ SECTION_ROOT_NODE, c->n_roots, false },
		{ SECTION_ROOT_SOURCE, c->n_roots, false },
		{ SECTION_ROOT_AT, c->n_roots, false },
		{ SECTION_ROOT_WORDS, (uint64_t)c->n_roots + 1, true },
		{ SECTION_REACH, c->n, false },	  { SECTION_IDOM, c->n, false },
		{ SECTION_RETAINED_SET, (c->n + 63) / 64, false },
		{ SECTION_RETAINED_RANK, (c->n + 63) / 64, false },
	};

	for (size_t i = 0; i < ARRAY_SIZE(wanted); i++) {
		uint64_t n = t[wanted[i].section].n;

		if (n != wanted[i].n && !(wanted[i].optional && !n))
			return false;
	}
	return c->n < 1ull << 31 && c->n_live <= c->n && c->retained_shift < 16 &&
	       (!c->n || !t[SECTION_KEYS].n == !t[SECTION_SIZES].n) &&
	       !t[SECTION_WHERE].n == !t[SECTION_WHERE_RANK].n &&
	       (!c->n || !t[SECTION_KEYS].n == !!t[SECTION_WORDS].n) &&
	       t[SECTION_ROW_WIDE].n % ROW_GROUP == 0;
}

/* Words of walkers, which nobody escapes. */
static bool is_plain(const char *s)
{
	return s[strspn(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789 -_./")] == 0;
}

static bool words_are_plain(const struct saved_content *c)
{
	for (uint32_t i = 0; i < c->n_allocators; i++)
		if (!is_plain(c->allocators[i]))
			return false;
	for (uint32_t i = 0; i < c->n_wheres; i++)
		if (!is_plain(c->wheres[i]))
			return false;
	return true;
}

static bool fields_are_sound(const struct saved_content *c)
{
	for (size_t i = 0; i < c->n_fields; i++) {
		const struct saved_field *f = &c->fields[i], *last = i ? f - 1 : NULL;

		if (!f->type || f->type >= c->n_types || f->slot >= SLOT_UNKNOWN ||
		    (last && (last->type > f->type ||
			      (last->type == f->type && last->slot >= f->slot))))
			return false;
	}
	return true;
}

static bool places_are_sound(const struct saved_content *c)
{
	for (size_t i = 0; i < c->n_places; i++) {
		const struct save_place *p = &c->places[i];

		if (p->start > p->end || p->heap >= c->n_allocators ||
		    (i && p->start < c->places[i - 1].end))
			return false;
	}
	return true;
}

/* ---- the graph's own words */

static edge_id find_edge(const struct graph *g, node_id src, node_id dst)
{
	edge_id e = graph_row(g, src), end = graph_row(g, src + 1);

	while (e < end && EDGE_NODE(g->dst[e]) != dst)
		e++;
	return e < end ? e : UINT64_MAX;
}

static bool saved_slot(void *ctx, node_id src, node_id dst, uint64_t *ret)
{
	const struct saved *s = ctx;
	const struct graph *g = s->graph;
	edge_id e = g->slot ? find_edge(g, src, dst) : UINT64_MAX;

	if (e == UINT64_MAX || g->slot[e] == SLOT_UNKNOWN)
		return false;
	*ret = 8 * (uint64_t)g->slot[e];
	return true;
}

static const char *saved_field_of(void *ctx, type_id type, uint64_t offset)
{
	const struct saved_content *c = &((struct saved *)ctx)->file->content;
	uint64_t slot = offset / 8;
	size_t at = partition_point(c->n_fields, i,
				    c->fields[i].type < type ||
					    (c->fields[i].type == type && c->fields[i].slot < slot));

	if (offset % 8 || at == c->n_fields || c->fields[at].type != type ||
	    c->fields[at].slot != slot)
		return NULL;
	return c->fields[at].name;
}

static const char *saved_field(void *ctx, node_id src, uint64_t offset)
{
	type_id type = graph_type(((struct saved *)ctx)->graph, src);

	return type ? saved_field_of(ctx, type, offset) : NULL;
}

static bool saved_edge(void *ctx, node_id src, node_id dst, struct edge_label *ret)
{
	struct edge_label label = {};

	if (!saved_slot(ctx, src, dst, &label.offset))
		return false;
	label.name = saved_field(ctx, src, label.offset);
	label.exact = label.name != NULL;
	*ret = label;
	return true;
}

/* Of the four texts of a root; "" where there is none. */
static const char *root_text(const struct saved_file *f, uint32_t root, unsigned which)
{
	const char *s, *end;

	if (!f->root_words || !f->root_text)
		return "";
	s = f->root_text + f->root_words[root];
	end = f->root_text + f->root_words[root + 1];
	while (s < end && which--)
		s += strnlen(s, (size_t)(end - s)) + 1;
	return s < end && memchr(s, 0, (size_t)(end - s)) ? s : "";
}

static void saved_root(void *ctx, uint32_t root, struct text *ret)
{
	text_add(ret, root_text(((struct saved *)ctx)->file, root, 0));
}

static void saved_place(void *ctx, uint32_t root, struct root_place *ret)
{
	const struct saved_file *f = ((struct saved *)ctx)->file;

	ret->goroutine = strtoull(root_text(f, root, 1), NULL, 10);
	text_add(&ret->function, root_text(f, root, 2));
	text_add(&ret->frame, root_text(f, root, 3));
	text_add(&ret->variable, root_text(f, root, 4));
}

static const struct save_place *place_at(const struct saved_file *f, uint64_t key)
{
	const struct saved_content *c = &f->content;
	size_t lo = partition_point(c->n_places, i, c->places[i].start <= key);

	return lo && key < c->places[lo - 1].end ? &c->places[lo - 1] : NULL;
}

static uint64_t saved_held(void *ctx, uint64_t start)
{
	const struct save_place *p = place_at(((struct saved *)ctx)->file, start);

	return start + (p ? p->head : 0);
}

static const char *saved_label(void *ctx, node_id node)
{
	const struct saved_file *f = ((struct saved *)ctx)->file;

	return f->looks && f->looks[node] ? f->content.wheres[f->looks[node] - 1] : NULL;
}

static const struct graph_ops saved_ops = {
	.edge = saved_edge, .slot = saved_slot, .field = saved_field,
	.field_of = saved_field_of, .root = saved_root, .place = saved_place,
	.held = saved_held, .label = saved_label,
};

/* ---- columns where they lie */

static struct err *make_graph(struct saved *s)
{
	struct saved_file *f = s->file;
	const struct saved_content *c = &f->content;
	struct graph *g = calloc(1, sizeof(*g));
	struct err *err = NULL;

	if (!g)
		return &err_nomem;
	s->graph = g;
	f->types = (struct types){ .v = c->types, .n = c->n_types, .rivals = { .v = c->rivals, .n = c->n_rivals } };
	*g = (struct graph){
		.env = f->env, .n = (node_id)c->n, .m = c->m, .n_live = (node_id)c->n_live,
		.live_bytes = c->live_bytes, .n_roots = c->n_roots, .n_sources = c->n_sources,
		.key = section(f, SECTION_KEYS), .size = section(f, SECTION_SIZES),
		.live = section(f, SECTION_LIVE), .collected = section(f, SECTION_COLLECTED),
		.type_narrow = section(f, SECTION_TYPE_NARROW),
		.type_wide = section(f, SECTION_TYPE_WIDE),
		.types = c->n_types ? &f->types : NULL,
		.rows = { section(f, SECTION_ROW_BASE), section(f, SECTION_ROW_GROUP),
			  section(f, SECTION_ROW_OFF), section(f, SECTION_ROW_WIDE) },
		.dst = section(f, SECTION_DST),
		.slot = section(f, SECTION_SLOTS),
		.root_node = section(f, SECTION_ROOT_NODE),
		.root_source = section(f, SECTION_ROOT_SOURCE),
		.root_at = section(f, SECTION_ROOT_AT),
		.sources = c->sources, .ops = &saved_ops, .ctx = s,
	};
	f->where = section(f, SECTION_WHERE);
	f->where_rank = section(f, SECTION_WHERE_RANK);
	f->looks = section(f, SECTION_LOOKS);
	f->filler = section(f, SECTION_FILLER);
	f->root_words = section(f, SECTION_ROOT_WORDS);
	f->root_text = section(f, SECTION_ROOT_TEXT);
	if (!f->table[SECTION_WORDS].n)
		return NULL;
	err = grains_borrow(f->env, section(f, SECTION_WORDS), f->table[SECTION_WORDS].n,
			    section(f, SECTION_BASES), f->table[SECTION_BASES].n,
			    section(f, SECTION_SELECT), f->table[SECTION_SELECT].n, c->grain_shift,
			    &f->grains);
	g->grains = err ? NULL : &f->grains;
	return err ? err_wrap(err, "%s: a damaged result", f->name) : NULL;
}

/* A column that gives nothing back when it is closed. */
static struct col borrowed(const struct saved_file *f, unsigned i)
{
	return (struct col){ .base = (void *)section(f, i), .n = f->table[i].n,
			     .elem_size = elem_sizes[i], .sealed = true, .env = f->env };
}

static void make_facts(struct saved *s)
{
	const struct saved_file *f = s->file;
	struct facts *facts = &s->facts;

	*facts = (struct facts){
		.have = FACT_REACH | FACT_DOM,
		.reach = section(f, SECTION_REACH),
		.collected = f->content.collected,
		.idom = section(f, SECTION_IDOM),
		.retained = {
			.g = s->graph,
			.set = section(f, SECTION_RETAINED_SET),
			.rank = section(f, SECTION_RETAINED_RANK),
			.narrow = section(f, SECTION_RETAINED),
			.wide = section(f, SECTION_RETAINED_WIDE),
			.shift = f->content.retained_shift,
		},
	};
	memcpy(facts->reach_total, f->content.reach_total, sizeof(facts->reach_total));
	facts->cols[COL_REACH] = borrowed(f, SECTION_REACH);
	facts->cols[COL_IDOM] = borrowed(f, SECTION_IDOM);
	facts->cols[COL_RETAINED_SET] = borrowed(f, SECTION_RETAINED_SET);
	facts->cols[COL_RETAINED_RANK] = borrowed(f, SECTION_RETAINED_RANK);
	facts->cols[COL_RETAINED] = borrowed(f, facts->retained.wide ? SECTION_RETAINED_WIDE :
								       SECTION_RETAINED);
}

static void guard_saved(struct saved **s)
{
	saved_close(*s);
}

struct err *saved_open(struct env *env, const char *name, const void *bytes, uint64_t n,
		       struct saved **ret)
{
	_cleanup_(guard_saved) struct saved *s = calloc(1, sizeof(*s));
	struct saved_file *f = s ? calloc(1, sizeof(*f)) : NULL;
	struct err *err;

	if (!f)
		return &err_nomem;
	s->file = f;
	f->env = env;
	f->name = name;
	f->bytes = bytes;
	/* Inside of an archive it may lie anywhere. */
	if ((uintptr_t)bytes % SECTION_ALIGN)
		return err_new(ERR_UNSUPPORTED, "%s: a result inside an archive: unpack it first",
			       name);
	err = read_header(f, n);
	if (!err && !table_is_sound(f, n))
		err = damaged(f, "a section lies outside the file");
	if (!err)
		err = read_content(f, &s->report);
	if (!err && (!counts_are_sound(f) || !places_are_sound(&f->content) ||
		     !fields_are_sound(&f->content) ||
		     !words_are_plain(&f->content)))
		err = damaged(f, "its columns are not of one length");
	if (!err)
		err = make_graph(s);
	if (err)
		return err;
	make_facts(s);
	s->input = f->content.input;
	s->tables = f->content.tables;
	s->n_tables = f->content.n_tables;
	*ret = take(&s);
	return NULL;
}

void saved_close(struct saved *s)
{
	if (!s)
		return;
	report_fini(&s->report);
	facts_fini(&s->facts);
	if (s->graph)
		s->graph->ops = NULL;
	graph_free(s->graph);
	grains_close(&s->file->grains);
	arena_fini(&s->file->mem);
	free(s->file);
	free(s);
}

/* ---- checking */

static bool all_below_u32(const uint32_t *v, uint64_t n, uint32_t mask, uint64_t end)
{
	uint32_t most = 0;

	for (uint64_t i = 0; i < n; i++)
		most = (v[i] & mask) > most ? v[i] & mask : most;
	return !n || most < end;
}

/* Nodes that are not live have a number each. */
static bool wheres_are_sound(const struct saved_file *f, const struct graph *g)
{
	uint64_t n = f->table[SECTION_WHERE].n, n_live = 0;
	uint8_t most = 0;

	for (uint64_t w = 0; w < bits_words(g->n); w++) {
		if (f->where_rank[w] != (w << 6) - n_live)
			return false;
		n_live += (uint64_t)__builtin_popcountll(g->live[w]);
	}
	for (uint64_t i = 0; i < n; i++)
		most = f->where[i] > most ? f->where[i] : most;
	return n_live == g->n - n && most <= f->content.n_wheres;
}

static bool nodes_are_sound(const struct saved *s)
{
	const struct saved_file *f = s->file;
	const struct graph *g = s->graph;
	uint32_t most_type = 0;
	uint8_t most_look = 0;

	if (g->grains && !grains_check(g->grains, g->n))
		return false;
	for (uint64_t i = 1; i < g->n && g->key; i++)
		if (g->key[i] <= g->key[i - 1])
			return false;
	if (g->n % 64 && g->live[g->n / 64] >> g->n % 64)
		return false;
	for (uint32_t i = 0; i < f->content.n_rivals; i++)
		if (f->content.rivals[i].type >= f->content.n_types ||
		    (i && f->content.rivals[i].node <= f->content.rivals[i - 1].node))
			return false;
	for (uint64_t i = 0; i < g->n && g->type_narrow; i++)
		most_type = g->type_narrow[i] > most_type ? g->type_narrow[i] : most_type;
	if (most_type && most_type >= f->content.n_types)
		return false;
	if (g->type_wide && !all_below_u32(g->type_wide, g->n, UINT32_MAX, f->content.n_types))
		return false;
	for (uint64_t i = 0; i < g->n && f->looks; i++)
		most_look = f->looks[i] > most_look ? f->looks[i] : most_look;
	return most_look <= f->content.n_wheres && (!f->where || wheres_are_sound(f, g));
}

static bool edges_are_sound(const struct saved *s)
{
	const struct graph *g = s->graph;

	return edge_rows_check(&g->rows, g->n, g->m,
			       s->file->table[SECTION_ROW_WIDE].n / ROW_GROUP) &&
	       all_below_u32(g->dst, g->m, ~EDGE_INTERIOR, g->n);
}

static bool roots_are_sound(const struct saved *s)
{
	const struct saved_file *f = s->file;
	const struct graph *g = s->graph;
	uint64_t at = 0;

	for (uint64_t i = 0; f->root_words && i <= g->n_roots; i++) {
		if (f->root_words[i] < at || f->root_words[i] > f->table[SECTION_ROOT_TEXT].n)
			return false;
		at = f->root_words[i];
	}
	return all_below_u32(g->root_node, g->n_roots, ~EDGE_INTERIOR, g->n) &&
	       all_below_u32(g->root_source, g->n_roots, UINT32_MAX, g->n_sources);
}

static bool reach_is_sound(const struct saved *s)
{
	uint8_t most = 0;

	for (uint64_t i = 0; i < s->graph->n; i++)
		most = s->facts.reach[i] > most ? s->facts.reach[i] : most;
	return most < REACH_KINDS;
}

/* Members have a number each, and a size by that. */
static bool retained_is_sound(const struct saved *s)
{
	const struct retained *r = &s->facts.retained;
	uint64_t rank = 0, n = s->graph->n;

	for (uint64_t w = 0; w < (n + 63) / 64; w++) {
		if (r->rank[w] != rank)
			return false;
		rank += (uint64_t)__builtin_popcountll(r->set[w]);
	}
	return !(n % 64 && r->set[n / 64] >> n % 64) &&
	       rank == s->file->table[r->wide ? SECTION_RETAINED_WIDE : SECTION_RETAINED].n;
}

static bool dom_is_sound(const struct saved *s)
{
	uint32_t bad = 0, n = s->graph->n;

	for (uint64_t i = 0; i < n; i++)
		bad |= s->facts.idom[i] >= n && s->facts.idom[i] != NODE_NONE;
	return !bad && retained_is_sound(s);
}

static const struct {
	enum save_part part;
	unsigned first, last; /* its sections */
	bool (*is_sound)(const struct saved *s);
	const char *what;
} checks[] = {
	{ SAVE_NODES, SECTION_WORDS, SECTION_TYPE_WIDE, nodes_are_sound, "its blocks" },
	{ SAVE_EDGES, SECTION_ROW_BASE, SECTION_SLOTS, edges_are_sound, "its edges" },
	{ SAVE_ROOTS, SECTION_ROOT_NODE, SECTION_ROOT_TEXT, roots_are_sound, "its roots" },
	{ SAVE_REACH, SECTION_REACH, SECTION_REACH, reach_is_sound, "reachability" },
	{ SAVE_DOM, SECTION_IDOM, SECTION_RETAINED_WIDE, dom_is_sound, "dominators" },
};

static bool sections_are_whole(const struct saved_file *f, unsigned first, unsigned last)
{
	for (unsigned i = first; i <= last; i++) {
		const struct save_section *s = &f->table[i];

		if (s->n && hash_bytes(f->bytes + s->offset, s->n * s->elem_size) != s->hash)
			return false;
	}
	return true;
}

struct err *saved_check(struct saved *s, unsigned parts)
{
	struct saved_file *f = s->file;

	for (size_t i = 0; i < ARRAY_SIZE(checks); i++) {
		if (!(parts & checks[i].part) || f->checked & checks[i].part)
			continue;
		if (!sections_are_whole(f, checks[i].first, checks[i].last))
			return err_new(ERR_FORMAT, "%s: a damaged result: %s are not as they were "
				       "written", f->name, checks[i].what);
		if (!checks[i].is_sound(s))
			return err_new(ERR_FORMAT, "%s: a damaged result: %s make no sense",
				       f->name, checks[i].what);
		f->checked |= checks[i].part;
	}
	return NULL;
}

/* ---- blocks */

bool saved_is_filler(const struct saved *s, node_id node)
{
	return s->file->filler && bit_get(s->file->filler, node);
}

static const char *where_of(const struct saved_file *f, const struct graph *g, node_id node)
{
	uint64_t before = ~g->live[node >> 6] & ((1ull << (node & 63)) - 1);
	unsigned where;

	if (!f->where || graph_is_live(g, node))
		return NULL;
	where = f->where[f->where_rank[node >> 6] + (unsigned)__builtin_popcountll(before)];
	return where ? f->content.wheres[where - 1] : NULL;
}

void saved_block(const struct saved *s, node_id node, struct saved_block *ret)
{
	const struct saved_file *f = s->file;
	uint64_t start = graph_start(s->graph, node), size = graph_size(s->graph, node);
	const struct save_place *p = place_at(f, start);

	*ret = (struct saved_block){ .address = start, .filler = saved_is_filler(s, node) };
	ret->where = where_of(f, s->graph, node);
	if (!p) {
		ret->usable = f->content.n_places ? 0 : size;
		return;
	}
	ret->allocator = f->content.allocators[p->heap];
	ret->arena = p->arena;
	if (!ret->filler && size > p->overhead)
		ret->usable = size - p->overhead;
	if (ret->usable > p->head) {
		ret->address += p->head;
		ret->usable -= p->head;
	}
}
