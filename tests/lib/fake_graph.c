/* tests/lib/fake_graph.c - see the header. A mistake in the text is one in the test: it stops. */
#include "fake_graph.h"

#include <assert.h>

static void must(struct err *err)
{
	assert(!err);
	(void)err;
}

struct graph *fake_graph(struct env *env, unsigned n, const char *edges, const char *roots)
{
	struct root_source source = { .kind = ROOT_GLOBAL, .thread = UINT32_MAX };
	struct graph_builder *b;
	struct graph *g;

	must(graph_builder_new(env, &b));
	for (unsigned i = 0; i < n; i++)
		must(graph_add_node(b, 0x1000 + 16 * i, 16));
	for (const char *s = edges; *s; s++) {
		if (*s == ' ')
			continue;
		must(graph_add_edge(b, (node_id)(s[0] - 'a'),
				    (uint32_t)(s[3] - 'a') | (s[1] == '~' ? EDGE_INTERIOR : 0)));
		s += 3;
	}
	for (const char *s = roots; *s; s++) {
		bool interior = s > roots && s[-1] == '~';

		if (*s >= 'a' && *s <= 'z')
			must(graph_add_root(b, &source, (uint32_t)(*s - 'a') | (interior ? EDGE_INTERIOR : 0), 0));
	}
	must(graph_build_finish(b, &g));
	graph_builder_free(b);
	return g;
}
