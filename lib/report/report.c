/*
 * report/report.c - names and life of a report, and chains in words.
 *
 * A chain is one line for every writer of text: the root by the program's own names, then hops
 * with the offset each is found at; names are escaped here, cutting is the caller's business.
 */
#include "report/report.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/guard.h"

const char *severity_name(enum severity severity)
{
	static const char *const names[] = { "note", "warning", "error" };

	return names[severity];
}

const char *category_name(enum category category)
{
	static const char *const names[CAT_COUNT] = {
		[CAT_LOST] = "lost",
		[CAT_CYCLE] = "cycle",
		[CAT_UNCOLLECTED] = "uncollected",
		[CAT_PARKED] = "parked",
		[CAT_SLACK] = "slack",
		[CAT_FREE_HELD] = "free-held",
		[CAT_STUCK] = "stuck",
		[CAT_DUPLICATE] = "duplicate",
	};

	return names[category];
}

void report_fini(struct report *r)
{
	free(r->threads.v);
	free(r->modules.v);
	free(r->breakdown.v);
	free(r->heaps.v);
	free(r->types.v);
	free(r->pool_groups.v);
	free(r->goroutines.v);
	free(r->suspects.v);
	free(r->cycles.v);
	free(r->chains.v);
	free(r->findings.v);
	free(r->checks.v);
	free(r->tables.v);
	free(r->space.v);
	arena_fini(&r->mem);
	memset(r, 0, sizeof(*r));
}

const struct rp_table *report_table(const struct report *r, const char *name)
{
	for (size_t i = 0; i < r->tables.n; i++)
		if (!strcmp(r->tables.v[i].name, name))
			return &r->tables.v[i];
	return NULL;
}

size_t report_breaches(const struct report *r)
{
	size_t n = 0;

	for (size_t i = 0; i < r->checks.n; i++)
		n += r->checks.v[i].result == CHECK_BREACHED;
	return n;
}

const char *check_result_name(enum check_result result)
{
	static const char *const names[] = { "ok", "breached", "note" };

	return names[result];
}

const char *baseline_state_name(enum baseline_state state)
{
	/* in SARIF's words */
	static const char *const names[] = { NULL, "new", "unchanged" };

	return names[state];
}

bool suspect_counts(const struct rp_suspect *s)
{
	return !s->suppressed && s->baseline != BASELINE_KNOWN;
}

bool breakdown_is_memory(const struct rp_breakdown *b)
{
	return strcmp(b->category, "mapping/untouched") != 0;
}

uint64_t report_memory_bytes(const struct report *r)
{
	uint64_t total = 0;

	for (size_t i = 0; i < r->breakdown.n; i++)
		total += breakdown_is_memory(&r->breakdown.v[i]) ? r->breakdown.v[i].bytes : 0;
	return total;
}

uint64_t report_heap_bytes(const struct report *r)
{
	uint64_t total = 0;

	for (size_t i = 0; i < r->heaps.n; i++)
		total += r->heaps.v[i].used + r->heaps.v[i].free + r->heaps.v[i].idle;
	if (total)
		return total;
	for (unsigned i = 1; i < 5; i++)
		total += r->reach[i].bytes;
	return total;
}

static void add_name(struct text *t, const char *s)
{
	text_add_escaped(t, s, strlen(s));
}

static void print_root(const struct rp_root *root, bool with_module, struct text *t)
{
	const char *name = root->symbol ? root->symbol : root->source;

	/* Some roots in words begin with their kind: "stack of thread 12", "mapping 0x7f..". */
	if (!name || !text_begins(name, root->kind)) {
		text_add(t, root->kind);
		text_add(t, name ? " " : "");
	}
	if (name) {
		add_name(t, name);
	} else if (root->address) {
		text_printf(t, " 0x%" PRIx64, root->address);
	}
	if (root->function && !name) {
		text_add(t, " in ");
		add_name(t, root->function);
	}
	if (root->module && root->symbol && with_module) {
		const char *base = strrchr(root->module, '/');

		text_add(t, " (");
		add_name(t, base ? base + 1 : root->module);
		text_add(t, ")");
	}
}

/* "sync.Map (node)", whose key comes next: "sync.Map". */
static void add_type(const char *type, bool key_follows, struct text *t)
{
	const char *part = key_follows ? strrchr(type, '(') : NULL;

	if (part && part - type > 1 && part[-1] == ' ' && type[strlen(type) - 1] == ')') {
		struct text whole = TEXT_INIT;

		text_add_n(&whole, type, (size_t)(part - 1 - type));
		add_name(t, text_str(&whole));
		text_fini(&whole);
	} else {
		add_name(t, type);
	}
}

/* A list that is gone along by one field. */
static bool is_walk(const struct rp_chain *chain, size_t i)
{
	const struct rp_hop *hop = &chain->hops[i];

	return i < chain->n_hops && hop->repeat > 1 && !hop->is_mixed && hop->type &&
	       hop->via_name && *hop->via_name && hop->via_kind &&
	       !strcmp(hop->via_kind, "field");
}

/* What a name ends with: "next". */
static const char *last_field(const char *name)
{
	const char *dot = strrchr(name, '.'), *arrow = strrchr(name, '>');

	return dot > arrow ? dot + 1 : arrow ? arrow + 1 : name;
}

/* The walk that comes next goes on as this hop was found: `jobs.next`, then `->link.next`. */
static bool begins_walk(const struct rp_chain *chain, size_t i)
{
	const struct rp_hop *hop = &chain->hops[i];
	const char *name = i ? hop->via_name : chain->root.symbol;

	return i + 1 < chain->n_hops && is_walk(chain, i + 1) && hop->repeat == 1 && name &&
	       hop->type && !strcmp(hop->type, chain->hops[i + 1].type) &&
	       !strcmp(last_field(name), last_field(chain->hops[i + 1].via_name));
}

/* So many times on: `jobs.next[18]`. */
static void print_walk(const struct rp_chain *chain, size_t i, struct text *t)
{
	bool begun = i && begins_walk(chain, i - 1);

	text_printf(t, "[%" PRIu64 "]", chain->hops[i].repeat - !begun);
}

static void print_block(const struct rp_hop *hop, bool key_follows, bool counts, struct text *t)
{
	if (hop->type) {
		add_type(hop->type, key_follows, t);
	} else if (hop->size < 1024) {
		text_printf(t, "%" PRIu64 "-byte block", hop->size);
	} else {
		text_add_bytes(t, hop->size);
		text_add(t, " block");
	}
	if (counts && hop->repeat > 1) {
		text_add(t, " (x");
		text_add_count(t, hop->repeat);
		text_add(t, ")");
	}
}

/* What is called by name goes on where the text ends: ".items[3]". */
static bool is_named(const struct rp_chain *chain, size_t i)
{
	return i < chain->n_hops && chain->hops[i].via_name && *chain->hops[i].via_name;
}

static bool is_keyed(const struct rp_chain *chain, size_t i)
{
	return is_named(chain, i) && strchr("[ ", chain->hops[i].via_name[0]);
}

/* Code that keeps something: where in the source to look. */
static bool is_function(const struct rp_chain *chain, size_t i)
{
	const char *type = chain->hops[i].type;

	return type && !strncmp(type, "func ", 5);
}

/* What containers of CPython keep outside of themselves: that it is there says nothing. */
static bool is_part(const struct rp_chain *chain, size_t i)
{
	static const char *const parts[] = {
		"dict keys", "list items", "set table", "attributes of ",
	};
	const char *type = i < chain->n_hops ? chain->hops[i].type : NULL;

	for (size_t k = 0; type && k < ARRAY_SIZE(parts); k++)
		if (!strncmp(type, parts[k], strlen(parts[k])) && is_named(chain, i))
			return true;
	return false;
}

/* Of `["cache"]` those of the name in it; 0: it is none that an attribute has. */
static size_t attribute_bytes(const char *key)
{
	static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
				      "_0123456789";
	size_t n = strncmp(key, "[\"", 2) ? 0 : strspn(key + 2, letters);

	return n && !strcmp(key + 2 + n, "\"]") ? n : 0;
}

/* `.__dict__`, then its keys, then `["name"]`: an attribute. */
static bool is_attribute(const struct rp_chain *chain, size_t i)
{
	return is_named(chain, i) && !strcmp(chain->hops[i].via_name, ".__dict__") &&
	       is_part(chain, i + 1) && is_named(chain, i + 2) &&
	       attribute_bytes(chain->hops[i + 2].via_name);
}

/* Steps between names say nothing by themselves: only the last two are shown, and functions. */
static bool is_shown(const struct rp_chain *chain, size_t i)
{
	if (is_part(chain, i) && is_named(chain, i + 1))
		return false;
	if (is_function(chain, i) || i + 2 >= chain->n_hops || chain->hops[i].repeat > 1)
		return true;
	return !is_named(chain, i + 1) || (!i && !chain->root.kind);
}

/* What a function captured has the function's name before its own: once is enough. */
static const char *name_after(const struct rp_chain *chain, size_t i)
{
	const char *name = chain->hops[i].via_name, *own = strpbrk(name + 1, ".+");

	return i && own && is_function(chain, i - 1) ? own : name;
}

static void print_step(const struct rp_chain *chain, size_t i, struct text *t)
{
	const char *key = is_attribute(chain, i) ? chain->hops[i + 2].via_name : NULL;

	if (key)
		text_printf(t, ".%.*s", (int)attribute_bytes(key), key + 2);
	else if (!(is_part(chain, i) && is_named(chain, i + 1)) &&
		 !(i >= 2 && is_attribute(chain, i - 2)))
		add_name(t, name_after(chain, i));
}

static void print_hop(const struct rp_chain *chain, size_t i, struct text *t)
{
	const struct rp_hop *hop = &chain->hops[i];
	bool last = i + 1 == chain->n_hops;

	if (is_named(chain, i) && !(i && begins_walk(chain, i - 1)))
		print_step(chain, i, t);
	if (is_walk(chain, i))
		print_walk(chain, i, t);
	if (!is_shown(chain, i) || begins_walk(chain, i))
		return;
	if (i || chain->root.kind)
		text_add(t, " -> ");
	if (i && !hop->via_name && hop->via_kind)
		text_printf(t, "+0x%" PRIx64 " ", hop->via_offset);
	print_block(hop, is_keyed(chain, i + 1), !is_walk(chain, i), t);
	if (last && hop->type && (hop->repeat == 1 || is_walk(chain, i))) {
		text_add(t, " (");
		text_add_bytes(t, hop->size);
		text_add(t, ")");
	}
}

bool chain_print_variable(const struct rp_chain *chain, size_t n, struct text *t)
{
	size_t before = t->n;
	bool is_whole = false;

	for (size_t i = 0; i < n && i < chain->n_hops && !is_whole; i++) {
		is_whole = is_attribute(chain, i);
		if (is_whole && i + 2 >= n)
			break;
		if (is_named(chain, i))
			print_step(chain, i, t);
	}
	return t->n > before;
}

void chain_print(const struct rp_chain *chain, struct text *t)
{
	if (chain->root.kind)
		print_root(&chain->root, !is_named(chain, 1), t);
	for (size_t i = 0; i < chain->n_hops; i++)
		print_hop(chain, i, t);
}
