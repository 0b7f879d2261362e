/* Rings of counted references, by table: nodes are letters, 16 bytes each. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "fact/fact.h"
#include "fake_graph.h"

/*
 * counts: "a21" has two strong references and a weak one, "a1=c" manages c.  refs: "ab" is a strong
 * one in a to b, "ab?" may be a weak one.  rings: "a:3" of 3 blocks, the lowest counted one a, "-a:3"
 * held; "+2" keeps two more.  steps: the shortest ring of the first, "!" behind what breaks it.
 */
static const struct {
	unsigned n;
	const char *edges, *roots, *counts, *refs, *rings, *steps;
} cases[] = {
	{ 2, "a->b b->a", "", "a1 b1", "ab ba", "a:2", "a!b!" },
	{ 2, "a->b b->a", "", "a2 b1", "ab ba", "-a:2", "a!b!" },	/* someone has one more */
	{ 2, "a->b b->a", "a b", "a1 b1", "ab ba", "a:2", "a!b!" },	/* stale roots */
	{ 2, "a->b b->a", "", "a1 b1", "ab", "", "" },			/* b has a pointer that counts not */
	{ 2, "a->b b->a", "", "a11 b1", "ab", "", "" },			/* or a weak one */
	{ 1, "", "", "a1", "aa", "a:1", "a!" },				/* itself */
	{ 1, "", "", "a2", "aa", "-a:1", "a!" },
	{ 2, "a->b", "a", "b1", "ab", "", "" },				/* no ring */
	{ 3, "a->b b->c c->b", "a", "b2 c1", "ab bc cb", "-b:2", "b!c!" }, /* a root's block has one */
	{ 3, "a->b b->c c->b", "", "b2 c1", "ab bc cb", "-b:2", "b!c!" },  /* a lost block has one: that is the leak */
	{ 3, "a->b b->c c->a", "", "a1 c1", "bc ca", "a:3", "ab!c!" },	/* by way of a block without a count */
	{ 3, "a->b b->c c->a", "b", "a1 c1", "bc ca", "", "" },		/* which is somebody's: a pointer back */
	{ 4, "a->b b->a b->c c->d", "", "a1 b1 c1", "ab ba bc", "a:2+2", "a!b!" },
	{ 4, "a->b b->a b->c c->d d->c", "", "a1 b1 c2 d1", "ab ba bc cd dc", "a:2+2 -c:2", "a!b!" }, /* held by a ring */
	{ 4, "a->b b->a c->d d->c", "", "a1 b1 c1 d1", "ab ba cd dc", "a:2 c:2", "a!b!" },
	{ 3, "a->b a->c b->a c->a", "", "a2 b1 c1", "ab ac ba ca", "a:3", "ab" }, /* two rings: no one edge breaks both */
	{ 3, "a->b a->c b->c c->a", "", "a1 b1 c2", "ab ac bc ca", "a:3", "ac!" },
	{ 3, "a->b a->c b->c c->a", "c", "a1=b c1", "bc ca", "a:3", "ab!c!" },	 /* what is managed has its manager's count */
	{ 3, "a->b b->c c->a", "b", "a1=b c1", "bc ca", "a:3", "ab!c!" },	 /* and stale roots of it keep nothing */
	{ 2, "a->b b->a", "", "a1 b1", "ab? ba?", "a:2", "a!b!" },		 /* without types */
	{ 2, "a->b b->a", "a", "a1 b1", "ab? ba?", "-a:2", "" },			 /* whose root may be the one that counts */
	{ 2, "a->b b->a", "", "a11 b1", "ab? ba?", "", "" },			 /* a weak one, and a strong one elsewhere */
	{ 2, "a->b b->a", "", "a11 b1", "aa? ab? ba?", "a:2", "" },		 /* one weak, wherever: all are there */
	{ 3, "a->b b->a c->a", "c", "a11 b1", "ab? ba? ca?", "", "" },
	{ 3, "a->b b->a c->a", "c", "a1 b1", "ab ba ca?", "a:2", "a!b!" },	 /* a stale pointer: all that count are known */
	{ 2, "a->b b->a", "", "a1 b1", "ab ba ba", "-a:2", "a!b" },		 /* more than it counts: in doubt */
};

static void read_counts(const char *s, struct counted *counteds, struct graph *g)
{
	for (; *s; s += *s == ' ') {
		struct counted c = { .node = (node_id)(*s++ - 'a'), .value = NODE_NONE, .kind = "test" };

		c.strong = (uint64_t)(*s++ - '0');
		if (*s >= '0' && *s <= '9')
			c.weak = (uint64_t)(*s++ - '0');
		if (*s == '=') {
			c.value = (node_id)(s[1] - 'a');
			s += 2;
		}
		counteds[g->n_counteds++] = c;
	}
	g->counteds = counteds;
}

static void read_refs(const char *s, struct reference *refs, struct graph *g)
{
	for (; *s; s += *s == ' ') {
		struct reference r = { .from = (node_id)(s[0] - 'a'), .offset = 8 * g->n_references, .sure = s[2] != '?' };

		while (g->counteds[r.to].node != (node_id)(s[1] - 'a'))
			r.to++;
		refs[g->n_references++] = r;
		s += r.sure ? 2 : 3;
	}
	g->references = refs;
}

static void check(struct env *env, size_t k)
{
	struct counted counteds[8];
	struct reference refs[16];
	struct graph *g = fake_graph(env, cases[k].n, cases[k].edges, cases[k].roots);
	struct facts f = {};
	char rings[128] = "", steps[64] = "";

	read_counts(cases[k].counts, counteds, g);
	read_refs(cases[k].refs, refs, g);
	assert_null(facts_compute(env, g, FACT_REF_RINGS, &f));
	for (uint64_t i = 0; i < f.n_ref_rings; i++) {
		const struct ref_ring *r = &f.ref_rings[i];
		size_t n = strlen(rings);

		n += (size_t)snprintf(rings + n, sizeof(rings) - n, "%s%s%c:%u", i ? " " : "", r->held ? "-" : "",
				      (char)('a' + r->node), (unsigned)r->nodes);
		if (r->held_count)
			snprintf(rings + n, sizeof(rings) - n, "+%u", (unsigned)r->held_count);
		assert_int_equal(r->bytes, 16 * r->nodes);
		for (uint64_t m = 0; m < r->nodes; m++)
			assert_int_equal(bit_get(f.in_ref_ring, f.ref_members[r->first_member + m]), !r->held);
	}
	assert_string_equal(rings, cases[k].rings);
	for (uint64_t i = 0; f.n_ref_rings && i < f.ref_rings[0].n_steps; i++) {
		const struct ref_step *s = &f.ref_steps[f.ref_rings[0].first_step + i];
		size_t n = strlen(steps);

		snprintf(steps + n, sizeof(steps) - n, "%c%s", (char)('a' + s->node), s->breaks ? "!" : "");
	}
	if (*cases[k].steps)
		assert_string_equal(steps, cases[k].steps);
	facts_fini(&f);
	graph_free(g);
}

static void test_rings(void **state)
{
	struct env env;

	(void)state;
	env_init(&env);
	for (size_t k = 0; k < sizeof(cases) / sizeof(cases[0]); k++) {
		print_message("case %zu: %s\n", k, cases[k].counts);
		check(&env, k);
	}
	env_fini(&env);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_rings) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
