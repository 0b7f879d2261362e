/*
 * image/go_globals.c - types and packages of Go's variables out of its code.
 */
#include "image/go_globals.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/bits.h"
#include "base/guard.h"
#include "base/par.h"
#include "base/search.h"
#include "base/vec.h"
#include "image/go_func.h"
#include "image/go_reading.h"

enum {
	FUNCS_A_RANGE = 2048,
	LEA_SPAN = 512, /* from the address of a struct to a word of it that is wanted */
	USERS_MAX = 64,
	DATA_MAX = 1 << 30,
	REFS_MAX = 1 << 17,  /* in a range: ten times what compilers make */
	FACTS_MAX = 1 << 16,
	PACKAGE_MAX = 256,
	PACKAGES_MAX = 8, /* of one stack of inlined calls */
	VALUE_BYTES_MAX = 1 << 20,
};

/* ---- what is found out */

struct fact {
	taddr addr;
	const struct go_type *type; /* T */
	uint8_t kind;		    /* enum go_fact_kind */
};

struct ref {
	taddr addr, pc;
};

/* Of one range of functions, by one thread. */
struct found {
	struct {
		struct fact *v;
		size_t n, cap;
	} facts;
	struct {
		struct ref *v;
		size_t n, cap;
	} refs;
};

struct go_globals {
	const struct go *go;
	struct {
		struct go_global *v;
		size_t n, cap;
	} types;
	struct {
		struct ref *v;
		size_t n, cap;
	} refs; /* ascending */
};

/* A bit a word of each module's data. */
struct wanted {
	taddr low, high;
	uint64_t *bits;
};

struct search {
	struct env *env;
	const struct go *go;
	struct wanted *wanted; /* one a module */
	struct found *found;   /* one a range */
	uint64_t *first; /* function of each module, and one more */
	bool is_arm;
};

static const struct wanted *data_of(const struct search *s, taddr addr)
{
	for (size_t i = 0; i < s->go->n_modules; i++)
		if (addr >= s->wanted[i].low && addr < s->wanted[i].high)
			return &s->wanted[i];
	return NULL;
}

/* A word in [addr, addr + span) is wanted. */
static bool is_wanted(const struct search *s, taddr addr, uint64_t span)
{
	const struct wanted *w = data_of(s, addr);
	uint64_t i, end;

	if (!w)
		return false;
	end = (addr - w->low + span + 7) / 8;
	end = end < (w->high - w->low) / 8 ? end : (w->high - w->low) / 8;
	for (i = (addr - w->low) / 8; i < end; i++)
		if (w->bits[i / 64] >> i % 64 & 1)
			return true;
	return false;
}

/* ---- which functions are worth reading */

static bool x86_refers(const struct search *s, const uint8_t *code, uint64_t n, taddr addr)
{
	/* mov and lea of 64 bits with an address relative to the next instruction */
	for (uint64_t i = 2; i + 5 <= n; i++) {
		taddr target;

		if ((code[i] & 0xc7) != 5 || (code[i - 2] & 0xf8) != 0x48 ||
		    (code[i - 1] != 0x8b && code[i - 1] != 0x89 && code[i - 1] != 0x8d))
			continue;
		target = addr + i + 5 + (uint64_t)(int64_t)(int32_t)load_u32(code + i + 1);
		if (is_wanted(s, target, code[i - 1] == 0x8d ? LEA_SPAN : 8))
			return true;
	}
	return false;
}

static bool arm_refers(const struct search *s, const uint8_t *code, uint64_t n, taddr addr)
{
	for (uint64_t i = 0; i + 4 <= n; i += 4) {
		uint32_t in = load_u32(code + i);
		int64_t page;

		if ((in & 0x9f000000) != 0x90000000) /* adrp */
			continue;
		page = (int64_t)(((uint64_t)(in >> 5 & 0x7ffff) << 2 | (in >> 29 & 3)) << 43) >> 31;
		if (is_wanted(s, ((addr + i) & ~0xfffull) + (uint64_t)page, 4096 + LEA_SPAN))
			return true;
	}
	return false;
}

/* ---- reading them */

struct range {
	const struct search *s;
	struct found *found;
	struct err *err;
};

static void on_fact(void *arg, taddr addr, const struct go_type *type, enum go_fact_kind kind)
{
	struct range *r = arg;
	struct fact f = { .addr = addr, .type = type, .kind = (uint8_t)kind };
	uint64_t span = kind == GO_FACT_VALUE ? type->size : 8;

	if (span > VALUE_BYTES_MAX || !is_wanted(r->s, addr, span) || r->found->facts.n == FACTS_MAX ||
	    (kind == GO_FACT_VALUE && !type->ptr_bytes))
		return;
	if (!vec_push(&r->found->facts, &f))
		r->err = &err_nomem;
}

static void on_use(void *arg, taddr addr, bool is_address, taddr pc)
{
	struct range *r = arg;
	struct ref ref = { .addr = addr, .pc = pc };

	if (r->found->refs.n < REFS_MAX && is_wanted(r->s, addr, is_address ? LEA_SPAN : 8) &&
	    !vec_push(&r->found->refs, &ref))
		r->err = &err_nomem;
}

static bool refers(const struct search *s, taddr entry, taddr end)
{
	uint64_t avail, n = end - entry;
	const uint8_t *code = image_view(s->go->img, entry, &avail);

	n = n < avail ? n : avail;
	return code && (s->is_arm ? arm_refers(s, code, n, entry) : x86_refers(s, code, n, entry));
}

static struct err *read_range(void *p, uint64_t index, uint64_t first, uint64_t last)
{
	struct search *s = p;
	struct range range = { .s = s, .found = &s->found[index] };
	struct go_reading_to to = { .fact = on_fact, .use = on_use, .arg = &range };
	struct go_reading *reading;
	struct err *err = go_reading_open(s->go, &to, &reading);
	size_t k = 0;

	for (uint64_t i = first; !err && reading && i < last; i++) {
		taddr entry, end;

		while (k + 1 < s->go->n_modules && i >= s->first[k + 1])
			k++;
		if (go_func_bounds(s->go, &s->go->modules[k], i - s->first[k], &entry, &end) && refers(s, entry, end))
			err = go_reading_function(reading, entry, end, 0);
		if (!err)
			err = range.err;
	}
	go_reading_close(reading);
	return err;
}

/* ---- all of it together */

static int by_fact(const void *a, const void *b)
{
	const struct fact *x = a, *y = b;

	if (x->addr != y->addr)
		return x->addr < y->addr ? -1 : 1;
	if (x->kind != y->kind)
		return x->kind - y->kind;
	if (x->type->size != y->type->size) /* a struct before its first field */
		return x->type->size > y->type->size ? -1 : 1;
	return x->type->addr < y->type->addr ? -1 : x->type->addr > y->type->addr;
}

static int by_ref(const void *a, const void *b)
{
	const struct ref *x = a, *y = b;

	if (x->addr != y->addr)
		return x->addr < y->addr ? -1 : 1;
	return x->pc < y->pc ? -1 : x->pc > y->pc;
}

/*
 * The word is an interface's second one: what is in it now need not be what the code that was read expects.
 */
static bool is_boxed(const struct go *go, taddr addr)
{
	uint64_t word;

	return !image_read_u64(go->img, addr - 8, &word) && word && (go_itab_type(go, word) || go_type_at(go, word));
}

/* Facts of one address, the strongest kind first: they are of one kind and agree, or nothing is taken. */
static struct err *take_facts(struct go_globals *g, const struct fact *f, size_t n)
{
	struct go_global v = { .addr = f->addr, .is_sure = f->kind != GO_FACT_RECEIVER };

	if (f->kind != GO_FACT_VALUE) {
		bool agree = true;

		/* Of receivers the largest is taken: the others are its first fields. */
		for (size_t i = 1; i < n && f->kind != GO_FACT_RECEIVER; i++)
			agree &= f[i].kind == GO_FACT_RECEIVER || (f[i].kind == f->kind && f[i].type == f->type);
		if (!agree || is_boxed(g->go, f->addr))
			return NULL;
	}
	v.type = go_fact_type(g->go, f->type, (enum go_fact_kind)f->kind);
	return v.type && vec_push(&g->types, &v) ? NULL : &err_nomem;
}

static struct err *take_types(struct go_globals *g, struct found *all)
{
	taddr end = 0; /* of the last value */
	struct err *err = NULL;

	if (all->facts.n)
		qsort(all->facts.v, all->facts.n, sizeof(*all->facts.v), by_fact);
	for (size_t i = 0, next; i < all->facts.n && !err; i = next) {
		const struct fact *f = &all->facts.v[i];
		size_t had = g->types.n;

		for (next = i + 1; next < all->facts.n && all->facts.v[next].addr == f->addr;)
			next++;
		if (f->addr >= end)
			err = take_facts(g, f, next - i);
		if (!err && g->types.n > had)
			end = f->addr + g->types.v[had].type->size;
	}
	return err;
}

static struct err *join(struct found *all, const struct found *part)
{
	for (size_t i = 0; i < part->facts.n; i++)
		if (!vec_push(&all->facts, &part->facts.v[i]))
			return &err_nomem;
	for (size_t i = 0; i < part->refs.n; i++)
		if (!vec_push(&all->refs, &part->refs.v[i]))
			return &err_nomem;
	return NULL;
}

static void fini_found(struct found *f)
{
	free(f->facts.v);
	free(f->refs.v);
}

/* One after another, as the linker writes them: then no code is read twice. */
static bool is_ascending(const struct go *go, const struct go_module *m)
{
	taddr last = 0, entry, end;

	for (uint64_t i = 0; i + 1 < m->n_ftab; i++) {
		if (!go_func_bounds(go, m, i, &entry, &end))
			continue; /* of no bytes: it is not read */
		if (entry < last)
			return false;
		last = end;
	}
	return true;
}

static struct err *open_wanted(struct search *s, const taddr *wanted, size_t n)
{
	for (size_t k = 0; k < s->go->n_modules; k++) {
		struct wanted *w = &s->wanted[k];

		go_data_bounds(&s->go->modules[k], &w->low, &w->high);
		s->first[k + 1] = s->first[k] + (is_ascending(s->go, &s->go->modules[k]) ? s->go->modules[k].n_ftab : 0);
		if (w->high <= w->low || w->high - w->low > DATA_MAX) {
			w->high = w->low;
			continue;
		}
		w->bits = calloc(bits_words((w->high - w->low + 7) / 8), sizeof(*w->bits));
		if (!w->bits)
			return &err_nomem;
	}
	for (size_t i = 0; i < n; i++) {
		const struct wanted *w = data_of(s, wanted[i]);

		if (w)
			w->bits[(wanted[i] - w->low) / 8 / 64] |= 1ull << (wanted[i] - w->low) / 8 % 64;
	}
	return NULL;
}

static struct err *search_all(struct search *s, struct go_globals *g)
{
	uint64_t n = s->first[s->go->n_modules], n_ranges = (n + FUNCS_A_RANGE - 1) / FUNCS_A_RANGE;
	struct found all = {};
	struct err *err;

	s->found = calloc(n_ranges ? n_ranges : 1, sizeof(*s->found));
	err = s->found ? par_ranges(s->env, n, FUNCS_A_RANGE, read_range, s) : &err_nomem;
	for (uint64_t i = 0; s->found && i < n_ranges; i++) {
		if (!err)
			err = join(&all, &s->found[i]);
		fini_found(&s->found[i]);
	}
	if (!err)
		err = take_types(g, &all);
	if (!err) {
		if (all.refs.n)
			qsort(all.refs.v, all.refs.n, sizeof(*all.refs.v), by_ref);
		g->refs.v = all.refs.v;
		g->refs.n = all.refs.n;
		all.refs.v = NULL;
	}
	fini_found(&all);
	free(s->found);
	return err;
}

struct err *go_globals_open(struct env *env, const struct go *go, const taddr *wanted, size_t n,
			    struct go_globals **ret)
{
	struct search s = { .env = env, .go = go, .is_arm = go->img->target->id == TARGET_AARCH64 };
	struct go_globals *g = calloc(1, sizeof(*g));
	struct err *err;

	*ret = NULL;
	s.wanted = calloc(go->n_modules + 1, sizeof(*s.wanted));
	s.first = calloc(go->n_modules + 1, sizeof(*s.first));
	err = g && s.wanted && s.first ? open_wanted(&s, wanted, n) : &err_nomem;
	if (!err) {
		g->go = go;
		err = search_all(&s, g);
	}
	for (size_t k = 0; s.wanted && k < go->n_modules; k++)
		free(s.wanted[k].bits);
	free(s.wanted);
	free(s.first);
	if (err)
		go_globals_close(g);
	else
		*ret = g;
	return err;
}

void go_globals_close(struct go_globals *g)
{
	if (!g)
		return;
	free(g->types.v);
	free(g->refs.v);
	free(g);
}

const struct go_global *go_globals_types(const struct go_globals *g, size_t *ret_n)
{
	*ret_n = g->types.n;
	return g->types.v;
}

/* ---- names */

/* Packages of a function and of what was inlined around it, innermost first. */
struct packages {
	char v[PACKAGES_MAX][PACKAGE_MAX];
	unsigned n;
	bool is_init; /* the function that gives a package's variables their first values */
};

static bool has_package(const struct packages *p, const char *package)
{
	for (unsigned i = 0; i < p->n; i++)
		if (!strcmp(p->v[i], package))
			return true;
	return false;
}

static void on_function(void *arg, const char *function, const char *file, unsigned line)
{
	struct packages *p = arg;
	size_t n = go_package_bytes(function);

	(void)file;
	(void)line;
	if (!n || n >= PACKAGE_MAX || p->n == PACKAGES_MAX || strchr(function, ':'))
		return;
	p->is_init = !p->n && !strcmp(function + n, ".init");
	memcpy(p->v[p->n], function, n);
	p->v[p->n][n] = 0;
	/* its methods are inlined everywhere, and it has no variables */
	if (n >= 7 && !strcmp(p->v[p->n] + n - 7, "/atomic"))
		return;
	for (unsigned i = 0; i < p->n; i++)
		if (!strcmp(p->v[i], p->v[p->n]))
			return;
	p->n++;
}

/* Those of `all` that `other` has as well. */
static void keep_common(struct packages *all, const struct packages *other)
{
	unsigned kept = 0;

	for (unsigned i = 0; i < all->n; i++)
		if (has_package(other, all->v[i]))
			memmove(all->v[kept++], all->v[i], PACKAGE_MAX);
	all->n = kept;
}

/*
 * The package whose code all the uses are, wherever it was inlined and whatever was inlined into it; else the
 * only one whose own init gives the variable a value.
 */
bool go_globals_package(const struct go_globals *g, taddr start, taddr end, struct text *ret)
{
	size_t i = partition_point(g->refs.n, k, g->refs.v[k].addr < start);
	struct packages all = {}, one;
	char owner[PACKAGE_MAX] = "";
	bool owners_differ = false;

	for (unsigned n = 0; i < g->refs.n && g->refs.v[i].addr < end && n < USERS_MAX; i++, n++) {
		one = (struct packages){};
		go_source(g->go, g->refs.v[i].pc, on_function, &one);
		if (!n)
			all = one;
		else
			keep_common(&all, &one);
		if (one.n && one.is_init) {
			owners_differ |= *owner && strcmp(owner, one.v[0]) != 0;
			memcpy(owner, one.v[0], PACKAGE_MAX);
		}
	}
	if (all.n == 1)
		memcpy(owner, all.v[0], PACKAGE_MAX);
	else if (owners_differ)
		return false;
	go_path_add(ret, owner, strlen(owner));
	return *owner;
}

/* The variable that begins at `start`, by whatever tells. */
static bool add_variable(const struct go_globals *g, taddr start, taddr end, struct text *ret)
{
	const struct module *m = image_module_at(g->go->img, start);
	struct symbol symbol;

	if (start == g->go->at.pool_all || start == g->go->at.pool_old) {
		text_add(ret, start == g->go->at.pool_all ? "sync.allPools" : "sync.oldPools");
		return true;
	}
	if (image_symbol_at(g->go->img, start, &symbol)) {
		if (symbol.addr == start)
			text_add(ret, symbol.name);
		return symbol.addr == start;
	}
	if (!m || !go_globals_package(g, start, end, ret))
		return false;
	text_printf(ret, ".0x%" PRIx64, start - m->start);
	return true;
}

bool go_globals_name(const struct go_globals *g, taddr addr, struct text *ret)
{
	size_t lo = partition_point(g->types.n, i, g->types.v[i].addr <= addr), had = ret->n;
	const struct go_global *v = lo ? &g->types.v[lo - 1] : NULL;

	if (!v || addr - v->addr >= v->type->size)
		return add_variable(g, addr, addr + 8, ret);
	if (!add_variable(g, v->addr, v->addr + v->type->size, ret))
		return false;
	if (!go_type_path(g->go, v->type, addr - v->addr, ret))
		text_cut(ret, had);
	return ret->n > had;
}
