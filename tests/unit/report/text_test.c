/*
 * The first screen: a literal report in, lines out.  The order of sections, the width, aligned
 * figures and what becomes of hostile names are what the page promises.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/guard.h"
#include "report/import_paths.h"
#include "report/report.h"

static struct rp_where wheres[] = { { "tcache", 7, 700 }, { "top", 1, 5000 } };
static struct rp_heap heaps[] = { {
	.allocator = "glibc",
	.version = "2.36",
	.how = "symbols",
	.n_used = 412339,
	.used = 300 << 20,
	.n_free = 8,
	.free = 20 << 20,
	.wheres = wheres,
	.n_wheres = ARRAY_SIZE(wheres),
} };
static struct rp_breakdown breakdown[] = {
	{ "heap/reachable", "C heap (glibc): reachable", NULL, 600 << 20 },
	{ "heap/lost", "                lost", NULL, 300 << 20 },
	{ "stack", "stacks (9)", NULL, 100 << 20 },
	{ "mapping/untouched", "never written", NULL, 3000u << 20 },
};
static struct rp_hop hops[] = {
	{ .address = 0x1000, .size = 64, .via_kind = "scanned", .repeat = 1 },
	{ .address = 0x2000, .size = 4096, .via_kind = "scanned", .via_offset = 16, .repeat = 1203 },
};
static struct rp_evidence stale[] = { { "still pointed at by", "freed block at 0x7f10 +0x50" } };
static uint64_t addresses[] = { 0x2000 };
static struct rp_suspect suspects[] = {
	{ .id = "s1",
	  .rule = "growth/accumulation",
	  .title = "412,331 48-byte blocks held by main.sessions",
	  .count = 412331,
	  .bytes = 19 << 20,
	  .retained = 245261926,
	  .addresses = addresses,
	  .n_addresses = 1,
	  .has_chain = true,
	  .chain = { { .kind = "global", .symbol = "main.sessions", .module = "/opt/shop", .address = 0x600000 }, hops, 2 } },
	{ .id = "s2",
	  .rule = "lost/definite",
	  .title = "evil \033[31m name \xff\n that goes on and on and on and on and on and on and on and on to its END",
	  .count = 1,
	  .retained = 10,
	  .has_chain = true,
	  .chain = { {}, hops, 1 },
	  .evidence = stale,
	  .n_evidence = 1 },
	{ .id = "s3", .rule = "free-held/thread-cache", .title = "third", .count = 3, .retained = 3 },
	{ .id = "s4", .rule = "lost/definite", .title = "fourth", .count = 4, .retained = 2 },
};

static struct report literal(void)
{
	return (struct report){
		.input = { .path = "/var/crash/core.4121",
			   .kind = "elf-core",
			   .arch = "x86_64",
			   .args = "./shop --listen :8080",
			   .made_by = "gcore",
			   .pid = 4121,
			   .bytes = 1406000000,
			   .complete = true },
		.dumped_bytes = 4000ull << 20,
		.untouched_bytes = 3000ull << 20,
		.breakdown = { breakdown, 4, 4 },
		.heaps = { heaps, 1, 1 },
		.suspects = { suspects, 4, 4 },
		.verdict = "main.sessions holds a large part of the live heap and this sentence goes on for so long that "
			   "it has to be broken between two of its words.",
		.next = { "heapfx explain core.4121 0x2000" },
		.next_why = { "one session: every path that holds it" },
		.n_next = 1,
	};
}

static char *render(const struct report *r, const struct writer_options *opt)
{
	char *page = NULL;
	size_t n;
	FILE *out = open_memstream(&page, &n);

	assert_non_null(out);
	assert_null(writer_registry[0]->write(r, opt, out));
	fclose(out);
	return page;
}

static unsigned line_columns(const char *s, size_t n)
{
	unsigned cols = 0;

	for (size_t i = 0; i < n; i++)
		cols += ((unsigned char)s[i] & 0xc0) != 0x80;
	return cols;
}

static void test_lines_fit(void **state)
{
	static const unsigned widths[] = { 60, 80, 100, 120 };
	const struct report r = literal();

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(widths); i++) {
		_free_ char *page = render(&r, &(struct writer_options){ .top = 3, .width = widths[i] });

		for (const char *s = page; *s;) {
			const char *end = strchr(s, '\n');

			assert_non_null(end);
			assert_true(line_columns(s, (size_t)(end - s)) <= widths[i]);
			s = end + 1;
		}
	}
}

static void test_sections_in_order(void **state)
{
	static const char *const order[] = {
		"core.4121: Linux core, x86-64, pid 4121, ./shop --listen :8080 (gcore)\n",
		" 1000.0 MiB of it real memory\n", "\nWHERE IT WENT ",
		"\n  C heap (glibc): reachable     600.0 MiB   60.0%  ############\n", "\n  all ", " 1000.0 MiB   (and 2.9 GiB of untouched zeros)\n",
		"\nVERDICT  main.sessions holds", "\nSUSPECTS ", "\n  1 412,331 48-byte blocks held by main",
		"\n      global main.sessions (shop) -> 64-byte block -> +0x10 4.0 KiB block (x1,203)\n",
		"\n  2 ", "\n      nothing -> 64-byte block\n", "\n      still pointed at by: freed block at 0x7f10 +0x50\n",
		"\n  3 third", "\n  and 1 more: --top 4\n",
		"\nPROBLEMS  none (everything the analysis needs is in the file)\n",
		"\nNEXT  heapfx explain core.4121 0x2000   one session: every path that holds it\n",
	};
	const struct report r = literal();
	_free_ char *page = render(&r, &(struct writer_options){ .top = 3, .width = 100 });
	const char *at = page;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(order); i++) {
		at = strstr(at, order[i]);
		if (!at)
			print_error("missing or out of order: %s\nin:\n%s", order[i], page);
		assert_non_null(at);
	}
}

static void test_figures(void **state)
{
	static const char *const lines[] = {
		"\n  C heap (glibc): reachable     600.0 MiB   60.0%  ############\n",
		"\n                  lost          300.0 MiB   30.0%  ######\n",
		"\n  stacks (9)                    100.0 MiB   10.0%  ##\n",
		"\n  all                          1000.0 MiB   (and 2.9 GiB of untouched zeros)\n",
	};
	const struct report r = literal();
	_free_ char *page = render(&r, &(struct writer_options){ .top = 3, .width = 100 });

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(lines); i++) {
		if (!strstr(page, lines[i]))
			print_error("missing: %s\nin:\n%s", lines[i], page);
		assert_non_null(strstr(page, lines[i]));
	}
}

/* However many heaps there are, and whatever they are called, sizes are whole. */
static void test_many_heaps(void **state)
{
	static struct rp_heap many[] = {
		{ .allocator = "go", .version = "1.26.8", .n_arenas = 1000 },
		{ .allocator = "glibc", .version = "2.36", .n_arenas = 1000 },
		{ .allocator = "jemalloc", .version = "5.3.0-0-g54eaed1d8b56b1aa528be3bdd1877e59c56fa90c" },
	};
	static const struct {
		size_t n;
		const char *line;
	} cases[] = {
		{ 1, "\n  go 1.26.8 (1,000 arenas); 1.3 GiB in the file, 1000.0 MiB of it real memory\n" },
		{ 2, "\n  go 1.26.8 and glibc 2.36; 1.3 GiB in the file, 1000.0 MiB of it real memory\n" },
		{ 3, "; 1.3 GiB in the file, 1000.0 MiB of it real memory\n" },
	};
	struct report r = literal();

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		r.heaps.v = many;
		r.heaps.n = cases[i].n;
		_free_ char *page = render(&r, &(struct writer_options){ .top = 3, .width = 90 });

		assert_non_null(strstr(page, cases[i].line));
	}
}

static void test_hostile_names(void **state)
{
	const struct report r = literal();
	_free_ char *plain = render(&r, &(struct writer_options){ .top = 3, .width = 100 });
	_free_ char *color = render(&r, &(struct writer_options){ .top = 3, .width = 100, .color = true });

	(void)state;
	assert_null(strchr(plain, '\033'));
	assert_non_null(strstr(plain, "evil \\x1b[31m name \\xff\\x0a"));
	assert_non_null(strstr(plain, "…"));
	assert_non_null(strstr(plain, "to its END"));
	assert_non_null(strchr(color, '\033'));
	assert_null(strstr(color, "\033[31m name"));
}

static void test_nothing_known(void **state)
{
	const struct report r = { .input = { .kind = "elf-core" } };
	_free_ char *page = render(&r, &(struct writer_options){});

	(void)state;
	assert_non_null(strstr(page, "\nSUSPECTS  none\n"));
	assert_null(strstr(page, "everything the analysis needs"));
}

static void test_import_paths(void **state)
{
	static const struct {
		const char *name, *shorter;
	} cases[] = {
		{ "sync.Pool example.org/team/app/cache.pool keeps 3", "sync.Pool cache.pool keeps 3" },
		{ "func example.org/team/app/cache.(*Store).run.func1+8", "func cache.(*Store).run.func1+8" },
		{ "map[string]*example.org/app/v2.Shop (group)", "map[string]*app/v2.Shop (group)" },
		{ "sync/atomic.Pointer[example.org/a-b/_c.T]", "sync/atomic.Pointer[_c.T]" },
		{ "gopkg.in/yaml%2ev3.Node", "yaml%2ev3.Node" },
		/* the standard library's, files, addresses, modules without what they declare */
		{ "net/http.(*conn).serve", "net/http.(*conn).serve" },
		{ "mapping /srv/example.org/app/lib.so", "mapping /srv/example.org/app/lib.so" },
		{ "https://example.org/team/cache.html", "https://example.org/team/cache.html" },
		{ "example.org/v2.Name", "example.org/v2.Name" },
		{ "example.org/app/cache", "example.org/app/cache" },
		{ "example.org/app/cache./x", "example.org/app/cache./x" },
		{ "", "" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct text t = TEXT_INIT;

		import_paths_add_short(&t, cases[i].name);
		assert_string_equal(text_str(&t), cases[i].shorter);
		text_fini(&t);
	}
}

/* What tells two names of one module apart stands behind its path; a name that has room keeps all. */
static void test_names_of_go(void **state)
{
	struct rp_suspect many[] = { suspects[0], suspects[0], suspects[0] };
	struct rp_root roots[] = {
		{ .kind = "global", .source = "example.org/a-team/with/a/long/path/shop.sessions" },
		{ .kind = "goroutine", .source = "goroutine 7 [IO wait, at least 25 s] example.org/a-team/shop.(*Server).Serve (server.go:34), in s" },
	};
	struct report r = literal();
	_free_ char *page = NULL;

	(void)state;
	many[0].title = "sync.Pool example.org/a-team/with/a/long/path/shop.buffers keeps 12 blocks";
	many[1].title = "sync.Pool example.org/a/b.c keeps 12 blocks";
	many[1].chain.root = roots[0];
	many[2].chain.root = roots[1];
	r.suspects.v = many;
	r.suspects.n = 3;
	page = render(&r, &(struct writer_options){ .top = 3, .width = 100 });
	assert_non_null(strstr(page, " sync.Pool shop.buffers keeps 12 blocks "));
	assert_non_null(strstr(page, " sync.Pool example.org/a/b.c keeps 12 blocks "));
	assert_non_null(strstr(page, "\n      global shop.sessions"));
	assert_non_null(strstr(page, "\n      goroutine 7 shop.(*Server).Serve (server.go:34), in s -> "));
}

/* "held only through no single pointer" would be neither. */
static void test_only_ways(void **state)
{
	static const struct {
		const char *value, *line;
	} cases[] = {
		{ "main.table (0x7f10 +0x8): clearing it frees 1.0 MiB",
		  "\n      held only through main.table (0x7f10 +0x8): clearing it frees 1.0 MiB\n" },
		{ "no single pointer: whichever is cut, another one holds it",
		  "\n      held through no single pointer: whichever is cut, another one holds it\n" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct rp_evidence way = { EVIDENCE_ONLY_WAY, cases[i].value };
		struct rp_suspect suspect = suspects[0];
		struct report r = literal();
		_free_ char *page = NULL;

		suspect.evidence = &way;
		suspect.n_evidence = 1;
		r.suspects.v = &suspect;
		r.suspects.n = 1;
		page = render(&r, &(struct writer_options){ .width = 100 });
		assert_non_null(strstr(page, cases[i].line));
	}
}

/* As much of everything as fits into a report: sentences that never end, chains, evidence, rings. */
struct crowd {
	struct rp_breakdown parts[30];
	struct rp_suspect suspects[40];
	struct rp_cycle cycles[20];
	struct diag problems[10];
	struct diags diags;
	char words[5000], command[700];
};

static struct report crowded(struct crowd *c, unsigned n_problems, const char *sentence)
{
	struct report r = literal();

	memset(c, 0, sizeof(*c));
	for (size_t i = 0; i + 1 < sizeof(c->words); i++)
		c->words[i] = i % 9 == 8 ? ' ' : 'w';
	memset(c->command, 'c', sizeof(c->command) - 1);
	for (size_t i = 0; i < ARRAY_SIZE(c->parts); i++)
		c->parts[i] = (struct rp_breakdown){ "heap/reachable", "a part", NULL, (i + 1) << 20 };
	for (size_t i = 0; i < ARRAY_SIZE(c->suspects); i++)
		c->suspects[i] = suspects[1];
	for (size_t i = 0; i < ARRAY_SIZE(c->cycles); i++)
		c->cycles[i] = (struct rp_cycle){ .nodes = 10, .bytes = 160 };
	for (size_t i = 0; i < n_problems; i++)
		c->problems[i] = (struct diag){ .code = "core/truncated", .message = (char *)(sentence ? sentence : c->words), .count = 7 };
	c->diags = (struct diags){ .list = c->problems, .n = n_problems };
	r.breakdown.v = c->parts;
	r.breakdown.n = ARRAY_SIZE(c->parts);
	r.suspects.v = c->suspects;
	r.suspects.n = ARRAY_SIZE(c->suspects);
	r.cycles.v = c->cycles;
	r.cycles.n = r.n_cycles = ARRAY_SIZE(c->cycles);
	r.problems = &c->diags;
	r.n_next = 3;
	r.next[1] = r.next[2] = r.next[0];
	return r;
}

static unsigned count_lines(const char *s, unsigned max_columns)
{
	unsigned n = 0;

	for (const char *end; (end = strchr(s, '\n')); s = end + 1, n++)
		assert_true(line_columns(s, (size_t)(end - s)) <= max_columns);
	assert_int_equal(*s, 0);
	return n;
}

static void test_above_the_fold(void **state)
{
	static struct crowd c;

	(void)state;
	for (unsigned problems = 0; problems <= ARRAY_SIZE(c.problems); problems++) {
		for (unsigned loud = 0; loud < 4; loud++) {
			struct report r = crowded(&c, problems, loud & 1 ? NULL : "the file ends before it should");

			if (loud & 2) {
				r.verdict = c.words;
				r.next[0] = r.next[1] = r.next[2] = c.command;
			}
			for (unsigned top = 1; top <= 3; top++) {
				_free_ char *page = render(&r, &(struct writer_options){ .top = top, .width = 100 });

				assert_true(count_lines(page, 100) <= 40);
				assert_non_null(strstr(page, "\nNEXT "));
				if (problems)
					assert_non_null(strstr(page, "core/truncated"));
			}
		}
	}
}

/* Who asks for more suspects gets them, four lines each, and nothing else less. */
static void test_more_suspects(void **state)
{
	static struct crowd c;
	const struct report r = crowded(&c, 3, NULL);
	_free_ char *three = render(&r, &(struct writer_options){ .top = 3, .width = 100 });
	_free_ char *nine = render(&r, &(struct writer_options){ .top = 9, .width = 100 });

	(void)state;
	assert_int_equal(count_lines(nine, 100), count_lines(three, 100) + 6 * 4);
}

/* Three lost suspects and three short problems: only the breakdown gives way. */
static void test_problems_stay_whole(void **state)
{
	static struct crowd c;
	const struct report r = crowded(&c, 3, "the file ends before it should, and what it should have held is not known: "
					       "blocks of it may seem lost that are not, to THE END");
	_free_ char *page = render(&r, &(struct writer_options){ .top = 3, .width = 100 });
	unsigned whole = 0;

	(void)state;
	for (const char *at = page; (at = strstr(at, "to THE END")); at++)
		whole++;
	assert_int_equal(whole, 3);
	assert_true(count_lines(page, 100) <= 40);
}

/* The largest pool is told beside three suspects and a long breakdown: it may be most of the memory. */
static void test_a_pool_stays(void **state)
{
	static struct crowd c;
	struct rp_pool_group pool = { .kind = "ngx_pool_t", .path = "?", .pools = 7, .bytes = 31 << 20, .contents = "everything" };
	struct report r = crowded(&c, 0, NULL);
	_free_ char *page = NULL;

	(void)state;
	r.suspects.n = 3;
	r.cycles.n = 0;
	r.n_next = 5;
	for (size_t i = 0; i < r.n_next; i++)
		r.next[i] = r.next[0];
	r.pool_groups.v = &pool;
	r.pool_groups.n = 1;
	page = render(&r, &(struct writer_options){ .top = 3, .width = 100 });
	assert_non_null(strstr(page, "\nPOOLS "));
	assert_non_null(strstr(page, "in it everything"));
	assert_true(count_lines(page, 100) <= 40);
}

/* Hops that are alike, as they are told: a list has places, a tree has not. */
static void test_walks(void **state)
{
	static const struct {
		const char *root, *via, *type;
		bool is_mixed;
		const char *want;
	} cases[] = {
		{ "jobs.next", "->link.next", "struct job", false, "global jobs.next[18] -> struct job (80 B)" },
		{ "users[0].first", "->hh.next", "struct job", false, "global users[0].first -> struct job->hh.next[17] -> struct job (80 B)" },
		{ "jobs.next", "->link.next", "struct step", false, "global jobs.next -> struct step->link.next[17] -> struct job (80 B)" },
		{ "tree.left", "->left", "struct job", true, "global tree.left -> struct job->left -> struct job (x18)" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct rp_hop walk[] = {
			{ .address = 0x10, .size = 80, .type = cases[i].type, .via_kind = "scanned", .repeat = 1 },
			{ .address = 0x20, .size = 80, .type = "struct job", .via_kind = "field", .via_name = cases[i].via,
			  .repeat = 18, .is_mixed = cases[i].is_mixed },
		};
		struct rp_chain chain = { { .kind = "global", .symbol = cases[i].root }, walk, 2 };
		struct text t = TEXT_INIT;

		chain_print(&chain, &t);
		assert_string_equal(text_str(&t), cases[i].want);
		text_fini(&t);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_lines_fit),     cmocka_unit_test(test_sections_in_order),
		cmocka_unit_test(test_figures),	      cmocka_unit_test(test_many_heaps),
		cmocka_unit_test(test_hostile_names), cmocka_unit_test(test_walks),
		cmocka_unit_test(test_nothing_known), cmocka_unit_test(test_import_paths),
		cmocka_unit_test(test_names_of_go),   cmocka_unit_test(test_only_ways),
		cmocka_unit_test(test_above_the_fold),
		cmocka_unit_test(test_more_suspects), cmocka_unit_test(test_problems_stay_whole), cmocka_unit_test(test_a_pool_stays),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
