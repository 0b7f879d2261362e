/*
 * image/go_func.c - functions of Go programs by address and by name, and their pc tables.
 *
 * Source of truth: runtime/symtab.go, runtime/symtabinl.go (pcvalue, inline trees), Go 1.19 to 1.27;
 * cmd/link/internal/ld/pcln.go writes the tables.  They are in every binary, stripped or not.
 */
#include "image/go_func.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/bits.h"
#include "base/guard.h"
#include "image/go_build.h"

enum {
	NAME_MAX_BYTES = 64 << 10,
	NAME_SHOWN_MAX = 4096,
	PC_TABLE_BYTES = 4096, /* of one pc-value table that lies in several segments */
	FUNC_FIXED = 44, /* bytes of a _func before its tables; 40 in 1.19 */
	PCDATA_MAX = 64,
	STEPS_MAX = 1 << 20, /* of a pc-value table */
	INLINE_MAX = 256,
	PROBES_MAX = 4096,
	FUNCS_MAX = 1 << 24,
	COPY_MAX = 1 << 30, /* bytes of a table that lies in several segments */
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
		*ret = m->funcnametab + off;
		*ret_length = (uint32_t)(seen + (uint64_t)(nul - p));
		return true;
	}
	return false;
}

static bool func_read(const struct go *go, const struct go_module *m, uint64_t i, struct go_func *ret)
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
		return lo && func_read(go, m, lo - 1, ret) && pc >= ret->entry && pc < ret->end;
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

/* ---- by name */

struct go_names {
	pthread_mutex_t lock;
	bool made;
	uint64_t mask; /* slots less one */
	struct name_slot {
		uint32_t module, index; /* index + 1; 0: empty */
	} *slots;
};

struct go_names *go_names_new(void)
{
	struct go_names *names = calloc(1, sizeof(*names));

	if (names)
		pthread_mutex_init(&names->lock, NULL);
	return names;
}

void go_names_free(struct go_names *names)
{
	if (!names)
		return;
	pthread_mutex_destroy(&names->lock);
	free(names->slots);
	free(names);
}

/* Of the length and eight bytes at a time: names are long, and there are hundreds of thousands. */
static uint64_t name_hash(const char *s, size_t n)
{
	uint64_t h = n * 0x9e3779b97f4a7c15;

	for (; n >= 8; s += 8, n -= 8)
		h = (h ^ load_u64(s)) * 0xff51afd7ed558ccd, h ^= h >> 32;
	for (size_t i = 0; i < n; i++)
		h = (h ^ (uint8_t)s[i]) * 0xff51afd7ed558ccd;
	return h ^ h >> 29;
}

static bool name_is(const struct go *go, const struct go_func *f, const char *name, size_t n)
{
	char have[NAME_SHOWN_MAX];

	return f->name_length == n && n <= sizeof(have) && image_read(go->img, f->name, have, n) == MEM_OK &&
	       !memcmp(have, name, n);
}

/* A table in one piece: the image's bytes, or a copy where they are of several segments. */
struct piece {
	const uint8_t *p; /* NULL when part of it is not there */
	uint8_t *own;
};

static struct piece piece_of(const struct go *go, taddr at, uint64_t n)
{
	uint64_t avail;
	struct piece ret = { .p = image_view(go->img, at, &avail) };

	if (!ret.p || avail >= n)
		return ret;
	for (uint64_t have = avail; ret.p && have < n; have += avail)
		ret.p = image_view(go->img, at + have, &avail);
	if (ret.p)
		ret.own = n <= COPY_MAX ? malloc(n) : NULL;
	ret.p = ret.own && image_read(go->img, at, ret.own, n) == MEM_OK ? ret.own : NULL;
	return ret;
}

/* The tables of a module for a pass over all functions. */
struct tables {
	const struct go_module *m;
	struct piece ftab, pcln, names;
	uint64_t n; /* functions; 0 when a table is not there */
};

static uint64_t module_funcs(const struct go_module *m)
{
	return m->n_ftab > FUNCS_MAX ? FUNCS_MAX : m->n_ftab ? m->n_ftab - 1 : 0;
}

static struct tables tables_of(const struct go *go, const struct go_module *m)
{
	struct tables t = {
		.m = m,
		.n = module_funcs(m),
		.ftab = piece_of(go, m->ftab, module_funcs(m) * 8),
		.pcln = piece_of(go, m->pclntable, m->n_pclntable),
		.names = piece_of(go, m->funcnametab, m->n_funcnametab),
	};

	if (!t.ftab.p || !t.pcln.p || !t.names.p)
		t.n = 0;
	return t;
}

static void tables_fini(struct tables *t)
{
	free(t->ftab.own);
	free(t->pcln.own);
	free(t->names.own);
}

/* Only the name of function i, which is what a pass over all of them needs. */
static bool func_name_only(const struct tables *t, uint64_t i, const char **ret, uint32_t *ret_n)
{
	uint32_t off = load_u32(t->ftab.p + i * 8 + 4), name;
	uint64_t max;
	const uint8_t *nul;

	if (off >= t->m->n_pclntable || t->m->n_pclntable - off < FUNC_FIXED)
		return false;
	name = load_u32(t->pcln.p + off + 4);
	if (name >= t->m->n_funcnametab)
		return false;
	max = t->m->n_funcnametab - name < NAME_MAX_BYTES ? t->m->n_funcnametab - name : NAME_MAX_BYTES;
	nul = memchr(t->names.p + name, 0, max);
	if (!nul)
		return false;
	*ret = (const char *)t->names.p + name;
	*ret_n = (uint32_t)(nul - (t->names.p + name));
	return true;
}

static void names_add(struct go_names *names, uint64_t hash, struct name_slot slot)
{
	for (unsigned p = 0; p < PROBES_MAX; p++, hash++) {
		struct name_slot *s = &names->slots[hash & names->mask];

		if (s->index)
			continue;
		*s = slot;
		return;
	}
}

static void names_add_module(struct go_names *names, const struct tables *t, uint32_t module)
{
	for (uint64_t i = 0; i < t->n; i++) {
		const char *name;
		uint32_t length;

		if (func_name_only(t, i, &name, &length))
			names_add(names, name_hash(name, length), (struct name_slot){ module, (uint32_t)i + 1 });
	}
}

static void names_make(const struct go *go, struct go_names *names)
{
	uint64_t n = 0, slots = 64;

	names->made = true;
	for (size_t k = 0; k < go->n_modules; k++)
		n += module_funcs(&go->modules[k]);
	while (slots < 2 * n)
		slots *= 2;
	names->slots = calloc(slots, sizeof(*names->slots));
	if (!names->slots)
		return; /* names are then not found, as if there were none */
	names->mask = slots - 1;
	for (size_t k = 0; k < go->n_modules; k++) {
		_cleanup_(tables_fini) struct tables t = tables_of(go, &go->modules[k]);

		names_add_module(names, &t, (uint32_t)k);
	}
}

static void names_unlock(pthread_mutex_t **lock)
{
	pthread_mutex_unlock(*lock);
}

bool go_func_named(const struct go *go, const char *name, struct go_func *ret)
{
	struct go_names *names = go->names;
	size_t n = strlen(name);
	uint64_t at = name_hash(name, n);

	pthread_mutex_lock(&names->lock);
	_cleanup_(names_unlock) pthread_mutex_t *lock = &names->lock;

	(void)lock;
	if (!names->made)
		names_make(go, names);
	for (unsigned p = 0; names->slots && p < PROBES_MAX; p++, at++) {
		const struct name_slot *s = &names->slots[at & names->mask];
		struct go_func f;

		if (!s->index)
			return false;
		if (func_read(go, &go->modules[s->module], s->index - 1, &f) && name_is(go, &f, name, n)) {
			*ret = f;
			return true;
		}
	}
	return false;
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
	struct steps s;

	if (!table || table >= f->module->n_pctab || pc < f->entry)
		return false;
	s = steps_of(go, f->module, table, buf);
	for (unsigned i = 0; s.pos && i < STEPS_MAX; i++) {
		uint32_t delta = varint(&s);

		if (s.bad || (!delta && i))
			return false;
		value += delta & 1 ? ~(delta >> 1) : delta >> 1;
		at += (uint64_t)varint(&s) * quantum;
		if (s.bad || at > f->end)
			return false;
		if (pc < at) {
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
		int32_t i;

		if (!go_pcdata(go, &f, GO_PCDATA_INL_TREE, pc, &i) || i < 0 || !inlined_read(go, tree, i, &call) ||
		    call.parent_pc >= f.end - f.entry)
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
