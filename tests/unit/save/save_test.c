/* Saved results: what is written comes back; what is damaged is refused, and harms nobody. */
#include <stdlib.h>
#include <string.h>

#include "../../fuzz/result.h"
#include "unit_env.h"

static void test_round_trip(void **state)
{
	struct saved *s = NULL;
	struct saved_block b;
	size_t n;
	char *bytes = result_make(&n);

	(void)state;
	assert_true(save_is_one(bytes, n));
	assert_null(saved_open(&env, "x", bytes, n, &s));
	assert_null(saved_check(s, SAVE_ALL));
	assert_int_equal(s->graph->n, 20);
	assert_int_equal(s->graph->m, 15);
	assert_int_equal(s->graph->n_roots, 2);
	assert_int_equal(graph_key(s->graph, 3), 0x10000 + 96);
	assert_int_equal(EDGE_NODE(s->graph->dst[graph_row(s->graph, 9)]), 5);
	assert_int_equal(s->facts.reach[0], REACH_REACHABLE);
	assert_int_equal(facts_retained(&s->facts, 0), 10 * 32);
	assert_string_equal(s->report.suspects.v[0].rule, "lost/definite");
	assert_string_equal(s->report.tables.v[0].rows[1].text, "x");
	assert_string_equal(node_get(s->report.go, "pools")->first->text, "p");
	for (node_id i = 0; i < 20; i++) {
		saved_block(s, i, &b);
		if (i != 17 && i != 19)
			assert_null(b.where);
		else
			assert_string_equal(b.where, i == 17 ? "tcache" : "top");
	}
	assert_string_equal(s->input.path, "core");
	assert_int_equal(s->input.hash, 5678);
	saved_close(s);
	free(bytes);
}

/* Types, what a slot is called in all of one type, and roots' words; a name with a key in it is not kept. */
static void test_names(void **state)
{
	struct root_place place = ROOT_PLACE_INIT;
	struct text t = TEXT_INIT;
	struct edge_label label;
	struct saved *s = NULL;
	const struct graph *g;
	size_t n;
	char *bytes = result_make(&n);

	(void)state;
	assert_null(saved_open(&env, "x", bytes, n, &s));
	g = s->graph;
	assert_string_equal(graph_type_name(g, 0), "List");
	assert_string_equal(graph_kind_name(g, 9), "Map nodes");
	assert_null(graph_type_name(g, 12));
	assert_int_equal(types_rival(g->types, 3), 2);
	assert_string_equal(g->ops->field_of(g->ctx, 1, 0), "List.next");
	assert_null(g->ops->field_of(g->ctx, 1, 8));
	assert_string_equal(g->ops->field(g->ctx, 9, 0), "Table.slots[...].value");
	assert_null(g->ops->field(g->ctx, 12, 0));
	assert_true(g->ops->edge(g->ctx, 0, 1, &label));
	assert_string_equal(label.name, "List.next");
	assert_true(g->ops->edge(g->ctx, 10, 11, &label));
	assert_int_equal(label.offset, 16);
	assert_null(label.name);
	assert_false(g->ops->edge(g->ctx, 11, 12, &label)); /* from where is not known */
	g->ops->root(g->ctx, 1, &t);
	assert_string_equal(text_str(&t), "table+0x10");
	g->ops->place(g->ctx, 1, &place);
	assert_int_equal(place.goroutine, 1);
	assert_string_equal(text_str(&place.frame), "main.run main.go:12");
	assert_string_equal(text_str(&place.variable), "rows");
	root_place_fini(&place);
	text_fini(&t);
	saved_close(s);
	free(bytes);
}

/* Whatever byte is another one, it is noticed; unless nothing is kept there. */
static void test_every_byte(void **state)
{
	size_t n, refused = 0, used = sizeof(struct save_header);
	char *bytes = result_make(&n);
	const struct save_section *table = (const void *)(bytes + sizeof(struct save_header));

	(void)state;
	used += N_SECTIONS * sizeof(*table);
	for (unsigned i = 0; i < N_SECTIONS; i++)
		used += table[i].n * table[i].elem_size;
	for (size_t i = 0; i < n; i++) {
		bytes[i] ^= 1 << i % 8;
		refused += !result_use(bytes, n);
		bytes[i] ^= 1 << i % 8;
	}
	assert_int_equal(refused, used);
	free(bytes);
}

static void test_every_length(void **state)
{
	size_t n;
	char *bytes = result_make(&n);

	(void)state;
	for (size_t i = 0; i < n; i += i < 100 ? 1 : 37)
		assert_false(result_use(bytes, i));
	assert_true(result_use(bytes, n));
	free(bytes);
}

/* With checksums that fit: sound or not, nothing leads out of it. */
static void test_meant_damage(void **state)
{
	uint64_t seed = 1;
	size_t n;
	char *whole = result_make(&n), *bytes = aligned_alloc(64, align_up(n, 64));

	(void)state;
	for (unsigned run = 0; run < 4000; run++) {
		memcpy(bytes, whole, n);
		for (unsigned k = 0; k < 1 + run % 3; k++) {
			static const uint64_t values[] = { 0, 1, 0x7f, 0xff, 0xffff, 0x7fffffff,
							   0xffffffff, UINT64_MAX, 1ull << 63 };
			uint64_t value;
			size_t at;

			seed = seed * 6364136223846793005 + 1442695040888963407;
			at = sizeof(struct save_header) +
			     (seed >> 20) % (n - sizeof(struct save_header) - 8);
			value = values[(seed >> 50) % 9];
			memcpy(bytes + at, &value, seed >> 60 & 1 ? 8 : seed >> 61 & 1 ? 4 : 1);
		}
		result_fix_hashes(bytes, n);
		(void)result_use(bytes, n);
	}
	free(whole);
	free(bytes);
}

static void test_hash(void **state)
{
	/* By xxhsum -H64 of the Debian package xxhash. */
	static const struct {
		const char *s;
		uint64_t hash;
	} cases[] = {
		{ "", 0xef46db3751d8e999 },
		{ "a", 0xd24ec4f1a98c6e5b },
		{ "abc", 0x44bc2cf5ad770999 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++)
		assert_true(hash_bytes(cases[i].s, strlen(cases[i].s)) == cases[i].hash);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_round_trip, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_names, set_up, tear_down),
		cmocka_unit_test(test_every_byte),
		cmocka_unit_test(test_every_length),
		cmocka_unit_test(test_meant_damage),
		cmocka_unit_test(test_hash),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
