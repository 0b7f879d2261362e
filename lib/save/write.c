/*
 * save/write.c - the columns as they lie in memory, and the few that are made for the file: where
 * free blocks hang, where the pointer of each edge is, roots in words.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/guard.h"
#include "base/bits.h"
#include "base/hash.h"
#include "base/vec.h"
#include "fact/parts.h"
#include "save/format.h"

uint64_t save_hash(const void *bytes, uint64_t n)
{
	return hash_bytes(bytes, n < SAVE_HASHED_BYTES ? n : SAVE_HASHED_BYTES);
}

struct writer {
	struct env *env;
	const struct save_source *src;
	struct part {
		const void *v;
		uint64_t n;
		uint32_t elem_size;
	} parts[N_SECTIONS];
	struct saved_content content;
	struct io io;
	const char *wheres[WHERES_MAX];
	struct {
		struct saved_field *v;
		size_t n, cap;
	} fields;
	struct col where_col, rank_col, looks_col, words_col, text_col, seen_col;
};

static void writer_fini(struct writer *w)
{
	free(w->io.out.v);
	free(w->fields.v);
	col_close(&w->seen_col);
	col_close(&w->where_col);
	col_close(&w->rank_col);
	col_close(&w->looks_col);
	col_close(&w->words_col);
	col_close(&w->text_col);
}

static void add(struct writer *w, unsigned section, const void *v, uint64_t n, uint32_t elem_size)
{
	w->parts[section] = (struct part){ v, v ? n : 0, elem_size };
}

/* ---- columns that are made for the file */

/* Literals of walkers: few. Past WHERES_MAX of them it is unknown. */
static uint8_t where_no(struct writer *w, const char *where)
{
	unsigned i = 0;

	if (!where)
		return 0;
	while (i < w->content.n_wheres && w->wheres[i] != where)
		i++;
	if (i == w->content.n_wheres) {
		if (i == WHERES_MAX)
			return 0;
		w->wheres[w->content.n_wheres++] = where;
	}
	return (uint8_t)(i + 1);
}

/* Nodes of a word of bits that are not live. */
static uint64_t dead_in(const struct graph *g, uint64_t word)
{
	uint64_t n = g->n - (word << 6);

	return ~g->live[word] & (n < 64 ? (1ull << n) - 1 : UINT64_MAX);
}

static struct err *make_wheres(struct writer *w)
{
	const struct save_source *s = w->src;
	const struct graph *g = s->graph;
	uint32_t *rank, n = 0, n_dead = g->n - g->n_live;
	struct err *err;
	uint8_t *v;

	if (!s->where || !n_dead)
		return NULL;
	err = col_fixed(w->env, 1, n_dead, "lists of free blocks", &w->where_col);
	if (!err)
		err = col_fixed(w->env, 4, bits_words(g->n), "lists of free blocks", &w->rank_col);
	if (err)
		return err;
	v = w->where_col.base;
	rank = w->rank_col.base;
	for (uint64_t at = 0; at < bits_words(g->n); at++) {
		rank[at] = n;
		for (uint64_t rest = dead_in(g, at); rest && n < n_dead; rest &= rest - 1) {
			node_id i = (node_id)(at << 6 | (uint64_t)__builtin_ctzll(rest));
			bool filler = s->filler && bit_get(s->filler, i);

			v[n++] = filler ? 0 : where_no(w, s->where(s->ctx, i));
		}
	}
	add(w, SECTION_WHERE, v, n_dead, 1);
	add(w, SECTION_WHERE_RANK, rank, bits_words(g->n), 4);
	return NULL;
}

static struct err *make_looks(struct writer *w)
{
	const struct graph *g = w->src->graph;
	struct err *err;
	uint8_t *v;

	if (!g->ops || !g->ops->label)
		return NULL;
	err = col_fixed(w->env, 1, g->n, "what blocks look like", &w->looks_col);
	if (err)
		return err;
	v = w->looks_col.base;
	for (node_id i = 0; i < g->n; i++)
		if (graph_is_live(g, i) && !graph_type(g, i))
			v[i] = where_no(w, g->ops->label(g->ctx, i));
	add(w, SECTION_LOOKS, v, g->n, 1);
	return NULL;
}

/* ---- fields */

/* Behind "[": what stands in a bracket that may hold a text with brackets. */
static const char *bracket_end(const char *s)
{
	const char *end = *s == '"' ? strstr(s + 1, "\"]") : strchr(s, ']');

	return end ? end + (*end == '"') : s + strlen(s);
}

/* `any` is `one` with its keys left out. */
static bool is_one_of(const char *any, const char *one)
{
	while (*any && *any == *one) {
		if (*any++ != '[') {
			one++;
			continue;
		}
		one++;
		if (*any == ']' || !strncmp(any, "...]", 4)) {
			any = strchr(any, ']');
			one = bracket_end(one);
		}
	}
	return !*any && !*one;
}

enum {
	FIELD_SLOTS = SLOT_BLOCK / 8,
	FIELDS_LOOKED_AT = 8, /* the first ones, then each that doubles their number */
	FIELD_OFF = 1u << 31, /* no name that holds for all */
};

/* One more slot of that type: its name must be what the type says of all. */
static void look_at_field(const struct graph *g, node_id node, type_id type, unsigned slot,
			  uint32_t *seen)
{
	uint32_t n = *seen + (*seen < FIELD_OFF - 1);
	const char *any, *one;

	if (*seen & FIELD_OFF)
		return;
	*seen = n;
	if (n > FIELDS_LOOKED_AT && !is_pow2(n))
		return;
	any = g->ops->field_of(g->ctx, type, 8 * slot);
	one = any ? g->ops->field(g->ctx, node, 8 * slot) : NULL;
	if (!one || !is_one_of(any, one))
		*seen |= FIELD_OFF;
}

static struct err *keep_fields(struct writer *w, const uint32_t *seen, uint64_t n)
{
	const struct graph *g = w->src->graph;

	for (uint64_t i = 0; i < n; i++) {
		struct saved_field f = { (uint32_t)(i / FIELD_SLOTS), i % FIELD_SLOTS, NULL };

		if (!seen[i] || seen[i] & FIELD_OFF)
			continue;
		f.name = g->ops->field_of(g->ctx, f.type, 8 * f.slot);
		if (f.name && !vec_push(&w->fields, &f))
			return &err_nomem;
	}
	return NULL;
}

/* Of slots that pointers were found in, by type; of what is too large no slots are known. */
static struct err *make_fields(struct writer *w)
{
	const struct graph *g = w->src->graph;
	uint64_t n = g->types ? (uint64_t)g->types->n * FIELD_SLOTS : 0;
	struct err *err;
	uint32_t *seen;

	if (!n || !g->slot || !g->ops || !g->ops->field || !g->ops->field_of)
		return NULL;
	err = col_fixed(w->env, sizeof(*seen), n, "names of fields", &w->seen_col);
	if (err)
		return err;
	seen = w->seen_col.base;
	for (node_id i = 0; i < g->n; i++) {
		type_id type = graph_type(g, i);
		edge_id e = type ? graph_row(g, i) : 0, end = type ? graph_row(g, i + 1) : 0;

		for (; e < end; e++)
			if (g->slot[e] < FIELD_SLOTS)
				look_at_field(g, i, type, g->slot[e],
					      &seen[(uint64_t)type * FIELD_SLOTS + g->slot[e]]);
	}
	return keep_fields(w, seen, n);
}

/* ---- roots */

/* Words, then the place: goroutine in decimal, function, frame, variable, each with its zero. */
static struct err *add_root(struct writer *w, uint32_t root)
{
	const struct graph *g = w->src->graph;
	struct root_place p = ROOT_PLACE_INIT;
	struct text words = TEXT_INIT;
	char goroutine[24];
	const char *parts[5];
	struct err *err = NULL;

	if (g->ops->root)
		g->ops->root(g->ctx, root, &words);
	if (g->ops->place)
		g->ops->place(g->ctx, root, &p);
	snprintf(goroutine, sizeof(goroutine), "%llu", (unsigned long long)p.goroutine);
	parts[0] = text_str(&words);
	parts[1] = goroutine;
	parts[2] = text_str(&p.function);
	parts[3] = text_str(&p.frame);
	parts[4] = text_str(&p.variable);
	for (size_t i = 0; i < ARRAY_SIZE(parts) && !err; i++)
		err = col_append(&w->text_col, parts[i], strlen(parts[i]) + 1);
	text_fini(&words);
	root_place_fini(&p);
	return err;
}

static struct err *make_roots(struct writer *w)
{
	const struct graph *g = w->src->graph;
	struct err *err;

	if (!g->ops || !g->n_roots)
		return NULL;
	err = col_open(w->env, 8, (uint64_t)g->n_roots + 1, "roots in words", &w->words_col);
	if (!err)
		err = col_open_moving(w->env, 1, 1ull << 40, "roots in words", &w->text_col);
	for (uint32_t i = 0; i < g->n_roots && !err; i++) {
		err = col_append(&w->words_col, &w->text_col.n, 1);
		if (!err)
			err = add_root(w, i);
	}
	if (!err)
		err = col_append(&w->words_col, &w->text_col.n, 1);
	if (err)
		return err;
	add(w, SECTION_ROOT_WORDS, w->words_col.base, w->words_col.n, 8);
	add(w, SECTION_ROOT_TEXT, w->text_col.base, w->text_col.n, 1);
	return NULL;
}

/* ---- columns that are there */

static uint64_t n_bit_words(uint64_t n)
{
	return (n + 63) / 64;
}

static void add_nodes(struct writer *w)
{
	const struct graph *g = w->src->graph;
	const struct grains *grains = g->grains;

	if (grains) {
		add(w, SECTION_WORDS, grains->words, grains_words(grains) + 1,
		    sizeof(*grains->words));
		add(w, SECTION_BASES, grains->unit_base, grains->n_units, 8);
		add(w, SECTION_SELECT, grains->select, grains_select_n(grains), 4);
	}
	add(w, SECTION_KEYS, g->key, g->n, 8);
	add(w, SECTION_SIZES, g->size, g->n, 8);
	add(w, SECTION_LIVE, g->live, n_bit_words(g->n), 8);
	add(w, SECTION_COLLECTED, g->collected, n_bit_words(g->n), 8);
	add(w, SECTION_FILLER, w->src->filler, n_bit_words(g->n), 8);
	add(w, SECTION_TYPE_NARROW, g->type_narrow, g->n, 2);
	add(w, SECTION_TYPE_WIDE, g->type_narrow ? NULL : g->type_wide, g->n, 4);
}

static void add_edges(struct writer *w)
{
	const struct graph *g = w->src->graph;

	add(w, SECTION_ROW_BASE, g->rows.base, (g->n >> ROW_BLOCK_SHIFT) + 1, 8);
	add(w, SECTION_ROW_GROUP, g->rows.group, (g->n >> ROW_GROUP_SHIFT) + 1, 4);
	add(w, SECTION_ROW_OFF, g->rows.off, (uint64_t)g->n + 1, 1);
	add(w, SECTION_ROW_WIDE, g->rows.wide, edge_rows_wide(&g->rows, g->n) * ROW_GROUP, 8);
	add(w, SECTION_DST, g->dst, g->m, 4);
	if (g->slot)
		add(w, SECTION_SLOTS, g->slot, g->m, 1);
	add(w, SECTION_ROOT_NODE, g->root_node, g->n_roots, 4);
	add(w, SECTION_ROOT_SOURCE, g->root_source, g->n_roots, 4);
	add(w, SECTION_ROOT_AT, g->root_at, g->n_roots, 8);
}

static void add_facts(struct writer *w)
{
	const struct graph *g = w->src->graph;
	const struct facts *f = w->src->facts;
	const struct retained *r = &f->retained;

	add(w, SECTION_REACH, f->reach, g->n, 1);
	add(w, SECTION_IDOM, f->idom, g->n, 4);
	add(w, SECTION_RETAINED_SET, r->set, n_bit_words(g->n), 8);
	add(w, SECTION_RETAINED_RANK, r->rank, n_bit_words(g->n), 4);
	add(w, SECTION_RETAINED, r->wide ? NULL : r->narrow, f->cols[COL_RETAINED].n, 4);
	add(w, SECTION_RETAINED_WIDE, r->wide, f->cols[COL_RETAINED].n, 8);
}

static struct err *add_content(struct writer *w)
{
	const struct save_source *s = w->src;
	const struct graph *g = s->graph;
	struct saved_content *c = &w->content;

	c->input = s->input;
	c->n = g->n;
	c->m = g->m;
	c->n_live = g->n_live;
	c->live_bytes = g->live_bytes;
	c->n_roots = g->n_roots;
	c->grain_shift = g->grains ? g->grains->shift : 0;
	c->sources = (struct root_source *)g->sources;
	c->n_sources = g->n_sources;
	c->types = g->types ? g->types->v : NULL;
	c->n_types = g->types ? (uint32_t)g->types->n : 0;
	c->rivals = g->types ? g->types->rivals.v : NULL;
	c->n_rivals = g->types ? (uint32_t)g->types->rivals.n : 0;
	c->wheres = w->wheres;
	c->fields = w->fields.v;
	c->n_fields = (uint32_t)w->fields.n;
	c->allocators = (const char **)s->allocators;
	c->n_allocators = (uint32_t)s->n_allocators;
	c->places = (struct save_place *)s->places;
	c->n_places = s->n_places;
	memcpy(c->reach_total, s->facts->reach_total, sizeof(c->reach_total));
	c->collected = s->facts->collected;
	c->retained_shift = s->facts->retained.shift;
	c->report = (struct report *)s->report; /* nothing is written to when writing */
	c->tables = (struct rp_table *)s->tables;
	c->n_tables = s->n_tables;
	w->io = (struct io){ .writing = true, .env = w->env };
	io_content(&w->io, c);
	add(w, SECTION_REPORT, w->io.out.v, w->io.out.n, 1);
	return w->io.bad ? &err_nomem : NULL;
}

/* ---- the file */

static struct err *write_all(const struct writer *w, FILE *out)
{
	static const char zeros[SECTION_ALIGN];
	struct save_section table[N_SECTIONS];
	struct save_header h = { .magic = SAVE_MAGIC, .version = SAVE_VERSION,
				 .n_sections = N_SECTIONS };
	uint64_t at = align_up(sizeof(h) + sizeof(table), SECTION_ALIGN), here;

	for (unsigned i = 0; i < N_SECTIONS; i++) {
		const struct part *p = &w->parts[i];

		table[i] = (struct save_section){ at, p->n, hash_bytes(p->v, p->n * p->elem_size),
						  p->elem_size, 0 };
		at = align_up(at + p->n * p->elem_size, SECTION_ALIGN);
	}
	h.bytes = at;
	h.hash = hash_bytes(table, sizeof(table));
	h.self = hash_bytes(&h, offsetof(struct save_header, self));
	fwrite(&h, sizeof(h), 1, out);
	fwrite(table, sizeof(table), 1, out);
	here = sizeof(h) + sizeof(table);
	for (unsigned i = 0; i < N_SECTIONS && !ferror(out); i++) {
		fwrite(zeros, table[i].offset - here, 1, out);
		if (table[i].n)
			fwrite(w->parts[i].v, w->parts[i].elem_size, table[i].n, out);
		here = table[i].offset + table[i].n * table[i].elem_size;
	}
	fwrite(zeros, at - here, 1, out);
	return fflush(out) || ferror(out) ? err_os(errno, "writing the result") : NULL;
}

struct err *save_write(struct env *env, const struct save_source *source, FILE *out)
{
	_cleanup_(writer_fini) struct writer w = { .env = env, .src = source };
	struct err *err = make_wheres(&w);

	if (!err)
		err = make_looks(&w);
	if (!err)
		err = make_fields(&w);
	if (!err)
		err = make_roots(&w);
	if (err)
		return err;
	add_nodes(&w);
	add_edges(&w);
	add_facts(&w);
	err = add_content(&w);
	return err ? err : write_all(&w, out);
}
