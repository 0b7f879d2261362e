/* The verdict: one sentence from the worst suspect, what is lost, and what is no heap at all. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "analysis/analysis.h"
#include "base/guard.h"

enum { MIB = 1 << 20 };

static const struct {
	const char *name;
	struct rp_suspect suspect; /* no rule: there is none */
	struct rp_total lost, reachable;
	uint64_t heap, anonymous;
	const char *want;
	bool leaks;
	uint64_t pools;
} cases[] = {
	{ "nothing stands out", {}, { true, 0, 0 }, { true, 7, 3 * MIB }, 3 * MIB, 0,
	  "nothing is lost and no owner stands out: 3.0 MiB in 7 used blocks are reachable." },
	{ "nothing is lost, nothing else was looked for", {}, { true, 0, 0 }, { true, 7, 3 * MIB }, 3 * MIB, 0,
	  "nothing is lost: 3.0 MiB in 7 used blocks are reachable.", true },
	{ "most is no heap", {}, { true, 0, 0 }, { true, 7, 1 * MIB }, 1 * MIB, 3 * MIB,
	  "3.0 MiB, 75% of the memory, is in mappings of no allocator known here; in the rest: "
	  "nothing is lost and no owner stands out: 1.0 MiB in 7 used blocks are reachable." },
	{ "half is no heap", {}, { true, 0, 0 }, { true, 1, 2 * MIB }, 2 * MIB, 2 * MIB,
	  "nothing is lost and no owner stands out: 2.0 MiB in 1 used block is reachable." },
	{ "most is in pools", {}, { true, 0, 0 }, { true, 7, 1 * MIB }, 1 * MIB, 1 * MIB,
	  "6.0 MiB, 75% of the memory, is in pools of the program's own, outside heaps; in the rest: "
	  "nothing is lost and no owner stands out: 1.0 MiB in 7 used blocks are reachable.", .pools = 6 * MIB },
	{ "one owner",
	  { .rule = "growth/large-block", .title = "one block of 2.0 MiB in cache", .retained = 2 * MIB, .count = 1 },
	  { true, 0, 0 }, { true, 9, 4 * MIB }, 4 * MIB, 0,
	  "one block of 2.0 MiB in cache: 2.0 MiB, 50% of the heap." },
	{ "one owner of the rest",
	  { .rule = "growth/large-block", .title = "one block of 2.0 MiB in cache", .retained = 2 * MIB, .count = 1 },
	  { true, 0, 0 }, { true, 9, 4 * MIB }, 4 * MIB, 12 * MIB,
	  "12.0 MiB, 75% of the memory, is in mappings of no allocator known here; in the rest: "
	  "one block of 2.0 MiB in cache: 2.0 MiB, 50% of the heap." },
};

static void sentences(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct rp_breakdown rows[] = {
			{ "heap/used", "C heap", NULL, cases[i].heap },
			{ "mapping/anonymous", "anonymous mappings outside heaps", NULL, cases[i].anonymous },
			{ "mapping/pools", "pools of the program, outside heaps", NULL, cases[i].pools },
			{ "mapping/untouched", "address space without memory", NULL, 900 * MIB },
		};
		struct rp_suspect suspect = cases[i].suspect;
		struct report r = {
			.breakdown = { .v = rows, .n = ARRAY_SIZE(rows) },
			.suspects = { .v = &suspect, .n = suspect.rule != NULL },
		};

		r.categories[CAT_LOST] = cases[i].lost;
		r.reach[1] = cases[i].reachable;
		print_message("%s\n", cases[i].name);
		assert_null(verdict_write(&r, cases[i].leaks));
		assert_string_equal(r.verdict, cases[i].want);
		arena_fini(&r.mem);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(sentences) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
