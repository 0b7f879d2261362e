/*
 * image/dbg_cache.c - the index of a module's DWARF as a file: a header with a hash, rows, names.
 *
 * FORMAT counts up whenever dbg_index() finds something else, or rows change.
 */
#include "image/dbg_cache.h"

#include <stdlib.h>
#include <string.h>

#include "base/bits.h"
#include "base/guard.h"
#include "base/hash.h"
#include "base/search.h"
#include "base/vec.h"
#include "image/cache_file.h"
#include "image/dbg.h"
#include "image/elf.h"

enum {
	FORMAT = 6,
	WORTH = 256, /* rows: to find fewer takes no time worth a file */
	NAMES_MAX = 1 << 30, /* bytes */
	IN_ALT = 1, IS_DECLARATION = 2, IS_TLS = 2, IS_ALIAS = 4, LANGUAGE_SHIFT = 8,
};

struct header {
	char magic[8];
	uint64_t format, hash; /* of all behind the header */
	uint64_t size, alt_size, parts; /* struct dbg_cache_key */
	uint64_t n_vars, n_funcs, n_named, n_by_hash, names;
};

struct var_row {
	uint64_t addr, die;
	uint32_t name, flags;
};

struct func_row {
	uint64_t low, high, die;
	uint64_t flags;
};

struct named_row {
	uint64_t die, hash, size, outer;
	uint32_t line, name, flags, unused;
};

static const char magic[8] = "heapfxDI";

/* ---- entries: offsets in all sections, as if one followed the other */

struct places {
	struct place {
		uint64_t at, size, start; /* in memory; in the file */
	} *v;
	size_t n;
	uint64_t end;
};

static int place_by_at(const void *a, const void *b)
{
	const struct place *x = a, *y = b;

	if (x->at != y->at)
		return x->at < y->at ? -1 : 1;
	return x->start < y->start ? -1 : x->start > y->start;
}

static bool places_open(const struct dbg_cache_base *base, struct places *ret)
{
	*ret = (struct places){ .v = calloc(base->n + 1, sizeof(*ret->v)) };
	for (size_t i = 0; ret->v && i < base->n; i++) {
		if (!base->v[i].size)
			continue;
		ret->v[ret->n++] = (struct place){ base->v[i].at, base->v[i].size, ret->end };
		if (!checked_add(ret->end, base->v[i].size, &ret->end))
			return false;
	}
	return ret->v;
}

static void places_fini(struct places *p)
{
	free(p->v);
}

/* ---- rows to bytes */

struct out {
	struct places places; /* by `at` */
	struct {
		uint8_t *v;
		size_t n, cap;
	} bytes;
	struct text names; /* each with its NUL */
	bool bad;
};

static void put(struct out *o, const void *bytes, size_t n)
{
	if (o->bad || !n)
		return;
	if (!vec_grow((void **)&o->bytes.v, &o->bytes.cap, o->bytes.n + n, 1)) {
		o->bad = true;
		return;
	}
	memcpy(o->bytes.v + o->bytes.n, bytes, n);
	o->bytes.n += n;
}

static uint64_t put_die(struct out *o, const void *die)
{
	uint64_t at = (uintptr_t)die;
	size_t i = partition_point(o->places.n, k, o->places.v[k].at <= at);
	const struct place *p = i ? &o->places.v[i - 1] : NULL;

	o->bad |= !p || at - p->at >= p->size;
	return p ? at - p->at + p->start : 0;
}

static uint32_t put_name(struct out *o, const char *name)
{
	size_t at = o->names.n;

	text_add_n(&o->names, name, strlen(name) + 1);
	o->bad |= o->names.bad || o->names.n >= UINT32_MAX;
	return (uint32_t)at;
}

static void put_rows(struct out *o, const struct dbg_types *t)
{
	for (size_t i = 0; i < t->vars.n; i++) {
		const struct dbg_var *v = &t->vars.v[i];
		struct var_row row = {
			.addr = v->addr, .die = put_die(o, v->die), .name = put_name(o, v->name),
			.flags = v->in_alt * IN_ALT | v->is_tls * IS_TLS | (uint32_t)v->language << LANGUAGE_SHIFT,
		};

		put(o, &row, sizeof(row));
	}
	for (size_t i = 0; i < t->funcs.n; i++) {
		const struct dbg_func *f = &t->funcs.v[i];
		struct func_row row = {
			.low = f->low, .high = f->high, .die = put_die(o, f->die),
			.flags = f->in_alt * IN_ALT | (uint32_t)f->language << LANGUAGE_SHIFT,
		};

		put(o, &row, sizeof(row));
	}
	for (size_t i = 0; i < t->named.n; i++) {
		const struct dbg_named *n = &t->named.v[i];
		struct named_row row = {
			.die = put_die(o, n->die), .hash = n->hash, .size = n->size, .outer = n->outer,
			.line = n->line, .name = put_name(o, n->name),
			.flags = n->in_alt * IN_ALT | n->is_declaration * IS_DECLARATION | n->is_alias * IS_ALIAS |
				 (uint32_t)n->language << LANGUAGE_SHIFT,
		};

		put(o, &row, sizeof(row));
	}
	put(o, t->by_hash.v, t->by_hash.n * sizeof(*t->by_hash.v));
}

uint8_t *dbg_cache_bytes(const struct dbg_types *t, const struct dbg_cache_key *key, const struct dbg_cache_base *base,
			 uint64_t *ret_n)
{
	struct out o = { .names = { .max = NAMES_MAX } };
	struct header h = {
		.format = FORMAT, .size = key->size, .alt_size = key->alt_size, .parts = key->parts,
		.n_vars = t->vars.n,
		.n_funcs = t->funcs.n, .n_named = t->named.n, .n_by_hash = t->by_hash.n,
	};

	o.bad = !places_open(base, &o.places);
	if (!o.bad && o.places.n)
		qsort(o.places.v, o.places.n, sizeof(*o.places.v), place_by_at);
	put(&o, &h, sizeof(h));
	put_rows(&o, t);
	put(&o, o.names.s, o.names.n);
	if (!o.bad) {
		memcpy(h.magic, magic, sizeof(magic));
		h.names = o.names.n;
		h.hash = hash_bytes(o.bytes.v + sizeof(h), o.bytes.n - sizeof(h));
		memcpy(o.bytes.v, &h, sizeof(h));
	}
	places_fini(&o.places);
	text_fini(&o.names);
	if (o.bad) {
		free(o.bytes.v);
		return NULL;
	}
	*ret_n = o.bytes.n;
	return o.bytes.v;
}

/* ---- bytes to rows */

struct in {
	const uint8_t *at;
	struct places places; /* by `start` */
	const char *names; /* kept, and terminated */
	uint64_t n_names;
	bool bad;
};

static const void *next(struct in *in, size_t n)
{
	const uint8_t *at = in->at;

	in->at += n;
	return at;
}

static void *die_of(struct in *in, uint64_t offset)
{
	size_t i = partition_point(in->places.n, k, in->places.v[k].start <= offset);
	const struct place *p = i ? &in->places.v[i - 1] : NULL;

	in->bad |= !p || offset - p->start >= p->size;
	return p ? (void *)(uintptr_t)(p->at + (offset - p->start)) : NULL;
}

static const char *name_at(struct in *in, uint32_t at)
{
	in->bad |= at >= in->n_names;
	return at < in->n_names ? in->names + at : "";
}

static uint8_t language_of(struct in *in, uint64_t flags)
{
	in->bad |= flags >> LANGUAGE_SHIFT > DBG_LANG_OTHER;
	return (uint8_t)(flags >> LANGUAGE_SHIFT);
}

static void read_vars(struct in *in, struct dbg_types *t, uint64_t n)
{
	for (; t->vars.n < n; t->vars.n++) {
		struct var_row row;

		memcpy(&row, next(in, sizeof(row)), sizeof(row));
		t->vars.v[t->vars.n] = (struct dbg_var){
			.addr = row.addr, .die = die_of(in, row.die), .name = name_at(in, row.name),
			.is_tls = row.flags & IS_TLS, .in_alt = row.flags & IN_ALT,
			.language = language_of(in, row.flags),
		};
	}
}

static void read_funcs(struct in *in, struct dbg_types *t, uint64_t n)
{
	for (; t->funcs.n < n; t->funcs.n++) {
		struct func_row row;

		memcpy(&row, next(in, sizeof(row)), sizeof(row));
		t->funcs.v[t->funcs.n] = (struct dbg_func){
			.low = row.low, .high = row.high, .die = die_of(in, row.die),
			.in_alt = row.flags & IN_ALT, .language = language_of(in, row.flags),
		};
	}
}

static void read_named(struct in *in, struct dbg_types *t, uint64_t n)
{
	for (; t->named.n < n; t->named.n++) {
		struct named_row row;

		memcpy(&row, next(in, sizeof(row)), sizeof(row));
		t->named.v[t->named.n] = (struct dbg_named){
			.die = die_of(in, row.die), .name = name_at(in, row.name), .hash = row.hash,
			.size = row.size, .outer = row.outer, .line = row.line,
			.is_declaration = row.flags & IS_DECLARATION, .in_alt = row.flags & IN_ALT,
			.is_alias = row.flags & IS_ALIAS, .language = language_of(in, row.flags),
		};
	}
}

static void read_by_hash(struct in *in, struct dbg_types *t, uint64_t n)
{
	for (; t->by_hash.n < n; t->by_hash.n++) {
		uint32_t no = load_u32(next(in, sizeof(no)));

		in->bad |= no >= t->named.n;
		t->by_hash.v[t->by_hash.n] = no;
	}
}

static bool header_fits(const struct header *h, const uint8_t *bytes, uint64_t n, const struct dbg_cache_key *key)
{
	uint64_t left = n - sizeof(*h);
	const struct {
		uint64_t n, each;
	} parts[] = {
		{ h->n_vars, sizeof(struct var_row) }, { h->n_funcs, sizeof(struct func_row) },
		{ h->n_named, sizeof(struct named_row) }, { h->n_by_hash, sizeof(uint32_t) }, { h->names, 1 },
	};

	if (memcmp(h->magic, magic, sizeof(magic)) != 0 || h->format != FORMAT || h->size != key->size ||
	    h->alt_size != key->alt_size || h->parts != key->parts)
		return false;
	for (size_t i = 0; i < ARRAY_SIZE(parts); i++) {
		if (parts[i].n > left / parts[i].each)
			return false;
		left -= parts[i].n * parts[i].each;
	}
	return !left && h->names && !bytes[n - 1] && h->hash == hash_bytes(bytes + sizeof(*h), n - sizeof(*h));
}

static void forget(struct dbg_types *t)
{
	t->vars.n = t->funcs.n = t->named.n = t->by_hash.n = 0;
}

struct err *dbg_cache_parse(struct dbg_types *t, const uint8_t *bytes, uint64_t n, const struct dbg_cache_key *key,
			    const struct dbg_cache_base *base, bool *ret)
{
	struct in in = { .at = bytes };
	struct header h;
	char *names;

	*ret = false;
	if (n <= sizeof(h))
		return NULL;
	memcpy(&h, next(&in, sizeof(h)), sizeof(h));
	if (!header_fits(&h, bytes, n, key))
		return NULL;
	names = arena_memdup(&t->mem, bytes + n - h.names, h.names);
	if (!names || !places_open(base, &in.places) ||
	    !vec_grow((void **)&t->vars.v, &t->vars.cap, h.n_vars, sizeof(*t->vars.v)) ||
	    !vec_grow((void **)&t->funcs.v, &t->funcs.cap, h.n_funcs, sizeof(*t->funcs.v)) ||
	    !vec_grow((void **)&t->named.v, &t->named.cap, h.n_named, sizeof(*t->named.v)) ||
	    !vec_grow((void **)&t->by_hash.v, &t->by_hash.cap, h.n_by_hash, sizeof(*t->by_hash.v))) {
		places_fini(&in.places);
		return &err_nomem;
	}
	in.names = names;
	in.n_names = h.names;
	read_vars(&in, t, h.n_vars);
	read_funcs(&in, t, h.n_funcs);
	read_named(&in, t, h.n_named);
	read_by_hash(&in, t, h.n_by_hash);
	places_fini(&in.places);
	if (in.bad)
		forget(t);
	*ret = !in.bad;
	return NULL;
}

/* ---- files */

static struct dbg_cache_key key_of(const struct dbg_types *t)
{
	const struct dbg *d = t->module->dbg;

	struct dbg_cache_key key = { d->file->size, d->alt ? d->alt->size : 0, 0 };

	for (size_t i = 0; i < d->parts.parts.n; i++) {
		const struct dbg_part *p = &d->parts.parts.v[i];
		uint64_t words[] = { key.parts, p->id, p->sections[DBG_INFO].size, p->sections[DBG_TYPES].size };

		key.parts = hash_bytes(words, sizeof(words));
	}
	return key;
}

struct err *dbg_cache_read(struct dbg_types *t, const struct dbg_cache_base *base, bool *ret)
{
	struct dbg_cache_key key = key_of(t);
	uint64_t n;
	_free_ uint8_t *bytes = cache_file_read(t->img, t->module, "", &n);

	*ret = false;
	return bytes ? dbg_cache_parse(t, bytes, n, &key, base, ret) : NULL;
}

void dbg_cache_write(const struct dbg_types *t, const struct dbg_cache_base *base)
{
	struct dbg_cache_key key = key_of(t);
	_free_ uint8_t *bytes = NULL;
	uint64_t n;

	if (t->vars.n + t->funcs.n + t->named.n < WORTH || !t->img->cache_dir)
		return;
	bytes = dbg_cache_bytes(t, &key, base, &n);
	if (bytes)
		cache_file_write(t->img, t->module, "", bytes, n);
}
