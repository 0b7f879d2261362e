/* What is left in nearly empty units: 16 KiB each, one letter and a size in bytes a node. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "analysis/pins.h"

enum { MAX = 32, UNIT = 16 << 10, START = 0x100000, LEAST = 12 << 10 };

/* u used, f free, c in a cache, o the allocator's own; suspects as "count:free@first". */
static const struct {
	const char *nodes, *suspects;
} cases[] = {
	{ "u64 f16320", "1:16320@0" },
	{ "u1024 f15360", "" },			/* one in 16 is used */
	{ "u960 f15424", "1:15424@0" },
	{ "f16384", "" },			/* nothing pins it */
	{ "u64 c16320", "" },			/* another rule's */
	{ "u64 c2000 f14320", "1:14320@0" },
	{ "u64 o2000 f14320", "1:14320@0" },
	{ "u64 f16320 u64 f16320", "2:32640@0" },
	{ "u64 f16320 u128 f16256", "1:16320@0 1:16256@2" }, /* by size */
	{ "u64 u128 f16192", "2:16192@0" },
	{ "u64 f16320 u16384 u64 f16320", "2:32640@0" },
	{ "u64 f8128 u64 f8128 u8192 f8192", "2:16256@0" }, /* the second is in use */
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

	return w->letter[node] == 'f' ? "slab" : w->letter[node] == 'c' ? "tcache" : NULL;
}

static bool unit(void *ctx, node_id node, uint64_t *ret_start, uint64_t *ret_end)
{
	const struct world *w = ctx;

	*ret_start = w->key[node] / UNIT * UNIT;
	*ret_end = *ret_start + UNIT;
	return true;
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
		w->size[i] = strtoull(s + 1, &next, 10);
		w->end += w->size[i];
		if (*s == 'u')
			w->live[0] |= 1ull << i;
		s = next + (*next == ' ');
	}
}

static void put_suspects(struct world *w, const struct report *r, char *ret)
{
	*ret = 0;
	for (size_t i = 0; i < r->suspects.n; i++) {
		const struct rp_suspect *s = &r->suspects.v[i];

		assert_string_equal(s->rule, "free-held/pinned");
		assert_true(s->has_chain && s->n_evidence && s->n_addresses);
		ret += sprintf(ret, "%s%u:%u@%u", i ? " " : "", (unsigned)s->count, (unsigned)s->retained,
			       graph_node_at(&w->g, s->addresses[0]));
	}
}

static void test_table(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct world w;
		struct report r = {};
		struct pinned pinned;
		uint64_t retained = 0;
		char found[256];

		read_nodes(&w, cases[i].nodes);
		struct extent extents[] = {
			{ START, w.end, 0, EXTENT_FIXED, "the arena", "slab" },
			{ START, w.end, 1, EXTENT_FIXED, "another heap's", "slab" },
		};
		struct subject s = {
			.graph = &w.g, .facts = &w.f, .extents = extents, .n_extents = 2,
			.where = where, .where_ctx = &w, .unit = unit,
		};

		assert_null(units_add(&s, &r, 0, LEAST, &pinned));
		put_suspects(&w, &r, found);
		assert_string_equal(found, cases[i].suspects);
		for (size_t k = 0; k < r.suspects.n; k++)
			retained += r.suspects.v[k].retained;
		assert_int_equal(pinned.bytes, retained);
		report_fini(&r);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_table) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
