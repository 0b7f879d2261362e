/*
 * image/go_names.c - functions of Go programs by name.
 *
 * Two hash tables, each made when it is first asked: of the runtime's own functions and package
 * sync's, which every open asks for, and of all.  Programs have half a million functions, and what a
 * pass over their names costs is waiting for memory: so what will be read is asked for ahead.
 */
#include "image/go_func.h"
#include "image/shadow.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/bits.h"
#include "base/fetch.h"
#include "base/guard.h"

enum {
	NAME_MAX_BYTES = 64 << 10,
	NAME_ASKED_MAX = 4096,
	FUNC_FIXED = 44,       /* bytes of a _func, at most 4 more than it has */
	PROBES_MAX = 4096,
	FUNCS_MAX = 1 << 24,
	COPY_MAX = 1 << 30,    /* bytes of a table that lies in several segments */
	RUNTIME_FUNCS = 1 << 16, /* expected in packages runtime and sync: some five thousand */
	AHEAD = 16,
};

struct name_table {
	bool made;
	uint64_t mask; /* slots less one */
	uint64_t n;    /* slots taken */
	struct name_slot {
		uint32_t module, index; /* index + 1; 0: empty */
	} *slots;
};

struct go_names {
	pthread_mutex_t lock;
	struct name_table runtime, all;
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
	free(names->runtime.slots);
	free(names->all.slots);
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
	char have[NAME_ASKED_MAX];

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

	image_keep(go->img, at, n);
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

/* Where function i's record is; NULL when it is nowhere. */
static const uint8_t *record_of(const struct tables *t, uint64_t i)
{
	uint32_t off = load_u32(t->ftab.p + i * 8 + 4);

	return off < t->m->n_pclntable && t->m->n_pclntable - off >= FUNC_FIXED ? t->pcln.p + off : NULL;
}

static const char *name_of(const struct tables *t, uint64_t i, uint64_t *ret_max)
{
	const uint8_t *record = record_of(t, i);
	uint32_t name = record ? load_u32(record + 4) : 0;

	if (!record || name >= t->m->n_funcnametab)
		return NULL;
	*ret_max = t->m->n_funcnametab - name < NAME_MAX_BYTES ? t->m->n_funcnametab - name : NAME_MAX_BYTES;
	return (const char *)t->names.p + name;
}

static FETCHES void ask_ahead(const struct tables *t, uint64_t i)
{
	const uint8_t *record = i + 2 * AHEAD < t->n ? record_of(t, i + 2 * AHEAD) : NULL;
	const char *name;
	uint64_t max;

	if (record)
		__builtin_prefetch(record);
	name = i + AHEAD < t->n ? name_of(t, i + AHEAD, &max) : NULL;
	if (name)
		__builtin_prefetch(name);
}

static bool is_runtimes(const char *name, size_t n)
{
	return (n > 8 && !memcmp(name, "runtime.", 8)) || (n > 5 && !memcmp(name, "sync.", 5));
}

static void table_add(struct name_table *table, uint64_t hash, struct name_slot slot)
{
	for (unsigned p = 0; p < PROBES_MAX; p++, hash++) {
		struct name_slot *s = &table->slots[hash & table->mask];

		if (s->index)
			continue;
		*s = slot;
		table->n++;
		return;
	}
}

static void table_add_module(struct name_table *table, bool all, const struct tables *t, uint32_t module)
{
	for (uint64_t i = 0; i < t->n && table->n <= table->mask / 2; i++) {
		uint64_t max;
		const char *name = name_of(t, i, &max), *nul;

		ask_ahead(t, i);
		if (!name || (!all && !is_runtimes(name, max)))
			continue;
		nul = memchr(name, 0, max);
		if (nul)
			table_add(table, name_hash(name, (size_t)(nul - name)),
				  (struct name_slot){ module, (uint32_t)i + 1 });
	}
}

static void table_make(const struct go *go, struct name_table *table, bool all)
{
	uint64_t n = all ? 0 : RUNTIME_FUNCS, slots = 64;

	table->made = true;
	for (size_t k = 0; all && k < go->n_modules; k++)
		n += module_funcs(&go->modules[k]);
	while (slots < 2 * n)
		slots *= 2;
	table->slots = calloc(slots, sizeof(*table->slots));
	if (!table->slots)
		return; /* names are then not found, as if there were none */
	table->mask = slots - 1;
	for (size_t k = 0; k < go->n_modules; k++) {
		_cleanup_(tables_fini) struct tables t = tables_of(go, &go->modules[k]);

		table_add_module(table, all, &t, (uint32_t)k);
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
	struct name_table *table = is_runtimes(name, n) ? &names->runtime : &names->all;

	pthread_mutex_lock(&names->lock);
	_cleanup_(names_unlock) pthread_mutex_t *lock = &names->lock;

	(void)lock;
	if (!table->made)
		table_make(go, table, table == &names->all);
	for (unsigned p = 0; table->slots && p < PROBES_MAX; p++, at++) {
		const struct name_slot *s = &table->slots[at & table->mask];
		struct go_func f;

		if (!s->index)
			return false;
		if (go_func_nth(go, &go->modules[s->module], s->index - 1, &f) && name_is(go, &f, name, n)) {
			*ret = f;
			return true;
		}
	}
	return false;
}

static bool begins(const char *name, uint64_t max, const char *prefix, size_t n)
{
	return n < max && !memcmp(name, prefix, n);
}

bool go_funcs_beginning(const struct go *go, const char *a, const char *b,
			bool (*fn)(void *arg, const struct go_func *f), void *arg)
{
	size_t n_a = strlen(a), n_b = strlen(b);

	for (size_t k = 0; k < go->n_modules; k++) {
		_cleanup_(tables_fini) struct tables t = tables_of(go, &go->modules[k]);

		for (uint64_t i = 0; i < t.n; i++) {
			uint64_t max = 0;
			const char *name = name_of(&t, i, &max);
			struct go_func f;

			ask_ahead(&t, i);
			if (name && (begins(name, max, a, n_a) || begins(name, max, b, n_b)) &&
			    go_func_nth(go, &go->modules[k], i, &f) && fn(arg, &f))
				return true;
		}
	}
	return false;
}
