/*
 * graph_from_blocks() and find_stale() on memory word by word: which words are edges, which are
 * roots and of which kind, and which are neither; then the graph's own questions over the index.
 */
#include <elf.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/guard.h"
#include "fake_image.h"
#include "heap/blocks.h"
#include "image/vectors.h"
#include "type/build.h"
#include "type/scan.h"
#include "type/typing.h"

enum {
	DATA = 0x10000, /* of module 1, writable */
	CONST = 0x12000, /* of module 2, never written */
	ANON = 0x20000,
	ABSENT = 0x22000,
	STACK = 0x30000,
	LIVE = STACK + 0x800,
	TLS = 0x40000,
	TP = TLS + 0x800,
	HEAP = 0x100000,
	/* Blocks of 0x100 bytes: A to F in use, G and H free. */
	A = HEAP + 0x10,
	B = A + 0x100,
	C = B + 0x100,
	D = C + 0x100,
	E = D + 0x100,
	F = E + 0x100,
	G = F + 0x100,
	H = G + 0x100,
	N_USED = 6,
	/* A precise heap: a, b of 24 bytes, c free, d to the claim's end; behind, e of 0x800 with a header. */
	GO = 0x200000,
	GO_A = GO,
	GO_B = GO + 24,
	GO_C = GO + 48,
	GO_D = GO + 72,
	GO_E = GO + 0x1000,
	GO_F = GO_E + 0x800,
	MANY = 0x400000,
	N_MANY = 200000,
};

static const struct fake_mapping memory[] = {
	{ DATA, 0x1000, SEG_R | SEG_W, 1 },
	{ CONST, 0x1000, SEG_R, 2 },
	{ ANON, 0x1000, SEG_R | SEG_W },
	{ ABSENT, 0x1000, SEG_R | SEG_W, .absent = true },
	{ STACK, 0x1000, SEG_R | SEG_W },
	{ TLS, 0x1000, SEG_R | SEG_W },
	{ HEAP, 0x1000, SEG_R | SEG_W },
	{ GO, 0x2000, SEG_R | SEG_W },
	{ MANY, 32 * N_MANY, SEG_R | SEG_W },
	{},
};

struct world {
	struct env env;
	struct fake_image *f;
	struct thread thread;
	struct auxv random;
	struct blocks blocks;
	struct graph *graph;
};

enum { PLAIN = 1, PRECISE = 3 }; /* kinds of heap, by their places */

static void world_open_with(struct world *w, const struct fake_word *words, const struct fake_heap *other,
			    unsigned place)
{
	static const char *const names[TARGET_MAX_REGS] = { "rax" };

	*w = (struct world){};
	env_init(&w->env);
	w->f = fake_image_new(&w->env, memory, words);
	w->f->target.n_regs = 1;
	w->f->target.reg_names = names;
	w->thread = (struct thread){
		.tid = 42, .has_regs = true, .tp = TP,
		.stack_low = STACK, .stack_high = STACK + 0x1000, .live_low = LIVE,
	};
	w->f->img.threads = &w->thread;
	w->f->img.n_threads = 1;
	/* The main thread's stack: the kernel put its random bytes there. */
	w->random = (struct auxv){ AT_RANDOM, LIVE + 0x400 };
	w->f->img.auxv = &w->random;
	w->f->img.n_auxv = 1;
	w->f->heaps[0] = (struct fake_heap){
		90,
		.claims = { { HEAP, HEAP + 0x1000, .bias = 16, .overhead = 8 } },
		.blocks = { { A, 'u' }, { B, 'u' }, { C, 'u' }, { D, 'u' }, { E, 'u' }, { F, 'u' },
			    { G, 'f' }, { H, 'f' }, { H + 0x100, '.' } },
	};
	if (other)
		w->f->heaps[place] = *other;
	assert_null(blocks_build_with(&w->env, &w->f->img, fake_walkers, &w->blocks));
}

static void world_open(struct world *w, const struct fake_word *words)
{
	world_open_with(w, words, NULL, PLAIN);
}

static void world_build(struct world *w)
{
	assert_null(graph_from_blocks(&w->env, &w->f->img, &w->blocks, NULL, true, &w->graph));
}

static void world_close(struct world *w)
{
	graph_free(w->graph);
	blocks_fini(&w->blocks);
	fake_image_free(w->f);
	env_fini(&w->env);
}

static char letter(const struct world *w, uint32_t target)
{
	static const taddr go[] = { GO_A, GO_B, GO_C, GO_D, GO_E + 8, GO_F + 8 };
	taddr key = graph_key(w->graph, EDGE_NODE(target));

	for (unsigned i = 0; i < ARRAY_SIZE(go); i++)
		if (key == go[i])
			return (char)('a' + i);
	return (char)('A' + (key - A) / 0x100);
}

/* Each edge of a small block is told at a word of it that leads there, in order. */
static void check_slots(const struct world *w)
{
	const struct graph *g = w->graph;

	for (struct graph_iter it = graph_iter(g, 0); it.id < g->n; graph_next(&it)) {
		edge_id first = graph_row(g, it.id), n = graph_row(g, it.id + 1) - first;
		uint64_t last = 0, value;

		for (edge_id e = first; e < first + n; e++) {
			if (it.size > SLOT_BLOCK) {
				assert_int_equal(g->slot[e], SLOT_UNKNOWN);
				continue;
			}
			assert_int_equal(image_read_u64(&w->f->img, graph_key(g, it.id) + 8 * g->slot[e], &value),
					 MEM_OK);
			assert_int_equal(graph_node_at(g, value), EDGE_NODE(g->dst[e]));
			assert_true(e == first || g->slot[e] > last);
			last = g->slot[e];
		}
	}
}

/* "A->B C~>D": all edges, in order. */
static void edges_in_words(const struct world *w, struct text *ret)
{
	const struct graph *g = w->graph;

	for (node_id i = 0; i < g->n; i++)
		for (edge_id e = graph_row(g, i); e < graph_row(g, i + 1); e++)
			text_printf(ret, "%s%c%s%c", ret->n ? " " : "", letter(w, i),
				    g->dst[e] & EDGE_INTERIOR ? "~>" : "->", letter(w, g->dst[e]));
}

static void which_words_are_edges(void **state)
{
	static const struct {
		const char *name;
		struct fake_word words[6];
		const char *edges;
	} cases[] = {
		{ "none", {}, "" },
		{ "to a start", { { A, B } }, "A->B" },
		{ "the last word", { { A + 0xf0, C } }, "A->C" },
		{ "backwards", { { D + 8, B } }, "D->B" },
		{ "inside", { { A, B + 8 } }, "A~>B" },
		{ "to the last byte", { { A, B + 0xf7 } }, "A~>B" },
		{ "at an odd address", { { A + 12, B } }, "" },
		{ "itself, start and inside", { { A, A }, { A + 8, A + 32 } }, "" },
		{ "twice in a row", { { A, B }, { A + 8, B } }, "A->B" },
		{ "twice, another between", { { A, B }, { A + 8, C }, { A + 16, B } }, "A->B A->C A->B" },
		{ "start, then inside", { { A, B }, { A + 8, B + 8 }, { A + 16, B + 16 } }, "A->B" },
		{ "inside, then start", { { A, B + 8 }, { A + 8, B } }, "A~>B A->B" },
		{ "start, another, inside", { { A, B }, { A + 8, C }, { A + 16, B + 8 } }, "A->B A->C A~>B" },
		{ "from a free block", { { G, A } }, "" },
		{ "to a free block", { { A, G } }, "" },
		{ "to what is no block", { { A, H + 0x100 } }, "" },
		{ "from what is no block", { { H + 0x200, A } }, "" },
		{ "around all blocks", { { A, HEAP - 8 }, { A + 8, HEAP + 0x2000 } }, "" },
		{ "a length in front makes the inside a start", { { A, B + 8 }, { B, 0xf0 } }, "A->B" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct text words = TEXT_INIT;
		struct world w;

		world_open(&w, cases[i].words);
		world_build(&w);
		check_slots(&w);
		edges_in_words(&w, &words);
		if (strcmp(text_str(&words), cases[i].edges))
			fail_msg("%s: \"%s\", not \"%s\"", cases[i].name, text_str(&words), cases[i].edges);
		text_fini(&words);
		world_close(&w);
	}
}

static void which_words_are_roots(void **state)
{
	static const struct {
		const char *name;
		struct fake_word words[3];
		uint64_t rax;
		const char *roots; /* kind, block; ~ for the inside */
	} cases[] = {
		{ "module data", { { DATA + 0x80, A } }, 0, "global A" },
		{ "module data, inside a block", { { DATA, A + 16 } }, 0, "global ~A" },
		{ "what was never written", { { CONST, A } }, 0, "" },
		{ "at an odd address", { { DATA + 12, A } }, 0, "" },
		{ "another mapping", { { ANON, B } }, 0, "mapping B" },
		{ "live stack", { { LIVE, C } }, 0, "stack C" },
		{ "dead stack", { { LIVE - 8, C } }, 0, "" },
		{ "thread control block", { { TP + 0x10, D } }, 0, "tls D" },
		{ "below it, without TLS: a mapping", { { TP - 8, D } }, 0, "mapping D" },
		{ "a register", {}, E, "register E" },
		{ "a register, inside a block", {}, E + 8, "register ~E" },
		{ "the heap's own header", { { HEAP, A } }, 0, "" },
		{ "a free block", { { G, A } }, 0, "" },
		{ "a block in use", { { B, A } }, 0, "" },
		{ "the heap's end", { { HEAP + 0xff8, A } }, 0, "" },
		{ "to a free block", { { DATA, G } }, 0, "" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct text words = TEXT_INIT;
		struct world w;

		world_open(&w, cases[i].words);
		w.thread.regs[0] = cases[i].rax;
		world_build(&w);
		for (uint32_t r = 0; r < w.graph->n_roots; r++)
			text_printf(&words, "%s%s %s%c", r ? " " : "",
				    root_kind_name(w.graph->sources[w.graph->root_source[r]].kind),
				    w.graph->root_node[r] & EDGE_INTERIOR ? "~" : "",
				    letter(&w, w.graph->root_node[r]));
		if (strcmp(text_str(&words), cases[i].roots))
			fail_msg("%s: \"%s\", not \"%s\"", cases[i].name, text_str(&words), cases[i].roots);
		text_fini(&words);
		world_close(&w);
	}
}

static void what_roots_and_edges_are_called(void **state)
{
	static const struct vector_word vectors[] = { { G, VECTOR_FIRST }, { C + 8, VECTOR_FIRST + 3 * 8 + 1 } };
	struct text words = TEXT_INIT;
	struct edge_label label;
	struct world w;
	const struct graph *g;

	(void)state;
	world_open(&w, (struct fake_word[]){ { LIVE + 8, A }, { A, C }, { A + 0x18, B + 0x20 },
					      { A + 0x40, B }, {} });
	w.thread.regs[0] = B;
	w.thread.vectors = vectors;
	w.thread.n_vectors = ARRAY_SIZE(vectors);
	world_build(&w);
	g = w.graph;
	assert_int_equal(g->n_roots, 3);
	for (uint32_t r = 0; r < 3; r++) {
		g->ops->root(g->ctx, r, &words);
		text_add(&words, "; ");
	}
	assert_string_equal(text_str(&words),
			    "register rax of thread 42; register xmm3 (high half) of thread 42; "
			    "stack of thread 42; ");
	assert_int_equal(g->root_node[1], graph_node_at(g, C) | EDGE_INTERIOR);
	assert_int_equal(g->root_at[2], LIVE + 8);
	assert_true(g->ops->edge(g->ctx, graph_node_at(g, A), graph_node_at(g, B), &label));
	assert_int_equal(label.offset, 0x18);
	assert_int_equal(label.into, 0x20);
	assert_false(g->ops->edge(g->ctx, graph_node_at(g, A), graph_node_at(g, D), &label));
	assert_false(g->ops->edge(g->ctx, graph_node_at(g, B), graph_node_at(g, A), &label));
	text_fini(&words);
	world_close(&w);
}

/* The graph over the index: what lives is passed in order, the rest is there to be asked for. */
static void the_graph_over_the_index(void **state)
{
	struct graph_iter it;
	struct world w;
	const struct graph *g;
	uint64_t key = A;

	(void)state;
	world_open(&w, &(struct fake_word){});
	world_build(&w);
	g = w.graph;
	assert_int_equal(g->n_live, N_USED);
	assert_int_equal(g->live_bytes, N_USED * 0x100);
	for (it = graph_iter(g, 0); it.id < g->n; graph_next(&it), key += 0x100) {
		assert_int_equal(it.key, key);
		assert_int_equal(it.size, 0x100);
		assert_int_equal(graph_node_at(g, key + 0xff), it.id);
		assert_int_equal(graph_key(g, it.id), key);
		assert_int_equal(graph_size(g, it.id), 0x100);
	}
	assert_int_equal(key, G);
	it = graph_iter(g, graph_node_at(g, C) + 1);
	assert_int_equal(it.key, D);
	assert_true(graph_iter(g, graph_node_at(g, G)).id >= g->n); /* none lives from there on */
	assert_false(graph_is_live(g, graph_node_at(g, H)));
	assert_int_equal(graph_node_at(g, DATA), NODE_NONE);
	world_close(&w);
}

static void who_had_a_lost_block_last(void **state)
{
	static const struct fake_word words[] = {
		{ G, B },			   /* a freed block: its link, masked, is this by chance */
		{ G + 8, A + 0x20 }, { G + 24, A },
		{ G + 16, B - 16 },		   /* a list's link: a chunk, no block of the program */
		{ STACK + 0x100, B },		   /* dead stack */
		{ LIVE + 0x100, C }, { F, C }, { DATA, C }, { H + 0x200, C },
		{ H, D }, { H + 8, D }, { H + 16, D }, { H + 32, D }, { STACK, D },
		{ H + 40, E },			   /* nobody asks for it */
		{},
	};
	static const struct {
		taddr node, at;
		uint8_t kind;
	} want[] = {
		{ A, G + 8, STALE_FREE_BLOCK }, { A, G + 24, STALE_FREE_BLOCK },
		{ B, STACK + 0x100, STALE_DEAD_STACK },
		{ D, STACK, STALE_DEAD_STACK }, { D, H + 8, STALE_FREE_BLOCK }, { D, H + 16, STALE_FREE_BLOCK },
	};
	struct stale *found;
	node_id nodes[4];
	struct world w;
	size_t n;

	(void)state;
	world_open(&w, words);
	world_build(&w);
	for (unsigned i = 0; i < 4; i++) /* in no order */
		nodes[i] = graph_node_at(w.graph, A + 0x100 * ((i + 2) & 3));
	assert_null(find_stale(&w.env, &w.f->img, &w.blocks, nodes, 4, 3, &found, &n));
	assert_int_equal(n, ARRAY_SIZE(want));
	for (size_t i = 0; i < n; i++) {
		assert_int_equal(found[i].node, graph_node_at(w.graph, want[i].node));
		assert_int_equal(found[i].at, want[i].at);
		assert_int_equal(found[i].kind, want[i].kind);
		assert_int_equal(found[i].thread, want[i].kind == STALE_DEAD_STACK ? 0 : UINT32_MAX);
	}
	free(found);
	assert_null(find_stale(&w.env, &w.f->img, &w.blocks, nodes, 0, 3, &found, &n));
	assert_int_equal(n, 0);
	free(found);
	world_close(&w);
}

static void who_points_into_memory_of_nobody(void **state)
{
	enum { RAX };
	static const struct fake_word words[] = {
		{ A, ANON + 8 }, { B, ANON }, { G + 8, ANON }, /* the last one in a freed block */
		{ DATA, ANON }, { CONST, ANON }, { LIVE + 0x100, ANON + 0xff8 }, { STACK + 0x100, ANON }, /* dead */
		{ ANON + 16, ANON }, { DATA + 8, ANON - 1 }, { DATA + 16, ANON + 0x1000 },
		{},
	};
	static const struct pointer_in want[] = {
		{ DATA, ANON }, { B, ANON }, { LIVE + 0x100, ANON + 0xff8 }, { RAX, ANON + 0x10 }, { A, ANON + 8 },
	};
	struct pointers_in found;
	struct text t = TEXT_INIT;
	struct world w;

	(void)state;
	world_open(&w, words);
	world_build(&w);
	w.thread.regs[RAX] = ANON + 0x10;
	find_pointers_in(&w.f->img, &w.blocks, ANON, ANON + 0x1000, &found);
	assert_int_equal(found.n, ARRAY_SIZE(want));
	assert_int_equal(found.n_kept, ARRAY_SIZE(want));
	assert_int_equal(found.n_start, 2);
	for (size_t i = 0; i < ARRAY_SIZE(want); i++) {
		assert_int_equal(found.v[i].at, want[i].at);
		assert_int_equal(found.v[i].value, want[i].value);
		assert_int_equal(found.v[i].thread, want[i].at == RAX ? 0 : UINT32_MAX);
		assert_int_equal(found.v[i].node, want[i].at >= HEAP ? graph_node_at(w.graph, want[i].at) : NODE_NONE);
	}
	graph_describe_register(w.graph, 0, RAX, &t);
	assert_string_equal(text_str(&t), "register rax of thread 42");
	text_reset(&t);
	graph_describe_at(w.graph, LIVE + 0x100, &t);
	assert_string_equal(text_str(&t), "stack of thread 42");
	text_reset(&t);
	graph_describe_at(w.graph, ABSENT, &t);
	assert_int_equal(t.n, 0);
	text_fini(&t);
	world_close(&w);
}

/* Of more than are kept the first, and those to the start before others. */
static void the_first_of_many_pointers(void **state)
{
	struct fake_word words[POINTERS_KEPT + 4] = {};
	struct pointers_in found;
	struct world w;

	(void)state;
	for (unsigned i = 0; i < POINTERS_KEPT + 3; i++)
		words[i] = (struct fake_word){ DATA + 8 * i, i < POINTERS_KEPT + 2 ? ANON + 8 : ANON };
	world_open(&w, words);
	world_build(&w);
	find_pointers_in(&w.f->img, &w.blocks, ANON, ANON + 0x1000, &found);
	assert_int_equal(found.n, POINTERS_KEPT + 3);
	assert_int_equal(found.n_start, 1);
	assert_int_equal(found.n_kept, POINTERS_KEPT);
	assert_int_equal(found.v[0].at, DATA + 8 * (POINTERS_KEPT + 2));
	for (unsigned i = 1; i < POINTERS_KEPT; i++)
		assert_int_equal(found.v[i].at, DATA + 8 * (i - 1));
	world_close(&w);
}

/* The first places of a node, in address order, however many threads look for them. */
static void the_first_places_of_many(void **state)
{
	static const struct fake_word words[] = {
		{ STACK + 0x100, A },
		{ MANY + 32 * 10 + 16, A }, { MANY + 32 * 70000 + 8, A }, { MANY + 32 * 140000 + 8, A },
		{ MANY + 32 * (N_MANY - 1) + 24, A }, { MANY + 32 * (N_MANY - 1) + 16, B },
		{},
	};
	static const struct fake_heap many = {
		80, .claims = { { MANY, MANY + 32 * N_MANY } }, .freed = { MANY, N_MANY },
	};
	static const taddr want[] = {
		STACK + 0x100, MANY + 32 * 10 + 16, MANY + 32 * 70000 + 8, MANY + 32 * (N_MANY - 1) + 16,
	};

	(void)state;
	for (unsigned threads = 1; threads <= 4; threads += 3) {
		struct stale *found;
		struct world w;
		node_id nodes[2];
		size_t n;

		world_open_with(&w, words, &many, PLAIN);
		world_build(&w);
		w.env.threads = threads;
		nodes[0] = graph_node_at(w.graph, A);
		nodes[1] = graph_node_at(w.graph, B);
		assert_null(find_stale(&w.env, &w.f->img, &w.blocks, nodes, 2, 3, &found, &n));
		assert_int_equal(n, ARRAY_SIZE(want));
		for (size_t i = 0; i < n; i++) {
			assert_int_equal(found[i].node, nodes[i == 3]);
			assert_int_equal(found[i].at, want[i]);
		}
		free(found);
		world_close(&w);
	}
}

static const struct fake_heap precise_heap = {
	60,
	.claims = { { GO, GO + 0x1000, .small_grains = true },
		    { GO + 0x1000, GO + 0x2000, .small_grains = true, .head = 8 } },
	.blocks = { { GO_A, 'u' }, { GO_B, 'u' }, { GO_C, 'f' }, { GO_D, 'u' }, { GO_E, 'u' }, { GO_F, 'u' } },
	.slots = { GO_A + 8, GO_B, GO_B + 16, GO_C, GO_D, GO_E + 8, GO_E + 0x7f8 },
};

static void precise_heaps_go_by_slots(void **state)
{
	static const struct {
		const char *name;
		struct fake_word words[4];
		const char *edges;
	} cases[] = {
		{ "a slot", { { GO_A + 8, GO_B } }, "a->b" },
		{ "no slot", { { GO_A, GO_B } }, "" },
		{ "a slot to the inside", { { GO_B, GO_A + 23 } }, "b->a" },
		{ "a slot's last word, to a big block", { { GO_E + 0x7f8, GO_D } }, "e->d" },
		{ "to a header's block by what the program holds", { { GO_D, GO_E + 8 } }, "d->e" },
		{ "a slot of a free block", { { GO_C, GO_A } }, "" },
		{ "a slot to a free block", { { GO_A + 8, GO_C } }, "" },
		{ "a slot to malloc's block", { { GO_A + 8, B }, { GO_B, C + 8 } }, "a->B b~>C" },
		{ "no slot, to malloc's block", { { GO_A, B } }, "a->B" },
		{ "from malloc's block", { { A, GO_A } }, "" },
		{ "from malloc's block to malloc's", { { A, B } }, "A->B" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_(text_fini) struct text got = TEXT_INIT;
		struct world w;

		world_open_with(&w, cases[i].words, &precise_heap, PRECISE);
		world_build(&w);
		check_slots(&w);
		edges_in_words(&w, &got);
		if (strcmp(text_str(&got), cases[i].edges))
			fail_msg("%s: got \"%s\"", cases[i].name, text_str(&got));
		for (node_id n = 0; n < w.graph->n; n++)
			assert_int_equal(bit_get(w.graph->collected, n), graph_start(w.graph, n) >= GO &&
									     graph_start(w.graph, n) < GO + 0x2000);
		world_close(&w);
	}
}

static void only_pointers_keep_precise_blocks(void **state)
{
	static const struct {
		taddr value;
		bool by_chance, exactly;
	} cases[] = {
		{ A, true, true },
		{ A + 8, true, true },
		{ G, false, false },
		{ GO_A, false, true },
		{ GO_B + 5, false, true },
		{ GO_C, false, false },
		{ GO_E + 0x7ff, false, true },
		{ GO + 0x2000, false, false },
		{ 0, false, false },
	};
	static const struct fake_word none[] = { {} };
	struct world w;
	struct scan s;

	(void)state;
	world_open_with(&w, none, &precise_heap, PRECISE);
	s = scan_init(&w.f->img, &w.blocks);
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		assert_int_equal(scan_target(&s, cases[i].value) != NODE_NONE, cases[i].by_chance);
		assert_int_equal(scan_pointer(&s, cases[i].value) != NODE_NONE, cases[i].exactly);
	}
	world_close(&w);
}

static void a_slot_of_a_precise_block_is_named(void **state)
{
	static const struct fake_word words[] = { { GO_E + 0x7f8, GO_E }, { GO_E + 8, GO_E + 0x900 }, {} };
	struct edge_label label;
	struct world w;

	(void)state;
	world_open_with(&w, words, &precise_heap, PRECISE);
	world_build(&w);
	assert_true(w.graph->ops->edge(w.graph->ctx, block_at(&w.blocks, GO_E), block_at(&w.blocks, GO_F), &label));
	assert_int_equal(label.offset, 0);
	assert_int_equal(label.into, 0xf8);
	world_close(&w);
}

/* A typer of three types for blocks A to C: it guesses of A and C, whose type's name is a guess itself. */
static struct err *open_guesser(struct env *env, const struct image *img, const struct blocks *blocks,
				const struct hints *hints, void **ret_ctx)
{
	static int anything;

	(void)env;
	(void)img;
	(void)blocks;
	(void)hints;
	*ret_ctx = &anything;
	return NULL;
}

static struct err *assign_guesses(void *ctx, struct type_columns *cols)
{
	static const struct {
		const char *name;
		uint8_t of_name, of_block;
	} types[] = {
		{ "guessed", CONF_RUNTIME, TYPE_GUESSED },
		{ "sure", CONF_RUNTIME, TYPE_EXACT },
		{ "named by guess", CONF_GUESS, TYPE_GUESSED },
	};

	(void)ctx;
	for (unsigned i = 0; i < ARRAY_SIZE(types); i++) {
		struct type_row row = { .name = types[i].name, .handle = i + 1, .typer = cols->typer,
					.confidence = types[i].of_name };
		node_id node = graph_node_at(cols->graph, A + 0x100 * i);

		assert_null(types_intern(cols->types, &row, &cols->type[node]));
		cols->confidence[node] = types[i].of_block;
	}
	return NULL;
}

static void close_guesser(void *ctx)
{
	(void)ctx;
}

static void what_is_guessed_of_a_block(void **state)
{
	static const struct typer_ops guesser = {
		.name = "guesser", .open = open_guesser, .assign = assign_guesses, .close = close_guesser,
	};
	static const struct typer_ops *const typers[] = { &guesser, NULL };
	const struct types *types;
	struct typing *typing;
	struct world w;

	(void)state;
	world_open(&w, (const struct fake_word[]){ {} });
	world_build(&w);
	assert_null(typing_run(&w.env, &w.f->img, &w.blocks, NULL, w.graph, typers, &typing));
	types = typing_types(typing);
	assert_true(types_is_guess(types, graph_node_at(w.graph, A)));
	assert_false(types_is_guess(types, graph_node_at(w.graph, B)));
	assert_false(types_is_guess(types, graph_node_at(w.graph, C))); /* as its type says already */
	assert_int_equal(types_rival(types, graph_node_at(w.graph, A)), 0);
	typing_free(typing);
	world_close(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(which_words_are_edges),
		cmocka_unit_test(which_words_are_roots),
		cmocka_unit_test(what_roots_and_edges_are_called),
		cmocka_unit_test(the_graph_over_the_index),
		cmocka_unit_test(who_had_a_lost_block_last),
		cmocka_unit_test(the_first_places_of_many),
		cmocka_unit_test(who_points_into_memory_of_nobody),
		cmocka_unit_test(the_first_of_many_pointers),
		cmocka_unit_test(precise_heaps_go_by_slots),
		cmocka_unit_test(only_pointers_keep_precise_blocks),
		cmocka_unit_test(a_slot_of_a_precise_block_is_named),
		cmocka_unit_test(what_is_guessed_of_a_block),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
