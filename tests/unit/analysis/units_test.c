/* What is left in nearly empty units, of 16 KiB each, or pages: one letter and a size in bytes a node. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "analysis/pins.h"

enum { MAX = 32, UNIT = 16 << 10, START = 0x100000, LEAST = 12 << 10, PAGES_LEAST = 2 << 10 };

/* u used, f free, c in a cache, t the top, o the allocator's own; suspects as "count:free@first". */
struct row {
	const char *nodes, *suspects;
};

static const struct row units[] = {
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

/* From the start of a page on. */
static const struct row pages[] = {
	{ "u64 f4032", "1:4032@0" },
	{ "u64 t4032", "" },			      /* which is given out next */
	{ "u64 c4032", "" },
	{ "u256 f3840", "" },
	{ "u64 f4032 u64 f4032", "2:8064@0" },
	{ "u64 f4032 u128 f3968", "1:4032@0 1:3968@2" },
	{ "u64 f12224 u64 f4032", "2:8064@0" },	      /* whole pages between them go back by themselves */
	{ "u64 f4032 f8192 u64 f4032", "2:8064@0" },
	{ "f4064 u64 f4064", "1:8128@1" },	      /* it lies in two */
	{ "u4000 f64 u64 f4064", "1:4064@2" },	      /* the first of which is in use */
	{ "u64 f4032 u8192 f64 u4032", "1:4032@0" },
	{ "u64 f65536 u64 f3968", "1:3968@2" },	      /* a large gap is another shape's */
	{ "u64 f70000", "" },
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
		return "slab";
	case 'c':
		return "tcache";
	case 't':
		return "top";
	default:
		return NULL;
	}
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

static void check(const struct row *row, bool in_units)
{
	static const struct run_kind page = { "page", "trim()", 4096 };
	struct world w;
	struct report r = {};
	struct pinned pinned = {};
	uint64_t retained = 0;
	char found[256];

	read_nodes(&w, row->nodes);
	struct extent extents[] = {
		{ START, w.end, 0, EXTENT_FIXED, "the arena", in_units ? "slab" : NULL },
		{ START, w.end, 1, EXTENT_FIXED, "another heap's", in_units ? "slab" : NULL },
	};
	struct subject s = {
		.graph = &w.g, .facts = &w.f, .extents = extents, .n_extents = 2,
		.where = where, .where_ctx = &w, .unit = unit,
	};

	assert_null(in_units ? units_add(&s, &r, 0, LEAST, &pinned) :
			       runs_add(&s, &r, 0, &page, PAGES_LEAST, &pinned));
	put_suspects(&w, &r, found);
	assert_string_equal(found, row->suspects);
	for (size_t k = 0; k < r.suspects.n; k++) {
		retained += r.suspects.v[k].retained;
		assert_true(in_units || strstr(r.suspects.v[k].advice, "trim()"));
	}
	assert_int_equal(pinned.bytes, retained);
	report_fini(&r);
}

static void test_units(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++)
		check(&units[i], true);
}

static void test_pages(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(pages) / sizeof(pages[0]); i++)
		check(&pages[i], false);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_units), cmocka_unit_test(test_pages) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
