/*
 * report/json.c - the report as JSON, schema 1 (docs/schema/report-1.schema.json).
 *
 * Addresses are strings, sizes are bytes, absent is unknown.  Keys come in a fixed order, so the
 * same report is the same bytes.  Text of a dump that is not UTF-8 is escaped as \xNN; yajl does
 * what JSON itself needs.
 */
#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <yajl/yajl_gen.h>

#include "base/guard.h"
#include "base/text.h"
#include "base/version.h"
#include "report/report.h"

struct json {
	yajl_gen gen;
	struct text scratch;
	bool bad;
};

static void check(struct json *j, yajl_gen_status status)
{
	j->bad = j->bad || status != yajl_gen_status_ok;
}

static void raw(struct json *j, const char *s)
{
	check(j, yajl_gen_string(j->gen, (const unsigned char *)s, strlen(s)));
}

/* NULL in a list, whose values have no names. */
static void put_key(struct json *j, const char *key)
{
	if (key)
		raw(j, key);
}

static void open_map(struct json *j, const char *key)
{
	put_key(j, key);
	check(j, yajl_gen_map_open(j->gen));
}

static void close_map(struct json *j)
{
	check(j, yajl_gen_map_close(j->gen));
}

static void open_list(struct json *j, const char *key)
{
	put_key(j, key);
	check(j, yajl_gen_array_open(j->gen));
}

static void close_list(struct json *j)
{
	check(j, yajl_gen_array_close(j->gen));
}

/* Bytes of a dump; the key is left out when the text is unknown. */
static void put_text(struct json *j, const char *key, const char *s)
{
	if (!s)
		return;
	put_key(j, key);
	text_reset(&j->scratch);
	text_add_escaped(&j->scratch, s, strlen(s));
	raw(j, text_str(&j->scratch));
}

/* yajl's integers are signed: past INT64_MAX the digits go out as they are. */
static void number(struct json *j, uint64_t n)
{
	char digits[24];

	snprintf(digits, sizeof(digits), "%" PRIu64, n);
	check(j, yajl_gen_number(j->gen, digits, strlen(digits)));
}

static void put_uint(struct json *j, const char *key, uint64_t n)
{
	put_key(j, key);
	number(j, n);
}

static void put_int(struct json *j, const char *key, int64_t n)
{
	put_key(j, key);
	check(j, yajl_gen_integer(j->gen, n));
}

static void put_bool(struct json *j, const char *key, bool b)
{
	put_key(j, key);
	check(j, yajl_gen_bool(j->gen, b));
}

static void put_ratio(struct json *j, const char *key, double d)
{
	char digits[32];

	snprintf(digits, sizeof(digits), "%.4f", d);
	put_key(j, key);
	check(j, yajl_gen_number(j->gen, digits, strlen(digits)));
}

static void put_addr(struct json *j, const char *key, uint64_t addr)
{
	char s[24];

	snprintf(s, sizeof(s), "0x%" PRIx64, addr);
	put_key(j, key);
	raw(j, s);
}

static void put_total(struct json *j, const char *key, uint64_t count, uint64_t bytes)
{
	open_map(j, key);
	put_uint(j, "count", count);
	put_uint(j, "bytes", bytes);
	close_map(j);
}

static void put_problems(struct json *j, const struct diags *d)
{
	open_list(j, "problems");
	for (size_t i = 0; d && i < d->n; i++) {
		open_map(j, NULL);
		put_text(j, "code", d->list[i].code);
		if (d->list[i].where != ERR_NOWHERE)
			put_addr(j, "where", d->list[i].where);
		put_text(j, "message", d->list[i].message ? d->list[i].message : "");
		put_uint(j, "count", d->list[i].count);
		close_map(j);
	}
	close_list(j);
}

static void put_input(struct json *j, const struct report *r)
{
	const struct rp_input *in = &r->input;

	open_map(j, "input");
	put_text(j, "path", in->path);
	put_text(j, "kind", in->kind);
	put_text(j, "arch", in->arch);
	if (in->pid)
		put_uint(j, "pid", in->pid);
	put_text(j, "command", in->command);
	put_text(j, "args", in->args);
	put_text(j, "exe", in->exe);
	put_text(j, "made_by", in->made_by);
	if (in->signal > 0)
		put_uint(j, "signal", (uint64_t)in->signal);
	put_uint(j, "bytes", in->bytes);
	put_bool(j, "complete", in->complete);
	put_problems(j, r->problems);
	if (r->problems && r->problems->dropped)
		put_uint(j, "problems_dropped", r->problems->dropped);
	close_map(j);
}

static void put_threads(struct json *j, const struct report *r)
{
	open_list(j, "threads");
	for (size_t i = 0; i < r->threads.n; i++) {
		const struct rp_thread *t = &r->threads.v[i];

		open_map(j, NULL);
		put_uint(j, "tid", t->tid);
		put_text(j, "name", t->name);
		put_addr(j, "pc", t->pc);
		put_text(j, "function", t->function);
		close_map(j);
	}
	close_list(j);
}

static void put_modules(struct json *j, const struct report *r)
{
	open_list(j, "modules");
	for (size_t i = 0; i < r->modules.n; i++) {
		const struct rp_module *m = &r->modules.v[i];

		open_map(j, NULL);
		put_text(j, "path", m->path);
		put_text(j, "build_id", m->build_id);
		put_addr(j, "base", m->base);
		put_text(j, "symbols", m->symbols);
		close_map(j);
	}
	close_list(j);
}

static void put_memory(struct json *j, const struct report *r)
{
	open_map(j, "memory");
	put_uint(j, "virtual", r->virtual_bytes);
	if (r->has_resident)
		put_uint(j, "resident", r->resident_bytes);
	put_uint(j, "dumped", r->dumped_bytes);
	put_uint(j, "untouched", r->untouched_bytes);
	open_list(j, "breakdown");
	for (size_t i = 0; i < r->breakdown.n; i++) {
		const struct rp_breakdown *b = &r->breakdown.v[i];

		open_map(j, NULL);
		put_text(j, "category", b->category);
		put_text(j, "label", b->label);
		put_text(j, "detail", b->detail);
		put_uint(j, "bytes", b->bytes);
		close_map(j);
	}
	close_list(j);
	close_map(j);
}

/* The contract's "arenas" is a count; each arena's figures are in "arena_list". */
static void put_arenas(struct json *j, const struct rp_heap *h)
{
	put_uint(j, "arenas", h->n_arenas);
	open_list(j, "arena_list");
	for (size_t i = 0; i < h->n_arenas; i++) {
		const struct rp_arena *a = &h->arenas[i];

		open_map(j, NULL);
		put_addr(j, "address", a->addr);
		put_text(j, "kind", a->kind);
		put_uint(j, "bytes", a->bytes);
		put_total(j, "used", a->n_used, a->used);
		put_total(j, "free", a->n_free, a->free);
		put_uint(j, "overhead", a->overhead);
		put_uint(j, "top", a->top);
		put_uint(j, "largest_free", a->largest_free);
		close_map(j);
	}
	close_list(j);
}

static void put_heap(struct json *j, const struct rp_heap *h)
{
	open_map(j, NULL);
	put_text(j, "allocator", h->allocator);
	put_text(j, "version", h->version);
	put_text(j, "how", h->how);
	put_text(j, "why", h->why);
	put_arenas(j, h);
	put_total(j, "used", h->n_used, h->used);
	open_map(j, "free");
	put_uint(j, "count", h->n_free);
	put_uint(j, "bytes", h->free);
	open_map(j, "by_where");
	for (size_t i = 0; i < h->n_wheres; i++)
		put_total(j, h->wheres[i].where, h->wheres[i].count, h->wheres[i].bytes);
	close_map(j);
	close_map(j);
	put_uint(j, "overhead", h->overhead);
	if (h->idle || h->returned) {
		put_uint(j, "idle", h->idle);
		put_uint(j, "returned", h->returned);
	}
	open_map(j, "checks");
	put_uint(j, "passed", h->checks_passed);
	put_uint(j, "failed", h->checks_failed);
	close_map(j);
	close_map(j);
}

static void put_totals(struct json *j, const struct report *r)
{
	static const char *const reach[] = { NULL, "reachable", "possibly-lost", "indirectly-lost",
					     "definitely-lost" };

	open_map(j, "reachability");
	for (unsigned i = 1; i < 5; i++)
		if (r->reach[i].known)
			put_total(j, reach[i], r->reach[i].count, r->reach[i].bytes);
	close_map(j);
	open_map(j, "categories");
	for (unsigned i = 0; i < CAT_COUNT; i++)
		if (r->categories[i].known)
			put_total(j, category_name(i), r->categories[i].count,
				  r->categories[i].bytes);
	close_map(j);
}

static void put_types(struct json *j, const struct report *r)
{
	open_list(j, "types");
	for (size_t i = 0; i < r->types.n; i++) {
		const struct rp_type *t = &r->types.v[i];

		open_map(j, NULL);
		put_text(j, "name", t->name);
		put_text(j, "language", t->language);
		put_uint(j, "count", t->count);
		put_uint(j, "bytes", t->bytes);
		if (t->knows_retained)
			put_uint(j, "retained", t->retained);
		close_map(j);
	}
	close_list(j);
}

static void put_root(struct json *j, const struct rp_root *root)
{
	open_map(j, "root");
	put_text(j, "kind", root->kind);
	put_text(j, "module", root->module);
	put_text(j, "symbol", root->symbol);
	put_text(j, "source", root->source);
	if (root->thread)
		put_uint(j, "thread", root->thread);
	if (root->goroutine)
		put_uint(j, "goroutine", root->goroutine);
	put_text(j, "frame", root->frame);
	put_text(j, "function", root->function);
	if (root->address)
		put_addr(j, "address", root->address);
	close_map(j);
}

static void put_chain(struct json *j, const char *key, const struct rp_chain *chain)
{
	open_map(j, key);
	if (chain->root.kind)
		put_root(j, &chain->root);
	open_list(j, "hops");
	for (size_t i = 0; i < chain->n_hops; i++) {
		const struct rp_hop *hop = &chain->hops[i];

		open_map(j, NULL);
		put_addr(j, "address", hop->address);
		put_uint(j, "size", hop->size);
		put_text(j, "type", hop->type);
		if (hop->via_kind) {
			open_map(j, "via");
			put_text(j, "kind", hop->via_kind);
			put_text(j, "name", hop->via_name);
			put_uint(j, "offset", hop->via_offset);
			close_map(j);
		}
		if (hop->repeat > 1)
			put_uint(j, "repeat", hop->repeat);
		close_map(j);
	}
	close_list(j);
	close_map(j);
}

static void put_chains(struct json *j, const struct report *r)
{
	open_list(j, "chains");
	for (size_t i = 0; i < r->chains.n; i++)
		put_chain(j, NULL, &r->chains.v[i]);
	close_list(j);
}

static void put_suspect(struct json *j, const struct report *r, size_t i)
{
	const struct rp_suspect *s = &r->suspects.v[i];
	uint64_t heap = report_heap_bytes(r);

	open_map(j, NULL);
	put_text(j, "id", s->id);
	put_uint(j, "rank", i + 1);
	put_text(j, "rule", s->rule);
	put_text(j, "severity", severity_name(rule_get(s->rule)->severity));
	put_text(j, "title", s->title);
	put_text(j, "type", s->type);
	put_uint(j, "count", s->count);
	put_uint(j, "bytes", s->bytes);
	put_uint(j, "retained", s->retained);
	if (heap)
		put_ratio(j, "share",
			  s->retained >= heap ? 1.0 : (double)s->retained / (double)heap);
	put_text(j, "confidence", confidence_name(s->confidence));
	open_list(j, "addresses");
	for (size_t k = 0; k < s->n_addresses; k++)
		put_addr(j, NULL, s->addresses[k]);
	close_list(j);
	if (s->has_chain)
		put_chain(j, "chain", &s->chain);
	open_list(j, "evidence");
	for (size_t k = 0; k < s->n_evidence; k++) {
		open_map(j, NULL);
		put_text(j, "what", s->evidence[k].what);
		put_text(j, "value", s->evidence[k].value);
		close_map(j);
	}
	close_list(j);
	put_text(j, "advice", s->advice ? s->advice : rule_get(s->rule)->advice);
	close_map(j);
}

static void put_cycle(struct json *j, const struct rp_cycle *c, size_t i)
{
	char id[24];

	snprintf(id, sizeof(id), "c%zu", i + 1);
	open_map(j, NULL);
	put_text(j, "id", id);
	put_uint(j, "nodes", c->nodes);
	put_uint(j, "bytes", c->bytes);
	put_uint(j, "retained", c->retained);
	put_bool(j, "reachable", c->reachable);
	put_text(j, "kind", c->kind);
	open_list(j, "members");
	for (size_t k = 0; k < c->n_members; k++) {
		open_map(j, NULL);
		put_addr(j, "address", c->members[k].address);
		put_text(j, "type", c->members[k].type);
		put_text(j, "via", c->members[k].via);
		close_map(j);
	}
	close_list(j);
	close_map(j);
}

static void put_findings(struct json *j, const struct report *r)
{
	open_list(j, "findings");
	for (size_t i = 0; i < r->findings.n; i++) {
		const struct rp_finding *f = &r->findings.v[i];

		open_map(j, NULL);
		put_text(j, "rule", f->rule);
		put_text(j, "severity", severity_name(rule_get(f->rule)->severity));
		put_text(j, "message", f->message);
		if (f->suspect >= 0 && (size_t)f->suspect < r->suspects.n)
			put_text(j, "suspect", r->suspects.v[f->suspect].id);
		close_map(j);
	}
	close_list(j);
}

static void put_cell(struct json *j, const struct rp_column *col, const struct rp_cell *cell)
{
	switch (col->kind) {
	case CELL_COUNT:
	case CELL_BYTES:
		put_uint(j, col->name, cell->u);
		break;
	case CELL_ADDR:
		put_addr(j, col->name, cell->u);
		break;
	case CELL_RATIO:
		put_ratio(j, col->name, cell->d);
		break;
	case CELL_TEXT:
		put_text(j, col->name, cell->text);
		break;
	}
}

/* One node; `key` NULL in a list. */
static void put_node(struct json *j, const struct rp_node *n)
{
	switch (n->kind) {
	case NODE_MAP:
		open_map(j, n->key);
		break;
	case NODE_LIST:
		open_list(j, n->key);
		break;
	case NODE_ADDR:
		put_addr(j, n->key, n->u);
		return;
	case NODE_SIGNED:
		put_int(j, n->key, n->i);
		return;
	case NODE_TEXT:
		put_text(j, n->key, n->text);
		return;
	case NODE_BOOL:
		put_bool(j, n->key, n->u);
		return;
	default:
		put_uint(j, n->key, n->u);
		return;
	}
	for (const struct rp_node *child = n->first; child; child = child->next)
		put_node(j, child); /* as deep as the code that made it */
	if (n->kind == NODE_MAP)
		close_map(j);
	else
		close_list(j);
}

static void put_tables(struct json *j, const struct report *r)
{
	open_map(j, "tables");
	for (size_t i = 0; i < r->tables.n; i++) {
		const struct rp_table *t = &r->tables.v[i];

		open_list(j, t->name);
		for (size_t row = 0; row < t->n_rows; row++) {
			open_map(j, NULL);
			for (size_t c = 0; c < t->n_columns; c++)
				put_cell(j, &t->columns[c], &t->rows[row * t->n_columns + c]);
			close_map(j);
		}
		close_list(j);
	}
	close_map(j);
}

static void put_report(struct json *j, const struct report *r)
{
	open_map(j, NULL);
	open_map(j, "tool");
	put_text(j, "name", "heapfx");
	put_text(j, "version", HEAPFX_VERSION);
	put_uint(j, "schema", 1);
	close_map(j);
	put_input(j, r);
	put_threads(j, r);
	put_modules(j, r);
	put_memory(j, r);
	open_list(j, "heaps");
	for (size_t i = 0; i < r->heaps.n; i++)
		put_heap(j, &r->heaps.v[i]);
	close_list(j);
	put_totals(j, r);
	put_types(j, r);
	open_list(j, "suspects");
	for (size_t i = 0; i < r->suspects.n; i++)
		put_suspect(j, r, i);
	close_list(j);
	open_list(j, "cycles");
	for (size_t i = 0; i < r->cycles.n; i++)
		put_cycle(j, &r->cycles.v[i], i);
	close_list(j);
	if (r->chains.n)
		put_chains(j, r);
	put_findings(j, r);
	put_text(j, "verdict", r->verdict);
	if (r->go)
		put_node(j, r->go);
	if (r->tables.n)
		put_tables(j, r);
	close_map(j);
}

static void print_out(void *out, const char *s, size_t n)
{
	fwrite(s, 1, n, out); /* ferror() is looked at once, at the end */
}

static void close_json(struct json *j)
{
	if (j->gen)
		yajl_gen_free(j->gen);
	text_fini(&j->scratch);
}

static struct err *json_write(const struct report *r, const struct writer_options *opt, FILE *out)
{
	_cleanup_(close_json) struct json j = { .gen = yajl_gen_alloc(NULL), .scratch = TEXT_INIT };

	(void)opt; /* nothing of it changes the data */
	if (!j.gen)
		return &err_nomem;
	yajl_gen_config(j.gen, yajl_gen_beautify, 1);
	yajl_gen_config(j.gen, yajl_gen_indent_string, "  ");
	yajl_gen_config(j.gen, yajl_gen_print_callback, print_out, out);
	put_report(&j, r);
	if (j.bad)
		return err_new(ERR_FORMAT, "json: a value could not be written");
	fflush(out);
	if (ferror(out))
		return err_os(errno, "writing json");
	return NULL;
}

const struct writer_ops json_writer = { .name = "json", .extension = "json", .write = json_write };
