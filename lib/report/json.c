/*
 * report/json.c - the report as JSON, schema 1 (docs/schema/report-1.schema.json).
 *
 * Addresses are strings, sizes are bytes, absent is unknown.  Keys come in a fixed order, so the
 * same report is the same bytes.  Text of a dump that is not UTF-8 is escaped as \xNN.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/guard.h"
#include "base/text.h"
#include "base/version.h"
#include "report/json_out.h"
#include "report/report.h"

enum { DOMINATORS_MAX = 500 };

static void put_total(struct json *j, const char *key, uint64_t count, uint64_t bytes)
{
	json_map(j, key);
	json_uint(j, "count", count);
	json_uint(j, "bytes", bytes);
	json_end_map(j);
}

static void put_problems(struct json *j, const struct diags *d)
{
	json_list(j, "problems");
	for (size_t i = 0; d && i < d->n; i++) {
		json_map(j, NULL);
		json_text(j, "code", d->list[i].code);
		if (d->list[i].where != ERR_NOWHERE)
			json_addr(j, "where", d->list[i].where);
		json_text(j, "message", d->list[i].message ? d->list[i].message : "");
		json_uint(j, "count", d->list[i].count);
		json_end_map(j);
	}
	json_end_list(j);
}

/* UTC, to the second. */
static void put_captured(struct json *j, int64_t ns)
{
	time_t seconds = (time_t)(ns / 1000000000);
	char when[32];
	struct tm tm;

	if (ns > 0 && gmtime_r(&seconds, &tm) &&
	    strftime(when, sizeof(when), "%Y-%m-%dT%H:%M:%SZ", &tm))
		json_text(j, "captured_at", when);
}

static void put_input(struct json *j, const struct report *r)
{
	const struct rp_input *in = &r->input;

	json_map(j, "input");
	json_text(j, "path", in->path);
	json_text(j, "kind", in->kind);
	json_text(j, "arch", in->arch);
	if (in->pid)
		json_uint(j, "pid", in->pid);
	json_text(j, "command", in->command);
	json_text(j, "args", in->args);
	json_text(j, "exe", in->exe);
	json_text(j, "made_by", in->made_by);
	if (in->signal > 0)
		json_uint(j, "signal", (uint64_t)in->signal);
	json_uint(j, "bytes", in->bytes);
	json_bool(j, "complete", in->complete);
	put_captured(j, in->captured);
	put_problems(j, r->problems);
	if (r->problems && r->problems->dropped)
		json_uint(j, "problems_dropped", r->problems->dropped);
	json_end_map(j);
}

static void put_threads(struct json *j, const struct report *r)
{
	json_list(j, "threads");
	for (size_t i = 0; i < r->threads.n; i++) {
		const struct rp_thread *t = &r->threads.v[i];

		json_map(j, NULL);
		json_uint(j, "tid", t->tid);
		json_text(j, "name", t->name);
		json_addr(j, "pc", t->pc);
		json_text(j, "function", t->function);
		json_end_map(j);
	}
	json_end_list(j);
}

static void put_modules(struct json *j, const struct report *r)
{
	json_list(j, "modules");
	for (size_t i = 0; i < r->modules.n; i++) {
		const struct rp_module *m = &r->modules.v[i];

		json_map(j, NULL);
		json_text(j, "path", m->path);
		json_text(j, "build_id", m->build_id);
		json_addr(j, "base", m->base);
		json_text(j, "symbols", m->symbols);
		json_end_map(j);
	}
	json_end_list(j);
}

static void put_memory(struct json *j, const struct report *r)
{
	json_map(j, "memory");
	json_uint(j, "virtual", r->virtual_bytes);
	if (r->has_resident)
		json_uint(j, "resident", r->resident_bytes);
	json_uint(j, "dumped", r->dumped_bytes);
	json_uint(j, "untouched", r->untouched_bytes);
	json_list(j, "breakdown");
	for (size_t i = 0; i < r->breakdown.n; i++) {
		const struct rp_breakdown *b = &r->breakdown.v[i];

		json_map(j, NULL);
		json_text(j, "category", b->category);
		json_text(j, "label", b->label);
		json_text(j, "detail", b->detail);
		json_uint(j, "bytes", b->bytes);
		json_end_map(j);
	}
	json_end_list(j);
	json_end_map(j);
}

/* The contract's "arenas" is a count; each arena's figures are in "arena_list". */
static void put_arenas(struct json *j, const struct rp_heap *h)
{
	json_uint(j, "arenas", h->n_arenas);
	json_list(j, "arena_list");
	for (size_t i = 0; i < h->n_arenas; i++) {
		const struct rp_arena *a = &h->arenas[i];

		json_map(j, NULL);
		json_addr(j, "address", a->addr);
		json_text(j, "kind", a->kind);
		json_uint(j, "bytes", a->bytes);
		put_total(j, "used", a->n_used, a->used);
		put_total(j, "free", a->n_free, a->free);
		json_uint(j, "overhead", a->overhead);
		json_uint(j, "top", a->top);
		json_uint(j, "largest_free", a->largest_free);
		json_end_map(j);
	}
	json_end_list(j);
}

static void put_classes(struct json *j, const struct rp_heap *h)
{
	json_list(j, "classes");
	for (size_t i = 0; i < h->n_classes; i++) {
		json_map(j, NULL);
		json_uint(j, "size", h->classes[i].size);
		json_uint(j, "units", h->classes[i].units);
		json_uint(j, "blocks", h->classes[i].blocks);
		json_uint(j, "used", h->classes[i].used);
		json_uint(j, "cached", h->classes[i].cached);
		json_end_map(j);
	}
	json_end_list(j);
}

static void put_wheres(struct json *j, const char *key, const struct rp_heap *h,
		       const struct rp_where *v, size_t n)
{
	json_map(j, key);
	for (size_t i = 0; i < n; i++) {
		json_map(j, v[i].where);
		json_uint(j, "count", v[i].count);
		json_uint(j, "bytes", v[i].bytes);
		if (h->knows_returnable)
			json_uint(j, "returnable", v[i].returnable);
		json_end_map(j);
	}
	json_end_map(j);
}

static void put_settings(struct json *j, const struct rp_heap *h)
{
	json_map(j, "settings");
	for (size_t i = 0; i < h->n_settings; i++)
		json_uint(j, h->settings[i].name, h->settings[i].bytes);
	json_end_map(j);
}

static void put_heap(struct json *j, const struct rp_heap *h)
{
	json_map(j, NULL);
	json_text(j, "allocator", h->allocator);
	json_text(j, "version", h->version);
	json_text(j, "how", h->how);
	json_text(j, "why", h->why);
	json_text(j, "confidence", confidence_name(h->confidence));
	put_arenas(j, h);
	put_total(j, "used", h->n_used, h->used);
	json_map(j, "free");
	json_uint(j, "count", h->n_free);
	json_uint(j, "bytes", h->free);
	put_wheres(j, "by_where", h, h->wheres, h->n_wheres);
	json_end_map(j);
	json_uint(j, "overhead", h->overhead);
	if (h->n_classes)
		put_classes(j, h);
	if (h->idle || h->returned) {
		json_uint(j, "idle", h->idle);
		json_uint(j, "returned", h->returned);
	}
	if (h->n_idles)
		put_wheres(j, "idle_by_where", h, h->idles, h->n_idles);
	if (h->n_settings)
		put_settings(j, h);
	json_map(j, "checks");
	json_uint(j, "passed", h->checks_passed);
	json_uint(j, "failed", h->checks_failed);
	json_end_map(j);
	json_end_map(j);
}

static void put_totals(struct json *j, const struct report *r)
{
	static const char *const reach[] = { NULL, "reachable", "possibly-lost", "indirectly-lost",
					     "definitely-lost" };

	json_map(j, "reachability");
	for (unsigned i = 1; i < 5; i++)
		if (r->reach[i].known)
			put_total(j, reach[i], r->reach[i].count, r->reach[i].bytes);
	json_end_map(j);
	json_map(j, "categories");
	for (unsigned i = 0; i < CAT_COUNT; i++)
		if (r->categories[i].known)
			put_total(j, category_name(i), r->categories[i].count,
				  r->categories[i].bytes);
	json_end_map(j);
}

static void put_types(struct json *j, const struct report *r)
{
	json_list(j, "types");
	for (size_t i = 0; i < r->types.n; i++) {
		const struct rp_type *t = &r->types.v[i];

		json_map(j, NULL);
		json_text(j, "name", t->name);
		json_text(j, "language", t->language);
		json_uint(j, "count", t->count);
		json_uint(j, "bytes", t->bytes);
		if (t->knows_retained)
			json_uint(j, "retained", t->retained);
		if (t->confidence)
			json_text(j, "confidence", confidence_name(t->confidence));
		json_end_map(j);
	}
	json_end_list(j);
}

static void put_root(struct json *j, const struct rp_root *root)
{
	json_map(j, "root");
	json_text(j, "kind", root->kind);
	json_text(j, "module", root->module);
	json_text(j, "symbol", root->symbol);
	json_text(j, "source", root->source);
	if (root->thread)
		json_uint(j, "thread", root->thread);
	if (root->goroutine)
		json_uint(j, "goroutine", root->goroutine);
	json_text(j, "frame", root->frame);
	json_text(j, "function", root->function);
	json_text(j, "file", root->file);
	if (root->file && root->line)
		json_uint(j, "line", root->line);
	if (root->address)
		json_addr(j, "address", root->address);
	json_end_map(j);
}

static void put_chain(struct json *j, const char *key, const struct rp_chain *chain)
{
	json_map(j, key);
	if (chain->root.kind)
		put_root(j, &chain->root);
	json_list(j, "hops");
	for (size_t i = 0; i < chain->n_hops; i++) {
		const struct rp_hop *hop = &chain->hops[i];

		json_map(j, NULL);
		json_addr(j, "address", hop->address);
		json_uint(j, "size", hop->size);
		json_text(j, "type", hop->type);
		if (hop->via_kind) {
			json_map(j, "via");
			json_text(j, "kind", hop->via_kind);
			json_text(j, "name", hop->via_name);
			json_uint(j, "offset", hop->via_offset);
			json_end_map(j);
		}
		if (hop->repeat > 1)
			json_uint(j, "repeat", hop->repeat);
		json_end_map(j);
	}
	json_end_list(j);
	json_end_map(j);
}

static void put_chains(struct json *j, const struct report *r)
{
	json_list(j, "chains");
	for (size_t i = 0; i < r->chains.n; i++)
		put_chain(j, NULL, &r->chains.v[i]);
	json_end_list(j);
}

static void put_suspect(struct json *j, const struct report *r, size_t i)
{
	const struct rp_suspect *s = &r->suspects.v[i];
	uint64_t heap = report_heap_bytes(r);
	char signature[24];

	json_map(j, NULL);
	json_text(j, "id", s->id);
	json_uint(j, "rank", i + 1);
	json_text(j, "rule", s->rule);
	json_text(j, "severity", severity_name(rule_get(s->rule)->severity));
	json_text(j, "title", s->title);
	json_text(j, "type", s->type);
	json_text(j, "type_file", s->type_file);
	if (s->type_file)
		json_uint(j, "type_line", s->type_line);
	json_text(j, "type_method", s->type_method);
	json_uint(j, "count", s->count);
	json_uint(j, "bytes", s->bytes);
	json_uint(j, "retained", s->retained);
	if (heap)
		json_ratio(j, "share",
			  s->retained >= heap ? 1.0 : (double)s->retained / (double)heap);
	json_text(j, "confidence", confidence_name(s->confidence));
	json_list(j, "addresses");
	for (size_t k = 0; k < s->n_addresses; k++)
		json_addr(j, NULL, s->addresses[k]);
	json_end_list(j);
	if (s->has_chain)
		put_chain(j, "chain", &s->chain);
	json_list(j, "evidence");
	for (size_t k = 0; k < s->n_evidence; k++) {
		json_map(j, NULL);
		json_text(j, "what", s->evidence[k].what);
		json_text(j, "value", s->evidence[k].value);
		json_end_map(j);
	}
	json_end_list(j);
	json_text(j, "advice", s->advice ? s->advice : rule_get(s->rule)->advice);
	snprintf(signature, sizeof(signature), "%016" PRIx64, suspect_fingerprint(s));
	json_text(j, "signature", signature);
	json_text(j, "baseline", baseline_state_name(s->baseline));
	if (s->suppressed) {
		json_map(j, "suppressed");
		json_text(j, "reason", s->suppressed);
		json_text(j, "until", s->suppressed_until);
		json_end_map(j);
	}
	json_end_map(j);
}

static void put_member(struct json *j, const char *key, const struct rp_member *m)
{
	json_map(j, key);
	json_addr(j, "address", m->address);
	json_text(j, "type", m->type);
	json_text(j, "via", m->via);
	json_end_map(j);
}

static void put_cycle(struct json *j, const struct rp_cycle *c, size_t i)
{
	char id[24];

	snprintf(id, sizeof(id), "c%zu", i + 1);
	json_map(j, NULL);
	json_text(j, "id", id);
	json_uint(j, "nodes", c->nodes);
	json_uint(j, "bytes", c->bytes);
	json_uint(j, "retained", c->retained);
	json_bool(j, "reachable", c->reachable);
	json_text(j, "kind", c->kind);
	json_list(j, "members");
	for (size_t k = 0; k < c->n_members; k++)
		put_member(j, NULL, &c->members[k]);
	json_end_list(j);
	if (c->held)
		json_bool(j, "held", true);
	if (c->weaken.via)
		put_member(j, "weaken", &c->weaken);
	json_end_map(j);
}

static void put_findings(struct json *j, const struct report *r)
{
	json_list(j, "findings");
	for (size_t i = 0; i < r->findings.n; i++) {
		const struct rp_finding *f = &r->findings.v[i];

		json_map(j, NULL);
		json_text(j, "rule", f->rule);
		json_text(j, "severity", severity_name(rule_get(f->rule)->severity));
		json_text(j, "message", f->message);
		if (f->suspect >= 0 && (size_t)f->suspect < r->suspects.n)
			json_text(j, "suspect", r->suspects.v[f->suspect].id);
		json_end_map(j);
	}
	json_end_list(j);
}

static void put_checks(struct json *j, const struct report *r)
{
	json_list(j, "gates");
	for (size_t i = 0; i < r->checks.n; i++) {
		const struct rp_check *c = &r->checks.v[i];

		json_map(j, NULL);
		json_text(j, "gate", c->gate);
		json_text(j, "name", c->name);
		json_text(j, "result", check_result_name(c->result));
		json_text(j, "file", c->file);
		if (c->line)
			json_uint(j, "line", c->line);
		if (c->has_values) {
			json_text(j, "unit", c->is_bytes ? "bytes" : "blocks");
			json_uint(j, "limit", c->limit);
			json_uint(j, "actual", c->actual);
			json_uint(j, "over", c->actual > c->limit ? c->actual - c->limit : 0);
		}
		json_text(j, "message", c->message);
		json_end_map(j);
	}
	json_end_list(j);
}

static void put_cell(struct json *j, const struct rp_column *col, const struct rp_cell *cell)
{
	switch (col->kind) {
	case CELL_COUNT:
	case CELL_BYTES:
		json_uint(j, col->name, cell->u);
		break;
	case CELL_ADDR:
		json_addr(j, col->name, cell->u);
		break;
	case CELL_RATIO:
		json_ratio(j, col->name, cell->d);
		break;
	case CELL_TEXT:
		json_text(j, col->name, cell->text);
		break;
	}
}

/* One node; `key` NULL in a list. */
static void put_node(struct json *j, const struct rp_node *n)
{
	switch (n->kind) {
	case NODE_MAP:
		json_map(j, n->key);
		break;
	case NODE_LIST:
		json_list(j, n->key);
		break;
	case NODE_ADDR:
		json_addr(j, n->key, n->u);
		return;
	case NODE_SIGNED:
		json_int(j, n->key, n->i);
		return;
	case NODE_TEXT:
		json_text(j, n->key, n->text);
		return;
	case NODE_BOOL:
		json_bool(j, n->key, n->u);
		return;
	default:
		json_uint(j, n->key, n->u);
		return;
	}
	for (const struct rp_node *child = n->first; child; child = child->next)
		put_node(j, child); /* as deep as the code that made it */
	if (n->kind == NODE_MAP)
		json_end_map(j);
	else
		json_end_list(j);
}

static void put_tables(struct json *j, const struct report *r)
{
	json_map(j, "tables");
	for (size_t i = 0; i < r->tables.n; i++) {
		const struct rp_table *t = &r->tables.v[i];

		json_list(j, t->name);
		for (size_t row = 0; row < t->n_rows; row++) {
			json_map(j, NULL);
			for (size_t c = 0; c < t->n_columns; c++)
				put_cell(j, &t->columns[c], &t->rows[row * t->n_columns + c]);
			json_end_map(j);
		}
		json_end_list(j);
	}
	json_end_map(j);
}

/* The largest, as rows that name the one that holds them by its number. */
static struct err *put_dominators(struct json *j, const struct rp_tree *tree)
{
	_free_ uint32_t *at = calloc(tree->n + 1, sizeof(*at));
	uint32_t told = 0;
	uint64_t least;
	struct err *err = at ? tree_least(tree->rows, tree->n, DOMINATORS_MAX, &least) : &err_nomem;

	if (err)
		return err;
	json_list(j, "dominators");
	for (size_t i = 0; i < tree->n; i++) {
		const struct rp_tree_row *row = &tree->rows[i];

		if (row->total < least)
			continue;
		at[i] = told++;
		json_map(j, NULL);
		if (row->address)
			json_addr(j, "address", row->address);
		json_text(j, "name", row->name);
		json_uint(j, "count", row->count);
		json_uint(j, "retained", row->total);
		if (row->parent != TREE_TOP)
			json_uint(j, "holder", at[row->parent]);
		json_end_map(j);
	}
	json_end_list(j);
	return NULL;
}

static void put_space(struct json *j, const struct report *r)
{
	json_list(j, "space");
	for (size_t i = 0; i < r->space.n; i++) {
		const struct rp_space *s = &r->space.v[i];

		json_map(j, NULL);
		json_addr(j, "start", s->start);
		json_addr(j, "end", s->end);
		json_text(j, "kind", s->kind);
		json_text(j, "name", s->name);
		if (s->n_buckets) {
			json_uint(j, "used", s->used);
			json_uint(j, "free", s->free);
			json_uint(j, "largest_free", s->largest_free);
		}
		json_end_map(j);
	}
	json_end_list(j);
}

static struct err *put_report(struct json *j, const struct report *r)
{
	struct err *err = NULL;

	json_map(j, NULL);
	json_map(j, "tool");
	json_text(j, "name", "heapfx");
	json_text(j, "version", HEAPFX_VERSION);
	json_uint(j, "schema", 1);
	json_end_map(j);
	put_input(j, r);
	put_threads(j, r);
	put_modules(j, r);
	put_memory(j, r);
	json_list(j, "heaps");
	for (size_t i = 0; i < r->heaps.n; i++)
		put_heap(j, &r->heaps.v[i]);
	json_end_list(j);
	put_totals(j, r);
	put_types(j, r);
	json_list(j, "suspects");
	for (size_t i = 0; i < r->suspects.n; i++)
		put_suspect(j, r, i);
	json_end_list(j);
	json_list(j, "cycles");
	for (size_t i = 0; i < r->cycles.n; i++)
		put_cycle(j, &r->cycles.v[i], i);
	json_end_list(j);
	if (r->chains.n)
		put_chains(j, r);
	put_findings(j, r);
	if (r->checks.n)
		put_checks(j, r);
	json_text(j, "verdict", r->verdict);
	if (r->pools)
		put_node(j, r->pools);
	if (r->go)
		put_node(j, r->go);
	if (r->tables.n)
		put_tables(j, r);
	if (r->space.n)
		put_space(j, r);
	if (r->dominators)
		err = put_dominators(j, r->dominators);
	json_end_map(j);
	return err;
}

static struct err *json_write(const struct report *r, const struct writer_options *opt, FILE *out)
{
	struct json *j;
	struct err *err = json_open(out, JSON_INDENTED, &j), *end;

	(void)opt; /* nothing of it changes the data */
	if (err)
		return err;
	err = put_report(j, r);
	end = json_close(j, "json");
	if (!err)
		return end;
	err_free(end);
	return err;
}

const struct writer_ops json_writer = {
	.name = "json",
	.extension = "json",
	.needs = NEED_PICTURES,
	.write = json_write,
};
