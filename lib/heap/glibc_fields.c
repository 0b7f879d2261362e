/*
 * glibc_fields.c - rows of offsets that differ between glibc versions, and the way to tell them.
 *
 * Source of truth: malloc/malloc.c and malloc/arena.c of 2.28 to 2.43, checked on cores of
 * each (docs/formats/glibc.md).
 */
#include "heap/glibc_fields.h"

#include <stdlib.h>

#include "base/guard.h"

enum { MEND_MAX = 1 << 20 };

const struct glibc_state_form glibc_state_forms[] = {
	{ .bins_at = 112, .fastbins_at = 16 },			   /* 2.27 to 2.42 */
	{ .bins_at = 24, .mmap_size_without_header = true }, /* 2.43 */
};
const size_t n_glibc_state_forms = ARRAY_SIZE(glibc_state_forms);

const struct glibc_tcache_form glibc_tcache_forms[] = {
	{ .chunk_size = 0x250, .bins = 64, .count_bytes = 1, .entries_at = 64 },
	{ .chunk_size = 0x290, .bins = 64, .count_bytes = 2, .entries_at = 128 },
	{ .chunk_size = 0x300, .bins = 76, .count_bytes = 2, .entries_at = 152, .counts_are_free_slots = true },
};
const size_t n_glibc_tcache_forms = ARRAY_SIZE(glibc_tcache_forms);

const struct glibc_mp_form glibc_mp_forms[] = {
	{ .n_mmaps_before = 36, .n_mmaps_max_before = 32, .max_n_mmaps_before = 28 }, /* 2.35 and later */
	{ .n_mmaps_before = 32, .n_mmaps_max_before = 28, .max_n_mmaps_before = 24 },
};
const size_t n_glibc_mp_forms = ARRAY_SIZE(glibc_mp_forms);

const char *const glibc_where_names[N_WHERES] = {
	[WHERE_TCACHE] = "tcache",     [WHERE_FASTBIN] = "fastbin",   [WHERE_UNSORTED] = "unsorted",
	[WHERE_SMALLBIN] = "smallbin", [WHERE_LARGEBIN] = "largebin", [WHERE_TOP] = "top",
	[WHERE_OTHER] = "unlisted",
};

const char *glibc_version_group(const struct glibc_facts *facts)
{
	if (facts->bins_at == 24)
		return "2.43";
	if (facts->tcache_chunk == 0x300)
		return "2.42";
	if (facts->heap_info_size == 0x30 || facts->n_mmaps_before == 36)
		return facts->tcache_chunk ? "2.35-2.41" : "2.35-2.42";
	if (facts->tcache_chunk == 0x250)
		return "2.28-2.29";
	if (facts->safe_linking == 1)
		return "2.32-2.34";
	if (facts->safe_linking == 0)
		return facts->tcache_chunk ? "2.30-2.31" : "2.28-2.31";
	return facts->tcache_chunk ? "2.30-2.34" : "2.28-2.34";
}

static unsigned long minor_of(const char *version)
{
	return !strncmp(version, "2.", 2) ? strtoul(version + 2, NULL, 10) : 0;
}

bool glibc_version_in_group(const char *version, const char *group)
{
	const char *dash = strchr(group, '-');
	unsigned long minor = minor_of(version), low = minor_of(group);

	return minor >= low && minor <= (dash ? minor_of(dash + 1) : low == 43 ? 99 : low);
}

bool window_move(struct window *w, taddr at)
{
	const struct segment *seg = image_segment(w->img, at);

	if (!seg || !seg->bytes || at < seg->start || seg->end - at < 8)
		return false;
	w->start = seg->start;
	w->n = seg->end - seg->start;
	w->bytes = seg->bytes;
	return true;
}

bool chunk_is_linked(const struct window *from, taddr at)
{
	struct window w = *from; /* the caller's stays where it is */
	taddr fd, bk, back;

	return window_u64(&w, at + 16, &fd) && window_u64(&w, at + 24, &bk) &&
	       window_u64(&w, fd + 24, &back) && back == at &&
	       window_u64(&w, bk + 16, &back) && back == at;
}

uint64_t glibc_size_by_end(struct window *w, const struct glibc_piece *p, taddr at)
{
	uint64_t header, footer, found = 0;

	for (uint64_t size = CHUNK_MIN; size < MEND_MAX && size < p->end - at; size += 16)
		if (window_u64(w, at + size, &footer) && footer == size &&
		    window_u64(w, at + size + 8, &header) && !(header & CHUNK_PREV_INUSE) &&
		    chunk_size_fits(header, at + size, p->end))
			found = size;
	return found;
}
