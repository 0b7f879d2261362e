/*
 * glibc_tcache.c - the caches of every thread: chunks that look used and are free.
 *
 * A cache's struct is found through the thread pointer: a word of the static TLS area points to
 * it.  Where that area is not in the dump, or is all zero (gdb's gcore under glibc 2.42 and
 * later), by looking at every chunk of the right size.  Either way it counts only if its lists
 * hold chunks of the sizes they must.
 */
#include "base/bits.h"
#include "base/vec.h"
#include "heap/glibc_fields.h"

enum {
	TLS_NEAR = 4096, /* how far from the thread pointer libc's variables lie */
	LIST_MAX = 1 << 16,
	BINS_MAX = 76,
	SMALL_BINS = 64,
	MP_TCACHE_COUNT = 24, /* behind mp_.sbrk_base */
};

struct tcache {
	taddr mem; /* of the struct */
	const struct glibc_tcache_form *form;
	taddr entries[BINS_MAX];
	uint32_t counts[BINS_MAX];
	bool safe;
	uint64_t n; /* chunks in all lists */
	uint32_t arena;
};

static bool entry_fits(struct glibc *g, struct window *w, taddr entry, unsigned bin)
{
	uint64_t header;

	if (entry & 15 || entry < CHUNK_HEADER || !window_u64(w, entry - 8, &header))
		return false;
	if (header & CHUNK_IS_MMAPPED)
		return false;
	if (bin >= SMALL_BINS)
		return chunk_size(header) >= CHUNK_MIN + 16 * SMALL_BINS && glibc_piece_at(g, entry);
	return chunk_size(header) == CHUNK_MIN + 16 * bin;
}

/* The length of one list if it is sound, else -1. */
static int64_t list_length(struct glibc *g, taddr entry, unsigned bin, bool safe)
{
	struct window w = { .img = g->img };
	struct loop_guard loop = {};

	for (int64_t n = 0; n < LIST_MAX; n++) {
		uint64_t next;

		if (!entry)
			return n;
		if (loop_closes(&loop, entry) || !entry_fits(g, &w, entry, bin) || !window_u64(&w, entry, &next))
			return -1;
		entry = safe ? next ^ entry >> 12 : next;
	}
	return -1;
}

static unsigned sound_lists(struct glibc *g, const struct tcache *t, bool safe, unsigned *ret_full)
{
	unsigned sound = 0;

	*ret_full = 0;
	for (unsigned b = 0; b < t->form->bins; b++) {
		int64_t n;

		if (!t->entries[b])
			continue;
		++*ret_full;
		n = list_length(g, t->entries[b], b, safe);
		sound += n >= 0 && (t->form->counts_are_free_slots || n == t->counts[b]);
	}
	return sound;
}

/*
 * A cache with no chunk: its counts tell whether it is one.  All zero, as they are where a tunable
 * turned caches off, they tell nothing; but a heap's first chunk is its first cache, most often, and
 * mp_ says that they are off.
 */
static bool empty_is_plausible(const struct tcache *t, bool may_be_zero)
{
	for (unsigned b = 0; b < t->form->bins; b++) {
		if (t->entries[b])
			return false;
		if (!t->form->counts_are_free_slots && t->counts[b])
			return false;
		if (t->form->counts_are_free_slots && b < SMALL_BINS &&
		    (t->counts[b] != t->counts[0] || (!t->counts[0] && !may_be_zero)))
			return false;
	}
	return true;
}

static taddr unmangled(const struct tcache *t, taddr entry, uint64_t word)
{
	return t->safe ? word ^ entry >> 12 : word;
}

/* Only its size is wrong: its link leads on, or to the end where the count says that it is. */
static bool is_mendable(struct glibc *g, const struct tcache *t, unsigned b, taddr entry, uint64_t n)
{
	const struct glibc_piece *piece = glibc_piece_at(g, entry);
	struct window w = { .img = g->img };
	uint64_t next;

	if (b >= SMALL_BINS || entry & 15 || !piece || piece->kind == CLAIM_MMAPPED ||
	    !window_u64(&w, entry, &next))
		return false;
	next = unmangled(t, entry, next);
	if (next)
		return entry_fits(g, &w, next, b);
	return t->safe || (!t->form->counts_are_free_slots && n + 1 == t->counts[b]);
}

/* Every list begins with a chunk of its size, and is counted if it has any. */
static bool heads_fit(struct glibc *g, const struct tcache *t)
{
	struct window w = { .img = g->img };

	for (unsigned b = 0; b < t->form->bins; b++) {
		if (t->entries[b] && !entry_fits(g, &w, t->entries[b], b) &&
		    !is_mendable(g, t, b, t->entries[b], 0))
			return false;
		if (!t->form->counts_are_free_slots && !t->entries[b] && t->counts[b])
			return false;
	}
	return true;
}

/* How many each list of a cache may hold, as mp_ says; UINT64_MAX: unknown. */
static uint64_t most_entries(const struct glibc *g, const struct tcache *t)
{
	const struct glibc_copy *copy;
	uint64_t most;

	if (t->arena >= g->arenas.n)
		return UINT64_MAX;
	copy = &g->copies.v[g->arenas.v[t->arena].copy];
	if (!copy->sbrk_base_at ||
	    image_read_u64(g->img, copy->sbrk_base_at + MP_TCACHE_COUNT, &most) != MEM_OK ||
	    most > UINT16_MAX)
		return UINT64_MAX;
	return most;
}

static bool are_off(const struct glibc *g, const struct tcache *t)
{
	return !most_entries(g, t);
}

static const struct glibc_tcache_form *form_of_size(uint64_t size)
{
	for (size_t f = 0; f < n_glibc_tcache_forms; f++)
		/* The chunk may keep a rest too small to be one. */
		if (size == glibc_tcache_forms[f].chunk_size || size == glibc_tcache_forms[f].chunk_size + 16u)
			return &glibc_tcache_forms[f];
	return NULL;
}

/* Reads what `mem` would be as a cache; false when its lists prove it is none. */
static bool tcache_read(struct glibc *g, taddr mem, bool is_likely, struct tcache *ret)
{
	const struct glibc_piece *piece = glibc_piece_at(g, mem);
	uint8_t bytes[BINS_MAX * 10 + 8];
	uint64_t header;
	unsigned full, full_plain, sound, plain;

	if (!piece || piece->kind == CLAIM_MMAPPED || mem & 15 ||
	    image_read_u64(g->img, mem - 8, &header) != MEM_OK)
		return false;
	*ret = (struct tcache){ .mem = mem, .form = form_of_size(chunk_size(header)), .arena = piece->arena };
	if (!ret->form || header & CHUNK_IS_MMAPPED ||
	    image_read(g->img, mem, bytes, ret->form->entries_at + 8 * ret->form->bins) != MEM_OK)
		return false;
	for (unsigned b = 0; b < ret->form->bins; b++) {
		ret->counts[b] = ret->form->count_bytes == 1 ? bytes[b] : load_u16(bytes + 2 * b);
		ret->entries[b] = load_u64(bytes + ret->form->entries_at + 8 * b);
	}
	sound = sound_lists(g, ret, true, &full);
	plain = sound_lists(g, ret, false, &full_plain);
	if (!full)
		return (is_likely || ret->form->counts_are_free_slots) &&
		       empty_is_plausible(ret, mem - CHUNK_HEADER == piece->first ||
						       (is_likely && are_off(g, ret)));
	ret->safe = sound >= plain;
	/* One damaged list must not hide the others; when all are, their heads must be in order. */
	return (sound > plain ? sound : plain) * 4 >= full * 3 || (is_likely && heads_fit(g, ret));
}

static bool have_struct(const struct glibc *g, taddr mem)
{
	for (size_t i = g->n_in_bins; i < g->listed.n; i++)
		if (g->listed.v[i].is_struct && g->listed.v[i].mem == mem)
			return true;
	return false;
}

/* `prev`: the entry that led to the break, 0 if the struct itself did. */
static void list_damage(struct glibc *g, const struct tcache *t, unsigned b, taddr prev, taddr entry,
			const char *likely)
{
	g->failed++;
	glibc_damage(g, prev ? prev : t->mem,
		     "tcache at 0x%lx: list %u is broken at 0x%lx, which leads to 0x%lx; likely %s", t->mem, b,
		     prev ? prev : t->mem, entry, likely);
}

/* A count that is off by one is a thread that stopped between the link and the count. */
static void check_count(struct glibc *g, const struct tcache *t, unsigned b, uint64_t n)
{
	uint64_t most = most_entries(g, t), count = t->counts[b];

	if (t->form->counts_are_free_slots)
		count = most != UINT64_MAX && most >= count ? most - count : n;
	if (n == count)
		g->passed++;
	else if (n + 1 == count || n == count + 1)
		g->failed++;
	else
		list_damage(g, t, b, 0, t->entries[b], "a write into freed memory: its count is another");
}

static void count_entries(struct glibc *g, size_t first, unsigned b)
{
	struct window w = { .img = g->img };

	for (size_t i = first; i < g->listed.n; i++) {
		struct glibc_arena *arena = &g->arenas.v[g->listed.v[i].arena];
		uint64_t header = CHUNK_MIN + 16 * b;

		if (b >= SMALL_BINS)
			(void)window_u64(&w, g->listed.v[i].mem - 8, &header); /* entry_fits() has read it */
		arena->n_in[WHERE_TCACHE]++;
		arena->bytes_in[WHERE_TCACHE] += chunk_size(header);
	}
}

static struct err *take_list(struct glibc *g, const struct tcache *t, unsigned b)
{
	size_t first = g->listed.n;
	struct window w = { .img = g->img };
	struct loop_guard loop = {};
	taddr entry = t->entries[b], prev = 0;
	struct err *err = NULL;
	uint64_t n = 0;

	for (; entry && !err; n++) {
		const struct glibc_piece *piece = glibc_piece_at(g, entry);
		struct glibc_listed l = { .mem = entry, .where = WHERE_TCACHE };
		bool fits = entry_fits(g, &w, entry, b);
		uint64_t next;

		if (loop_closes(&loop, entry)) {
			list_damage(g, t, b, prev, entry, "a double free");
			break;
		}
		if (n >= LIST_MAX || (!fits && !is_mendable(g, t, b, entry, n)) ||
		    !window_u64(&w, entry, &next)) {
			list_damage(g, t, b, prev, entry, "a write into freed memory");
			break;
		}
		if (!fits)
			err = glibc_mend(g, entry - CHUNK_HEADER, CHUNK_MIN + 16 * b);
		l.arena = piece ? piece->arena : UINT32_MAX;
		if (l.arena < g->arenas.n && !vec_push(&g->listed, &l))
			return &err_nomem;
		prev = entry;
		entry = unmangled(t, entry, next);
	}
	if (entry)
		glibc_listed_unique(g, first);
	else
		check_count(g, t, b, n);
	count_entries(g, first, b);
	return err;
}

static struct err *take_tcache(struct glibc *g, const struct tcache *t)
{
	struct glibc_listed self = { .mem = t->mem, .where = WHERE_OTHER, .is_struct = true, .arena = t->arena };
	struct glibc_copy *copy;

	if (have_struct(g, t->mem))
		return NULL;
	if (!vec_push(&g->listed, &self))
		return &err_nomem;
	if (t->arena < g->arenas.n) {
		copy = &g->copies.v[g->arenas.v[t->arena].copy];
		copy->tcache = t->form;
		copy->facts.tcache_chunk = t->form->chunk_size;
		for (unsigned b = 0; b < t->form->bins; b++)
			if (t->entries[b]) /* a list shows how its links are written */
				copy->facts.safe_linking = t->safe;
	}
	for (unsigned b = 0; b < t->form->bins; b++) {
		struct err *err = take_list(g, t, b);

		if (err)
			return err;
	}
	return NULL;
}

/* Is libc's part of this thread's TLS in the dump? On x86 the control block points to itself. */
static bool tls_readable(const struct glibc *g, const struct thread *thread)
{
	uint64_t self;

	if (!thread->tp || image_read_u64(g->img, thread->tp, &self) != MEM_OK)
		return false;
	return g->img->target && g->img->target->id == TARGET_X86_64 ? self == thread->tp : self != 0;
}

/* Is there a word of the static TLS area that points to a cache? Several libcs may each have one. */
static struct err *from_thread(struct glibc *g, const struct thread *thread)
{
	bool below = !g->img->target || g->img->target->tls_below_tp;
	taddr low = below ? thread->tp - TLS_NEAR : thread->tp, at;

	for (at = low; at < low + TLS_NEAR; at += 8) {
		struct tcache t;
		struct err *err;
		uint64_t mem;

		if (image_read_u64(g->img, at, &mem) != MEM_OK || !mem || !tcache_read(g, mem, true, &t))
			continue;
		err = take_tcache(g, &t);
		if (err)
			return err;
	}
	return NULL;
}

/*
 * Every chunk of a cache's size.  An empty one, whose counts are all zero, only where caches are
 * made: first in an arena's heap.  (From 2.42 on a large block may come before it.)
 */
static struct err *from_chunks(struct glibc *g, const struct glibc_piece *piece)
{
	struct window w = { .img = g->img };
	uint64_t header;

	if (piece->kind == CLAIM_MMAPPED)
		return NULL;
	for (taddr at = piece->first; at < piece->end && piece->end - at >= CHUNK_MIN;) {
		struct tcache t;

		if (at == piece->top || !window_u64(&w, at + 8, &header) ||
		    !chunk_size_fits(header, at, piece->end))
			break;
		if (form_of_size(chunk_size(header)) && tcache_read(g, at + 16, at == piece->first, &t)) {
			struct err *err = take_tcache(g, &t);

			if (err)
				return err;
		}
		at += chunk_size(header);
	}
	return NULL;
}

struct err *glibc_read_tcaches(struct glibc *g)
{
	bool blind = !g->img->n_threads;

	g->n_in_bins = g->listed.n;
	for (size_t i = 0; i < g->img->n_threads; i++) {
		const struct thread *thread = &g->img->threads[i];
		struct err *err;

		if (!tls_readable(g, thread)) {
			blind = true;
			continue;
		}
		err = from_thread(g, thread);
		if (err)
			return err;
	}
	if (blind)
		for (size_t p = 0; p < g->pieces.n; p++) {
			struct err *err = from_chunks(g, &g->pieces.v[p]);

			if (err)
				return err;
		}
	return NULL;
}
