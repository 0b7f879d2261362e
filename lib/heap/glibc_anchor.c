/*
 * glibc_anchor.c - find main_arena: by symbol, by what malloc's own code refers to, by its shape.
 *
 * The shape: 127 pairs (fd, bk) in a row, each either pointing to its own bin or to a list that
 * points back; then a ring of `next` through all arenas.  It needs no file and no code.  The
 * other two ways only confirm: an address counts if the shape is there.
 */
#include "base/bits.h"
#include "base/guard.h"
#include "base/vec.h"
#include "heap/glibc_fields.h"
#include "image/go.h"
#include "image/insn.h"

enum {
	BINS_GOOD = 120, /* of 127: some may be damaged */
	BINS_BYTES = GLIBC_BINS * 16,
	REFS_MAX = 64,
};

/* Bin i is at the address its empty pair holds, 16 bytes before the pair. */
static bool pair_is_bin(struct window *w, const uint8_t *pair, taddr at)
{
	taddr bin = at - 16, fd = load_u64(pair), bk = load_u64(pair + 8);
	uint64_t back;

	if (fd == bin && bk == bin)
		return true;
	return window_u64(w, fd + 24, &back) && back == bin && window_u64(w, bk + 16, &back) &&
	       back == bin;
}

/* How many of the 127 pairs from `bins` on are bins. */
static unsigned count_bins(const struct image *img, taddr bins)
{
	uint64_t avail;
	const uint8_t *bytes = image_view(img, bins, &avail);
	struct window w = { .img = img };
	unsigned n = 0;

	if (!bytes || avail < BINS_BYTES)
		return 0;
	for (unsigned i = 0; i < GLIBC_BINS; i++)
		n += pair_is_bin(&w, bytes + 16 * i, bins + 16 * i);
	return n;
}

/*
 * Which form of malloc_state makes `next` a ring that comes back.  When none does (damage), how
 * the bins lie: malloc_state is aligned to 16, so that they are at 112 or at 24 behind it by
 * their own alignment; lock and flags at its start must make sense.
 */
static const struct glibc_state_form *form_of(const struct image *img, taddr bins)
{
	for (size_t f = 0; f < n_glibc_state_forms; f++) {
		const struct glibc_state_form *form = &glibc_state_forms[f];
		taddr state = bins - form->bins_at, at = state;

		for (unsigned i = 0; i < ARENAS_MAX; i++) {
			if (image_read_u64(img, at + form->bins_at + BINS_NEXT, &at) != MEM_OK)
				break;
			if (at == state)
				return form;
		}
	}
	for (size_t f = 0; f < n_glibc_state_forms; f++) {
		const struct glibc_state_form *form = &glibc_state_forms[f];
		uint32_t lock, flags;

		if (!((bins - form->bins_at) & 15) &&
		    image_read_u32(img, bins - form->bins_at, &lock) == MEM_OK && lock <= 2 &&
		    image_read_u32(img, bins - form->bins_at + 4, &flags) == MEM_OK && flags <= 7)
			return form;
	}
	return NULL;
}

/* The ring's member that lies in no thread heap is the main arena. */
static bool is_thread_arena(const struct image *img, taddr state)
{
	static const uint16_t header[] = { 0x20, 0x30 };
	taddr ar_ptr;

	for (size_t i = 0; i < ARRAY_SIZE(header); i++)
		if (!((state - header[i]) & (GLIBC_PAGE - 1)) &&
		    image_read_u64(img, state - header[i], &ar_ptr) == MEM_OK && ar_ptr == state)
			return true;
	return false;
}

static taddr main_of_ring(const struct image *img, taddr bins, const struct glibc_state_form *form)
{
	taddr first = bins - form->bins_at, at = first;

	for (unsigned i = 0; i < ARENAS_MAX; i++) {
		if (!is_thread_arena(img, at))
			return at + form->bins_at;
		if (image_read_u64(img, at + form->bins_at + BINS_NEXT, &at) != MEM_OK || at == first)
			break;
	}
	return 0;
}

enum anchor_way { BY_LAYOUT, BY_SYMBOL, BY_CODE };

/* Debug info that gives the same offset of the bins. */
static bool debug_info_agrees(const struct image *img, const struct glibc_copy *copy)
{
	uint64_t offset;

	return copy->module && image_field_offset(img, copy->module, "malloc_state", "bins", &offset) &&
	       offset == copy->form->bins_at;
}

/* A place that looks like bins: proves it and adds its libc, or notes one more way that found it. */
static struct err *try_bins(struct glibc *g, taddr bins, enum anchor_way way)
{
	const struct glibc_state_form *form = form_of(g->img, bins);
	taddr main_bins = form ? main_of_ring(g->img, bins, form) : 0;
	struct glibc_copy *copy = NULL;

	if (!main_bins || count_bins(g->img, main_bins) < BINS_GOOD)
		return NULL;
	for (size_t i = 0; i < g->copies.n && !copy; i++)
		if (g->copies.v[i].bins == main_bins)
			copy = &g->copies.v[i];
	if (!copy) {
		struct glibc_copy found = {
			.form = form,
			.bins = main_bins,
			.module = image_module_at(g->img, main_bins),
			.facts = { .bins_at = form->bins_at, .safe_linking = -1 },
		};

		found.by_debug_info = debug_info_agrees(g->img, &found);
		if (!vec_push(&g->copies, &found))
			return &err_nomem;
		copy = &g->copies.v[g->copies.n - 1];
	}
	image_keep(g->img, main_bins, BINS_END);
	copy->by_layout |= way == BY_LAYOUT;
	copy->by_symbol |= way == BY_SYMBOL;
	copy->by_code |= way == BY_CODE;
	return NULL;
}

/* The run of bins around a pair that points to itself; returns where the run ends. */
static struct err *try_run(struct glibc *g, const struct segment *seg, uint64_t at, uint64_t *ret_end)
{
	struct window w = { .img = g->img };
	uint64_t n = seg->end - seg->start, first = at, end = at + 16;
	unsigned misses = 0;

	while (first >= 16 && pair_is_bin(&w, seg->bytes + first - 16, seg->start + first - 16))
		first -= 16;
	for (uint64_t next = end; next + 16 <= n && misses < 8; next += 16) {
		if (pair_is_bin(&w, seg->bytes + next, seg->start + next)) {
			end = next + 16;
			misses = 0;
		} else {
			misses++;
		}
	}
	*ret_end = end;
	if (end - first > BINS_BYTES || end - first < BINS_GOOD * 16)
		return NULL;
	/* A damaged first or last bin shortens the run: try each place that would complete it. */
	for (uint64_t start = end - BINS_BYTES > end ? 0 : end - BINS_BYTES; start <= first; start += 16) {
		size_t before = g->copies.n;
		struct err *err = try_bins(g, seg->start + start, BY_LAYOUT);

		if (err || g->copies.n != before)
			return err;
	}
	return NULL;
}

/* From one offset of a segment to another, or a little further; *at ends where it was looked at. */
static struct err *scan_part(struct glibc *g, const struct segment *seg, uint64_t *at, uint64_t end)
{
	uint64_t n = seg->end - seg->start;

	for (; *at < end && n - *at >= 16; *at += 8) {
		taddr self = seg->start + *at - 16;
		struct err *err;
		uint64_t run_end;

		if (load_u64(seg->bytes + *at) != self || load_u64(seg->bytes + *at + 8) != self)
			continue;
		err = try_run(g, seg, *at, &run_end);
		if (err)
			return err;
		*at = run_end - 8;
	}
	return NULL;
}

/* Arenas of Go's heap, where no allocator keeps its own data, are passed over. */
static struct err *scan_segment(struct glibc *g, const struct segment *seg)
{
	const struct go *go = g->img->go;
	uint64_t n = seg->end - seg->start, at = 0;
	struct err *err = NULL;

	while (at < n && !err) {
		uint64_t left = GO_ARENA - (seg->start + at) % GO_ARENA;
		uint64_t end = left < n - at ? at + left : n;

		if (go && go_heap_arena(go, seg->start + at))
			at = end;
		else
			err = scan_part(g, seg, &at, end);
		if (n - at < 16)
			break;
	}
	return err;
}

static bool is_data(const struct segment *seg)
{
	return seg->bytes && seg->flags & SEG_W && seg->end - seg->start >= BINS_BYTES;
}

static bool has_data(const struct image *img, int module)
{
	for (size_t i = 0; i < img->n_segments; i++)
		if (img->segments[i].module == module && is_data(&img->segments[i]))
			return true;
	return false;
}

/* Is a module's data missing, so that a libc's may lie anywhere? The executable and each library have some. */
static bool lacks_data(const struct image *img)
{
	bool all = img->n_modules > 0;

	for (size_t m = 0; m < img->n_modules; m++)
		all &= has_data(img, (int)m) || img->modules[m].is_vdso;
	return !all;
}

/* Data of modules first; all that is writable only when no module has an arena, and one may lack its data. */
static struct err *find_by_layout(struct glibc *g)
{
	const struct image *img = g->img;
	int last = lacks_data(img) ? 0 : 1;

	for (int modules = 1; modules >= last; modules--) {
		for (size_t i = 0; i < img->n_segments; i++) {
			const struct segment *seg = &img->segments[i];
			struct err *err;

			if (!is_data(seg) || (seg->module >= 0) != modules)
				continue;
			err = scan_segment(g, seg);
			if (err)
				return err;
		}
		if (g->copies.n)
			break;
	}
	return NULL;
}

static struct err *find_by_symbol(struct glibc *g)
{
	for (size_t m = 0; m < g->img->n_modules; m++) {
		struct symbol sym;

		if (!image_symbol(g->img, &g->img->modules[m], "main_arena", &sym))
			continue;
		for (size_t f = 0; f < n_glibc_state_forms; f++) {
			struct err *err =
				try_bins(g, sym.addr + glibc_state_forms[f].bins_at, BY_SYMBOL);

			if (err)
				return err;
		}
	}
	return NULL;
}

/* What malloc's reporting functions take the address of: one of it is main_arena. */
static struct err *find_by_code(struct glibc *g)
{
	static const char *const functions[] = { "mallinfo2", "mallinfo", "malloc_trim", "mallopt" };

	for (size_t m = 0; m < g->img->n_modules; m++)
		for (size_t i = 0; i < ARRAY_SIZE(functions); i++) {
			struct insn_ref refs[REFS_MAX];
			struct symbol sym;
			size_t n;

			if (!image_symbol(g->img, &g->img->modules[m], functions[i], &sym) ||
			    !sym.is_func)
				continue;
			n = insn_refs(g->img, sym.addr, sym.size ? sym.size : 1024, 400, refs, REFS_MAX);
			for (size_t r = 0; r < n; r++)
				for (size_t f = 0; f < n_glibc_state_forms; f++) {
					taddr bins = refs[r].target + glibc_state_forms[f].bins_at;
					struct err *err;

					if (refs[r].kind == INSN_CALL || refs[r].kind == INSN_TLS ||
					    count_bins(g->img, bins) < BINS_GOOD)
						continue;
					err = try_bins(g, bins, BY_CODE);
					if (err)
						return err;
				}
		}
	return NULL;
}

/* "... stable release version 2.36.": in read-only data, where a file gave it back or the core has it. */
static void read_version(const struct image *img, struct glibc_copy *copy)
{
	static const char banner[] = "GNU C Library (", release[] = " release version ";

	for (size_t i = 0; i < img->n_segments && copy->module; i++) {
		const struct segment *seg = &img->segments[i];
		const uint8_t *at, *end;
		size_t n = 0;

		if (!seg->bytes || seg->module < 0 || &img->modules[seg->module] != copy->module ||
		    seg->flags & SEG_W)
			continue;
		end = seg->bytes + (seg->end - seg->start);
		at = memmem(seg->bytes, seg->end - seg->start, banner, sizeof(banner) - 1);
		if (at)
			image_keep_bytes(img, at, sizeof(banner));
		if (at)
			at = memmem(at, end - at < 256 ? end - at : 256, release, sizeof(release) - 1);
		if (!at)
			continue;
		image_keep_bytes(img, at, sizeof(release) + 6);
		at += sizeof(release) - 1;
		while (at + n < end && n < 6 && (at[n] == '.' || (at[n] >= '0' && at[n] <= '9')))
			n++;
		while (n && at[n - 1] == '.')
			n--;
		memcpy(copy->version, at, n);
		copy->version[n] = 0;
		return;
	}
}

struct err *glibc_find_copies(struct glibc *g)
{
	struct err *err = find_by_symbol(g);

	if (!err)
		err = find_by_code(g);
	if (!err)
		err = find_by_layout(g);
	for (size_t c = 0; c < g->copies.n && !err; c++)
		read_version(g->img, &g->copies.v[c]);
	return err;
}
