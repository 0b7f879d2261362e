/*
 * report/json_in.c - a report that was written as JSON, read back as far as comparisons need it;
 * and single members of other files (a capture's metadata).
 *
 * yajl calls for each value; where it stands is a path ("suspects[].rule"), held against a table.
 * Depth, lengths and kinds are checked: the file may be anybody's.  Texts stay escaped as they are.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <yajl/yajl_parse.h>

#include "base/guard.h"
#include "base/vec.h"
#include "report/report.h"

enum { DEPTH_MAX = 40, PATH_MAX_BYTES = 512, ITEMS_MAX = 1 << 22 };

struct reader {
	struct report *r;
	char path[PATH_MAX_BYTES];
	size_t n;		   /* bytes of the path */
	size_t ends[DEPTH_MAX];	   /* where the path ended outside of each open map or list */
	unsigned depth;
	bool is_heapfx, is_schema;
	struct err *err;
};

/* ---- what is taken: each member of the newest element of its list */

static struct rp_suspect *suspect(struct reader *d)
{
	return &d->r->suspects.v[d->r->suspects.n - 1];
}

static struct rp_type *type(struct reader *d)
{
	return &d->r->types.v[d->r->types.n - 1];
}

static struct rp_breakdown *part(struct reader *d)
{
	return &d->r->breakdown.v[d->r->breakdown.n - 1];
}

static struct rp_heap *heap(struct reader *d)
{
	return &d->r->heaps.v[d->r->heaps.n - 1];
}

static struct rp_finding *finding(struct reader *d)
{
	return &d->r->findings.v[d->r->findings.n - 1];
}

static const char *rule_id(struct reader *d, const char *id)
{
	const struct rule *rule = rule_find(id);

	if (!rule && !d->err)
		d->err = err_new(ERR_UNSUPPORTED, "a rule that this heapfx does not know: %s", id);
	return rule ? rule->id : rules[0].id;
}

static void on_suspect(struct reader *d, const char *key, const char *s, uint64_t n)
{
	if (!strcmp(key, "rule"))
		suspect(d)->rule = rule_id(d, s);
	else if (!strcmp(key, "title"))
		suspect(d)->title = s;
	else if (!strcmp(key, "id"))
		suspect(d)->id = s;
	else if (!strcmp(key, "type"))
		suspect(d)->type = s;
	else if (!strcmp(key, "count"))
		suspect(d)->count = n;
	else if (!strcmp(key, "bytes"))
		suspect(d)->bytes = n;
	else if (!strcmp(key, "retained"))
		suspect(d)->retained = n;
	else if (!strcmp(key, "signature"))
		suspect(d)->signature = strtoull(s, NULL, 16);
}

static void on_type(struct reader *d, const char *key, const char *s, uint64_t n)
{
	if (!strcmp(key, "name"))
		type(d)->name = s;
	else if (!strcmp(key, "count"))
		type(d)->count = n;
	else if (!strcmp(key, "bytes"))
		type(d)->bytes = n;
}

static void on_part(struct reader *d, const char *key, const char *s, uint64_t n)
{
	if (!strcmp(key, "category"))
		part(d)->category = s;
	else if (!strcmp(key, "label"))
		part(d)->label = s;
	else if (!strcmp(key, "bytes"))
		part(d)->bytes = n;
}

static void on_heap(struct reader *d, const char *key, const char *s, uint64_t n)
{
	(void)s;
	if (!strcmp(key, "used.bytes"))
		heap(d)->used = n;
	else if (!strcmp(key, "free.bytes"))
		heap(d)->free = n;
}

static void on_finding(struct reader *d, const char *key, const char *s, uint64_t n)
{
	(void)n;
	if (!strcmp(key, "rule"))
		finding(d)->rule = rule_id(d, s);
	else if (!strcmp(key, "message"))
		finding(d)->message = s;
	else if (!strcmp(key, "suspect"))
		finding(d)->suspect = 0; /* of some suspect: which one is not asked */
}

static void on_input(struct reader *d, const char *key, const char *s, uint64_t n)
{
	if (!strcmp(key, "path"))
		d->r->input.path = s;
	else if (!strcmp(key, "command"))
		d->r->input.command = s;
	else if (!strcmp(key, "kind"))
		d->r->input.kind = s;
	else if (!strcmp(key, "pid"))
		d->r->input.pid = (uint32_t)n;
	else if (!strcmp(key, "bytes"))
		d->r->input.bytes = n;
}

static void on_tool(struct reader *d, const char *key, const char *s, uint64_t n)
{
	d->is_heapfx |= !strcmp(key, "name") && !strcmp(s, "heapfx");
	d->is_schema |= !strcmp(key, "schema") && n == 1;
}

/* "lost.bytes" */
static void on_category(struct reader *d, const char *key, const char *s, uint64_t n)
{
	const char *dot = strchr(key, '.');

	(void)s;
	for (unsigned i = 0; dot && i < CAT_COUNT; i++) {
		const char *name = category_name(i);
		struct rp_total *t = &d->r->categories[i];

		if (strlen(name) != (size_t)(dot - key) || memcmp(name, key, strlen(name)))
			continue;
		t->known = true;
		*(!strcmp(dot + 1, "bytes") ? &t->bytes : &t->count) = n;
	}
}

static void on_reach(struct reader *d, const char *key, const char *s, uint64_t n)
{
	static const char *const names[] = { "reachable.bytes", "possibly-lost.bytes",
					     "indirectly-lost.bytes", "definitely-lost.bytes" };

	(void)s;
	for (unsigned i = 0; i < ARRAY_SIZE(names); i++)
		if (!strcmp(key, names[i]))
			d->r->reach[i + 1] = (struct rp_total){ .known = true, .bytes = n };
}

static bool new_suspect(struct reader *d)
{
	struct rp_suspect s = { .rule = rules[0].id, .title = "", .id = "" };

	return vec_push(&d->r->suspects, &s);
}

static bool new_type(struct reader *d)
{
	struct rp_type t = { .name = "" };

	return vec_push(&d->r->types, &t);
}

static bool new_part(struct reader *d)
{
	struct rp_breakdown b = { .category = "", .label = "" };

	return vec_push(&d->r->breakdown, &b);
}

static bool new_heap(struct reader *d)
{
	struct rp_heap h = {};

	return vec_push(&d->r->heaps, &h);
}

static bool new_finding(struct reader *d)
{
	struct rp_finding f = { .rule = rules[0].id, .message = "", .suspect = -1 };

	return vec_push(&d->r->findings, &f);
}

static const struct place {
	const char *path; /* of the map */
	bool (*begin)(struct reader *d);
	void (*on_value)(struct reader *d, const char *key, const char *s, uint64_t n);
} places[] = {
	{ "tool.", NULL, on_tool },
	{ "input.", NULL, on_input },
	{ "memory.breakdown[].", new_part, on_part },
	{ "heaps[].", new_heap, on_heap },
	{ "reachability.", NULL, on_reach },
	{ "categories.", NULL, on_category },
	{ "types[].", new_type, on_type },
	{ "suspects[].", new_suspect, on_suspect },
	{ "findings[].", new_finding, on_finding },
};

/* ---- yajl's calls */

static void take_value(struct reader *d, const char *s, uint64_t n)
{
	for (size_t i = 0; i < ARRAY_SIZE(places); i++) {
		size_t len = strlen(places[i].path);

		if (!strncmp(d->path, places[i].path, len)) {
			places[i].on_value(d, d->path + len, s, n);
			return;
		}
	}
}

static int open_any(struct reader *d, const char *mark)
{
	if (d->depth == DEPTH_MAX || d->n + strlen(mark) + 1 > sizeof(d->path))
		return 0;
	d->ends[d->depth++] = d->n;
	memcpy(d->path + d->n, mark, strlen(mark) + 1);
	d->n += strlen(mark);
	return 1;
}

static int on_start_map(void *arg)
{
	struct reader *d = arg;

	if (!open_any(d, d->depth ? "." : ""))
		return 0;
	for (size_t i = 0; i < ARRAY_SIZE(places); i++)
		if (places[i].begin && !strcmp(d->path, places[i].path) && !places[i].begin(d))
			d->err = &err_nomem;
	return !d->err && d->r->suspects.n + d->r->types.n < ITEMS_MAX;
}

static int on_start_list(void *arg)
{
	return open_any(arg, "[]");
}

static int on_end(void *arg)
{
	struct reader *d = arg;

	if (!d->depth)
		return 0;
	d->n = d->ends[--d->depth];
	d->path[d->n] = '\0';
	return 1;
}

/* In a map the path ends with its dot, behind which the key of now stands. */
static int on_key(void *arg, const unsigned char *s, size_t len)
{
	struct reader *d = arg;
	size_t start = d->ends[d->depth - 1] + (d->depth > 1);

	if (len > sizeof(d->path) - 3 - start || memchr(s, 0, len))
		return 0;
	memcpy(d->path + start, s, len);
	d->n = start + len;
	d->path[d->n] = '\0';
	return 1;
}

static int on_string(void *arg, const unsigned char *s, size_t len)
{
	struct reader *d = arg;
	const char *kept = arena_strndup(&d->r->mem, (const char *)s, len);

	if (!kept)
		d->err = &err_nomem;
	else
		take_value(d, kept, 0);
	return !d->err;
}

static int on_number(void *arg, const char *s, size_t len)
{
	char digits[32];

	if (len >= sizeof(digits))
		return 1; /* none of ours */
	memcpy(digits, s, len);
	digits[len] = '\0';
	take_value(arg, "", *digits == '-' ? 0 : strtoull(digits, NULL, 10));
	return !((struct reader *)arg)->err;
}

static const yajl_callbacks callbacks = {
	.yajl_number = on_number,
	.yajl_string = on_string,
	.yajl_start_map = on_start_map,
	.yajl_map_key = on_key,
	.yajl_end_map = on_end,
	.yajl_start_array = on_start_list,
	.yajl_end_array = on_end,
};

static struct err *parse(struct reader *d, const void *bytes, size_t n)
{
	yajl_handle h = yajl_alloc(&callbacks, NULL, d);
	yajl_status status;

	if (!h)
		return &err_nomem;
	status = yajl_parse(h, bytes, n);
	if (status == yajl_status_ok)
		status = yajl_complete_parse(h);
	if (status != yajl_status_ok && !d->err)
		d->err = err_new(ERR_FORMAT, "no JSON of heapfx's from byte %zu on",
				 yajl_get_bytes_consumed(h));
	yajl_free(h);
	return d->err;
}

struct err *report_read_json(const void *bytes, size_t n, struct report *ret)
{
	struct reader *d = calloc(1, sizeof(*d));
	struct err *err;

	if (!d)
		return &err_nomem;
	d->r = ret;
	err = parse(d, bytes, n);
	if (!err && !(d->is_heapfx && d->is_schema))
		err = err_new(ERR_FORMAT, "JSON, but no report of heapfx's (schema 1)");
	free(d);
	return err;
}

/* ---- single members */

struct picker {
	struct json_member *members;
	size_t n;
	struct json_member *at; /* whose value comes next; NULL: nobody's */
	unsigned depth;
};

static int pick_open(void *arg)
{
	struct picker *p = arg;

	p->at = NULL;
	return p->depth++ < DEPTH_MAX;
}

static int pick_end(void *arg)
{
	struct picker *p = arg;

	p->depth--;
	return 1;
}

static int pick_key(void *arg, const unsigned char *s, size_t len)
{
	struct picker *p = arg;

	p->at = NULL;
	for (size_t i = 0; i < p->n && p->depth == 1; i++)
		if (strlen(p->members[i].key) == len && !memcmp(p->members[i].key, s, len))
			p->at = &p->members[i];
	return 1;
}

static void pick(struct picker *p, const char *s, size_t len)
{
	if (!p->at || p->depth != 1)
		return;
	len = len < sizeof(p->at->text) ? len : sizeof(p->at->text) - 1;
	memcpy(p->at->text, s, len);
	p->at->text[len] = '\0';
	p->at = NULL;
}

static int pick_string(void *arg, const unsigned char *s, size_t len)
{
	pick(arg, (const char *)s, len);
	return 1;
}

static int pick_number(void *arg, const char *s, size_t len)
{
	pick(arg, s, len);
	return 1;
}

bool json_read_members(const void *bytes, size_t n, struct json_member *members, size_t n_members)
{
	static const yajl_callbacks picking = {
		.yajl_number = pick_number,
		.yajl_string = pick_string,
		.yajl_start_map = pick_open,
		.yajl_map_key = pick_key,
		.yajl_end_map = pick_end,
		.yajl_start_array = pick_open,
		.yajl_end_array = pick_end,
	};
	struct picker p = { .members = members, .n = n_members };
	yajl_handle h = yajl_alloc(&picking, NULL, &p);
	bool ok = h && yajl_parse(h, bytes, n) == yajl_status_ok &&
		  yajl_complete_parse(h) == yajl_status_ok;

	if (h)
		yajl_free(h);
	return ok;
}
