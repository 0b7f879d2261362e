/* query/rows.c - the report's lists as tables: a few thousand rows, made when first read. */
#include <stdlib.h>
#include <string.h>

#include "base/guard.h"
#include "base/vec.h"
#include "query/table.h"

/* ---- making and reading rows */

/* A new row of unknown values; NULL: out of memory. */
static struct query_value *add_row(struct table *t)
{
	size_t n = t->n_columns;
	struct query_value *row;

	if (!vec_grow((void **)&t->cells, &t->cap_rows, t->n_rows + 1, n * sizeof(*t->cells)))
		return NULL;
	row = t->cells + t->n_rows++ * n;
	memset(row, 0, n * sizeof(*row));
	return row;
}

static void give_known(struct query_value *ret, uint64_t i) /* 0: unknown */
{
	if (i)
		give_int(ret, i);
}

static struct err *rows_open(struct query *q, const struct bounds *b, uint64_t used, struct scan *s)
{
	struct table *t = &q->tables[s->table - q->tables];
	struct err *err;

	(void)b;
	(void)used;
	if (!t->is_filled) {
		err = q->src.need_report(q->src.ctx, t->part);
		if (!err)
			err = t->fill(q, t);
		if (err)
			return err;
		t->is_filled = true;
	}
	s->end = t->n_rows;
	return NULL;
}

static void rows_next(struct query *q, struct scan *s)
{
	(void)q;
	s->at++;
}

static void rows_value(struct query *q, struct scan *s, unsigned column, struct query_value *ret)
{
	(void)q;
	*ret = s->table->cells[s->at * s->table->n_columns + column];
}

static double rows_estimate(const struct query *q, const struct table *t, int by, bool one)
{
	(void)q;
	(void)by;
	(void)one;
	return t->is_filled ? (double)t->n_rows + 1 : 1000;
}

#define ROWS_TABLE(title, from, fill_rows, ...)                                          \
	static const struct column fill_rows##_columns[] = { __VA_ARGS__ };              \
	static struct err *fill_rows(struct query *q, struct table *t);                  \
	static const struct table fill_rows##_table = {                                  \
		.name = title,                                                           \
		.columns = fill_rows##_columns,                                          \
		.n_columns = ARRAY_SIZE(fill_rows##_columns),                            \
		.estimate = rows_estimate,                                               \
		.open = rows_open,                                                       \
		.next = rows_next,                                                       \
		.value = rows_value,                                                     \
		.part = from,                                                            \
		.fill = fill_rows,                                                       \
	};                                                                               \
	static struct err *fill_rows(struct query *q, struct table *t)

#define INT(name) { name, QUERY_INT }
#define ADDRESS(name) { name, QUERY_ADDRESS }
#define TEXT(name) { name, QUERY_TEXT }

/* ---- what the dump is */

ROWS_TABLE("input", PART_DESCRIPTION, input_rows, TEXT("path"), TEXT("kind"), TEXT("arch"), INT("pid"),
	   TEXT("command"), TEXT("args"), TEXT("exe"), TEXT("made_by"), INT("signal"), INT("bytes"),
	   INT("complete"))
{
	const struct rp_input *in = &q->src.report->input;
	struct query_value *row = add_row(t);

	if (!row)
		return &err_nomem;
	give_text(&row[0], in->path);
	give_text(&row[1], in->kind);
	give_text(&row[2], in->arch);
	give_known(&row[3], in->pid);
	give_text(&row[4], in->command);
	give_text(&row[5], in->args);
	give_text(&row[6], in->exe);
	give_text(&row[7], in->made_by);
	give_known(&row[8], in->signal > 0 ? (uint64_t)in->signal : 0);
	give_int(&row[9], in->bytes);
	give_int(&row[10], in->complete);
	return NULL;
}

ROWS_TABLE("threads", PART_DESCRIPTION, thread_rows, INT("tid"), TEXT("name"), ADDRESS("pc"), TEXT("function"))
{
	const struct report *r = q->src.report;

	for (size_t i = 0; i < r->threads.n; i++) {
		struct query_value *row = add_row(t);

		if (!row)
			return &err_nomem;
		give_int(&row[0], r->threads.v[i].tid);
		give_text(&row[1], r->threads.v[i].name);
		give_address(&row[2], r->threads.v[i].pc);
		give_text(&row[3], r->threads.v[i].function);
	}
	return NULL;
}

ROWS_TABLE("modules", PART_DESCRIPTION, module_rows, TEXT("path"), TEXT("build_id"), ADDRESS("base"), TEXT("symbols"))
{
	const struct report *r = q->src.report;

	for (size_t i = 0; i < r->modules.n; i++) {
		struct query_value *row = add_row(t);

		if (!row)
			return &err_nomem;
		give_text(&row[0], r->modules.v[i].path);
		give_text(&row[1], r->modules.v[i].build_id);
		give_address(&row[2], r->modules.v[i].base);
		give_text(&row[3], r->modules.v[i].symbols);
	}
	return NULL;
}

static void give_cell(struct query_value *ret, enum cell_kind kind, const struct rp_cell *cell)
{
	if (kind != CELL_TEXT && kind != CELL_RATIO && cell->u == CELL_UNKNOWN)
		return;
	switch (kind) {
	case CELL_TEXT:
		give_text(ret, cell->text);
		break;
	case CELL_ADDR:
		give_address(ret, cell->u);
		break;
	case CELL_RATIO:
		ret->kind = QUERY_REAL;
		ret->d = cell->d;
		break;
	case CELL_COUNT:
	case CELL_BYTES:
		give_int(ret, cell->u);
	}
}

/* A generic table of the report with the same columns: none when nobody made it. */
static struct err *generic_rows(struct query *q, struct table *t)
{
	const struct report *r = q->src.report;

	for (size_t i = 0; i < r->tables.n; i++) {
		const struct rp_table *from = &r->tables.v[i];

		if (strcmp(from->name, t->name) || from->n_columns != t->n_columns)
			continue;
		for (size_t n = 0; n < from->n_rows; n++) {
			struct query_value *row = add_row(t);

			if (!row)
				return &err_nomem;
			for (size_t c = 0; c < t->n_columns; c++)
				give_cell(&row[c], from->columns[c].kind,
					  &from->rows[n * t->n_columns + c]);
		}
	}
	return NULL;
}

ROWS_TABLE("segments", PART_SEGMENTS, segment_rows, ADDRESS("start"), ADDRESS("end"), TEXT("access"),
	   TEXT("file"), INT("file_offset"), TEXT("origin"), INT("dumped"))
{
	return generic_rows(q, t);
}

ROWS_TABLE("frames", PART_FRAMES, frame_rows, INT("tid"), INT("goroutine"), INT("level"), ADDRESS("pc"),
	   ADDRESS("sp"), TEXT("function"), TEXT("file"), INT("line"), TEXT("module"))
{
	return generic_rows(q, t);
}

ROWS_TABLE("pools", PART_POOLS, pool_rows, ADDRESS("address"), TEXT("kind"), TEXT("name"), TEXT("path"),
	   ADDRESS("parent"), INT("blocks"), INT("bytes"), INT("free"))
{
	return generic_rows(q, t);
}

/* ---- goroutines */

static void give_node(struct query_value *ret, const struct rp_node *node)
{
	if (!node)
		return;
	switch (node->kind) {
	case NODE_TEXT:
		give_text(ret, node->text);
		break;
	case NODE_ADDR:
		give_address(ret, node->u);
		break;
	case NODE_SIGNED:
	case NODE_COUNT:
	case NODE_BYTES:
	case NODE_BOOL:
		give_int(ret, node->u);
		break;
	case NODE_MAP:
	case NODE_LIST:
		break;
	}
}

ROWS_TABLE("goroutines", PART_DESCRIPTION, goroutine_rows, INT("id"), TEXT("state"), TEXT("wait_reason"),
	   INT("wait_since"), INT("parent"), INT("system"), INT("thread"), INT("stack_bytes"),
	   INT("stack_used"), INT("group"))
{
	const struct rp_node *goroutines = node_get(q->src.report->go, "goroutines");
	const struct rp_node *list = node_get(goroutines, "list");

	for (const struct rp_node *g = list ? list->first : NULL; g; g = g->next) {
		struct query_value *row = add_row(t);

		if (!row)
			return &err_nomem;
		for (size_t c = 0; c < t->n_columns; c++)
			give_node(&row[c], node_get(g, t->columns[c].name));
		if (row[5].kind == QUERY_NULL)
			give_int(&row[5], 0);
	}
	return NULL;
}

/* ---- heaps */

ROWS_TABLE("heaps", PART_DESCRIPTION, heap_rows, INT("id"), TEXT("allocator"), TEXT("version"), TEXT("how"),
	   TEXT("why"), INT("arenas"), INT("used_count"), INT("used"), INT("free_count"),
	   INT("free"), INT("overhead"), INT("idle"), INT("returned"), INT("checks_passed"),
	   INT("checks_failed"))
{
	const struct report *r = q->src.report;

	for (size_t i = 0; i < r->heaps.n; i++) {
		const struct rp_heap *h = &r->heaps.v[i];
		const uint64_t counts[] = { h->n_arenas, h->n_used,   h->used,	   h->n_free,
					    h->free,	 h->overhead, h->idle,	   h->returned,
					    h->checks_passed, h->checks_failed };
		struct query_value *row = add_row(t);

		if (!row)
			return &err_nomem;
		give_int(&row[0], i);
		give_text(&row[1], h->allocator);
		give_text(&row[2], h->version);
		give_text(&row[3], h->how);
		give_text(&row[4], h->why);
		for (size_t c = 0; c < ARRAY_SIZE(counts); c++)
			give_int(&row[5 + c], counts[c]);
	}
	return NULL;
}

ROWS_TABLE("arenas", PART_DESCRIPTION, arena_rows, INT("heap"), ADDRESS("address"), TEXT("kind"), INT("bytes"),
	   INT("used_count"), INT("used"), INT("free_count"), INT("free"), INT("overhead"),
	   INT("top"), INT("largest_free"))
{
	const struct report *r = q->src.report;

	for (size_t i = 0; i < r->heaps.n; i++) {
		for (size_t k = 0; k < r->heaps.v[i].n_arenas; k++) {
			const struct rp_arena *a = &r->heaps.v[i].arenas[k];
			const uint64_t counts[] = { a->bytes,	 a->n_used, a->used, a->n_free, a->free,
						    a->overhead, a->top,    a->largest_free };
			struct query_value *row = add_row(t);

			if (!row)
				return &err_nomem;
			give_int(&row[0], i);
			if (a->addr)
				give_address(&row[1], a->addr);
			give_text(&row[2], a->kind);
			for (size_t c = 0; c < ARRAY_SIZE(counts); c++)
				give_int(&row[3 + c], counts[c]);
		}
	}
	return NULL;
}

/* ---- findings */

ROWS_TABLE("types", PART_FINDINGS, type_rows, TEXT("name"), TEXT("language"), INT("count"), INT("bytes"),
	   INT("retained"), TEXT("confidence"))
{
	const struct report *r = q->src.report;

	for (size_t i = 0; i < r->types.n; i++) {
		const struct rp_type *type = &r->types.v[i];
		struct query_value *row = add_row(t);

		if (!row)
			return &err_nomem;
		give_text(&row[0], type->name);
		give_text(&row[1], type->language);
		give_int(&row[2], type->count);
		give_int(&row[3], type->bytes);
		if (type->knows_retained)
			give_int(&row[4], type->retained);
		if (type->confidence)
			give_text(&row[5], confidence_name(type->confidence));
	}
	return NULL;
}

ROWS_TABLE("contents", PART_FINDINGS, content_rows, TEXT("class"), INT("count"), INT("bytes"), INT("looked_at"))
{
	return generic_rows(q, t);
}

ROWS_TABLE("suspects", PART_FINDINGS, suspect_rows, TEXT("id"), INT("rank"), TEXT("rule"), TEXT("severity"),
	   TEXT("title"), TEXT("type"), INT("count"), INT("bytes"), INT("retained"),
	   TEXT("confidence"), ADDRESS("address"), TEXT("chain"), TEXT("advice"))
{
	const struct report *r = q->src.report;

	for (size_t i = 0; i < r->suspects.n; i++) {
		const struct rp_suspect *s = &r->suspects.v[i];
		struct query_value *row = add_row(t);
		struct text chain = TEXT_INIT;

		if (!row)
			return &err_nomem;
		give_text(&row[0], s->id);
		give_int(&row[1], i + 1);
		give_text(&row[2], s->rule);
		give_text(&row[3], severity_name(rule_get(s->rule)->severity));
		give_text(&row[4], s->title);
		give_text(&row[5], s->type);
		give_int(&row[6], s->count);
		give_int(&row[7], s->bytes);
		give_int(&row[8], s->retained);
		give_text(&row[9], confidence_name(s->confidence));
		if (s->n_addresses)
			give_address(&row[10], s->addresses[0]);
		if (s->has_chain) {
			chain_print(&s->chain, &chain);
			give_text(&row[11], arena_strdup(&q->mem, text_str(&chain)));
		}
		text_fini(&chain);
		give_text(&row[12], s->advice ? s->advice : rule_get(s->rule)->advice);
	}
	return NULL;
}

ROWS_TABLE("chains", PART_FINDINGS, chain_rows, TEXT("suspect"), INT("hop"), ADDRESS("address"), INT("size"),
	   TEXT("type"), TEXT("via"), TEXT("name"), INT("offset"), INT("repeat"),
	   TEXT("root_kind"), TEXT("root_symbol"), TEXT("root_module"), TEXT("root_frame"))
{
	const struct report *r = q->src.report;

	for (size_t i = 0; i < r->suspects.n; i++) {
		const struct rp_suspect *s = &r->suspects.v[i];

		for (size_t k = 0; s->has_chain && k < s->chain.n_hops; k++) {
			const struct rp_hop *hop = &s->chain.hops[k];
			struct query_value *row = add_row(t);

			if (!row)
				return &err_nomem;
			give_text(&row[0], s->id);
			give_int(&row[1], k);
			give_address(&row[2], hop->address);
			give_int(&row[3], hop->size);
			give_text(&row[4], hop->type);
			give_text(&row[5], hop->via_kind);
			give_text(&row[6], hop->via_name);
			give_int(&row[7], hop->via_offset);
			give_int(&row[8], hop->repeat);
			give_text(&row[9], s->chain.root.kind);
			give_text(&row[10], s->chain.root.symbol);
			give_text(&row[11], s->chain.root.module);
			give_text(&row[12], s->chain.root.frame);
		}
	}
	return NULL;
}

ROWS_TABLE("cycles", PART_FINDINGS, cycle_rows, INT("id"), TEXT("kind"), INT("nodes"), INT("bytes"),
	   INT("retained"), INT("reachable"), INT("held"), TEXT("weaken"))
{
	const struct report *r = q->src.report;

	for (size_t i = 0; i < r->cycles.n; i++) {
		const struct rp_cycle *c = &r->cycles.v[i];
		struct query_value *row = add_row(t);

		if (!row)
			return &err_nomem;
		give_int(&row[0], i + 1);
		give_text(&row[1], c->kind);
		give_int(&row[2], c->nodes);
		give_int(&row[3], c->bytes);
		give_int(&row[4], c->retained);
		give_int(&row[5], c->reachable);
		give_int(&row[6], c->held);
		give_text(&row[7], c->weaken.via);
	}
	return NULL;
}

/* The shortest ring of each, at most as long as the report keeps it. */
ROWS_TABLE("cycle_members", PART_FINDINGS, member_rows, INT("cycle"), INT("member"), ADDRESS("address"),
	   TEXT("type"), TEXT("via"))
{
	const struct report *r = q->src.report;

	for (size_t i = 0; i < r->cycles.n; i++) {
		for (size_t k = 0; k < r->cycles.v[i].n_members; k++) {
			const struct rp_member *m = &r->cycles.v[i].members[k];
			struct query_value *row = add_row(t);

			if (!row)
				return &err_nomem;
			give_int(&row[0], i + 1);
			give_int(&row[1], k);
			give_address(&row[2], m->address);
			give_text(&row[3], m->type);
			give_text(&row[4], m->via);
		}
	}
	return NULL;
}

ROWS_TABLE("findings", PART_FINDINGS, finding_rows, TEXT("rule"), TEXT("severity"), TEXT("message"),
	   TEXT("suspect"))
{
	const struct report *r = q->src.report;

	for (size_t i = 0; i < r->findings.n; i++) {
		const struct rp_finding *f = &r->findings.v[i];
		struct query_value *row = add_row(t);

		if (!row)
			return &err_nomem;
		give_text(&row[0], f->rule);
		give_text(&row[1], severity_name(rule_get(f->rule)->severity));
		give_text(&row[2], f->message);
		if (f->suspect >= 0 && (size_t)f->suspect < r->suspects.n)
			give_text(&row[3], r->suspects.v[f->suspect].id);
	}
	return NULL;
}

ROWS_TABLE("categories", PART_FINDINGS, category_rows, TEXT("category"), INT("count"), INT("bytes"))
{
	const struct report *r = q->src.report;

	for (unsigned i = 0; i < CAT_COUNT; i++) {
		struct query_value *row = r->categories[i].known ? add_row(t) : NULL;

		if (!row && r->categories[i].known)
			return &err_nomem;
		if (!row)
			continue;
		give_text(&row[0], category_name(i));
		give_int(&row[1], r->categories[i].count);
		give_int(&row[2], r->categories[i].bytes);
	}
	return NULL;
}

ROWS_TABLE("breakdown", PART_FINDINGS, breakdown_rows, TEXT("category"), TEXT("label"), TEXT("detail"),
	   INT("bytes"))
{
	const struct report *r = q->src.report;

	for (size_t i = 0; i < r->breakdown.n; i++) {
		struct query_value *row = add_row(t);

		if (!row)
			return &err_nomem;
		give_text(&row[0], r->breakdown.v[i].category);
		give_text(&row[1], r->breakdown.v[i].label);
		give_text(&row[2], r->breakdown.v[i].detail);
		give_int(&row[3], r->breakdown.v[i].bytes);
	}
	return NULL;
}

ROWS_TABLE("problems", PART_DESCRIPTION, problem_rows, TEXT("code"), ADDRESS("place"), TEXT("message"), INT("count"))
{
	const struct diags *d = q->src.report->problems;

	for (size_t i = 0; d && i < d->n; i++) {
		struct query_value *row = add_row(t);

		if (!row)
			return &err_nomem;
		give_text(&row[0], d->list[i].code);
		if (d->list[i].where != ERR_NOWHERE)
			give_address(&row[1], d->list[i].where);
		give_text(&row[2], d->list[i].message);
		give_int(&row[3], d->list[i].count);
	}
	return NULL;
}

const struct table *const report_tables[] = {
	&input_rows_table,   &segment_rows_table,   &module_rows_table,	   &thread_rows_table,
	&frame_rows_table, &pool_rows_table,   &goroutine_rows_table, &heap_rows_table,	   &arena_rows_table,
	&type_rows_table,    &content_rows_table, &suspect_rows_table,   &chain_rows_table,	   &cycle_rows_table,
	&member_rows_table,  &finding_rows_table,   &category_rows_table,  &breakdown_rows_table,
	&problem_rows_table,
	NULL,
};
