/*
 * type/pools_home.c - whether a library of pools is in a process: by a module's name, by a symbol, or by
 * a text that it brings along.
 *
 * A library that is linked into a stripped program leaves no name behind, but its literals.  Where they
 * are not at hand (neither the program's file nor the dump has them) nothing says what is linked in, and
 * the pools' structures have to prove themselves.
 */
#include <string.h>

#include "image/go.h"
#include "image/shadow.h"
#include "type/pools.h"

/* Nothing says: whether that is reason enough to look. */
static bool looks_anyway(struct pools *p)
{
	p->left_out |= p->only_sure;
	return !p->only_sure;
}

bool pools_is_nameless(struct pools *p)
{
	const struct image *img = p->img;

	for (size_t i = 0; i < img->n_modules; i++)
		if (!img->modules[i].is_vdso && (!img->modules[i].is_exe || img->modules[i].symbols != SYMBOLS_NONE))
			return false;
	return img->n_modules && !img->go && looks_anyway(p);
}

bool pools_has_module(const struct image *img, const char *name)
{
	for (size_t i = 0; i < img->n_modules; i++)
		if (!strncmp(module_base_name(&img->modules[i]), name, strlen(name)))
			return true;
	return false;
}

/* Where a text of C's cannot be: functions of Go's. */
static taddr skip_code(const struct image *img, taddr at, taddr *ret_end)
{
	for (size_t i = 0; img->go && i < img->go->n_modules; i++) {
		const struct go_module *m = &img->go->modules[i];

		if (at >= m->text && at < m->etext)
			at = m->etext;
		if (m->text > at && m->text < *ret_end)
			*ret_end = m->text;
	}
	return at;
}

static const uint8_t *find_text(const struct image *img, const struct segment *seg, const char *text)
{
	const uint8_t *hit = NULL;

	for (taddr at = seg->start, end; !hit; at = end) {
		end = seg->end;
		at = skip_code(img, at, &end);
		if (at >= seg->end)
			break;
		hit = memmem(seg->bytes + (at - seg->start), end - at, text, strlen(text));
	}
	return hit;
}

bool pools_may_have_text(struct pools *p, const char *text)
{
	const struct image *img = p->img;
	bool is_whole = true, has_names = img->go != NULL;

	for (size_t i = 0; i < img->n_segments; i++) {
		const struct segment *seg = &img->segments[i];
		const struct module *m = seg->module >= 0 ? &img->modules[seg->module] : NULL;
		const uint8_t *hit;

		if (!m || !m->is_exe || seg->flags & SEG_W)
			continue;
		has_names |= m->symbols >= SYMBOLS_SYMTAB;
		is_whole &= seg->bytes != NULL;
		hit = seg->bytes ? find_text(img, seg, text) : NULL;
		if (hit) {
			image_keep_bytes(img, hit, strlen(text));
			return true;
		}
	}
	return !is_whole && !has_names && looks_anyway(p);
}

bool pools_at_home(struct pools *p, const char *module, const char *symbol, const char *text)
{
	struct symbol sym;

	return pools_has_module(p->img, module) || (symbol && image_symbol(p->img, NULL, symbol, &sym)) ||
	       pools_may_have_text(p, text);
}
