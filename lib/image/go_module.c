/*
 * image/go_module.c - finds and reads runtime.moduledata, the linker's table of contents.
 *
 * Source of truth: runtime/symtab.go of Go 1.19 to 1.27.  A moduledata needs no symbol: its first
 * words are a pointer to the pclntab and slices into it at offsets that the pclntab's own header
 * repeats.  It lies in the data of whatever module the runtime is linked into.
 */
#include <stdlib.h>
#include <string.h>

#include "base/bits.h"
#include "base/guard.h"
#include "base/search.h"
#include "base/vec.h"
#include "image/go_build.h"

enum {
	HEAD_WORDS = 20,      /* pcHeader ... ftab, findfunctab: alike in every version */
	MODULES_MAX = 1024,
	HEADER_BYTES = 72,    /* of a pclntab */
	NAMES_FROM_MAX = 4096, /* bytes from the pclntab to its first table */
	TEXTSECTS_MAX = 4096,
};

static const uint64_t scan_max = 2ull << 30; /* bytes of data searched */

/* Where the fields of a moduledata lie, in words; 0 = not there. */
struct shape {
	uint8_t from, to; /* minors */
	uint8_t end, types, etypes, itabs, rodata, gofunc, textsectmap, typelinks, itablinks, gcdatamask, next, words;
};

static const struct shape shapes[] = {
	{ 27, 27, 34, 37, 39, 40, 42, 43, 45, 0, 0, 65, 70, 71 },
	{ 26, 26, 34, 37, 38, 0, 39, 40, 42, 45, 48, 68, 73, 74 },
	{ 23, 25, 34, 37, 38, 0, 39, 40, 41, 44, 47, 67, 72, 73 },
	{ 21, 22, 34, 37, 38, 0, 39, 40, 41, 44, 47, 67, 73, 74 },
	{ 20, 20, 34, 37, 38, 0, 39, 40, 41, 44, 47, 64, 70, 71 },
	{ 19, 19, 32, 35, 36, 0, 37, 38, 39, 42, 45, 62, 68, 69 },
};

enum { WORDS_MAX = 74 };

/*
 * The first words alone: pcHeader; funcnametab, cutab, filetab, pctab, pclntable, ftab as slices
 * that are full, in this order, the first right behind the header.
 */
static bool head_plausible(const uint64_t *w)
{
	if (!w[0] || w[0] % 8 || w[1] - w[0] < 64 || w[1] - w[0] > NAMES_FROM_MAX || w[16] < w[13])
		return false;
	for (unsigned i = 1; i < 19; i += 3)
		if (!w[i + 1] || w[i + 1] != w[i + 2] || w[i + 1] > UINT32_MAX)
			return false;
	for (unsigned i = 1; i < 13; i += 3)
		if (w[i + 3] <= w[i])
			return false;
	return true;
}

/* False only when the pclntab can be read and is none, or not the one these words are about. */
static bool header_agrees(const struct image *img, const uint64_t *w)
{
	uint8_t h[HEADER_BYTES];
	uint32_t magic;

	if (image_read(img, w[0], h, sizeof(h)) != MEM_OK)
		return true;
	magic = load_u32(h);
	if (magic < 0xfffffff0 || magic > 0xfffffffe || h[4] || h[5] || h[7] != 8)
		return false;
	for (unsigned i = 0; i < 5; i++)
		if (load_u64(h + 32 + 8 * i) != w[1 + 3 * i] - w[0])
			return false;
	return true;
}

static struct err *scan_segment(struct go *go, const struct segment *s, uint64_t max, struct go_hits *ret)
{
	uint64_t n = (s->end - s->start < max ? s->end - s->start : max) / 8;

	for (uint64_t i = 0; i + HEAD_WORDS <= n; i++) {
		uint64_t w[HEAD_WORDS];
		taddr at = s->start + i * 8;

		w[0] = load_u64(s->bytes + i * 8);
		w[1] = load_u64(s->bytes + i * 8 + 8);
		if (w[1] - w[0] > NAMES_FROM_MAX || w[1] == w[0])
			continue;
		memcpy(w, s->bytes + i * 8, sizeof(w));
		if (!head_plausible(w) || !header_agrees(go->img, w))
			continue;
		if (ret->n >= MODULES_MAX)
			return NULL;
		if (!vec_push(ret, &at))
			return &err_nomem;
	}
	return NULL;
}

/* Data of a module is what is writable and of a file; of anything in the module when no file is known,
 * and of anything at all when no module is. */
struct err *go_modules_scan(struct go *go, struct go_hits *ret)
{
	const struct image *img = go->img;
	uint64_t left = scan_max;
	bool files = false;

	for (size_t i = 0; i < img->n_segments; i++)
		files |= img->segments[i].file && img->segments[i].module >= 0 && (img->segments[i].flags & SEG_W);
	for (size_t i = 0; i < img->n_segments; i++) {
		const struct segment *s = &img->segments[i];
		struct err *err;

		if (!s->bytes || !(s->flags & SEG_W) || (files && !s->file) || (s->module < 0 && img->n_modules))
			continue;
		err = scan_segment(go, s, left, ret);
		if (err)
			return err;
		left -= s->end - s->start < left ? s->end - s->start : left;
	}
	return NULL;
}

/* ---- reading one */

static bool ordered(taddr start, taddr end)
{
	return start <= end && end - start < 1ull << 40;
}

static bool slice_of(const uint64_t *w, taddr *ret, uint64_t *ret_n, uint64_t max)
{
	*ret = w[0];
	*ret_n = w[1];
	return w[1] <= w[2] && w[1] <= max && (w[0] || !w[1]);
}

/* A bitvector {n int32, bytes *uint8} for [start, end); one not made yet is empty. */
static bool mask_of(const uint64_t *w, taddr start, taddr end, taddr *ret, uint64_t *ret_n)
{
	*ret = w[1];
	*ret_n = (uint32_t)w[0];
	return (!*ret_n && !w[1]) || (*ret_n == (end - start) / 8 && w[1]);
}

static void tables_of(const uint64_t *w, struct go_module *m)
{
	m->pclntab = w[0];
	m->funcnametab = w[1];
	m->n_funcnametab = w[2];
	m->cutab = w[4];
	m->n_cutab = w[5] * 4;
	m->filetab = w[7];
	m->n_filetab = w[8];
	m->pctab = w[10];
	m->n_pctab = w[11];
	m->pclntable = w[13];
	m->n_pclntable = w[14];
	m->ftab = w[16];
	m->n_ftab = w[17];
	m->findfunctab = w[19];
	m->minpc = w[20];
	m->maxpc = w[21];
	m->text = w[22];
	m->etext = w[23];
	m->noptrdata = w[24];
	m->enoptrdata = w[25];
	m->data = w[26];
	m->edata = w[27];
	m->bss = w[28];
	m->ebss = w[29];
	m->noptrbss = w[30];
	m->enoptrbss = w[31];
}

static bool tables_agree(const struct go_module *m)
{
	return m->text <= m->minpc && m->minpc < m->maxpc && ordered(m->minpc, m->maxpc) &&
	       ordered(m->text, m->etext) && m->maxpc <= m->etext && ordered(m->noptrdata, m->enoptrdata) &&
	       ordered(m->data, m->edata) && ordered(m->bss, m->ebss) && ordered(m->noptrbss, m->enoptrbss);
}

/* By one shape, whether it fits or not; false when it does not. */
static bool module_parse(const uint64_t *w, const struct shape *s, struct go_module *m, taddr *ret_next)
{
	bool fits;

	tables_of(w, m);
	m->end = w[s->end];
	m->types = w[s->types];
	m->etypes = w[s->etypes];
	m->rodata = w[s->rodata];
	m->gofunc = w[s->gofunc];
	if (s->itabs) {
		m->itaboffset_base = m->types + w[s->itabs];
		m->itabs_size = w[s->itabs + 1];
	}
	fits = tables_agree(m) && ordered(m->types, m->etypes) && m->types && m->gofunc && m->bss <= m->end;
	fits &= slice_of(w + s->textsectmap, &m->textsectmap, &m->n_textsectmap, TEXTSECTS_MAX);
	if (s->typelinks) {
		fits &= slice_of(w + s->typelinks, &m->typelinks, &m->n_typelinks, UINT32_MAX);
		fits &= slice_of(w + s->itablinks, &m->itablinks, &m->n_itablinks, UINT32_MAX);
	} else {
		fits &= m->itabs_size <= m->etypes - m->types || m->itabs_size < 1ull << 32;
	}
	fits &= mask_of(w + s->gcdatamask, m->data, m->edata, &m->gcdatamask, &m->n_gcdatamask);
	fits &= mask_of(w + s->gcdatamask + 2, m->bss, m->ebss, &m->gcbssmask, &m->n_gcbssmask);
	*ret_next = w[s->next];
	return fits;
}

/* How many words can be read at addr, zeros for the others: the last ones may be past a segment. */
static bool module_words(const struct image *img, taddr addr, uint64_t *w)
{
	memset(w, 0, WORDS_MAX * 8);
	for (unsigned n = WORDS_MAX; n > 68; n--)
		if (image_read(img, addr, w, n * 8) == MEM_OK)
			return true;
	return false;
}

static const struct shape *shape_of(unsigned minor)
{
	for (size_t i = 0; i < ARRAY_SIZE(shapes); i++)
		if (minor >= shapes[i].from)
			return &shapes[i];
	return &shapes[ARRAY_SIZE(shapes) - 1];
}

/* Shapes that differ only in where `next` is cannot be told apart while there is one module. */
unsigned go_modules_oldest_like(unsigned minor)
{
	const struct shape *s = shape_of(minor);

	while (s + 1 < shapes + ARRAY_SIZE(shapes) && s[1].gcdatamask == s->gcdatamask &&
	       s[1].textsectmap == s->textsectmap && s[1].types == s->types)
		s++;
	return s->from;
}

/* The newest shape that fits the words; NULL if none does. */
static const struct shape *shape_fitting(const uint64_t *w)
{
	struct go_module m;
	taddr next;

	for (size_t i = 0; i < ARRAY_SIZE(shapes); i++) {
		m = (struct go_module){};
		if (module_parse(w, &shapes[i], &m, &next))
			return &shapes[i];
	}
	return NULL;
}

static bool module_read(struct go *go, taddr addr, struct go_module *m, taddr *ret_next)
{
	uint64_t w[WORDS_MAX];
	const struct shape *s, *fit;
	bool ok;

	if (!module_words(go->img, addr, w) || !head_plausible(w))
		return false;
	s = shape_of(go->minor);
	*m = (struct go_module){ .addr = addr };
	ok = module_parse(w, s, m, ret_next);
	if (!ok && (fit = shape_fitting(w))) {
		s = fit;
		*m = (struct go_module){ .addr = addr };
		ok = module_parse(w, s, m, ret_next);
		if (go->minor) {
			diag(go->env, "go/moduledata", addr, "the moduledata is not as Go 1.%u has it, but as Go 1.%u",
			     go->minor, s->to);
			go->shape_minor = s->to;
		}
	} else if (!ok) {
		diag(go->env, "go/moduledata", addr, "the moduledata does not hold together");
	}
	if (!go->minor && ok)
		go->minor = s->to;
	if (ok)
		go->checks_passed++;
	else
		go->checks_failed++;
	return true;
}

/* ---- chains */

static size_t hit_index(const struct go_hits *hits, taddr addr)
{
	size_t lo = partition_point(hits->n, i, hits->v[i] < addr);

	return lo < hits->n && hits->v[lo] == addr ? lo : hits->n;
}

struct chain {
	struct go_module *v;
	size_t n, cap;
};

static struct err *chain_read(struct go *go, taddr first, struct chain *ret)
{
	taddr next = first;

	while (next && ret->n < MODULES_MAX) {
		struct go_module m;
		taddr at = next;

		for (size_t i = 0; i < ret->n; i++)
			if (ret->v[i].addr == at) {
				diag(go->env, "go/moduledata", at, "the list of modules comes back to itself");
				return NULL;
			}
		if (!module_read(go, at, &m, &next)) {
			diag(go->env, "go/moduledata", at, "the list of modules leads to something else");
			return NULL;
		}
		if (!vec_push(ret, &m))
			return &err_nomem;
	}
	return NULL;
}

/* Which hits another one is followed by. */
static void followers(struct go *go, const struct go_hits *hits, bool *ret)
{
	for (size_t i = 0; i < hits->n; i++) {
		uint64_t w[WORDS_MAX];
		struct go_module m = {};
		taddr next = 0;
		size_t k;

		if (!module_words(go->img, hits->v[i], w))
			continue;
		(void)module_parse(w, shape_of(go->minor), &m, &next);
		k = hit_index(hits, next);
		if (k < hits->n && k != i)
			ret[k] = true;
	}
}

/* A chain in the module at hand is better than one elsewhere, then the longer one, then the first. */
static bool chain_better(const struct go *go, const struct chain *c, const struct chain *than)
{
	bool here = c->n && image_module_at(go->img, c->v[0].addr) == go->module;
	bool there = than->n && image_module_at(go->img, than->v[0].addr) == go->module;

	return here != there ? here : c->n > than->n;
}

struct err *go_modules_read(struct go *go, const struct go_hits *hits)
{
	bool *followed = calloc(hits->n + 1, sizeof(*followed));
	struct chain best = {};
	size_t chains = 0;
	struct err *err = followed ? NULL : &err_nomem;

	if (!err)
		followers(go, hits, followed);
	for (size_t i = 0; !err && i < hits->n; i++) {
		struct chain c = {};

		if (followed[i])
			continue;
		err = chain_read(go, hits->v[i], &c);
		chains += c.n != 0;
		if (!err && chain_better(go, &c, &best)) {
			free(best.v);
			best = c;
		} else {
			free(c.v);
		}
	}
	free(followed);
	if (!err && !best.n && hits->n) /* a ring: each follows another one */
		err = chain_read(go, hits->v[0], &best);
	if (!err && chains > 1)
		diag(go->env, "go/runtimes", best.v[0].addr, "%zu Go runtimes in one process; only one is read",
		     chains);
	if (!err && best.n) {
		go->modules = arena_memdup(&go->mem, best.v, best.n * sizeof(*best.v));
		if (go->modules) {
			go->n_modules = best.n;
			go->module = image_module_at(go->img, best.v[0].addr);
		} else {
			err = &err_nomem;
		}
	}
	free(best.v);
	return err;
}

void go_data_bounds(const struct go_module *m, taddr *ret_low, taddr *ret_high)
{
	*ret_low = m->noptrdata && m->noptrdata < m->data ? m->noptrdata : m->data;
	*ret_high = m->enoptrbss > m->ebss ? m->enoptrbss : m->ebss;
}

bool go_in_data(const struct go *go, taddr addr)
{
	for (size_t i = 0; i < go->n_modules; i++) {
		taddr low, high;

		go_data_bounds(&go->modules[i], &low, &high);
		if (addr >= low && addr < high)
			return true;
	}
	return false;
}
