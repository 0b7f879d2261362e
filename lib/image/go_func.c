/*
 * image/go_func.c - functions of Go programs by address, and their pc tables.
 *
 * Source of truth: runtime/symtab.go, runtime/symtabinl.go (pcvalue, inline trees), Go 1.19 to 1.27;
 * cmd/link/internal/ld/pcln.go writes the tables.  They are in every binary, stripped or not.
 */
#include "image/go_func.h"

#include <stdlib.h>
#include <string.h>

#include "base/bits.h"
#include "base/guard.h"
#include "image/go_build.h"
#include "image/shadow.h"

enum {
	NAME_MAX_BYTES = 64 << 10,
	NAME_SHOWN_MAX = 4096,
	PC_TABLE_BYTES = 4096, /* of one pc-value table that lies in several segments */
	FUNC_FIXED = 44, /* bytes of a _func before its tables; 40 in 1.19 */
	PCDATA_MAX = 64,
	STEPS_MAX = 1 << 20, /* of a pc-value table */
	INLINE_MAX = 256,
};

/* ---- by address */

/* Text of a program too big for one section: offsets are relative to sections of the first link. */
static taddr text_addr(const struct go *go, const struct go_module *m, uint32_t off)
{
	for (uint64_t i = 0; m->n_textsectmap > 1 && i < m->n_textsectmap; i++) {
		uint64_t w[3];

		if (image_read(go->img, m->textsectmap + i * sizeof(w), w, sizeof(w)) != MEM_OK)
			break;
		if (off >= w[0] && (off < w[1] || (i + 1 == m->n_textsectmap && off == w[1])))
			return w[2] + (off - w[0]);
	}
	return m->text + off;
}

/* Entry i of ftab: {entry, _func}; the last one is the end of the text alone. */
static bool ftab_read(const struct go *go, const struct go_module *m, uint64_t i, taddr *ret_entry, uint32_t *ret_func)
{
	uint32_t w[2];

	if (i >= m->n_ftab)
		return false;
	if (i + 1 == m->n_ftab) {
		if (image_read_u32(go->img, m->ftab + i * 8, &w[0]) != MEM_OK)
			return false;
		w[1] = 0;
	} else if (image_read(go->img, m->ftab + i * 8, w, sizeof(w)) != MEM_OK) {
		return false;
	}
	*ret_entry = text_addr(go, m, w[0]);
	*ret_func = w[1];
	return true;
}

/* The NUL-terminated name at an offset of funcnametab; false when it does not end there. */
static bool name_at(const struct go *go, const struct go_module *m, uint32_t off, taddr *ret, uint32_t *ret_length)
{
	uint64_t max, seen = 0, avail;

	if (off >= m->n_funcnametab)
		return false;
	max = m->n_funcnametab - off < NAME_MAX_BYTES ? m->n_funcnametab - off : NAME_MAX_BYTES;
	for (; seen < max; seen += avail) { /* once, but where a segment ends in it */
		const uint8_t *p = image_view(go->img, m->funcnametab + off + seen, &avail), *nul;

		nul = p ? memchr(p, 0, avail < max - seen ? avail : max - seen) : NULL;
		if (!p)
			return false;
		if (!nul)
			continue;
		image_keep(go->img, m->funcnametab + off, seen + (uint64_t)(nul - p) + 1);
		*ret = m->funcnametab + off;
		*ret_length = (uint32_t)(seen + (uint64_t)(nul - p));
		return true;
	}
	return false;
}

bool go_func_bounds(const struct go *go, const struct go_module *m, uint64_t i, taddr *ret_entry, taddr *ret_end)
{
	uint32_t unused;

	return ftab_read(go, m, i, ret_entry, &unused) && ftab_read(go, m, i + 1, ret_end, &unused) &&
	       *ret_end > *ret_entry;
}

bool go_func_nth(const struct go *go, const struct go_module *m, uint64_t i, struct go_func *ret)
{
	struct go_func f = { .module = m };
	unsigned old = go->minor && go->minor < 20 ? 4 : 0; /* 1.20 put startLine before funcID */
	uint8_t b[FUNC_FIXED];
	uint32_t off, unused;

	if (!ftab_read(go, m, i, &f.entry, &off) || !ftab_read(go, m, i + 1, &f.end, &unused) || f.end <= f.entry)
		return false;
	if (off >= m->n_pclntable || m->n_pclntable - off < FUNC_FIXED)
		return false;
	f.addr = m->pclntable + off;
	if (image_read(go->img, f.addr, b, sizeof(b) - old) != MEM_OK)
		return false;
	if (!name_at(go, m, load_u32(b + 4), &f.name, &f.name_length))
		return false;
	f.args = (int32_t)load_u32(b + 8);
	f.deferreturn = load_u32(b + 12);
	f.pcsp = load_u32(b + 16);
	f.pcfile = load_u32(b + 20);
	f.pcln = load_u32(b + 24);
	f.npcdata = load_u32(b + 28);
	f.cu_offset = load_u32(b + 32);
	f.start_line = old ? 0 : (int32_t)load_u32(b + 36);
	f.id = b[40 - old];
	f.flag = b[41 - old];
	f.nfuncdata = b[43 - old];
	f.pcdata = f.addr + FUNC_FIXED - old;
	if (f.npcdata > PCDATA_MAX)
		f.npcdata = f.nfuncdata = 0;
	*ret = f;
	return true;
}

bool go_has_functions(const struct go *go)
{
	uint64_t avail;

	return go->n_modules && image_view(go->img, go->modules[0].ftab, &avail);
}

bool go_func_at(const struct go *go, taddr pc, struct go_func *ret)
{
	for (size_t k = 0; k < go->n_modules; k++) {
		const struct go_module *m = &go->modules[k];
		uint64_t lo = 0, hi = m->n_ftab - 1;

		if (pc < m->minpc || pc >= m->maxpc)
			continue;
		while (lo < hi) { /* the first entry past pc */
			uint64_t mid = lo + (hi - lo) / 2;
			taddr entry;
			uint32_t off;

			if (!ftab_read(go, m, mid, &entry, &off))
				return false;
			if (entry <= pc)
				lo = mid + 1;
			else
				hi = mid;
		}
		return lo && go_func_nth(go, m, lo - 1, ret) && pc >= ret->entry && pc < ret->end;
	}
	return false;
}

void go_func_name(const struct go *go, const struct go_func *f, struct text *ret)
{
	char name[NAME_SHOWN_MAX];
	uint32_t n = f->name_length < sizeof(name) ? f->name_length : sizeof(name);

	if (f->name && image_read(go->img, f->name, name, n) == MEM_OK)
		text_add_escaped(ret, name, n);
	else
		text_printf(ret, "0x%lx", f->entry);
}

/* ---- pc tables */

struct steps {
	const uint8_t *pos, *end;
	bool bad;
};

static uint32_t varint(struct steps *s)
{
	uint32_t value = 0;

	for (unsigned shift = 0; shift < 35; shift += 7) {
		if (s->pos == s->end)
			break;
		value |= (uint32_t)(*s->pos & 0x7f) << (shift < 32 ? shift : 31);
		if (!(*s->pos++ & 0x80))
			return value;
	}
	s->bad = true;
	return 0;
}

/* The bytes of a table, in `buf` when a segment ends in it. */
static struct steps steps_of(const struct go *go, const struct go_module *m, uint32_t table, uint8_t *buf)
{
	uint64_t avail = 0, max = m->n_pctab - table, n;
	const uint8_t *p = image_view(go->img, m->pctab + table, &avail);

	n = avail < max ? avail : max;
	if (p && avail < max && avail < PC_TABLE_BYTES) {
		for (n = max < PC_TABLE_BYTES ? max : PC_TABLE_BYTES; n > avail; n--)
			if (image_read(go->img, m->pctab + table, buf, n) == MEM_OK) {
				p = buf;
				break;
			}
	}
	return (struct steps){ .pos = p, .end = p ? p + n : NULL };
}

bool go_pcvalue(const struct go *go, const struct go_func *f, uint32_t table, taddr pc, int32_t *ret)
{
	unsigned quantum = go->img->target->id == TARGET_AARCH64 ? 4 : 1;
	uint8_t buf[PC_TABLE_BYTES];
	uint32_t value = UINT32_MAX;
	taddr at = f->entry;
	const uint8_t *start;
	struct steps s;

	if (!table || table >= f->module->n_pctab || pc < f->entry)
		return false;
	s = steps_of(go, f->module, table, buf);
	start = s.pos;
	for (unsigned i = 0; s.pos && i < STEPS_MAX; i++) {
		uint32_t delta = varint(&s);

		if (s.bad || (!delta && i))
			return false;
		value += delta & 1 ? ~(delta >> 1) : delta >> 1;
		at += (uint64_t)varint(&s) * quantum;
		if (s.bad || at > f->end)
			return false;
		if (pc < at) {
			image_keep_bytes(go->img, start, (uint64_t)(s.pos - start));
			*ret = (int32_t)value;
			return true;
		}
	}
	return false;
}

bool go_pcdata(const struct go *go, const struct go_func *f, unsigned which, taddr pc, int32_t *ret)
{
	uint32_t table;

	return which < f->npcdata && image_read_u32(go->img, f->pcdata + which * 4, &table) == MEM_OK &&
	       go_pcvalue(go, f, table, pc, ret);
}

taddr go_funcdata(const struct go *go, const struct go_func *f, unsigned which)
{
	uint32_t off;

	if (which >= f->nfuncdata ||
	    image_read_u32(go->img, f->pcdata + (f->npcdata + which) * 4, &off) != MEM_OK || off == UINT32_MAX)
		return 0;
	return f->module->gofunc + off;
}

/* ---- source places */

/* Copies the string at an offset of a table; "" when it is not there. */
static void table_string(const struct go *go, taddr table, uint64_t n, uint32_t off, char *ret, size_t max)
{
	*ret = '\0';
	if (off < n && image_read_str(go->img, table + off, ret, max) != MEM_OK)
		*ret = '\0';
}

static unsigned place_of(const struct go *go, const struct go_func *f, taddr pc, char *file, size_t max)
{
	const struct go_module *m = f->module;
	int32_t no, line;
	uint32_t off;
	uint64_t at;

	*file = '\0';
	if (!go_pcvalue(go, f, f->pcfile, pc, &no) || no < 0 || !go_pcvalue(go, f, f->pcln, pc, &line) || line < 0)
		return 0;
	at = ((uint64_t)f->cu_offset + (uint32_t)no) * 4;
	if (at >= m->n_cutab || image_read_u32(go->img, m->cutab + at, &off) != MEM_OK || off == UINT32_MAX)
		return 0;
	table_string(go, m->filetab, m->n_filetab, off, file, max);
	return *file ? (unsigned)line : 0;
}

struct inlined {
	uint32_t name;
	uint32_t parent_pc; /* from the entry */
};

/* runtime.inlinedCall: 20 bytes in 1.19, 16 since. */
static bool inlined_read(const struct go *go, taddr tree, int32_t i, struct inlined *ret)
{
	bool old = go->minor && go->minor < 20;
	uint32_t w[5];

	if (image_read(go->img, tree + (uint64_t)(uint32_t)i * (old ? 20 : 16), w, old ? 20 : 16) != MEM_OK)
		return false;
	ret->name = old ? w[3] : w[1];
	ret->parent_pc = old ? w[4] : w[2];
	return true;
}

static bool inlined_at(const struct go *go, const struct go_func *f, taddr tree, taddr pc,
		       struct inlined *ret)
{
	int32_t i;

	return go_pcdata(go, f, GO_PCDATA_INL_TREE, pc, &i) && i >= 0 &&
	       inlined_read(go, tree, i, ret) && ret->parent_pc < f->end - f->entry;
}

bool go_inline_parent(const struct go *go, taddr pc, taddr *ret)
{
	struct inlined call;
	struct go_func f;
	taddr tree;

	if (!go_func_at(go, pc, &f))
		return false;
	tree = go_funcdata(go, &f, GO_FUNCDATA_INL_TREE);
	if (!tree || !inlined_at(go, &f, tree, pc, &call))
		return false;
	*ret = f.entry + call.parent_pc;
	return true;
}

void go_source(const struct go *go, taddr pc,
	       void (*fn)(void *arg, const char *function, const char *file, unsigned line), void *arg)
{
	struct text name = TEXT_INIT;
	char file[4096], inner[4096];
	struct go_func f;
	unsigned line;
	taddr tree;

	if (!go_func_at(go, pc, &f))
		return;
	tree = go_funcdata(go, &f, GO_FUNCDATA_INL_TREE);
	for (unsigned depth = 0; tree && depth < INLINE_MAX; depth++) {
		struct inlined call;

		if (!inlined_at(go, &f, tree, pc, &call))
			break;
		table_string(go, f.module->funcnametab, f.module->n_funcnametab, call.name, inner, sizeof(inner));
		line = place_of(go, &f, pc, file, sizeof(file));
		fn(arg, *inner ? inner : "?", line ? file : NULL, line);
		pc = f.entry + call.parent_pc;
	}
	line = place_of(go, &f, pc, file, sizeof(file));
	go_func_name(go, &f, &name);
	fn(arg, text_str(&name), line ? file : NULL, line);
	text_fini(&name);
}
