/* What pins free memory: extents by table, one letter and a size in KiB a node. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "analysis/pins.h"

enum { MAX = 16, START = 0x100000, LEAST = 64 << 10 };

/* u used, f free, c in a cache, t the top, o the allocator's own; suspects as "count:KiB@nodes". */
static const struct {
	enum extent_kind kind;
	const char *nodes, *suspects;
} cases[] = {
	{ EXTENT_SHRINKS, "u1 f128 u1 t4", "1:128@2" },
	{ EXTENT_SHRINKS, "u1 f128 t4", "" },		/* it goes back by itself */
	{ EXTENT_SHRINKS, "u1 f32 u1 t4", "" },
	{ EXTENT_SHRINKS, "u1 f128 u100 t4", "" },	/* nothing small about what is above */
	{ EXTENT_SHRINKS, "u1 f128 u1 f256 u1 t4", "2:384@2,4" },
	{ EXTENT_SHRINKS, "u1 f128 u1 u1 u1 t4", "3:128@2,3,4" },
	{ EXTENT_SHRINKS, "u1 f2048 u64 f256 u1 t4", "2:2304@2,4" },
	{ EXTENT_SHRINKS, "u1 f128 u500 f256 u1 t4", "1:256@4" },
	{ EXTENT_SHRINKS, "u1 f128 u1 f128 u500 f256 u1 t4", "1:256@6 1:128@2" },
	{ EXTENT_SHRINKS, "u1 f100 c50 u1 t4", "1:100@3" },
	{ EXTENT_SHRINKS, "u1 c128 u1 t4", "" },
	{ EXTENT_SHRINKS, "u1 f128 o1 f128 u1 t4", "1:128@4" }, /* what the allocator pins, no block does */
	{ EXTENT_SHRINKS, "u1 f128 o1 t4", "" },
	{ EXTENT_WHOLE, "o1 f1024 u1 f1024 o1", "1:2048@2" },
	{ EXTENT_WHOLE, "u1 f1024 u1 f1024 o1", "2:2048@0,2" },
	{ EXTENT_WHOLE, "u1 f1024 o1", "1:1024@0" },
	{ EXTENT_WHOLE, "u1 f1024 o1 f1024", "" },
	{ EXTENT_WHOLE, "f1024 o1", "" },
	{ EXTENT_WHOLE, "u900 f1024 o1", "" },
	{ EXTENT_FIXED, "u1 f128 u1 f128 u100", "1:128@2" },
	{ EXTENT_FIXED, "u1 f128 u1", "1:128@2" },
	{ EXTENT_FIXED, "u1 f128 u1 f128 u1 f128 u100", "2:256@2,4" },
	{ EXTENT_FIXED, "u100", "" },
};

struct world {
	struct graph g;
	struct facts f;
	uint64_t key[MAX], size[MAX], live[1];
	char letter[MAX];
	uint64_t end;
};

static const char *where(void *ctx, node_id node)
{
	const struct world *w = ctx;

	switch (w->letter[node]) {
	case 'f':
		return "unsorted";
	case 'c':
		return "tcache";
	case 't':
		return "top";
	default:
		return NULL;
	}
}

static void read_nodes(struct world *w, const char *s)
{
	*w = (struct world){ .end = START };
	w->g = (struct graph){ .key = w->key, .size = w->size, .live = w->live };
	while (*s) {
		char *next;
		node_id i = w->g.n++;

		w->letter[i] = *s;
		w->key[i] = w->end;
		w->size[i] = strtoull(s + 1, &next, 10) << 10;
		w->end += w->size[i];
		if (*s == 'u')
			bit_set(w->live, i);
		s = next + (*next == ' ');
	}
}

static void put_suspects(const struct world *w, const struct report *r, char *ret)
{
	*ret = 0;
	for (size_t i = 0; i < r->suspects.n; i++) {
		const struct rp_suspect *s = &r->suspects.v[i];

		assert_string_equal(s->rule, "free-held/pinned");
		assert_true(s->has_chain && s->n_evidence);
		ret += sprintf(ret, "%s%u:%u", i ? " " : "", (unsigned)s->count, (unsigned)(s->retained >> 10));
		for (size_t k = 0; k < s->n_addresses; k++)
			ret += sprintf(ret, "%c%u", k ? ',' : '@', graph_node_at(&w->g, s->addresses[k]));
	}
}

static void test_table(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct world w;
		struct report r = {};
		struct pinned pinned = {};
		uint64_t retained = 0;
		char found[256];

		read_nodes(&w, cases[i].nodes);
		struct extent extent = { START, w.end, 0, cases[i].kind, "the main arena" };
		struct subject s = {
			.graph = &w.g, .facts = &w.f, .extents = &extent, .n_extents = 1, .where = where, .where_ctx = &w,
		};

		assert_null(pins_add(&s, &r, 0, LEAST, &pinned));
		put_suspects(&w, &r, found);
		assert_string_equal(found, cases[i].suspects);
		for (size_t k = 0; k < r.suspects.n; k++)
			retained += r.suspects.v[k].retained;
		assert_int_equal(pinned.bytes, retained);
		report_fini(&r);
	}
}

/* The extents of other heaps are left alone, and a larger threshold hides what is small. */
static void test_heap_and_threshold(void **state)
{
	struct world w;
	struct pinned pinned = {};

	(void)state;
	read_nodes(&w, "u1 f128 u1 t4");
	for (unsigned heap = 0; heap < 2; heap++) {
		struct extent extent = { START, w.end, heap, EXTENT_SHRINKS, "the main arena" };
		struct subject s = {
			.graph = &w.g, .facts = &w.f, .extents = &extent, .n_extents = 1, .where = where, .where_ctx = &w,
		};
		struct report r = {};

		assert_null(pins_add(&s, &r, 0, heap ? LEAST : 129 << 10, &pinned));
		assert_int_equal(r.suspects.n, 0);
		assert_int_equal(pinned.bytes, 0);
		report_fini(&r);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_table), cmocka_unit_test(test_heap_and_threshold) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
