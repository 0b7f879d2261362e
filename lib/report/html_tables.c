/*
 * report/html_tables.c - the sections whose tables read without JavaScript; charts are drawn into
 * their empty places from what html_data.c writes.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/guard.h"
#include "report/html.h"
#include "report/put.h"

enum { TREE_TABLE = 30, ARENAS = 64, FRAMES = 10, NAMES_OF_GROUP = 4 };

/* ---- types */

void html_types(FILE *out, const struct report *r)
{
	uint64_t of = report_heap_bytes(r);

	if (!r->types.n)
		return;
	fputs("<section><h2 id=\"types\">Types</h2>\n", out);
	html_table(out, "types sort filter", "type|#bytes|#of the heap||#count|#retained");
	for (size_t i = 0; i < r->types.n && i < HTML_TYPES; i++) {
		const struct rp_type *t = &r->types.v[i];

		fputs("<tr>", out);
		html_code_cell(out, t->name);
		html_bytes_cell(out, t->bytes);
		html_share_cells(out, t->bytes, of);
		html_count_cell(out, t->count);
		if (t->knows_retained)
			html_bytes_cell(out, t->retained);
		else
			fputs("<td class=\"n\" data-v=\"-1\"></td>", out);
		fputs("</tr>\n", out);
	}
	html_table_end(out);
	html_more(out, r->types.n, HTML_TYPES, "types, smaller than these");
	fputs("</section>\n", out);
}

/* What those without one look like. */
void html_contents(FILE *out, const struct report *r)
{
	const struct rp_table *t = report_table(r, "contents");

	if (!t || t->n_columns != 4)
		return;
	fputs("<section><h2 id=\"contents\">Blocks of no known type</h2>\n", out);
	html_table(out, "sort", "what they look like|#bytes|#count|#blocks read");
	for (size_t i = 0; i < t->n_rows; i++) {
		const struct rp_cell *row = &t->rows[i * t->n_columns];

		fputs("<tr>", out);
		html_code_cell(out, row[0].text);
		html_bytes_cell(out, row[2].u);
		html_count_cell(out, row[1].u);
		html_count_cell(out, row[3].u);
		fputs("</tr>\n", out);
	}
	html_table_end(out);
	fputs("</section>\n", out);
}

/* ---- trees, as tables of their largest rows */

static void put_tree_row(FILE *out, const struct rp_tree *t, size_t no)
{
	const struct rp_tree_row *row = &t->rows[no];

	fputs("<tr>", out);
	html_code_cell(out, row->name);
	html_bytes_cell(out, row->total);
	html_count_cell(out, row->count);
	if (row->address)
		fprintf(out, "<td><code>0x%" PRIx64 "</code></td>", row->address);
	else
		fputs("<td></td>", out);
	html_code_cell(out, row->parent == TREE_TOP ? NULL : t->rows[row->parent].name);
	fputs("</tr>\n", out);
}

/* The chart of a tree, drawn in `place`, and its largest rows. */
static void put_tree(FILE *out, const char *place, const struct rp_tree *t)
{
	uint64_t least;
	size_t n = 0;

	fprintf(out, "</p>\n<div class=\"picture\" id=\"%s\"></div>\n", place);
	if (!tree_least(t->rows, t->n, TREE_TABLE, &least)) { /* no memory: the chart has it */
		fputs("<details class=\"astable\">"
		      "<summary>The largest as a table</summary>\n",
		      out);
		html_table(out, "sort", "what|#retained|#count|address|held by");
		for (size_t i = 0; i < t->n && n < TREE_TABLE; i++)
			if (t->rows[i].total >= least) {
				put_tree_row(out, t, i);
				n++;
			}
		html_table_end(out);
		fputs("</details>\n", out);
	}
	fputs("</section>\n", out);
}

void html_by_type(FILE *out, const struct report *r)
{
	const struct rp_tree *t = r->by_type;

	if (!t || !t->n)
		return;
	fputs("<section><h2 id=\"by-type\">What holds what, by type</h2>\n"
	      "<p class=\"small\">Width is retained bytes: what would be freed if all blocks of a "
	      "box went. Below a type is what it alone keeps alive (the dominator tree); blocks of "
	      "one type with the same types above them share a box.",
	      out);
	if (t->told < t->nodes)
		fprintf(out, " Of %" PRIu64 " boxes the largest %" PRIu64 " are here.", t->nodes,
			t->told);
	put_tree(out, "type-tree", t);
}

void html_dominators(FILE *out, const struct report *r)
{
	const struct rp_tree *t = r->dominators;

	if (!t || !t->n)
		return;
	fputs("<section><h2 id=\"dominators\">The largest holders</h2>\n<p class=\"small\">The "
	      "dominator tree: below a block is what would be freed with it, for nothing else "
	      "keeps it. ",
	      out);
	put_count(out, t->told);
	fputs(" of ", out);
	put_count(out, t->nodes);
	fputs(" blocks have a box of their own (a list has one box); smaller ones share a box by "
	      "type. Boxes of one name that are too narrow to be drawn are one; what is left of "
	      "those is blank.",
	      out);
	put_tree(out, "dominator-tree", t);
}

/* ---- heaps */

static void put_arenas(FILE *out, const struct rp_heap *h)
{
	if (h->n_arenas < 2)
		return;
	fprintf(out, "<details class=\"astable\"><summary>%zu arenas of ", h->n_arenas);
	put_name(out, h->allocator ? h->allocator : "the heap", HTML_NAME);
	fputs("</summary>\n", out);
	html_table(out, "sort",
		   "kind|address|#bytes|#used|#free|#top|#largest free|#blocks in use");
	for (size_t i = 0; i < h->n_arenas && i < ARENAS; i++) {
		const struct rp_arena *a = &h->arenas[i];

		fputs("<tr>", out);
		html_name_cell(out, a->kind);
		fprintf(out, "<td><code>0x%" PRIx64 "</code></td>", a->addr);
		html_bytes_cell(out, a->bytes);
		html_bytes_cell(out, a->used);
		html_bytes_cell(out, a->free);
		html_bytes_cell(out, a->top);
		html_bytes_cell(out, a->largest_free);
		html_count_cell(out, a->n_used);
		fputs("</tr>\n", out);
	}
	html_table_end(out);
	html_more(out, h->n_arenas, ARENAS, "arenas");
	fputs("</details>\n", out);
}

static void put_lists(FILE *out, const struct rp_heap *h)
{
	if (!h->n_wheres)
		return;
	fputs("<details class=\"astable\"><summary>Free blocks of ", out);
	put_name(out, h->allocator ? h->allocator : "the heap", HTML_NAME);
	fputs(" by list</summary>\n", out);
	html_table(out, "sort", "list|#bytes|#of what is free||#blocks");
	for (size_t i = 0; i < h->n_wheres && i < HTML_ROWS; i++) {
		fputs("<tr>", out);
		html_name_cell(out, h->wheres[i].where);
		html_bytes_cell(out, h->wheres[i].bytes);
		html_share_cells(out, h->wheres[i].bytes, h->free);
		html_count_cell(out, h->wheres[i].count);
		fputs("</tr>\n", out);
	}
	html_table_end(out);
	fputs("</details>\n", out);
}

void html_heaps(FILE *out, const struct report *r)
{
	if (!r->heaps.n)
		return;
	fputs("<section><h2 id=\"heaps\">Heaps</h2>\n"
	      "<div class=\"picture\" id=\"heap-boxes\"></div>\n",
	      out);
	html_table(out, "heaps",
		   "heap|#used|#free|#idle|#overhead|#checks failed|how it was found");
	for (size_t i = 0; i < r->heaps.n && i < HTML_HEAPS; i++) {
		const struct rp_heap *h = &r->heaps.v[i];

		fputs("<tr><td>", out);
		put_name(out, h->allocator ? h->allocator : "unknown allocator", HTML_NAME);
		fputs(" ", out);
		put_name(out, h->version ? h->version : "", HTML_NAME);
		fputs("</td>", out);
		html_bytes_cell(out, h->used);
		html_bytes_cell(out, h->free);
		html_bytes_cell(out, h->idle);
		html_bytes_cell(out, h->overhead);
		html_count_cell(out, h->checks_failed);
		html_name_cell(out, h->why ? h->why : h->how);
		fputs("</tr>\n", out);
	}
	html_table_end(out);
	for (size_t i = 0; i < r->heaps.n && i < HTML_HEAPS; i++) {
		put_lists(out, &r->heaps.v[i]);
		put_arenas(out, &r->heaps.v[i]);
	}
	fputs("</section>\n", out);
}

/* ---- the address space */

static int largest_range(const void *pa, const void *pb)
{
	const struct rp_space *const *a = pa, *const *b = pb, *x = *a, *y = *b;
	uint64_t n = x->end - x->start, m = y->end - y->start;

	if (n != m)
		return n < m ? 1 : -1;
	return x->start < y->start ? -1 : x->start > y->start;
}

static void put_range(FILE *out, const struct rp_space *s)
{
	fprintf(out, "<tr><td>%s</td>", s->kind);
	html_name_cell(out, s->name);
	fprintf(out, "<td><code>0x%" PRIx64 "</code></td>", s->start);
	html_bytes_cell(out, s->end - s->start);
	if (s->n_buckets) {
		html_bytes_cell(out, s->used);
		html_bytes_cell(out, s->free);
		html_bytes_cell(out, s->largest_free);
	} else {
		fputs("<td></td><td></td><td></td>", out);
	}
	fputs("</tr>\n", out);
}

void html_space(FILE *out, const struct report *r)
{
	_free_ const struct rp_space **order = calloc(r->space.n + 1, sizeof(*order));

	if (!r->space.n || !order)
		return;
	for (size_t i = 0; i < r->space.n; i++)
		order[i] = &r->space.v[i];
	qsort(order, r->space.n, sizeof(*order), largest_range);
	fputs("<section><h2 id=\"space\">Heap map</h2>\n<p class=\"small\">Each heap's part of the "
	      "address space, cut into cells: each is filled as far as blocks in use fill it. "
	      "Free cells between cells in use are fragmentation: memory that cannot go back.</p>\n"
	      "<div class=\"picture\" id=\"heap-map\"></div>\n"
	      "<details class=\"astable\"><summary>The largest ranges as a table</summary>\n",
	      out);
	html_table(out, "sort", "kind|name|from|#bytes|#used|#free|#largest free");
	for (size_t i = 0; i < r->space.n && i < HTML_ROWS; i++)
		put_range(out, order[i]);
	html_table_end(out);
	html_more(out, r->space.n, HTML_ROWS, "ranges");
	fputs("</details></section>\n", out);
}

/* ---- threads, goroutines */

static const char *node_words(const struct rp_node *node, const char *key)
{
	const struct rp_node *n = node_get(node, key);

	return n && n->kind == NODE_TEXT ? n->text : NULL;
}

static uint64_t node_value(const struct rp_node *node, const char *key)
{
	const struct rp_node *n = node_get(node, key);

	return n && (n->kind == NODE_COUNT || n->kind == NODE_BYTES) ? n->u : 0;
}

static void put_group(FILE *out, const struct rp_node *group)
{
	const struct rp_node *stack = node_get(group, "stack");
	const struct rp_node *by = node_get(group, "created_by");
	size_t n = 0;

	fputs("<tr><td>", out);
	for (const struct rp_node *f = stack ? stack->first : NULL; f; f = f->next) {
		const char *function = node_words(f, "function");

		if (n++ >= FRAMES)
			continue;
		fprintf(out, "<code%s>",
			function && !strncmp(function, "runtime.", 8) ? " class=\"dim\"" : "");
		put_name(out, function ? function : "?", HTML_NAME);
		fputs("</code><br>", out);
	}
	if (n > FRAMES)
		fprintf(out, "<span class=\"small\">%zu more frames</span><br>", n - FRAMES);
	if (node_words(by, "function")) {
		fputs("<span class=\"small\">started by ", out);
		put_name(out, node_words(by, "function"), HTML_NAME);
		fputs("</span>", out);
	}
	fputs("</td>", out);
	html_name_cell(out, node_words(group, "state"));
	html_name_cell(out, node_words(group, "wait_reason"));
	html_count_cell(out, node_value(group, "count"));
	html_bytes_cell(out, node_value(group, "retained"));
	html_bytes_cell(out, node_value(group, "stack_bytes"));
	fputs("</tr>\n", out);
}

static void put_goroutines(FILE *out, const struct rp_node *goroutines)
{
	const struct rp_node *groups = node_get(goroutines, "groups");
	size_t n = 0;

	if (!groups || !groups->first)
		return;
	fputs("<h2 id=\"threads\">Goroutines</h2>\n<p class=\"small\">Those at one place together; "
	      "retained is what they alone keep.</p>\n",
	      out);
	html_table(out, "goroutines sort filter",
		   "stack|state|waits for|#count|#retained|#stack bytes");
	for (const struct rp_node *g = groups->first; g && n < HTML_GROUPS; g = g->next, n++)
		put_group(out, g);
	html_table_end(out);
	if (node_value(goroutines, "groups_total") > n)
		html_more(out, node_value(goroutines, "groups_total"), n, "groups");
}

struct thread_row {
	const struct rp_thread *thread;
	uint64_t bytes; /* found from its stack and registers */
};

static int by_tid(const void *pa, const void *pb)
{
	const struct thread_row *a = pa, *b = pb;

	return a->thread->tid < b->thread->tid ? -1 : a->thread->tid > b->thread->tid;
}

static int by_function(const void *pa, const void *pb)
{
	const struct thread_row *a = pa, *b = pb;
	const char *f = a->thread->function ? a->thread->function : "";
	int order = strcmp(f, b->thread->function ? b->thread->function : "");

	return order ? order : by_tid(pa, pb);
}

static void add_thread_bytes(const struct rp_sample *s, size_t value, struct thread_row *rows,
			     size_t n)
{
	for (size_t l = 0; l < s->n_labels; l++) {
		struct rp_thread key = { .tid = (uint32_t)s->labels[l].number };
		struct thread_row wanted = { .thread = &key }, *row;

		if (strcmp(s->labels[l].key, "thread") != 0)
			continue;
		row = bsearch(&wanted, rows, n, sizeof(*rows), by_tid);
		if (row)
			row->bytes += (uint64_t)s->values[value];
	}
}

static void put_thread_group(FILE *out, const struct thread_row *rows, size_t n)
{
	uint64_t bytes = 0;

	for (size_t i = 0; i < n; i++)
		bytes += rows[i].bytes;
	fputs("<tr>", out);
	html_code_cell(out, rows->thread->function ? rows->thread->function : "?");
	html_count_cell(out, n);
	html_bytes_cell(out, bytes);
	fputs("<td>", out);
	for (size_t i = 0; i < n && i < NAMES_OF_GROUP; i++) {
		fprintf(out, "%s%" PRIu32 " ", i ? ", " : "", rows[i].thread->tid);
		put_name(out, rows[i].thread->name ? rows[i].thread->name : "", HTML_NAME);
	}
	fprintf(out, "%s</td></tr>\n", n > NAMES_OF_GROUP ? ", \xe2\x80\xa6" : "");
}

static struct err *put_threads(FILE *out, const struct report *r)
{
	const struct rp_profile *p = r->profiles[PROFILE_PATHS];
	size_t n = r->threads.n, groups = 0;
	_free_ struct thread_row *rows = calloc(n + 1, sizeof(*rows));

	if (!rows)
		return &err_nomem;
	for (size_t i = 0; i < n; i++)
		rows[i].thread = &r->threads.v[i];
	qsort(rows, n, sizeof(*rows), by_tid);
	for (size_t i = 0; p && i < p->n_samples; i++)
		add_thread_bytes(&p->samples[i], p->main_value, rows, n);
	qsort(rows, n, sizeof(*rows), by_function);
	html_table(out, "threads sort filter",
		   "runs|#threads|#heap reached from their stacks|tid and name");
	for (size_t i = 0, end; i < n; i = end) {
		const char *f = rows[i].thread->function;

		for (end = i + 1; end < n; end++) {
			const char *other = rows[end].thread->function;

			if (f && other ? strcmp(f, other) != 0 : f != other)
				break;
		}
		if (groups++ < HTML_GROUPS)
			put_thread_group(out, &rows[i], end - i);
	}
	html_table_end(out);
	html_more(out, groups, HTML_GROUPS, "groups");
	return NULL;
}

struct err *html_threads(FILE *out, const struct report *r)
{
	const struct rp_node *goroutines = node_get(r->go, "goroutines");
	struct err *err;

	fputs("<section>\n", out);
	put_goroutines(out, goroutines);
	if (goroutines)
		fputs("<h2>Threads</h2>\n", out);
	else
		fputs("<h2 id=\"threads\">Threads</h2>\n", out);
	err = put_threads(out, r);
	fputs("</section>\n", out);
	return err;
}

/* ---- what a runtime or a program's own allocators add: trees of any names */

static bool is_leaf(const struct rp_node *n)
{
	return n->kind != NODE_MAP && n->kind != NODE_LIST;
}

static void put_value(FILE *out, const struct rp_node *n)
{
	switch (n->kind) {
	case NODE_COUNT:
		html_count_cell(out, n->u);
		return;
	case NODE_BYTES:
		html_bytes_cell(out, n->u);
		return;
	case NODE_SIGNED:
		fprintf(out, "<td class=\"n\" data-v=\"%" PRId64 "\">%" PRId64 "</td>", n->i, n->i);
		return;
	case NODE_ADDR:
		fprintf(out, "<td><code>0x%" PRIx64 "</code></td>", n->u);
		return;
	case NODE_BOOL:
		fprintf(out, "<td>%s</td>", n->u ? "yes" : "no");
		return;
	case NODE_TEXT:
		html_name_cell(out, n->text);
		return;
	default:
		fputs("<td></td>", out);
	}
}

static void put_key(FILE *out, const char *key)
{
	struct text t = TEXT_INIT;

	text_add(&t, key);
	for (size_t i = 0; i < t.n; i++)
		if (t.s[i] == '_')
			t.s[i] = ' ';
	put_name(out, text_str(&t), HTML_NAME);
	text_fini(&t);
}

enum { COLUMNS = 16 };

/* The plain values that rows have, each key once. */
static size_t find_columns(const struct rp_node *list, const struct rp_node *columns[COLUMNS])
{
	size_t n = 0, rows = 0;

	for (const struct rp_node *row = list->first; row && rows < HTML_ROWS; row = row->next) {
		rows++;
		for (const struct rp_node *c = is_leaf(row) ? NULL : row->first; c; c = c->next) {
			size_t k = 0;

			while (k < n && c->key && strcmp(columns[k]->key, c->key) != 0)
				k++;
			if (c->key && k == n && k < COLUMNS && is_leaf(c))
				columns[n++] = c;
		}
	}
	return n;
}

static bool is_number(const struct rp_node *n)
{
	return n->kind == NODE_COUNT || n->kind == NODE_BYTES || n->kind == NODE_SIGNED;
}

/* A row for each map of the list. */
static void put_list(FILE *out, const struct rp_node *list)
{
	const struct rp_node *columns[COLUMNS];
	size_t n_columns = find_columns(list, columns), n = 0;

	if (!n_columns)
		return;
	fputs("<div class=\"wide\"><table class=\"sort\"><thead><tr>", out);
	for (size_t k = 0; k < n_columns; k++) {
		fprintf(out, "<th scope=\"col\"%s>", is_number(columns[k]) ? " class=\"n\"" : "");
		put_key(out, columns[k]->key);
		fputs("</th>", out);
	}
	fputs("</tr></thead><tbody>\n", out);
	for (const struct rp_node *row = list->first; row; row = row->next) {
		if (n++ >= HTML_ROWS)
			continue;
		fputs("<tr>", out);
		for (size_t k = 0; k < n_columns; k++) {
			const struct rp_node *c = node_get(row, columns[k]->key);

			if (c)
				put_value(out, c);
			else
				fputs("<td></td>", out);
		}
		fputs("</tr>\n", out);
	}
	html_table_end(out);
	html_more(out, n, HTML_ROWS, "rows");
}

/* The plain values of a map. */
static void put_pairs(FILE *out, const struct rp_node *map)
{
	size_t n = 0;

	for (const struct rp_node *c = map->first; c; c = c->next) {
		if (!is_leaf(c) || !c->key || n++ >= HTML_ROWS)
			continue;
		if (n == 1)
			fputs("<div class=\"wide\"><table class=\"pairs\"><tbody>\n", out);
		fputs("<tr><th scope=\"row\">", out);
		put_key(out, c->key);
		fputs("</th>", out);
		put_value(out, c);
		fputs("</tr>\n", out);
	}
	if (n)
		html_table_end(out);
	html_more(out, n, HTML_ROWS, "values");
}

static void put_inner(FILE *out, const struct rp_node *n)
{
	if (n->kind == NODE_LIST)
		put_list(out, n);
	else
		put_pairs(out, n);
}

/* Two levels of maps and lists, each a click away; what is deeper is in the JSON. */
static void put_part(FILE *out, const struct rp_node *part)
{
	fputs("<details class=\"astable\"><summary>", out);
	put_key(out, part->key);
	fputs("</summary>\n", out);
	put_inner(out, part);
	for (const struct rp_node *c = part->kind == NODE_MAP ? part->first : NULL; c;
	     c = c->next) {
		if (is_leaf(c) || !c->first || !c->key)
			continue;
		fputs("<h3>", out);
		put_key(out, c->key);
		fputs("</h3>\n", out);
		put_inner(out, c);
	}
	fputs("</details>\n", out);
}

void html_runtime(FILE *out, const struct report *r)
{
	const struct rp_node *roots[] = { r->go, r->pools };

	if (!r->go && !r->pools)
		return;
	fputs("<section><h2 id=\"runtime\">Runtime</h2>\n", out);
	if (r->go)
		put_pairs(out, r->go);
	for (size_t i = 0; i < 2; i++) {
		const struct rp_node *root = roots[i];

		if (root && root->kind == NODE_LIST && root->key)
			put_part(out, root);
		for (const struct rp_node *c = root && root->kind == NODE_MAP ? root->first : NULL;
		     c; c = c->next)
			if (!is_leaf(c) && c->first && c->key && strcmp(c->key, "goroutines") != 0)
				put_part(out, c);
	}
	fputs("</section>\n", out);
}
