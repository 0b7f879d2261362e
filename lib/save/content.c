/*
 * save/content.c - what of an analysis is no column: the report and the small tables of the graph.
 *
 * One function a struct serves both directions, so that neither forgets a field.  Numbers are eight
 * bytes, texts their length and a zero at the end, lists their count; a count is held against the
 * bytes that are left, and what stands for a table of ours (rules, kinds) against that table.
 */
#include <stdlib.h>
#include <string.h>

#include "base/guard.h"
#include "base/vec.h"
#include "save/format.h"

/*
 * A member that is added to one of these belongs into its function below, with a new SAVE_VERSION, or
 * it is lost on the way; then its size here is to be brought up to date.
 */
#define HOLDS(name, size) \
	_Static_assert(sizeof(struct name) == (size), #name " has grown: see save/content.c")
HOLDS(rp_input, 88);
HOLDS(rp_thread, 32);
HOLDS(rp_module, 32);
HOLDS(rp_breakdown, 32);
HOLDS(rp_where, 32);
HOLDS(rp_arena, 80);
HOLDS(rp_heap, 200);
HOLDS(rp_type, 48);
HOLDS(rp_root, 96);
HOLDS(rp_hop, 64);
HOLDS(rp_suspect, 328);
HOLDS(rp_cycle, 88);
HOLDS(rp_finding, 24);
HOLDS(rp_table, 48);
HOLDS(rp_node, 48);
HOLDS(rp_profile, 192);
HOLDS(rp_sample, 64);
HOLDS(rp_tree, 32);
HOLDS(rp_tree_row, 40);
HOLDS(rp_space, 80);
HOLDS(rp_pool_group, 80);
HOLDS(rp_goroutines, 32);
HOLDS(report, 1040);

enum { NODE_DEPTH_MAX = 24, COLUMNS_MAX = 64 };

static void put(struct io *io, const void *bytes, size_t n)
{
	if (io->bad || !n)
		return;
	if (!vec_grow((void **)&io->out.v, &io->out.cap, io->out.n + n, 1)) {
		io->bad = true;
		return;
	}
	memcpy(io->out.v + io->out.n, bytes, n);
	io->out.n += n;
}

static bool ok(const struct io *io)
{
	return !io->bad && !io->in.bad;
}

static void io_u64(struct io *io, uint64_t *v)
{
	if (io->writing)
		put(io, v, sizeof(*v));
	else
		*v = cursor_u64(&io->in);
}

/*
 * A number of any width that fits; a value that does not is damage.  What is written is never
 * touched: it may be a literal of ours.
 */
#define io_num(io, p)                                        \
	do {                                                 \
		uint64_t wide_ = (uint64_t)*(p);             \
		io_u64(io, &wide_);                          \
		if ((io)->writing)                           \
			break;                               \
		*(p) = (__typeof__(*(p)))wide_;              \
		if ((uint64_t)*(p) != wide_)                 \
			(io)->bad = true;                    \
	} while (0)

/* One of our own numbers below `end`. */
#define io_enum(io, p, end)                                      \
	do {                                                     \
		uint64_t wide_ = (uint64_t)*(p);                 \
		io_u64(io, &wide_);                              \
		if ((io)->writing)                               \
			break;                                   \
		if (wide_ >= (uint64_t)(end))                    \
			(io)->bad = true;                        \
		*(p) = (__typeof__(*(p)))((io)->bad ? 0 : wide_); \
	} while (0)

static void io_bool(struct io *io, bool *v)
{
	io_enum(io, v, 2);
}

/* A text or NULL; one that is read stays in the file. */
static void io_text(struct io *io, const char **s)
{
	uint64_t n = io->writing && *s ? strlen(*s) + 1 : 0;
	const uint8_t *at;

	io_u64(io, &n);
	if (io->writing) {
		put(io, *s, n);
		return;
	}
	at = n ? cursor_bytes(&io->in, n) : NULL;
	*s = (const char *)at;
	if (at && memchr(at, 0, n) != at + n - 1)
		io->bad = true;
}

/* A text that code relies on. */
static void io_word(struct io *io, const char **s)
{
	io_text(io, s);
	if (!io->writing && !*s) {
		io->bad = io->bad || !io->in.bad;
		*s = "";
	}
}

static void io_rule(struct io *io, const char **id)
{
	const struct rule *rule;

	io_word(io, id);
	rule = io->writing ? NULL : rule_find(*id);
	if (!io->writing && !rule && ok(io))
		io->bad = true;
	if (!io->writing)
		*id = rule ? rule->id : rules[0].id;
}

/* Elements to come: when reading, zeroed ones in `*v`, each of at least `least` bytes in the file. */
static size_t list_begin(struct io *io, void **v, size_t n, size_t elem_size, unsigned least,
			 bool on_heap)
{
	uint64_t count = n;

	io_u64(io, &count);
	if (io->writing)
		return n;
	count = io->bad ? 0 : cursor_count(&io->in, count, least);
	*v = !count ? NULL : on_heap ? calloc(count, elem_size) :
				       arena_alloc(io->mem, count * elem_size);
	io->bad |= count && !*v;
	return *v ? (size_t)count : 0;
}

/* Of the report's own lists, which are malloc'd; of arrays in its arena. */
#define io_list(io, list, least, fn)                                                           \
	do {                                                                                   \
		void *v_ = (list)->v;                                                          \
		size_t n_ = list_begin(io, &v_, (list)->n, sizeof(*(list)->v), least, true);   \
		if (!(io)->writing) {                                                          \
			(list)->v = v_;                                                        \
			(list)->n = (list)->cap = n_;                                          \
		}                                                                              \
		for (size_t i_ = 0; i_ < (list)->n && ok(io); i_++)                            \
			fn(io, &(list)->v[i_]);                                                \
	} while (0)
#define io_array(io, pv, pn, least, fn)                                                 \
	do {                                                                            \
		void *v_ = (void *)*(pv);                                               \
		size_t n_ = list_begin(io, &v_, *(pn), sizeof(**(pv)), least, false);   \
		if (!(io)->writing) {                                                   \
			*(pv) = v_;                                                     \
			*(pn) = (__typeof__(*(pn)))n_;                                  \
		}                                                                       \
		for (size_t i_ = 0; i_ < *(pn) && ok(io); i_++)                         \
			fn(io, (void *)&(*(pv))[i_]);                                   \
	} while (0)

/* ---- of the report */

static void io_input(struct io *io, struct rp_input *in)
{
	io_text(io, &in->path);
	io_word(io, &in->kind);
	io_word(io, &in->arch);
	io_text(io, &in->command);
	io_text(io, &in->args);
	io_text(io, &in->exe);
	io_text(io, &in->made_by);
	io_num(io, &in->pid);
	io_num(io, &in->signal);
	io_u64(io, &in->bytes);
	io_bool(io, &in->complete);
	io_num(io, &in->captured);
}

static void io_thread(struct io *io, struct rp_thread *t)
{
	io_num(io, &t->tid);
	io_text(io, &t->name);
	io_text(io, &t->function);
	io_u64(io, &t->pc);
}

static void io_module(struct io *io, struct rp_module *m)
{
	io_word(io, &m->path);
	io_text(io, &m->build_id);
	io_word(io, &m->symbols);
	io_u64(io, &m->base);
}

static void io_breakdown(struct io *io, struct rp_breakdown *b)
{
	io_word(io, &b->category);
	io_word(io, &b->label);
	io_text(io, &b->detail);
	io_u64(io, &b->bytes);
}

static void io_where(struct io *io, struct rp_where *w)
{
	io_word(io, &w->where);
	io_u64(io, &w->count);
	io_u64(io, &w->bytes);
	io_u64(io, &w->returnable);
}

static void io_setting(struct io *io, struct rp_setting *s)
{
	io_word(io, &s->name);
	io_u64(io, &s->bytes);
}

static void io_arena(struct io *io, struct rp_arena *a)
{
	uint64_t *const numbers[] = { &a->addr, &a->bytes,	  &a->used,   &a->free,	 &a->overhead,
				      &a->top,	&a->largest_free, &a->n_used, &a->n_free };

	for (size_t i = 0; i < ARRAY_SIZE(numbers); i++)
		io_u64(io, numbers[i]);
	io_word(io, &a->kind);
}

static void io_class(struct io *io, struct rp_class *c)
{
	io_u64(io, &c->size);
	io_u64(io, &c->units);
	io_u64(io, &c->blocks);
	io_u64(io, &c->used);
	io_u64(io, &c->cached);
	io->bad |= !io->writing && (!c->blocks || c->used > c->blocks ||
				    c->cached > c->blocks - c->used);
}

static void io_heap(struct io *io, struct rp_heap *h)
{
	uint64_t *const numbers[] = { &h->n_used,   &h->used,	       &h->n_free,
				      &h->free,	    &h->overhead,      &h->checks_passed,
				      &h->checks_failed, &h->idle,     &h->returned };

	io_word(io, &h->allocator);
	io_word(io, &h->version);
	io_word(io, &h->how);
	io_text(io, &h->why);
	io_enum(io, &h->confidence, CONF_RUNTIME + 1);
	for (size_t i = 0; i < ARRAY_SIZE(numbers); i++)
		io_u64(io, numbers[i]);
	io_bool(io, &h->knows_returnable);
	io_array(io, &h->wheres, &h->n_wheres, 32, io_where);
	io_array(io, &h->idles, &h->n_idles, 32, io_where);
	io_array(io, &h->settings, &h->n_settings, 16, io_setting);
	io_array(io, &h->arenas, &h->n_arenas, 80, io_arena);
	io_array(io, &h->classes, &h->n_classes, 40, io_class);
}

static void io_rp_total(struct io *io, struct rp_total *t)
{
	io_bool(io, &t->known);
	io_u64(io, &t->count);
	io_u64(io, &t->bytes);
}

static void io_rp_type(struct io *io, struct rp_type *t)
{
	io_word(io, &t->name);
	io_text(io, &t->language);
	io_u64(io, &t->count);
	io_u64(io, &t->bytes);
	io_u64(io, &t->retained);
	io_bool(io, &t->knows_retained);
	io_enum(io, &t->confidence, CONF_RUNTIME + 1);
}

static void io_root(struct io *io, struct rp_root *r)
{
	const char **const texts[] = { &r->kind,  &r->module,	&r->symbol, &r->source,
				       &r->frame, &r->function, &r->variable, &r->file };

	for (size_t i = 0; i < ARRAY_SIZE(texts); i++)
		io_text(io, texts[i]);
	io_num(io, &r->thread);
	io_u64(io, &r->goroutine);
	io_u64(io, &r->address);
	io_num(io, &r->line);
}

static void io_hop(struct io *io, struct rp_hop *h)
{
	io_u64(io, &h->address);
	io_u64(io, &h->size);
	io_text(io, &h->type);
	io_text(io, &h->via_kind);
	io_text(io, &h->via_name);
	io_u64(io, &h->via_offset);
	io_u64(io, &h->repeat);
	io_bool(io, &h->is_mixed);
}

static void io_chain(struct io *io, struct rp_chain *c)
{
	io_root(io, &c->root);
	io_array(io, &c->hops, &c->n_hops, 56, io_hop);
}

static void io_evidence(struct io *io, struct rp_evidence *e)
{
	io_word(io, &e->what);
	io_word(io, &e->value);
}

static void io_suspect(struct io *io, struct rp_suspect *s)
{
	io_word(io, &s->id);
	io_rule(io, &s->rule);
	io_word(io, &s->title);
	io_text(io, &s->line);
	io_text(io, &s->more);
	io_text(io, &s->type);
	io_text(io, &s->type_file);
	io_num(io, &s->type_line);
	io_text(io, &s->type_method);
	io_u64(io, &s->count);
	io_u64(io, &s->bytes);
	io_u64(io, &s->retained);
	io_enum(io, &s->confidence, CONF_RUNTIME + 1);
	io_array(io, &s->addresses, &s->n_addresses, 8, io_u64);
	io_bool(io, &s->has_chain);
	io_chain(io, &s->chain);
	io_array(io, &s->evidence, &s->n_evidence, 16, io_evidence);
	io_text(io, &s->advice);
}

static void io_member(struct io *io, struct rp_member *m)
{
	io_u64(io, &m->address);
	io_text(io, &m->type);
	io_text(io, &m->via);
}

static void io_cycle(struct io *io, struct rp_cycle *c)
{
	io_u64(io, &c->nodes);
	io_u64(io, &c->bytes);
	io_u64(io, &c->retained);
	io_bool(io, &c->reachable);
	io_word(io, &c->kind);
	io_bool(io, &c->held);
	io_array(io, &c->members, &c->n_members, 24, io_member);
	io_member(io, &c->weaken);
}

static void io_finding(struct io *io, struct rp_finding *f)
{
	io_rule(io, &f->rule);
	io_word(io, &f->message);
	io_num(io, &f->suspect);
}

/* ---- generic tables, and the trees of runtimes */

static void io_column(struct io *io, struct rp_column *c)
{
	io_word(io, &c->name);
	io_enum(io, &c->kind, CELL_RATIO + 1);
}

static void io_table(struct io *io, struct rp_table *t)
{
	size_t n;
	void *v = t->rows;

	io_word(io, &t->name);
	io_word(io, &t->title);
	io_array(io, &t->columns, &t->n_columns, 16, io_column);
	io->bad |= !t->n_columns || t->n_columns > COLUMNS_MAX;
	if (!ok(io))
		return;
	n = list_begin(io, &v, t->n_rows * t->n_columns, sizeof(*t->rows), 8, false);
	if (!io->writing) {
		t->rows = v;
		t->n_rows = n / t->n_columns;
	}
	io->bad |= n % t->n_columns != 0;
	for (size_t i = 0; i < n && ok(io); i++) {
		if (t->columns[i % t->n_columns].kind == CELL_TEXT)
			io_text(io, &t->rows[i].text);
		else
			io_u64(io, &t->rows[i].u);
	}
}

/* Recursion is as deep as the code that made the tree; a file's is held to a limit. */
static void io_node(struct io *io, struct rp_node *node, bool in_map, unsigned depth)
{
	uint64_t n = 0;

	io_text(io, &node->key);
	io_enum(io, &node->kind, NODE_BOOL + 1);
	io->bad |= depth > NODE_DEPTH_MAX || (in_map && !node->key);
	if (node->kind == NODE_TEXT)
		io_text(io, &node->text);
	else if (node->kind > NODE_LIST)
		io_u64(io, &node->u);
	if (node->kind > NODE_LIST || !ok(io))
		return;
	for (const struct rp_node *c = io->writing ? node->first : NULL; c; c = c->next)
		n++;
	io_u64(io, &n);
	n = io->writing ? n : cursor_count(&io->in, n, 16);
	for (struct rp_node *child = node->first; n && ok(io); n--) {
		if (!io->writing) {
			child = arena_alloc(io->mem, sizeof(*child));
			if (!child) {
				io->bad = true;
				return;
			}
			*(node->last ? &node->last->next : &node->first) = child;
			node->last = child;
		}
		io_node(io, child, node->kind == NODE_MAP, depth + 1);
		child = io->writing ? child->next : NULL;
	}
}

static void io_pool_group(struct io *io, struct rp_pool_group *g)
{
	io_word(io, &g->kind);
	io_word(io, &g->path);
	io_u64(io, &g->pools);
	io_u64(io, &g->blocks);
	io_u64(io, &g->bytes);
	io_u64(io, &g->free);
	io_u64(io, &g->retained);
	io_bool(io, &g->knows_free);
	io_bool(io, &g->knows_retained);
	io_text(io, &g->holder);
	io_text(io, &g->contents);
}

static void io_goroutines(struct io *io, struct rp_goroutines *g)
{
	io_word(io, &g->place);
	io_u64(io, &g->count);
	io_u64(io, &g->stacks);
	io_u64(io, &g->retained);
}

/* The root of a tree, or none. */
static void io_tree_of_nodes(struct io *io, struct rp_node **root)
{
	bool is_there = *root != NULL;

	io_bool(io, &is_there);
	if (!is_there || !ok(io))
		return;
	if (!io->writing)
		*root = arena_alloc(io->mem, sizeof(**root));
	if (*root)
		io_node(io, *root, true, 0);
	else
		io->bad = true;
}

/* ---- profiles and pictures */

static void io_line(struct io *io, struct rp_line *l)
{
	io_word(io, &l->function);
	io_text(io, &l->file);
	io_num(io, &l->line);
}

static void io_location(struct io *io, struct rp_location *l)
{
	io_u64(io, &l->address);
	io_num(io, &l->mapping);
	io_array(io, &l->lines, &l->n_lines, 24, io_line);
}

static void io_mapping(struct io *io, struct rp_mapping *m)
{
	io_u64(io, &m->start);
	io_u64(io, &m->end);
	io_u64(io, &m->offset);
	io_text(io, &m->path);
	io_text(io, &m->build_id);
}

static void io_label(struct io *io, struct rp_label *l)
{
	io_word(io, &l->key);
	io_text(io, &l->text);
	io_u64(io, &l->number);
	io_text(io, &l->unit);
}

static void io_index(struct io *io, uint32_t *v)
{
	io_num(io, v);
}

static void io_sample(struct io *io, struct rp_sample *s)
{
	io_array(io, &s->locations, &s->n_locations, 8, io_index);
	for (size_t i = 0; i < PROFILE_VALUES; i++)
		io_num(io, &s->values[i]);
	io_array(io, &s->labels, &s->n_labels, 32, io_label);
}

static bool profile_is_sound(const struct rp_profile *p)
{
	for (size_t i = 0; i < p->n_samples; i++)
		for (size_t k = 0; k < p->samples[i].n_locations; k++)
			if (p->samples[i].locations[k] >= p->n_locations)
				return false;
	for (size_t i = 0; i < p->n_locations; i++)
		if (p->locations[i].mapping > p->n_mappings || !p->locations[i].n_lines)
			return false;
	return p->n_values && p->n_values <= PROFILE_VALUES && p->main_value < p->n_values &&
	       p->n_comments <= PROFILE_COMMENTS;
}

static void io_profile(struct io *io, struct rp_profile *p)
{
	for (size_t i = 0; i < PROFILE_VALUES; i++) {
		io_text(io, &p->values[i].type);
		io_text(io, &p->values[i].unit);
	}
	io_num(io, &p->n_values);
	io_num(io, &p->main_value);
	io_text(io, &p->period_type.type);
	io_text(io, &p->period_type.unit);
	io_u64(io, &p->period);
	io_array(io, &p->locations, &p->n_locations, 24, io_location);
	io_array(io, &p->mappings, &p->n_mappings, 40, io_mapping);
	io_array(io, &p->samples, &p->n_samples, 48, io_sample);
	for (size_t i = 0; i < PROFILE_COMMENTS; i++)
		io_text(io, &p->comments[i]);
	io_num(io, &p->n_comments);
	for (size_t i = 0; i < PROFILE_VALUES && !io->writing; i++)
		io->bad |= i < p->n_values && (!p->values[i].type || !p->values[i].unit);
	for (size_t i = 0; i < PROFILE_COMMENTS && !io->writing; i++)
		io->bad |= i < p->n_comments && !p->comments[i];
	io->bad |= !io->writing && ok(io) && !profile_is_sound(p);
}

static void io_tree_row(struct io *io, struct rp_tree_row *row)
{
	io_num(io, &row->parent);
	io_word(io, &row->name);
	io_u64(io, &row->address);
	io_u64(io, &row->count);
	io_u64(io, &row->total);
}

static void io_tree(struct io *io, struct rp_tree *t)
{
	io_array(io, &t->rows, &t->n, 40, io_tree_row);
	io_u64(io, &t->told);
	io_u64(io, &t->nodes);
	for (size_t i = 0; i < t->n && !io->writing && ok(io); i++)
		io->bad |= t->rows[i].parent != TREE_TOP && t->rows[i].parent >= i;
}

static void io_bucket(struct io *io, struct rp_bucket *b)
{
	io_u64(io, &b->used);
	io_u64(io, &b->free);
}

static void io_space(struct io *io, struct rp_space *s)
{
	io_u64(io, &s->start);
	io_u64(io, &s->end);
	io_word(io, &s->kind);
	io_text(io, &s->name);
	io_u64(io, &s->used);
	io_u64(io, &s->free);
	io_u64(io, &s->largest_free);
	io_array(io, &s->buckets, &s->n_buckets, 16, io_bucket);
	io_u64(io, &s->bucket);
}

/* What may be absent: a flag, then it. */
#define io_optional(io, pp, fn)                                               \
	do {                                                                  \
		bool is_there_ = *(pp) != NULL;                               \
		void *p_ = (void *)*(pp);                                     \
		io_bool(io, &is_there_);                                      \
		if (is_there_ && !(io)->writing && ok(io)) {                  \
			p_ = arena_alloc((io)->mem, sizeof(**(pp)));          \
			(io)->bad |= !p_;                                     \
			*(pp) = p_;                                           \
		}                                                             \
		if (is_there_ && p_)                                          \
			fn(io, p_);                                           \
	} while (0)

static void io_problem(struct io *io, struct diag *d)
{
	const char *message = d->message;

	io_word(io, &d->code);
	io_u64(io, &d->where);
	io_text(io, &message);
	io_u64(io, &d->count);
	if (!io->writing && ok(io))
		diag_again(io->env, d, message ? message : "");
}

/* They are the run's: its env lists them. */
static void io_problems(struct io *io, const struct diags *of)
{
	uint64_t n = io->writing && of ? of->n : 0, dropped = io->writing && of ? of->dropped : 0;

	io_u64(io, &n);
	io_u64(io, &dropped);
	io->bad |= n > DIAGS_MAX;
	for (size_t i = 0; i < n && ok(io); i++) {
		struct diag d = io->writing ? of->list[i] : (struct diag){};

		io_problem(io, &d);
	}
	if (!io->writing)
		io->env->diags.dropped += dropped;
}

static void io_report(struct io *io, struct report *r)
{
	io_input(io, &r->input);
	io_list(io, &r->threads, 32, io_thread);
	io_list(io, &r->modules, 32, io_module);
	io_u64(io, &r->virtual_bytes);
	io_u64(io, &r->dumped_bytes);
	io_u64(io, &r->untouched_bytes);
	io_u64(io, &r->file_bytes);
	io_u64(io, &r->absent_bytes);
	io_bool(io, &r->has_resident);
	io_u64(io, &r->resident_bytes);
	io_list(io, &r->breakdown, 32, io_breakdown);
	io_list(io, &r->heaps, 144, io_heap);
	for (size_t i = 0; i < ARRAY_SIZE(r->reach); i++)
		io_rp_total(io, &r->reach[i]);
	for (size_t i = 0; i < CAT_COUNT; i++)
		io_rp_total(io, &r->categories[i]);
	io_list(io, &r->types, 56, io_rp_type);
	io_list(io, &r->suspects, 200, io_suspect);
	io_list(io, &r->cycles, 48, io_cycle);
	io_u64(io, &r->n_cycles);
	io_list(io, &r->findings, 24, io_finding);
	io_list(io, &r->tables, 32, io_table);
	io_tree_of_nodes(io, &r->pools);
	io_list(io, &r->pool_groups, 80, io_pool_group);
	io_tree_of_nodes(io, &r->go);
	io_list(io, &r->goroutines, 32, io_goroutines);
	for (size_t i = 0; i < PROFILE_KINDS; i++)
		io_optional(io, &r->profiles[i], io_profile);
	io_optional(io, &r->dominators, io_tree);
	io_optional(io, &r->by_type, io_tree);
	io_list(io, &r->space, 72, io_space);
	io_text(io, &r->verdict);
	io_problems(io, r->problems);
}

/* ---- of the graph */

static void io_source(struct io *io, struct root_source *s)
{
	io_enum(io, &s->kind, ROOT_KINDS);
	io_num(io, &s->thread);
	io_num(io, &s->module);
	io_u64(io, &s->start);
	io_u64(io, &s->end);
	io_bool(io, &s->exact);
	io_enum(io, &s->first, N_FIRST);
	io_bool(io, &s->is_last);
	io_bool(io, &s->is_busy);
}

static void io_type(struct io *io, struct type_row *t)
{
	io_word(io, &t->name);
	io_u64(io, &t->size);
	io_enum(io, &t->language, LANG_PYTHON + 1);
	io_enum(io, &t->confidence, CONF_RUNTIME + 1);
	io_text(io, &t->whole);
}

static void io_field(struct io *io, struct saved_field *f)
{
	io_num(io, &f->type);
	io_num(io, &f->slot);
	io_word(io, &f->name);
}

static void io_rival(struct io *io, struct type_rival *r)
{
	io_num(io, &r->node);
	io_num(io, &r->type);
}

static void io_place(struct io *io, struct save_place *p)
{
	io_u64(io, &p->start);
	io_u64(io, &p->end);
	io_u64(io, &p->arena);
	io_num(io, &p->heap);
	io_num(io, &p->head);
	io_num(io, &p->overhead);
}

static void io_total(struct io *io, struct total *t)
{
	io_u64(io, &t->count);
	io_u64(io, &t->bytes);
}

void io_content(struct io *io, struct saved_content *c)
{
	io_text(io, &c->input.path);
	io_u64(io, &c->input.bytes);
	io_u64(io, &c->input.hash);
	io_bool(io, &c->input.has_clock);
	io_num(io, &c->input.clock);
	io_num(io, &c->input.file_time);
	io_u64(io, &c->n);
	io_u64(io, &c->m);
	io_u64(io, &c->n_live);
	io_u64(io, &c->live_bytes);
	io_num(io, &c->n_roots);
	io_num(io, &c->grain_shift);
	io_array(io, &c->sources, &c->n_sources, 48, io_source);
	io_array(io, &c->types, &c->n_types, 32, io_type);
	io_array(io, &c->fields, &c->n_fields, 24, io_field);
	io_array(io, &c->rivals, &c->n_rivals, 16, io_rival);
	io_array(io, &c->wheres, &c->n_wheres, 8, io_word);
	io_array(io, &c->allocators, &c->n_allocators, 8, io_word);
	io_array(io, &c->places, &c->n_places, 48, io_place);
	for (size_t i = 0; i < REACH_KINDS; i++)
		io_total(io, &c->reach_total[i]);
	io_total(io, &c->collected);
	io_num(io, &c->retained_shift);
	io_report(io, c->report);
	io_array(io, &c->tables, &c->n_tables, 32, io_table);
}
