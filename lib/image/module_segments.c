/*
 * image/module_segments.c - the segments of an image, made to fit its modules.
 *
 * Mappings that the core left out come from NT_FILE rows and program headers; segments are cut
 * where modules begin and end; and what was read-only in a file that matches gets its bytes.
 */
#include <elf.h>
#include <stdlib.h>
#include <string.h>

#include "base/bits.h"
#include "base/cursor.h"
#include "base/guard.h"
#include "base/search.h"
#include "base/vec.h"
#include "image/elf.h"
#include "image/parts.h"

/* Modules never overlap. */
static int32_t owner_of(const struct image *img, taddr addr)
{
	for (size_t i = 0; i < img->n_modules; i++)
		if (addr >= img->modules[i].start && addr < img->modules[i].end)
			return (int32_t)i;
	return -1;
}

/* ---- mappings that the core left out */

/* How a module's program headers say that an address is mapped; readable at least. */
static uint8_t header_flags(const struct image *img, const struct module *m, taddr addr)
{
	_cleanup_(elf_headers_fini) struct elf_headers memory = {};
	const struct elf_headers *h = m->elf ? &m->elf->h : &memory;

	if (!m->elf) {
		uint64_t avail;
		const uint8_t *bytes = image_view(img, m->start, &avail);

		if (!bytes || !elf_headers_parse(bytes, avail, &memory))
			return SEG_R;
	}
	for (size_t i = 0; i < h->n; i++) {
		const struct elf_segment *s = &h->segments[i];
		uint64_t low = align_down(s->vaddr, 4096);

		if (s->type == PT_LOAD && addr - m->bias >= low &&
		    addr - m->bias - low < s->memsz + (s->vaddr - low))
			return (uint8_t)(s->flags & (SEG_R | SEG_W | SEG_X));
	}
	return SEG_R;
}

static int segment_cmp(const void *a, const void *b)
{
	const struct segment *x = a, *y = b;

	return x->start < y->start ? -1 : x->start > y->start;
}

struct gaps {
	struct segment *v;
	size_t n, cap;
};

/* What of [start, f->end) no segment covers; `i`: the first segment to look at, moved on. */
static struct err *gaps_of_row(const struct image *img, const struct mapped_file *f, uint32_t load,
			       taddr start, size_t *i, struct gaps *gaps)
{
	int32_t owner = owner_of(img, f->start);

	for (taddr at = start; at < f->end;) {
		struct segment s = {
			.start = at,
			.end = f->end,
			.flags = SEG_R,
			.origin = SEG_NONE,
			.load = load,
			.module = -1,
		};

		while (*i < img->n_segments && img->segments[*i].end <= at)
			++*i;
		if (*i < img->n_segments && img->segments[*i].start <= at) {
			at = img->segments[*i].end;
			continue;
		}
		if (*i < img->n_segments && img->segments[*i].start < s.end)
			s.end = img->segments[*i].start;
		if (owner >= 0)
			s.flags = header_flags(img, &img->modules[owner], at);
		if (!vec_push(gaps, &s))
			return &err_nomem;
		at = s.end;
	}
	return NULL;
}

static struct err *segments_add(struct image *img, const struct gaps *gaps)
{
	struct segment *all = calloc(img->n_segments + gaps->n + 1, sizeof(*all));

	if (!all)
		return &err_nomem;
	if (img->n_segments)
		memcpy(all, img->segments, img->n_segments * sizeof(*all));
	if (gaps->n)
		memcpy(all + img->n_segments, gaps->v, gaps->n * sizeof(*all));
	free(img->segments);
	img->segments = all;
	img->n_segments += gaps->n;
	qsort(all, img->n_segments, sizeof(*all), segment_cmp);
	return NULL;
}

/* gcore leaves out what it does not dump: only NT_FILE tells that a file was mapped there. */
static struct err *segments_of_rows(struct image *img, const struct mapped_file *files,
				    size_t n_files)
{
	struct gaps gaps = {};
	struct err *err = NULL;
	size_t i = 0;
	taddr done = 0;

	for (size_t r = 0; r < n_files && !err; r++) {
		taddr start = files[r].start > done ? files[r].start : done;

		err = gaps_of_row(img, &files[r], (uint32_t)(img->n_segments + r), start, &i,
				  &gaps);
		if (files[r].end > done)
			done = files[r].end;
	}
	if (!err)
		err = segments_add(img, &gaps);
	free(gaps.v);
	return err;
}

/* ---- whose a segment is */

/* Rows and segments both come from mappings of the process: a segment lies in one row or none. */
static void segments_name(struct image *img, const struct mapped_file *files, size_t n_files)
{
	for (size_t i = 0; i < n_files; i++) {
		const struct mapped_file *f = &files[i];
		size_t lo = partition_point(img->n_segments, at, img->segments[at].start < f->start);

		for (; lo < img->n_segments && img->segments[lo].end <= f->end; lo++) {
			img->segments[lo].file = f->path;
			img->segments[lo].file_offset =
				f->offset + (img->segments[lo].start - f->start);
		}
	}
}

static int taddr_cmp(const void *a, const void *b)
{
	const taddr *x = a, *y = b;

	return *x < *y ? -1 : *x > *y;
}

/*
 * A mapping may hold the end of one module and more: memory asked of brk() right behind the .bss
 * of a program is one mapping with it.  So segments are cut where modules begin and end.
 */
static struct err *segments_cut(struct image *img)
{
	size_t n_cuts = 0, at = 0, n = 0;
	_free_ taddr *cuts = calloc(2 * img->n_modules + 1, sizeof(*cuts));
	struct segment *out;

	if (!cuts)
		return &err_nomem;
	for (size_t i = 0; i < img->n_modules; i++) {
		cuts[n_cuts++] = img->modules[i].start;
		cuts[n_cuts++] = img->modules[i].end;
	}
	qsort(cuts, n_cuts, sizeof(*cuts), taddr_cmp);
	out = calloc(img->n_segments + n_cuts + 1, sizeof(*out));
	if (!out)
		return &err_nomem;
	for (size_t i = 0; i < img->n_segments; i++) {
		struct segment s = img->segments[i];

		for (; at < n_cuts && cuts[at] < s.end; at++) {
			uint64_t lead;

			if (cuts[at] <= s.start)
				continue;
			lead = cuts[at] - s.start;
			out[n] = s;
			out[n++].end = cuts[at];
			s.start = cuts[at];
			s.bytes = s.bytes ? s.bytes + lead : NULL;
			s.file_offset += s.file ? lead : 0;
		}
		out[n++] = s;
	}
	free(img->segments);
	img->segments = out;
	img->n_segments = n;
	return NULL;
}

static void segments_own(struct image *img)
{
	for (size_t i = 0; i < img->n_segments; i++)
		img->segments[i].module = owner_of(img, img->segments[i].start);
}

struct err *segments_of_modules(struct image *img, const struct mapped_file *files, size_t n)
{
	struct err *err = segments_of_rows(img, files, n);

	if (err)
		return err;
	segments_name(img, files, n);
	err = segments_cut(img);
	if (!err)
		segments_own(img);
	return err;
}

/* ---- bytes that the core left out */

/* What a read-only PT_LOAD of the file put at `addr`; NULL when none did, or RELRO changed it. */
static const uint8_t *file_bytes(const struct module *m, taddr addr, uint64_t n, uint64_t *ret_n)
{
	const struct elf_file *e = m->elf;
	uint64_t vaddr = addr - m->bias;

	for (size_t i = 0; i < e->h.n; i++) {
		const struct elf_segment *s = &e->h.segments[i];
		uint64_t lead, offset;
		struct cursor c;

		if (s->type == PT_GNU_RELRO && s->vaddr < vaddr + n && vaddr < s->vaddr + s->memsz)
			return NULL;
		lead = s->vaddr & 4095;
		if (s->type != PT_LOAD || s->flags & PF_W || lead > s->offset ||
		    vaddr < s->vaddr - lead || vaddr >= s->vaddr + s->filesz)
			continue;
		offset = s->offset - lead + (vaddr - (s->vaddr - lead));
		if (offset >= e->size)
			return NULL;
		*ret_n = n < e->size - offset ? n : e->size - offset;
		c = cursor_slice(e->map, e->size, offset, *ret_n, e->path);
		return c.bad ? NULL : c.pos;
	}
	return NULL;
}

/* A mapping that was split is often one again: in memory, and in the dump. */
static void segments_join(struct segment *v, size_t n)
{
	for (size_t i = n; i-- > 1;)
		if (v[i - 1].bytes && v[i - 1].end == v[i].start &&
		    v[i - 1].bytes + (v[i - 1].end - v[i - 1].start) == v[i].bytes)
			v[i - 1].behind = v[i].end - v[i].start + v[i].behind;
}

struct err *modules_restore_bytes(struct image *img)
{
	struct {
		struct segment *v;
		size_t n, cap;
	} out = {};

	for (size_t i = 0; i < img->n_segments; i++) {
		struct segment s = img->segments[i], rest;
		const struct module *m = s.module >= 0 ? &img->modules[s.module] : NULL;
		const uint8_t *bytes = NULL;
		uint64_t n = 0;

		/* What was writable may have been changed before the dump left it out. */
		if (s.origin == SEG_NONE && m && m->elf && !m->is_vdso && !(s.flags & SEG_W))
			bytes = file_bytes(m, s.start, s.end - s.start, &n);
		if (bytes && !s.file) {
			s.file = m->path;
			s.file_offset = (uint64_t)(bytes - m->elf->map);
		}
		rest = s;
		if (bytes) {
			s.bytes = bytes;
			s.origin = SEG_FILE;
			s.end = s.start + n;
			rest.start = s.end;
			rest.file_offset += n;
		}
		if (!vec_push(&out, &s) ||
		    (bytes && rest.start < rest.end && !vec_push(&out, &rest))) {
			free(out.v);
			return &err_nomem;
		}
	}
	free(img->segments);
	segments_join(out.v, out.n);
	img->segments = out.v;
	img->n_segments = out.n;
	return NULL;
}
