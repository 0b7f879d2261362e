/*
 * type/native_rules.c - counts that a program of somebody's own keeps (type/count_rules.h), by the
 * types of DWARF or the classes of vtables.
 *
 * A struct that begins with one that a rule names, or is derived of it, has that one's count.  What
 * was lost has no type, as nothing typed leads there: a block of the right size counts as one when
 * its pointers fit and its count is exactly what such blocks and typed ones have of references to it.
 */
#include <string.h>

#include "base/bits.h"
#include "base/guard.h"
#include "base/search.h"
#include "base/vec.h"
#include "image/shadow.h"
#include "type/native.h"

enum {
	DEPTH_MAX = 16,	      /* structs inside each other */
	TYPES_MAX = 1 << 16,  /* of DWARF that are looked at */
	SEED_TYPES_MAX = 256, /* with a count of their own */
	COUNT_MAX = 1 << 20,  /* references of one that nothing typed leads to */
};

/* Where in a value a struct lies that it begins with, or is derived of. */
struct inner {
	const struct dbg_type *type;
	uint64_t at;
};

static bool is_struct(const struct dbg_type *type)
{
	return type && type->kind == DBG_KIND_STRUCT;
}

/* `inner` one level deeper: the bases, or what a struct of C begins with; how many. */
static size_t step_in(const struct inner *of, struct inner *ret, size_t max)
{
	size_t n = 0;

	dbg_type_load((struct dbg_type *)of->type);
	for (uint32_t i = 0; i < of->type->n_members && n < max; i++) {
		const struct dbg_member *m = &of->type->members[i];

		if (is_struct(m->type) && (m->is_base || (!m->offset && of->type->language == DBG_LANG_C)))
			ret[n++] = (struct inner){ m->type, of->at + m->offset };
	}
	return n;
}

/* The struct itself and what it begins with or is derived of, until fn says yes of *ret. */
static bool any_inner(const struct dbg_type *type, bool (*fn)(const void *arg, const struct inner *in),
		      const void *arg, struct inner *ret)
{
	struct inner todo[DEPTH_MAX] = { { type, 0 } };
	size_t n = is_struct(type);

	for (unsigned seen = 0; n && seen < 2 * DEPTH_MAX; seen++) {
		struct inner at = todo[--n];

		if (fn(arg, &at)) {
			*ret = at;
			return true;
		}
		n += step_in(&at, todo + n, DEPTH_MAX - n);
	}
	return false;
}

static bool is_named(const void *arg, const struct inner *in)
{
	const struct count_rule *rule = arg;

	for (unsigned i = 0; i < rule->n_types; i++)
		if (count_rule_names(rule->types[i], in->type->name))
			return true;
	return false;
}

/* One of the types of a rule; NULL: it stands for several, or no DWARF has it. */
static struct native_type *named_type(struct native *n, const char *name)
{
	static const char *const kinds[] = { "struct ", "union ", "class " };

	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++)
		if (!strncmp(name, kinds[i], strlen(kinds[i])))
			name += strlen(kinds[i]); /* C's; DWARF has them without it */
	return native_type_named(n, name, NULL);
}

/* ---- fields */

/* The field of a struct, of its bases or of its unnamed parts. */
static const struct dbg_member *find_member(const struct dbg_type *type, const char *name, size_t length,
					    uint64_t *ret_at)
{
	struct inner todo[DEPTH_MAX] = { { type, 0 } };
	size_t n = 1;

	for (unsigned seen = 0; n && seen < 2 * DEPTH_MAX; seen++) {
		struct inner in = todo[--n];

		dbg_type_load((struct dbg_type *)in.type);
		for (uint32_t i = 0; i < in.type->n_members; i++) {
			const struct dbg_member *m = &in.type->members[i];
			bool is_open = m->is_base || !m->name;

			if (!is_open && strlen(m->name) == length && !memcmp(m->name, name, length)) {
				*ret_at = in.at + m->offset;
				return m;
			}
			if (is_open && n < DEPTH_MAX &&
			    (is_struct(m->type) || m->type->kind == DBG_KIND_UNION))
				todo[n++] = (struct inner){ m->type, in.at + m->offset };
		}
	}
	return NULL;
}

/* "base.refs"; NULL: there is none. */
static const struct dbg_type *find_field(const struct dbg_type *type, const char *path, uint64_t *ret_at)
{
	uint64_t at = 0;

	while (*path) {
		size_t length = strcspn(path, ".");
		const struct dbg_member *m = find_member(type, path, length, &at);

		if (!m)
			return NULL;
		*ret_at += at;
		type = m->type;
		path += length + (path[length] == '.');
	}
	return type;
}

/* The number in atomic_t, std::atomic<int>, struct kref and what else is around one. */
static unsigned number_width(const struct dbg_type *type, uint64_t *ret_at)
{
	for (unsigned i = 0; i < DEPTH_MAX && type->kind != DBG_KIND_BASE; i++) {
		dbg_type_load((struct dbg_type *)type);
		if ((!is_struct(type) && type->kind != DBG_KIND_UNION) || !type->n_members)
			return 0;
		*ret_at += type->members[0].offset;
		type = type->members[0].type;
	}
	return type->kind == DBG_KIND_BASE && type->size <= 8 && is_pow2(type->size) ? (unsigned)type->size : 0;
}

/* False: what the rule speaks of is not there. */
static bool find_place(struct native *n, const struct count_rule *rule, const struct count_place *p,
		       const struct dbg_type *type, struct native_number *ret)
{
	const struct dbg_type *field;
	uint64_t at = 0;
	unsigned width;

	*ret = (struct native_number){ .place = p, .offset = p->offset, .width = p->width };
	if (!p->given || !p->field)
		return true;
	field = type ? find_field(type, p->field, &at) : NULL;
	width = field ? number_width(field, &at) : 0;
	ret->offset = at;
	ret->width = p->width ? p->width : (uint8_t)width;
	if (!field || !ret->width)
		diag(n->env, "rules/unknown-field", ERR_NOWHERE,
		     "count rule %s: %s has no number called %s", rule->name,
		     type ? type->name : "a type without debug info", p->field);
	return field && ret->width;
}

/* ---- what has a count */

const struct native_ruled *native_ruled_of(struct native *n, const struct native_shape *shape)
{
	const struct dbg_type *type = shape->type ? shape->type->dbg : NULL;

	for (size_t i = 0; n->rules && i < n->rules->n && shape->kind == NATIVE_VALUE; i++) {
		const struct count_rule *rule = &n->rules->v[i];
		struct native_ruled ruled = { .rule = rule }, *kept;
		struct inner of = { &(struct dbg_type){ .name = shape->name }, 0 };

		if (type ? !any_inner(type, is_named, rule, &of) : !is_named(rule, &of))
			continue;
		if (!find_place(n, rule, &rule->strong, type ? of.type : NULL, &ruled.strong) ||
		    !find_place(n, rule, &rule->weak, type ? of.type : NULL, &ruled.weak))
			continue;
		ruled.at = of.at;
		ruled.strong.offset += ruled.at;
		ruled.weak.offset += ruled.at;
		kept = arena_alloc(&n->mem, sizeof(*kept));
		if (kept)
			*kept = ruled;
		return kept;
	}
	return NULL;
}

static bool read_number(const struct native_number *at, const uint8_t *bytes, uint64_t size, uint64_t *ret)
{
	uint64_t word = 0;

	if (!at->place->given) {
		*ret = 0;
		return true;
	}
	if (size < at->width || at->offset > size - at->width)
		return false;
	memcpy(&word, bytes + at->offset, at->width);
	return count_place_value(at->place, word, ret);
}

bool native_ruled_counts(const struct native_ruled *ruled, const uint8_t *bytes, uint64_t size,
			 uint64_t *ret_strong, uint64_t *ret_weak)
{
	return read_number(&ruled->strong, bytes, size, ret_strong) &&
	       read_number(&ruled->weak, bytes, size, ret_weak);
}

/* ---- references */

static void add_members_refs(const struct dbg_type *type, const struct count_ref *ref, uint8_t rule,
			     struct native_rule_refs *ret)
{
	uint64_t at = ref->field ? 0 : ref->offset;
	const struct dbg_type *field = ref->field && type->size ? find_field(type, ref->field, &at) : NULL;
	struct native_rule_ref found = { .offset = at, .size = 8, .kind = ref->kind, .rule = rule };

	if (ref->field && !field)
		return;
	if (field && field->size > 8)
		found.size = field->size;
	if (ret->n < ARRAY_SIZE(ret->v))
		ret->v[ret->n++] = found;
}

void native_rule_refs(const struct native *n, const struct dbg_type *type, struct native_rule_refs *ret)
{
	ret->n = 0;
	for (size_t i = 0; n->rules && type->name && i < n->rules->n; i++)
		for (unsigned k = 0; k < n->rules->v[i].n_refs; k++) {
			const struct count_ref *ref = &n->rules->v[i].refs[k];

			if (count_rule_names(ref->type, type->name))
				add_members_refs(type, ref, (uint8_t)(i + 1), ret);
		}
}

static bool is_same(const void *arg, const struct inner *in)
{
	const struct dbg_type *type = arg;

	return in->type == type || (type->name && in->type->name && !strcmp(type->name, in->type->name));
}

uint8_t native_rule_leads(struct native *n, const struct dbg_type *pointer)
{
	const struct dbg_type *to;
	struct inner in;

	dbg_type_load((struct dbg_type *)pointer);
	to = pointer->to;
	if (!is_struct(to))
		return 0;
	for (size_t i = 0; n->rules && i < n->rules->n; i++) {
		const struct count_rule *rule = &n->rules->v[i];

		if (rule->is_listed)
			continue;
		if (any_inner(to, is_named, rule, &in))
			return (uint8_t)(i + 1);
		for (unsigned k = 0; k < rule->n_types; k++) {
			struct native_type *named = named_type(n, rule->types[k]);

			if (named && any_inner(named->dbg, is_same, to, &in) && !native_is_link_type(to))
				return (uint8_t)(i + 1);
		}
	}
	return 0;
}

bool native_rules_open(const struct native *n)
{
	for (size_t i = 0; n->rules && i < n->rules->n; i++)
		if (!n->rules->v[i].is_listed)
			return true;
	return false;
}

bool native_is_ref_to(const struct native *n, const struct native_ref *ref, const struct native_ruled *ruled)
{
	if (ref->is_open)
		return ruled && !ruled->rule->is_listed;
	return ruled ? ref->rule && ruled->rule == &n->rules->v[ref->rule - 1] : !ref->rule;
}

/* ---- what nothing typed leads to */

struct seed_type {
	struct native_type *type;
	const struct native_ruled *ruled;
};

struct seed {
	struct native_block block;
	const struct seed_type *is;
	uint64_t inbound, counted;
};

struct seeds {
	struct native *n;
	struct native_spread *spread;
	struct seed_type types[SEED_TYPES_MAX];
	size_t n_types;
	struct {
		struct seed *v; /* by block */
		size_t n, cap;
	} found;
	struct col set; /* one bit a block that is among them */
	struct col inbound; /* by block: how many others lead to it */
};

static void seeds_fini(struct seeds *s)
{
	col_close(&s->inbound);
	free(s->found.v);
	col_close(&s->set);
}

/* A type that may be one of a ring: it has a count, and leads on. */
static void add_seed_type(struct seeds *s, struct native_type *type)
{
	struct native_shape *shape;
	const struct native_ruled *ruled;

	for (size_t i = 0; i < s->n_types; i++)
		if (s->types[i].type == type)
			return;
	dbg_type_load(type->dbg);
	native_refs(s->n, type);
	if (type->dbg->has_vtable || !type->n_refs || s->n_types == SEED_TYPES_MAX)
		return; /* objects with a vtable say so themselves */
	shape = native_shape_of(s->n, type, NATIVE_VALUE, true);
	ruled = shape ? native_ruled_of(s->n, shape) : NULL;
	if (ruled)
		s->types[s->n_types++] = (struct seed_type){ type, ruled };
}

static void find_seed_types(struct seeds *s)
{
	struct native *n = s->n;
	uint64_t least = UINT64_MAX;
	struct inner in;

	for (size_t i = 0; i < n->rules->n; i++)
		for (unsigned k = 0; k < n->rules->v[i].n_types; k++) {
			struct native_type *type = named_type(n, n->rules->v[i].types[k]);

			if (!type)
				continue;
			least = type->dbg->size < least ? type->dbg->size : least;
			add_seed_type(s, type);
		}
	/* And those that begin with one. */
	for (size_t i = 0; i < n->img->n_modules; i++)
		for (size_t k = 0; n->dwarf[i] && k < n->dwarf[i]->named.n && k < TYPES_MAX; k++) {
			const struct dbg_named *named = &n->dwarf[i]->named.v[k];
			struct dbg_type *type;

			if (named->is_declaration || named->size <= least)
				continue;
			type = dbg_types_named(n->dwarf[i], named->hash, NULL);
			for (size_t r = 0; type && r < n->rules->n; r++)
				if (any_inner(type, is_named, &n->rules->v[r], &in) && native_type_of(n, type))
					add_seed_type(s, native_type_of(n, type));
		}
}

/* Its pointers lead to memory. */
static bool pointers_fit(struct native *n, struct native_type *type, const uint8_t *bytes, uint64_t size)
{
	native_compile(n, type);
	for (uint32_t i = 0; i < type->n_slots; i++) {
		const struct native_slot *slot = &type->slots[i];
		uint64_t word;

		if (slot->guard || slot->op == NATIVE_ERASED || slot->offset > size - 8)
			continue;
		word = load_u64(bytes + slot->offset);
		if (word && !image_segment(n->img, word))
			return false;
	}
	return true;
}

/* No more references than blocks lead to it: of two that a block may be, that tells. */
static bool is_likelier(const struct seeds *s, uint32_t id, uint64_t strong, uint64_t than)
{
	uint64_t inbound = ((const uint32_t *)s->inbound.base)[id];

	return strong <= inbound && than > inbound;
}

static struct err *find_seed(void *arg, const struct native_block *b)
{
	struct seeds *s = arg;
	struct seed seed = { .block = *b };
	uint64_t avail = 0, strong, weak;
	const uint8_t *bytes;

	if (s->n->state[b->id])
		return NULL;
	bytes = native_view(s->n, b->at, &avail);
	if (!bytes || avail < b->usable)
		return NULL;
	for (size_t i = 0; i < s->n_types; i++) {
		const struct seed_type *t = &s->types[i];
		uint64_t size = t->type->dbg->size;

		if (size < 8 || !native_is_made_for(s->n, b->at, b->usable, size) ||
		    !native_ruled_counts(t->ruled, bytes, size, &strong, &weak) || !strong ||
		    strong > COUNT_MAX || weak > COUNT_MAX || !pointers_fit(s->n, t->type, bytes, size))
			continue;
		if (seed.is && is_likelier(s, b->id, seed.counted, strong))
			continue;
		if (seed.is && !is_likelier(s, b->id, strong, seed.counted))
			return NULL; /* which of two, nothing tells */
		seed.is = t;
		seed.counted = strong;
	}
	if (!seed.is)
		return NULL;
	bit_set(s->set.base, b->id);
	return vec_push(&s->found, &seed) ? NULL : &err_nomem;
}

static struct seed *seed_at(struct seeds *s, uint64_t word)
{
	uint32_t id = block_at(s->n->blocks, word);
	size_t i;

	if (id == BLOCK_NONE || !bit_get(s->set.base, id))
		return NULL;
	i = partition_point(s->found.n, k, s->found.v[k].block.id < id);
	if (i == s->found.n || s->found.v[i].block.id != id)
		return NULL;
	word -= s->found.v[i].block.at;
	return !word || word == s->found.v[i].is->ruled->at ? &s->found.v[i] : NULL;
}

/* All references to seeds of values of known or supposed types. */
static struct err *tally(void *arg, const struct native_block *b)
{
	struct seeds *s = arg;
	struct native_shape *shape = native_shape_now(s->n, b->id);
	uint64_t avail = 0, size, n;
	const uint8_t *bytes;

	if (!shape || !shape->type || shape->kind > NATIVE_ARRAY)
		return NULL;
	native_refs(s->n, shape->type);
	if (!shape->type->n_refs)
		return NULL;
	bytes = native_view(s->n, b->at, &avail);
	if (!bytes || avail < b->usable)
		return NULL;
	size = shape->type->dbg->size;
	n = shape->kind == NATIVE_VALUE ? b->usable >= size : b->usable / size;
	for (uint64_t i = 0; i < n; i++)
		for (uint32_t k = 0; k < shape->type->n_refs; k++) {
			const struct native_ref *ref = &shape->type->refs[k];
			struct seed *seed;

			if (ref->is_weak || ref->offset > size - 8 || size < 8)
				continue;
			seed = seed_at(s, load_u64(bytes + i * size + ref->offset));
			if (seed && native_is_ref_to(s->n, ref, seed->is->ruled))
				seed->inbound++;
		}
	return NULL;
}

static struct err *suppose(struct seeds *s)
{
	for (size_t i = 0; i < s->found.n; i++)
		native_suppose(s->spread, s->found.v[i].block.at, s->found.v[i].is->type);
	return native_spread_on(s->spread);
}

static struct err *keep_types(struct native *n, struct col *ret)
{
	uint64_t blocks = n->blocks->grains.n;
	struct err *err = col_fixed(n->env, sizeof(*n->state), blocks + 1, "types", ret);

	if (!err)
		memcpy(ret->base, n->state, blocks * sizeof(*n->state));
	return err;
}

/* What was only supposed. */
static void take_back(struct native *n, const struct col *before)
{
	memcpy(n->state, before->base, n->blocks->grains.n * sizeof(*n->state));
}

/* Those go whose count is not what was found; true: some went. */
static bool drop_seeds(struct seeds *s)
{
	size_t kept = 0, before = s->found.n;

	for (size_t i = 0; i < s->found.n; i++) {
		struct seed *seed = &s->found.v[i];

		if (seed->inbound != seed->counted) {
			bit_clear(s->set.base, seed->block.id);
			continue;
		}
		seed->inbound = 0;
		s->found.v[kept++] = *seed;
	}
	s->found.n = kept;
	return kept != before;
}

static struct err *settle(struct seeds *s)
{
	enum { ROUNDS = 16 };
	_cleanup_(col_close) struct col before = {};
	struct err *err = keep_types(s->n, &before);
	bool changed = true;

	for (unsigned i = 0; i < ROUNDS && changed && !err; i++) {
		take_back(s->n, &before);
		err = suppose(s);
		if (!err)
			err = native_each(s->n, tally, s);
		changed = !err && drop_seeds(s);
	}
	if (!err && changed)
		take_back(s->n, &before); /* no end of it: nothing is said */
	return err;
}

static struct err *count_inbound(struct seeds *s)
{
	const struct graph *g = s->n->cols->graph;
	struct err *err = col_fixed(s->n->env, sizeof(uint32_t), (uint64_t)g->n + 1, "types", &s->inbound);
	uint32_t *inbound = s->inbound.base;

	for (edge_id e = 0; !err && e < g->m; e++)
		inbound[EDGE_NODE(g->dst[e])]++;
	return err;
}

struct err *native_rule_seeds(struct native *n, struct native_spread *spread)
{
	_cleanup_(seeds_fini) struct seeds s = { .n = n, .spread = spread };
	struct err *err;

	if (!n->rules || !n->rules->n || !n->has_dwarf)
		return NULL;
	find_seed_types(&s);
	if (!s.n_types)
		return NULL;
	err = col_fixed(n->env, 8, bits_words(n->blocks->grains.n) + 1, "types", &s.set);
	if (!err)
		err = count_inbound(&s);
	if (!err)
		err = native_each(n, find_seed, &s);
	return err || !s.found.n ? err : settle(&s);
}
