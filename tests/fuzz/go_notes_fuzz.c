/*
 * go_notes_fuzz.c - real Go cores whose heap has words overwritten: what the noters and the readers
 * of profiles make of that, and the facts that follow.
 *
 * The input: which core, then 14-byte patches: which word, and what to put there.  The cores and
 * programs that HEAPFX_FUZZ_GO_NOTES names ("core=program:...", tests/fuzz/run makes them) are
 * opened once, with blocks, graph and types as they were; only the words change, so that maps,
 * pools, sync.Maps, waits, finalizers, slices, strings and buckets lie, loop and are of impossible
 * lengths.
 */
#include "base/bits.h"
#include "base/cursor.h"
#include "fact/fact.h"
#include "fuzz.h"
#include "image/go_block_profile.h"
#include "image/go_profile.h"
#include "image/go_sched.h"
#include "type/build.h"
#include "type/noter.h"

enum {
	MAX_CORES = 8,
	MAX_PATCHES = 64,
	PATCH_BYTES = 14,
	MAX_PLACES = 1 << 18,
	WORDS = 64, /* of a large block */
	BUCKETS = 256,
	STACK_WORDS = 32,
};

static struct world {
	struct env env;
	struct input *in;
	struct image *img;
	struct blocks blocks;
	struct graph *g;
	unsigned n_cols;
	taddr *places;
	size_t n_places;
} worlds[MAX_CORES];
static size_t n_worlds;
static char *names; /* of files: the images may keep them */

static void note_place(struct world *w, taddr at)
{
	uint64_t word;

	if (w->n_places < MAX_PLACES && image_read_u64(w->img, at, &word) == MEM_OK && word)
		w->places[w->n_places++] = at;
}

static void note_range(struct world *w, taddr start, taddr end)
{
	for (; start + 8 <= end; start += 8)
		note_place(w, start);
}

static void note_buckets(struct world *w, taddr head)
{
	taddr at;

	note_place(w, head);
	at = head ? go_word(w->img->go, head) : 0;
	for (unsigned i = 0; at && i < BUCKETS; i++) {
		note_range(w, at, at + 128);
		at = go_word(w->img->go, at + 8);
	}
}

static void note_places(struct world *w)
{
	const struct go *go = w->img->go;

	for (struct graph_iter it = graph_iter(w->g, 0); it.id < w->g->n; graph_next(&it))
		note_range(w, it.key, it.key + (it.size < 8 * WORDS ? it.size : 8 * WORDS));
	for (size_t i = 0; i < go->n_modules; i++) {
		note_range(w, go->modules[i].data, go->modules[i].edata);
		note_range(w, go->modules[i].bss, go->modules[i].ebss);
	}
	for (size_t i = 0; i < go->n_goroutines; i++)
		note_range(w, go->goroutines[i].sp, go->goroutines[i].sp + 8 * STACK_WORDS);
	note_buckets(w, go->at.mbuckets);
	note_buckets(w, go->at.bbuckets);
	note_buckets(w, go->at.xbuckets);
}

static bool open_world(struct world *w, const char *core, const char *exe)
{
	struct image_options options = fuzz_options;

	options.exe = exe;
	fuzz_env(&w->env);
	w->env.mem_budget = 1 << 30;
	w->places = calloc(MAX_PLACES, sizeof(*w->places));
	if (!w->places || input_open(&w->env, core, &w->in) ||
	    image_open(&w->env, w->in, &options, &w->img) || !w->img->go ||
	    blocks_build(&w->env, w->img, &w->blocks) ||
	    graph_from_blocks(&w->env, w->img, &w->blocks, NULL, false, &w->g) ||
	    graph_tell(&w->env, w->img, &w->blocks, NULL, w->g))
		return false;
	w->n_cols = w->g->n_cols;
	note_places(w);
	return w->n_places;
}

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	const char *list = getenv("HEAPFX_FUZZ_GO_NOTES");
	char *rest = names = list ? strdup(list) : NULL;

	(void)argc;
	(void)argv;
	for (char *core; rest && (core = strsep(&rest, ":")) && n_worlds < MAX_CORES;) {
		char *exe = core;

		strsep(&exe, "=");
		if (!exe || !open_world(&worlds[n_worlds++], core, exe)) {
			n_worlds = 0;
			break;
		}
	}
	if (!n_worlds) {
		fprintf(stderr, "HEAPFX_FUZZ_GO_NOTES names no Go cores: use tests/fuzz/run\n");
		exit(2);
	}
	return 0;
}

static uint64_t *word_at(const struct world *w, taddr at)
{
	uint64_t left;
	const uint8_t *p = image_view(w->img, at, &left);
	uintptr_t page = (uintptr_t)p & ~(uintptr_t)4095;

	/* A private copy of it; what is mapped from elsewhere may not be written to. */
	return p && left >= 8 && !mprotect((void *)page, 8192, PROT_READ | PROT_WRITE) ?
		       (uint64_t *)p : NULL;
}

/* A value, a small step, one bit, the word of another place, or another place itself. */
static uint64_t patched(const struct world *w, uint64_t before, unsigned how, uint64_t value)
{
	taddr other = w->places[value % w->n_places];

	switch (how % 5) {
	case 0: return value;
	case 1: return before + value % 64 - 32;
	case 2: return before ^ 1ull << value % 64;
	case 3: return go_word(w->img->go, other);
	default: return other;
	}
}

struct undo {
	uint64_t *at, was;
};

static unsigned patch_all(const struct world *w, struct cursor *c, struct undo *undo)
{
	unsigned n = 0;

	while (n < MAX_PATCHES && cursor_left(c) >= PATCH_BYTES) {
		uint32_t place = cursor_u32(c);
		unsigned word = cursor_u8(c), how = cursor_u8(c);
		uint64_t value = cursor_u64(c), fresh;
		uint64_t *p = word_at(w, w->places[place % w->n_places] + word % 4 * 8);

		if (!p)
			continue;
		fresh = patched(w, load_u64(p), how, value);
		undo[n++] = (struct undo){ p, load_u64(p) };
		memcpy(p, &fresh, sizeof(fresh));
	}
	return n;
}

/* The graph as it was before its notes. */
static void forget_notes(struct graph *g, unsigned n_cols)
{
	while (g->n_cols > n_cols)
		col_close(&g->cols[--g->n_cols]);
	for (uint32_t i = 0; i < g->n_sources; i++)
		((struct root_source *)g->sources)[i].owner = 0;
	g->n_owners = g->n_gates = g->n_waits = g->n_contents = 0;
	g->n_finalizable = g->n_queued = g->n_slacks = g->n_keyeds = g->n_copies = 0;
	arena_fini(&g->names);
}

static void read_profiles(const struct go *go)
{
	struct go_profile memory = {};
	struct go_block_profile blocking = {}, mutexes = {};

	err_free(go_profile_read(go, &memory));
	err_free(go_block_profile_read(go, GO_BLOCK_PROFILE, &blocking));
	err_free(go_block_profile_read(go, GO_MUTEX_PROFILE, &mutexes));
	go_profile_fini(&memory);
	go_block_profile_fini(&blocking);
	go_block_profile_fini(&mutexes);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct cursor c = cursor_init(data, size, "patches", 0);
	struct undo undo[MAX_PATCHES];
	struct facts facts = {};
	struct world *w;
	struct err *err;
	unsigned n;

	if (!size)
		return 0;
	w = &worlds[cursor_u8(&c) % n_worlds];
	forget_notes(w->g, w->n_cols);
	n = patch_all(w, &c, undo);
	err = noting_run(&w->env, w->img, &w->blocks, NULL, noter_registry, w->g);
	if (!err)
		err = facts_compute(&w->env, w->g,
				    FACT_OWNER | FACT_KNOTS | FACT_FINAL_RINGS | FACT_STUCK_RINGS |
					    FACT_HELD | FACT_BY_KEYS,
				    &facts);
	err_free(err);
	facts_fini(&facts);
	read_profiles(w->img->go);
	while (n--)
		memcpy(undo[n].at, &undo[n].was, sizeof(undo[n].was));
	return 0;
}
