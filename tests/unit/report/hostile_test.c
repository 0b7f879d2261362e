/*
 * Names that lie, in every place of a report and through every writer: control characters, markup,
 * bytes that are no UTF-8, a megabyte of them; a page at all its bounds.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <yajl/yajl_parse.h>

#include "base/guard.h"
#include "base/vec.h"
#include "report/report.h"

enum { LONG = 1 << 20, MANY = 3000 };

#define EVIL                                                                                       \
	"\x1b]0;x\x07\x1b[31m<script>alert(1)</script><img src=x onerror=y>]]>--><!--&\"'`|[a](b)" \
	"\r\n::error::x\n%0A\t%s%n;$(x)\\\x7f\xff\xfe\xc3(\xed\xa0\x80\xe2\x80\xae\xe2\x80\xa8"

static char *giant; /* a megabyte that ends in EVIL */

static int make_giant(void **state)
{
	(void)state;
	giant = malloc(LONG + sizeof(EVIL));
	if (!giant)
		return -1;
	memset(giant, 'A', LONG);
	memcpy(giant, EVIL, sizeof(EVIL) - 1);
	memcpy(giant + LONG, EVIL, sizeof(EVIL));
	return 0;
}

static int free_giant(void **state)
{
	(void)state;
	free(giant);
	return 0;
}

/* A report whose names are all `name`, with `n` rows of everything. */
struct made {
	struct report r;
	struct rp_hop hop[2];
	struct rp_evidence evidence;
	struct rp_where where;
	struct rp_arena arena;
	struct rp_line line;
	struct rp_location location;
	uint32_t step;
	struct rp_label labels[2];
	struct rp_sample sample;
	struct rp_profile profile;
	struct rp_tree_row rows[2];
	struct rp_tree tree;
	struct rp_bucket bucket;
	struct diag diag;
	struct diags diags;
};

static void add_goroutines(struct report *r, const char *name, size_t n)
{
	struct rp_node *groups, *go = node_map(r, NULL, "go");

	node_text(r, go, "version", name);
	groups = node_list(r, node_map(r, go, "goroutines"), "groups");
	for (size_t i = 0; i < n; i++) {
		struct rp_node *group = node_map(r, groups, NULL);
		struct rp_node *frame = node_map(r, node_list(r, group, "stack"), NULL);

		node_text(r, frame, "function", name);
		node_text(r, group, "wait_reason", name);
		node_uint(r, group, "count", NODE_COUNT, 1);
	}
	r->go = go;
}

static void add_suspects(struct made *m, const char *name, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		struct rp_suspect s = {
			.id = "s1",
			.rule = "lost/definite",
			.title = name,
			.type = name,
			.count = 1,
			.bytes = 10,
			.retained = 20,
			.has_chain = true,
			.chain = { { .kind = "global",
				     .module = name,
				     .symbol = name,
				     .source = name,
				     .frame = name,
				     .function = name },
				   m->hop,
				   2 },
			.evidence = &m->evidence,
			.n_evidence = 1,
			.advice = name,
		};
		struct rp_finding f = { "lost/definite", name, (int64_t)i };

		assert_true(vec_push(&m->r.suspects, &s) && vec_push(&m->r.findings, &f));
	}
}

static void add_lists(struct made *m, const char *name, size_t n)
{
	struct report *r = &m->r;

	for (size_t i = 0; i < n; i++) {
		struct rp_thread thread = { .tid = (uint32_t)i, .name = name, .function = name };
		struct rp_module module = { .path = name, .build_id = "00", .symbols = "none" };
		struct rp_breakdown line = { "heap/reachable", name, name, 10 };
		struct rp_type type = { .name = name, .language = "c", .count = 1, .bytes = 5 };
		struct rp_heap heap = { .allocator = name,
					.version = name,
					.how = name,
					.why = name,
					.used = 10,
					.free = 20,
					.wheres = &m->where,
					.n_wheres = 1,
					.arenas = &m->arena,
					.n_arenas = 1 };
		struct rp_space space = { .start = i << 20,
					  .end = (i + 1) << 20,
					  .kind = "heap",
					  .name = name,
					  .used = 1,
					  .free = 2,
					  .bucket = 4096,
					  .buckets = &m->bucket,
					  .n_buckets = 1 };

		assert_true(vec_push(&r->threads, &thread) && vec_push(&r->modules, &module) &&
			    vec_push(&r->breakdown, &line) && vec_push(&r->types, &type) &&
			    vec_push(&r->heaps, &heap) && vec_push(&r->space, &space));
	}
}

static void make(struct made *m, const char *name, size_t n)
{
	*m = (struct made){
		.hop = { { .address = 1,
			   .size = 8,
			   .type = name,
			   .via_kind = "field",
			   .via_name = name,
			   .repeat = 1 } },
		.evidence = { name, name },
		.where = { "top", 1, 20 },
		.line = { .function = name, .file = name },
		.labels = { { .key = "type", .text = name }, { .key = "thread", .number = 1 } },
		.rows = { { TREE_TOP, name, 1, 1, 20 }, { 0, name, 0, 2, 10 } },
		.diag = { .code = "core/truncated",
			  .message = (char *)(uintptr_t)name,
			  .count = 1 },
	};
	m->hop[1] = m->hop[0];
	m->location = (struct rp_location){ .lines = &m->line, .n_lines = 1 };
	m->sample = (struct rp_sample){ .locations = &m->step,
					.n_locations = 1,
					.values = { 1, 10, 20, 5 },
					.labels = m->labels,
					.n_labels = 2 };
	m->profile = (struct rp_profile){
		.values = { { "inuse_objects", "count" },
			    { "inuse_space", "bytes" },
			    { "retained_space", "bytes" },
			    { "free_space", "bytes" } },
		.n_values = 4,
		.main_value = 1,
		.locations = &m->location,
		.n_locations = 1,
		.samples = &m->sample,
		.n_samples = 1,
		.comments = { "heapfx", name },
		.n_comments = 2,
	};
	m->tree = (struct rp_tree){ m->rows, 2, 2, 2 };
	m->diags = (struct diags){ .list = &m->diag, .n = 1 };
	m->r.input = (struct rp_input){ .path = name,
					.kind = "elf-core",
					.arch = "x86_64",
					.command = name,
					.args = name,
					.exe = name };
	m->r.verdict = name;
	m->r.problems = &m->diags;
	m->r.dominators = m->r.by_type = &m->tree;
	for (unsigned i = 0; i < PROFILE_KINDS; i++)
		m->r.profiles[i] = &m->profile;
	add_suspects(m, name, n);
	add_lists(m, name, n);
	add_goroutines(&m->r, name, n);
}

/* The length of the character at s; 0: none of UTF-8's. */
static size_t character(const uint8_t *s, const uint8_t *end)
{
	size_t n = *s < 0x80		   ? 1 :
		   *s >= 0xc2 && *s < 0xe0 ? 2 :
		   *s >= 0xe0 && *s < 0xf0 ? 3 :
		   *s >= 0xf0 && *s < 0xf5 ? 4 :
					     0;

	if (!n || (size_t)(end - s) < n)
		return 0;
	for (size_t i = 1; i < n; i++)
		if ((s[i] & 0xc0) != 0x80)
			return 0;
	return n == 3 && s[0] == 0xed && s[1] >= 0xa0 ? 0 : n;
}

static void check_text(const char *format, const char *s, size_t n)
{
	const uint8_t *p = (const uint8_t *)s, *end = p + n;

	while (p < end) {
		size_t k = character(p, end);
		bool control = (*p < 0x20 && *p != '\n' && *p != '\t') || *p == 0x7f;

		/* bidi overrides and line separators reorder and break what a reader sees */
		if (!k || control ||
		    (k == 3 && (!memcmp(p, "\xe2\x80\xae", 3) || !memcmp(p, "\xe2\x80\xa8", 3))))
			fail_msg("%s: byte 0x%x at %zu", format, *p, n - (size_t)(end - p));
		p += k;
	}
}

static bool is_json(const char *format)
{
	return strstr("json sarif gitlab speedscope", format) != NULL;
}

static void check_json(const char *format, const char *s, size_t n)
{
	yajl_handle h = yajl_alloc(NULL, NULL, NULL);
	bool ok = yajl_parse(h, (const uint8_t *)s, n) == yajl_status_ok &&
		  yajl_complete_parse(h) == yajl_status_ok;

	yajl_free(h);
	if (!ok)
		fail_msg("%s is no JSON", format);
}

/* Nothing of the name ends an attribute, an element or the data. */
static void check_markup(const char *format, const char *s)
{
	static const char *const signs[] = { "<script>alert", "<img", "-->\x3c!--" };

	for (size_t i = 0; i < ARRAY_SIZE(signs); i++)
		if (strstr(s, signs[i]))
			fail_msg("%s: %s", format, signs[i]);
	if (strcmp(format, "html") != 0 && strstr(s, "]]>"))
		fail_msg("%s: ]]> is the end of a section", format);
}

static void write_one(const struct writer_ops *w, const struct report *r, size_t most)
{
	struct writer_options opt = { .top = 100, .width = 100 };
	_free_ char *out = NULL;
	size_t n = 0;
	FILE *memory = open_memstream(&out, &n);
	struct err *err;

	assert_non_null(memory);
	err = w->write(r, &opt, memory);
	fclose(memory);
	if (err)
		fail_msg("%s: failed", w->name);
	if (n > most)
		fail_msg("%s: %zu bytes", w->name, n);
	if (!strcmp(w->extension, "pb.gz"))
		return;
	check_text(w->name, out, n);
	if (is_json(w->name))
		check_json(w->name, out, n);
	else if (!strcmp(w->name, "html") || !strcmp(w->name, "svg") || !strcmp(w->name, "junit"))
		check_markup(w->name, out);
	if (!strcmp(w->name, "folded") || !strcmp(w->name, "github"))
		assert_null(strstr(out, "\n::error::x"));
}

static void test_markup_and_controls(void **state)
{
	struct made m;

	(void)state;
	make(&m, EVIL, 3);
	for (const struct writer_ops *const *w = writer_registry; *w; w++)
		write_one(*w, &m.r, 1 << 20);
	report_fini(&m.r);
}

static void test_giants(void **state)
{
	struct made m;

	(void)state;
	make(&m, giant, 1);
	for (const struct writer_ops *const *w = writer_registry; *w; w++)
		write_one(*w, &m.r, 200u << 20);
	report_fini(&m.r);
}

/* Thousands of everything, with names as long as a page takes. */
static void test_a_page_is_bounded(void **state)
{
	_free_ struct rp_tree_row *rows = calloc(12000, sizeof(*rows));
	_free_ char *names = calloc(12000, 300);
	struct rp_tree tree = { rows, 12000, 12000, 100000000 };
	char name[300];
	struct made m;

	(void)state;
	assert_non_null(rows);
	assert_non_null(names);
	memset(name, 'A', sizeof(name) - 1);
	name[sizeof(name) - 1] = '\0';
	make(&m, name, MANY);
	for (size_t i = 0; i < 12000; i++) {
		snprintf(names + 300 * i, 300, "%zu%s", i, name + 10);
		rows[i] = (struct rp_tree_row){ i ? (uint32_t)(i - 1) / 2 : TREE_TOP,
						names + 300 * i, 0x7f0000000000 + i, i, 12000 - i };
	}
	m.r.dominators = m.r.by_type = &tree;
	write_one(writer_by_name("html"), &m.r, 5 << 20);
	report_fini(&m.r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_markup_and_controls),
		cmocka_unit_test_setup_teardown(test_giants, make_giant, free_giant),
		cmocka_unit_test(test_a_page_is_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
