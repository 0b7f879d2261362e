/*
 * heap/glibc_fields.h - what differs between glibc 2.28 and 2.43, and what a walker keeps of a heap.
 *
 * No row is believed for its version's sake: each is chosen by what the dump's own structures
 * show (how far `next` of an arena lies from its bins, how large a tcache chunk is, where
 * mp_.n_mmaps makes sense).
 */
#ifndef HEAPFX_HEAP_GLIBC_FIELDS_H
#define HEAPFX_HEAP_GLIBC_FIELDS_H

#include <string.h>

#include "base/bits.h"
#include "base/col.h"
#include "heap/damage.h"
#include "heap/walker.h"
#include "image/shadow.h"

enum {
	CHUNK_PREV_INUSE = 1,
	CHUNK_IS_MMAPPED = 2,
	CHUNK_NON_MAIN = 4,
	CHUNK_MIN = 0x20,
	CHUNK_HEADER = 16,
	GLIBC_BINS = 127,
	GLIBC_PAGE = 4096,
	/* Relative to the first bin pair, the same in every version. */
	BINS_TOP = -16,
	BINS_NEXT = 2048,
	BINS_ATTACHED = 2064,
	BINS_SYSTEM_MEM = 2072,
	BINS_END = 2088,
	GLIBC_FASTBINS = 10,
	ARENAS_MAX = 1 << 16,
};

/* How malloc_state begins: the bins' distance from it, and the fast bins if there are any. */
struct glibc_state_form {
	uint16_t bins_at;
	uint16_t fastbins_at; /* 0: none */
	bool mmap_size_without_header; /* of mapped chunks */
};
extern const struct glibc_state_form glibc_state_forms[];
extern const size_t n_glibc_state_forms;

/* The struct of per-thread caches, by the chunk that holds it. */
struct glibc_tcache_form {
	uint16_t chunk_size;
	uint16_t bins, count_bytes, entries_at;
	bool counts_are_free_slots; /* 2.42: how many more fit, not how many there are */
};
extern const struct glibc_tcache_form glibc_tcache_forms[];
extern const size_t n_glibc_tcache_forms;

/* n_mmaps lies this many bytes before mp_.sbrk_base. */
struct glibc_mp_form {
	uint8_t n_mmaps_before, n_mmaps_max_before, max_n_mmaps_before;
};
extern const struct glibc_mp_form glibc_mp_forms[];
extern const size_t n_glibc_mp_forms;

struct glibc_facts {
	uint16_t bins_at, heap_info_size, tcache_chunk;
	uint8_t n_mmaps_before;
	int safe_linking; /* 1 yes, 0 no, -1 not seen */
};
/* "2.35-2.41": what these facts leave possible. */
const char *glibc_version_group(const struct glibc_facts *facts);
/* Does "2.36" lie in "2.35-2.41"? */
bool glibc_version_in_group(const char *version, const char *group);

/* A window on the image: one segment at a time, so that a walk reads without searching. */
struct window {
	const struct image *img;
	taddr start;
	uint64_t n;
	const uint8_t *bytes;
};
bool window_move(struct window *w, taddr at); /* false: no 8 bytes there */

static inline bool window_u64(struct window *w, taddr at, uint64_t *ret)
{
	if (at - w->start >= w->n || w->n - (at - w->start) < 8)
		if (!window_move(w, at))
			return false;
	image_keep(w->img, at, 8);
	memcpy(ret, w->bytes + (at - w->start), 8);
	return true;
}

/* A word that is likely to be asked for soon. */
static inline void window_prefetch(const struct window *w, taddr at)
{
	if (at - w->start < w->n)
		__builtin_prefetch(w->bytes + (at - w->start));
}

static inline uint64_t chunk_size(uint64_t header)
{
	return header & ~(uint64_t)7;
}

/* A size that a chunk of the heap can have, in a range that ends at `end`; the header is at +8. */
static inline bool chunk_size_fits(uint64_t header, taddr at, taddr end)
{
	uint64_t size = chunk_size(header);

	return size >= CHUNK_MIN && !(size & 8) && !(header & CHUNK_IS_MMAPPED) && size <= end - at;
}

/* Brent's cycle detection: true once `at` has come by before. */
struct loop_guard {
	taddr mark;
	uint64_t n, next_mark;
};

static inline bool loop_closes(struct loop_guard *l, taddr at)
{
	if (l->n && at == l->mark)
		return true;
	if (l->n >= l->next_mark) {
		l->mark = at;
		l->next_mark = 2 * l->n + 1;
	}
	l->n++;
	return false;
}

/* Do the neighbours in its list lead back to a free chunk? */
bool chunk_is_linked(const struct window *w, taddr at);

enum glibc_where {
	WHERE_TCACHE,
	WHERE_FASTBIN,
	WHERE_UNSORTED,
	WHERE_SMALLBIN,
	WHERE_LARGEBIN,
	WHERE_TOP,
	WHERE_OTHER,
	N_WHERES,
};
extern const char *const glibc_where_names[N_WHERES];

struct glibc_arena {
	taddr bins; /* address of the first bin pair */
	taddr addr; /* of malloc_state */
	taddr top;
	uint64_t top_size, system_mem;
	uint32_t copy, attached;
	bool is_main, noncontiguous, in_ring;
	bool lists_broken; /* some of what they held is not in `n_in` */
	uint64_t n_in[N_WHERES], bytes_in[N_WHERES];
	uint64_t trims[N_WHERES]; /* of these, touched pages that malloc_trim() returns */
};

enum glibc_claim_kind { CLAIM_MAIN, CLAIM_HEAP, CLAIM_MMAPPED };

/*
 * A chunk in use that may be several, because its size was made larger: headers follow each other
 * from `inner` to exactly its end.
 */
struct glibc_inner {
	taddr chunk, inner, end;
	uint64_t n; /* chunks from inner on */
	bool proved; /* a free list leads to one of them */
};

/* One claim and what its walk counted. */
struct glibc_piece {
	taddr start, end, first; /* first: the first chunk; for a mapped one its chunk */
	taddr top;		 /* in this piece, 0 if not here */
	uint32_t arena;		 /* UINT32_MAX: mapped */
	uint8_t kind;
	bool cut; /* the dump ends here, the heap does not */
	bool assumed; /* to be one piece; its walk tells */
	bool mistaken; /* that was wrong, or damage leaves it open */
	uint64_t n_used, used, n_free, free, overhead, largest_free;
	uint64_t passed, failed;
	struct damages damage;
	struct {
		struct glibc_inner *v;
		size_t n, cap;
	} doubts; /* not proved by lists */
	/* A bit for each 16 bytes from `start` on, where a fast bin has a chunk; NULL: nowhere. */
	uint64_t *fast;
	struct col fast_col;
	uint64_t merged; /* what malloc_trim() returns beyond arenas' `trims`, for it merges fast bins' chunks */
	uint64_t looked; /* bytes of free chunks that were looked at for that and those: glibc_trimmed() */
};

static inline bool glibc_in_fastbin(const struct glibc_piece *p, taddr mem)
{
	taddr at = mem - CHUNK_HEADER - p->start;

	return p->fast && at < p->end - p->start && bit_get(p->fast, at >> 4);
}

/* The low four bits of a header in use, behind another in use; free ones may lack NON_MAIN. */
static inline uint64_t glibc_used_flags(const struct glibc_piece *p)
{
	return CHUNK_PREV_INUSE | (p->kind == CLAIM_HEAP ? CHUNK_NON_MAIN : 0);
}

/*
 * The size of a free chunk whose header is not to be believed: the header behind it says that it is
 * free, and its size stands before that.  The largest, for smaller ones stay inside where free chunks
 * grew together; 0 if none.
 */
uint64_t glibc_size_by_end(struct window *w, const struct glibc_piece *p, taddr at);

/*
 * A chunk in a list that leaves it marked as used, or in the unsorted list; sorted by `mem`.  Those of
 * fast bins that are whole are bits of their pieces instead.
 */
struct glibc_listed {
	taddr mem; /* what the program had */
	uint8_t where;
	bool is_struct; /* the struct of a tcache itself */
	uint32_t arena;
};

/* A chunk whose size the list it hangs in tells, not its header. */
struct glibc_mended {
	taddr at;
	uint64_t size;
};

/* One libc in the process. */
struct glibc_copy {
	const struct glibc_state_form *form;
	const struct module *module; /* NULL: unknown */
	taddr bins;
	taddr sbrk_base, sbrk_base_at;
	uint64_t n_mmaps;
	struct glibc_facts facts;
	const struct glibc_tcache_form *tcache;
	bool by_debug_info, by_symbol, by_code, by_layout;
	char version[8]; /* as its read-only data says, "" if that is not at hand */
};

struct glibc {
	struct env *env;
	const struct image *img;
	struct {
		struct glibc_copy *v;
		size_t n, cap;
	} copies;
	struct {
		struct glibc_arena *v;
		size_t n, cap;
	} arenas;
	struct {
		struct glibc_piece *v;
		size_t n, cap;
	} pieces;
	struct {
		struct glibc_listed *v;
		size_t n, cap;
	} listed;
	size_t n_in_bins; /* the first of `listed`, until it is sorted */
	struct {
		struct glibc_mended *v;
		size_t n, cap;
	} mended; /* by address */
	struct damages damage;
	uint64_t passed, failed, n_mapped;
	taddr heap_max; /* alignment of thread heaps */
	bool sure; /* no piece is assumed to be one */
	struct heap_info info;
	bool have_info;
};

void glibc_sort_pieces(struct glibc *g);
struct glibc_piece *glibc_piece_at(struct glibc *g, taddr at); /* pieces must be sorted */
size_t glibc_listed_from(const struct glibc *g, taddr mem); /* the first at or behind it */
/* Does a cache, a fast bin or the unsorted list lead to the chunk of p with this `mem`? */
bool glibc_is_listed(const struct glibc *g, const struct glibc_piece *p, taddr mem);
struct err *glibc_keep_listed(struct glibc *g, taddr chunk, uint8_t where, uint32_t arena) MUST_CHECK;
/* A list leads to where the walk of p met no chunk. */
void glibc_listed_inside(struct glibc *g, struct glibc_piece *p, taddr chunk, enum glibc_where where);
void glibc_count_free(struct glibc_piece *p, uint64_t size);
/* Damage of a piece, found by its walk, of the memory from `at` to `other`. Takes ownership of `what`. */
void glibc_piece_damage(struct glibc *g, struct glibc_piece *p, taddr at, taddr other, char *what);
/* Records damage at an address, in words, once; keeps the first few of them. */
void glibc_damage(struct glibc *g, taddr at, const char *fmt, ...) PRINTF(3, 4);

/* glibc_mcheck.c: a problem, if a variable of a module that is no executable leads to mcheck()'s headers. */
void glibc_tell_mcheck(struct env *env, const struct image *img, const struct module *module);

/* A listed chunk's header says another size than its list: the list's is kept, the damage told. */
struct err *glibc_mend(struct glibc *g, taddr chunk, uint64_t size) MUST_CHECK;

/* Members of `listed` from `first` on, each once: what a list that looped gave. */
void glibc_listed_unique(struct glibc *g, size_t first);

/* glibc_anchor.c: every libc whose main arena can be proved. */
struct err *glibc_find_copies(struct glibc *g) MUST_CHECK;
/* glibc_arenas.c: arenas, and mp_ of each copy. */
struct err *glibc_find_arenas(struct glibc *g) MUST_CHECK;
/* glibc_pieces.c */
struct err *glibc_find_pieces(struct glibc *g) MUST_CHECK;
struct err *glibc_find_mapped(struct glibc *g) MUST_CHECK;
/* glibc_lists.c: bins and fast bins into `listed`, the pieces' bits and the arenas' counts. */
struct err *glibc_read_lists(struct glibc *g) MUST_CHECK;
/*
 * glibc_trim.c: touched pages that malloc_trim() returns of a free chunk (0 when those of the piece have been
 * looked at so often that they must overlap), and of an arena's top.
 */
uint64_t glibc_trimmed(const struct glibc *g, struct glibc_piece *p, taddr at, uint64_t size);
uint64_t glibc_trimmed_top(const struct glibc *g, const struct glibc_arena *a);
/* glibc_trim.c: p->merged, when p is walked; then an arena's `trims` with what its pieces have of that. */
struct block_sink;
void glibc_count_merged(const struct glibc *g, struct glibc_piece *p, const struct block_sink *sink);
void glibc_share_merged(const struct glibc *g, uint32_t arena, uint64_t trims[N_WHERES]);
/* glibc_fastbins.c: the i-th fast bin of arena a, which can have `max` members at most. */
struct err *glibc_read_fastbin(struct glibc *g, uint32_t a, unsigned i, uint64_t max) MUST_CHECK;
/* glibc_tcache.c: the caches of every thread into `listed`. */
struct err *glibc_read_tcaches(struct glibc *g) MUST_CHECK;
/*
 * glibc_run.c: the chunks from `at` on as far as they are ordinary, none beginning at `limit` or
 * behind; what they are goes to the index, their sums to the run.  Answers where they end.
 */
struct glibc_run {
	uint64_t flags; /* glibc_used_flags() */
	uint64_t n_used, n_free, bytes, free, largest_free;
	taddr last; /* the last of them */
	bool last_used;
	/* words of the window `no` and of the one ahead that could be headers */
	taddr segment;
	uint64_t no, headers, ahead;
};
enum { GLIBC_RUN_MAX = 1024 }; /* larger ones are not ordinary */
taddr glibc_run(struct glibc_run *r, const struct window *w, taddr at, taddr limit, struct block_sink *sink);
/*
 * Does any header fit into the chunk [at, at + size) in use?  Words of programs that look like one
 * are rare, so what comes after this sees almost nothing.
 */
bool glibc_has_headers(const struct window *w, taddr at, uint64_t size, uint64_t flags);
/* glibc_fastbins.c: the walk has listed p's chunks, and took those of fast bins for used. */
void glibc_apply_fastbins(struct glibc *g, struct glibc_piece *p, struct block_sink *sink);

/* glibc_walk.c */
struct err *glibc_walk(void *ctx, uint32_t claim, struct block_sink *sink);
/* glibc_inner.c: does the chunk [chunk, end) cover others? `w` must hold its header. */
bool glibc_find_inner(const struct glibc *g, const struct glibc_piece *p, const struct window *w,
		      taddr chunk, taddr end, struct glibc_inner *ret);
char *glibc_inner_words(const struct glibc_inner *in);
/* glibc_settle.c */
struct err *glibc_settle(void *ctx, struct block_sink *sink);

#endif
