/*
 * image/dbg_types.c - types by their entries, each made once.
 *
 * Source of truth: DWARF 4 and 5, through libdw.  Typedefs and qualifiers are looked through; what a
 * type is made of is read when it is asked for, so that the types that nobody meets cost nothing.
 * Entries of several units that say the same are one type.  Nothing here recurses.
 */
#include "image/dbg_types.h"

#include <dwarf.h>
#include <elfutils/libdw.h>
#include <stdlib.h>
#include <string.h>

#include "base/bits.h"
#include "base/guard.h"
#include "base/search.h"
#include "base/vec.h"
#include "image/dbg.h"
#include "image/dbg_cache.h"

enum {
	TYPES_MAX = 1 << 20,
	MEMBERS_MAX = 1 << 23, /* of all types */
	MEMBERS_OF_ONE = 1 << 14,
	CHILDREN_MAX = 1 << 16, /* entries inside one */
	STEPS_MAX = 32,		/* typedefs and qualifiers on the way to a type */
	NAME_BYTES = 4096,
	POINTER = 8,
	LARGE = 4 << 20, /* bytes of a file with DWARF */
};

static void unlock(pthread_mutex_t **lock)
{
	pthread_mutex_unlock(*lock);
}

#define DBG_LOCKED(t)                                                                      \
	pthread_mutex_lock(&(t)->module->dbg->lock);                                       \
	_cleanup_(unlock) __attribute__((unused)) pthread_mutex_t *lock_ = &(t)->module->dbg->lock

void dbg_types_close(struct dbg_types *t)
{
	if (!t)
		return;
	free(t->vars.v);
	free(t->funcs.v);
	free(t->named.v);
	free(t->by_hash.v);
	addrmap_fini(&t->types);
	addrmap_fini(&t->same);
	arena_fini(&t->mem);
	free(t);
}

static void guard_types(struct dbg_types **t)
{
	dbg_types_close(*t);
}

/* Where the parts' sections are now. */
static struct dbg_space *spaces_of(const struct dbg_parts *ps)
{
	struct dbg_space *ret = calloc(ps->parts.n * DBG_SECTIONS + 1, sizeof(*ret));

	for (size_t i = 0; ret && i < ps->parts.n; i++)
		for (unsigned k = 0; k < DBG_SECTIONS; k++)
			ret[i * DBG_SECTIONS + k] = (struct dbg_space){
				ps->parts.v[i].sections[k].at, ps->parts.v[i].sections[k].size,
			};
	return ret;
}

static struct err *index_or_cache(struct dbg_types *t)
{
	const struct dbg_parts *ps = &t->module->dbg->parts;
	_free_ struct dbg_space *spaces = spaces_of(ps);
	struct dbg_cache_base base = { spaces, ps->parts.n * DBG_SECTIONS };
	bool known = false, may_keep = t->img->cache_dir && !ps->missing;
	struct err *err = spaces ? NULL : &err_nomem;

	if (!err && may_keep)
		err = dbg_cache_read(t, &base, &known);
	if (!err && !known)
		err = dbg_index(t);
	if (!err && (!known || ps->parts.n > 1))
		err = dbg_index_finish(t); /* parts lie elsewhere each time: their order, too */
	if (!err && !known && may_keep)
		dbg_cache_write(t, &base);
	return err;
}

bool dbg_types_is_large(const struct module *m)
{
	return m->dbg && m->dbg->file->size >= LARGE;
}

struct err *dbg_types_open(struct env *env, const struct image *img, const struct module *m, struct dbg_types **ret)
{
	_cleanup_(guard_types) struct dbg_types *t = NULL;
	struct err *err;

	*ret = NULL;
	if (!m->dbg)
		return NULL;
	t = calloc(1, sizeof(*t));
	if (!t)
		return &err_nomem;
	*t = (struct dbg_types){ .env = env, .img = img, .module = m };
	DBG_LOCKED(t);
	if (!dbg_dwarf(img, m->dbg))
		return NULL;
	err = dbg_parts_open(img, m->dbg);
	if (!err)
		err = index_or_cache(t);
	if (!err)
		*ret = take(&t);
	return err;
}

/* ---- types */

static bool die_at(const struct dbg_types *t, void *addr, bool in_alt, Dwarf_Die *ret)
{
	const struct dbg *d = t->module->dbg;
	Dwarf *dwarf = in_alt ? d->rest.dwarf : dbg_parts_view(&d->parts, addr);

	if (!dwarf)
		dwarf = in_alt ? NULL : d->main.dwarf;
	return dwarf && dwarf_die_addr_die(dwarf, addr, ret);
}

static void *signed_entry(const struct dbg_types *t, const void *at)
{
	const struct dbg_parts *ps = &t->module->dbg->parts;

	return dbg_parts_signed(ps, dbg_parts_signature(ps, at));
}

/* The entry that an attribute refers to, in another part of the DWARF as well. */
static bool entry_of(const struct dbg_types *t, Dwarf_Attribute *attr, Dwarf_Die *ret)
{
	Dwarf_Attribute own = *attr; /* `ret` may be what it is an attribute of */
	void *addr;

	if (dwarf_formref_die(attr, ret))
		return true;
	addr = own.form == DW_FORM_ref_sig8 ? signed_entry(t, own.valp) : NULL;
	return addr && die_at(t, addr, false, ret);
}

static bool is_in_alt(const struct dbg_types *t, Dwarf_Die *die)
{
	return t->module->dbg->rest.dwarf && dwarf_cu_getdwarf(die->cu) == t->module->dbg->rest.dwarf;
}

static uint64_t number(Dwarf_Die *die, unsigned name)
{
	Dwarf_Attribute attr;
	Dwarf_Word v;

	return dwarf_attr_integrate(die, name, &attr) && !dwarf_formudata(&attr, &v) ? v : 0;
}

static const char *escaped(struct dbg_types *t, const char *before, const char *name)
{
	struct text text = { .max = 2 * NAME_BYTES };
	const char *ret;

	text_add(&text, before);
	text_add_escaped(&text, name, strnlen(name, NAME_BYTES));
	ret = text.bad ? NULL : arena_strdup(&t->mem, text_str(&text));
	text_fini(&text);
	return ret;
}

/* Offsets count from the start of each file; units of .dwo files have ids. */
static uint64_t place_of(const struct dbg_types *t, Dwarf_Die *die)
{
	uint64_t unit = 0;

	if (die->cu)
		dwarf_cu_info(die->cu, NULL, NULL, NULL, NULL, &unit, NULL, NULL);
	return (dwarf_dieoffset(die) << 1 | is_in_alt(t, die)) ^ unit;
}

static struct dbg_type *type_new(struct dbg_types *t, Dwarf_Die *die, enum dbg_kind kind)
{
	struct dbg_type *ret = t->n_types < TYPES_MAX ? arena_alloc(&t->mem, sizeof(*ret)) : NULL;
	enum dbg_language language = DBG_LANG_C;
	Dwarf_Die unit;

	if (!ret)
		return NULL;
	t->n_types++;
	if (dwarf_diecu(die, &unit, NULL, NULL) && dwarf_srclang(&unit) == DW_LANG_Rust)
		language = DBG_LANG_RUST;
	*ret = (struct dbg_type){
		.language = (uint8_t)language,
		.place = place_of(t, die),
		.of = t, .die = die->addr, .in_alt = is_in_alt(t, die), .kind = (uint8_t)kind, .size = number(die, DW_AT_byte_size),
	};
	return ret;
}

static struct dbg_type *type_named(struct dbg_types *t, uint64_t hash, Dwarf_Die *near);

/*
 * Of such a name each unit may have another type: what has no linkage, and instances of templates
 * for it.  GCC calls all lambdas of a function alike.
 */
static bool is_apart(const struct dbg_named *n)
{
	static const char *const marks[] = { "(anonymous namespace)", "<lambda(", "(lambda at ", "<unnamed", "{unnamed", "{lambda" };

	for (size_t i = 0; n->language == DBG_LANG_CXX && i < ARRAY_SIZE(marks); i++)
		if (strstr(n->name, marks[i]))
			return true;
	return false;
}

static struct dbg_type *struct_of_named(struct dbg_types *t, Dwarf_Die *die, const struct dbg_named *n)
{
	uint64_t key = (n->hash ^ n->size * 0x9e3779b97f4a7c15ull ^ (uint64_t)n->line << 40) | 1;
	uint64_t own = is_apart(n) ? (uintptr_t)die->addr : 0;
	struct dbg_type *same = (struct dbg_type *)(own ? addrmap_get(&t->types, own) : addrmap_get(&t->same, key));
	bool is_union = dwarf_tag(die) == DW_TAG_union_type;

	if (same)
		return same;
	same = type_new(t, die, is_union ? DBG_KIND_UNION : DBG_KIND_STRUCT);
	if (!same)
		return NULL;
	same->language = n->language;
	same->outer = n->outer;
	same->size = n->size;
	same->has_vtable = dwarf_hasattr(die, DW_AT_containing_type);
	same->name = n->language == DBG_LANG_C && !n->is_alias ? escaped(t, is_union ? "union " : "struct ", n->name) : n->name;
	return (own ? addrmap_put(&t->types, own, same) : addrmap_put(&t->same, key, same)) ? same : NULL;
}

/*
 * Clang leaves what libstdc++ has instances of to libstdc++'s own debug info, which is seldom there:
 * all programs' std::string and std::wstring (bits/basic_string.h, ABI of GCC 5 and later) are made up for then.
 */
static struct dbg_type *string_type(struct dbg_types *t, const struct dbg_named *named)
{
	enum { STRING, POINTER_TO, CHAR, PARTS };
	static const struct {
		const char *begins;
		struct dbg_type of;
	} strings[DBG_STRINGS] = {
		{ "std::__cxx11::basic_string<char,",
		  { .name = "char", .size = 1, .kind = DBG_KIND_BASE, .is_text = true, .loaded = true } },
		{ "std::__cxx11::basic_string<wchar_t,", { .name = "wchar_t", .size = 4, .kind = DBG_KIND_BASE, .loaded = true } },
	};
	struct dbg_type *types;
	struct dbg_member *chars;
	size_t i = 0;

	while (i < DBG_STRINGS && strncmp(named->name, strings[i].begins, strlen(strings[i].begins)) != 0)
		i++;
	if (i == DBG_STRINGS)
		return NULL;
	if (t->strings[i])
		return t->strings[i];
	types = arena_alloc(&t->mem, PARTS * sizeof(*types));
	chars = arena_alloc(&t->mem, sizeof(*chars));
	if (!types || !chars)
		return NULL;
	types[CHAR] = strings[i].of;
	types[POINTER_TO] = (struct dbg_type){ .size = POINTER, .kind = DBG_KIND_POINTER, .to = &types[CHAR], .loaded = true };
	*chars = (struct dbg_member){ .name = "_M_p", .type = &types[POINTER_TO] };
	types[STRING] = (struct dbg_type){
		.name = named->name, .size = 32, .kind = DBG_KIND_STRUCT, .language = named->language,
		.members = chars, .n_members = 1, .loaded = true,
	};
	t->strings[i] = types;
	return types;
}

/* The definition in a unit of types, where a declaration says which; GCC's does not always have the whole name. */
static bool by_signature(const struct dbg_types *t, Dwarf_Die *die, Dwarf_Die *ret)
{
	Dwarf_Attribute attr;

	return dwarf_attr(die, DW_AT_signature, &attr) && entry_of(t, &attr, ret) &&
	       !dwarf_hasattr(ret, DW_AT_declaration);
}

static struct dbg_type *struct_new(struct dbg_types *t, Dwarf_Die *die, const char *alias)
{
	const struct dbg_named *named = dbg_named_of(t, die->addr);
	struct dbg_type *ret;
	Dwarf_Die defined;

	if ((!named || named->is_declaration) && by_signature(t, die, &defined)) {
		die = &defined;
		named = dbg_named_of(t, die->addr);
	}
	if (named && named->is_declaration) {
		ret = type_named(t, named->hash, die);
		return ret ? ret : string_type(t, named);
	}
	if (named)
		return struct_of_named(t, die, named);
	if (dwarf_hasattr(die, DW_AT_declaration))
		return NULL;
	ret = type_new(t, die, dwarf_tag(die) == DW_TAG_union_type ? DBG_KIND_UNION : DBG_KIND_STRUCT);
	if (ret && alias)
		ret->name = escaped(t, "", alias);
	return ret;
}

static bool is_text(Dwarf_Die *die)
{
	switch (number(die, DW_AT_encoding)) {
	case DW_ATE_signed_char:
	case DW_ATE_unsigned_char:
	case DW_ATE_UTF:
		return true;
	default:
		return false;
	}
}

const char *dbg_type_file(const struct dbg_type *type, unsigned *ret_line)
{
	const char *file = NULL;
	Dwarf_Die die;
	int line;

	for (unsigned i = 0; type && type->of && !file && i < STEPS_MAX; i++, type = type->to)
		if (type->die && die_at(type->of, type->die, type->in_alt, &die) &&
		    !dwarf_decl_line(&die, &line) && line > 0) {
			file = dwarf_decl_file(&die);
			*ret_line = (unsigned)line;
		}
	return file;
}

static struct dbg_type *base_new(struct dbg_types *t, Dwarf_Die *die)
{
	struct dbg_type *ret = type_new(t, die, DBG_KIND_BASE);
	const char *name = dwarf_diename(die);

	if (ret && name)
		ret->name = escaped(t, "", name);
	if (ret)
		ret->is_text = is_text(die);
	return ret && ret->size ? ret : NULL;
}

/* Elements of all dimensions; 0: unknown. */
static uint64_t array_count(Dwarf_Die *of)
{
	uint64_t n = 1;
	unsigned seen = 0;
	Dwarf_Die child;

	for (bool more = !dwarf_child(of, &child); more && seen < STEPS_MAX;
	     more = !dwarf_siblingof(&child, &child), seen++) {
		uint64_t one = 0;

		if (dwarf_tag(&child) != DW_TAG_subrange_type)
			continue;
		if (dwarf_hasattr(&child, DW_AT_count))
			one = number(&child, DW_AT_count);
		else if (dwarf_hasattr(&child, DW_AT_upper_bound))
			one = number(&child, DW_AT_upper_bound) + 1;
		if (!checked_mul(n, one, &n))
			return 0;
	}
	return n;
}

/* Typedefs and qualifiers end at a type; false: at none, or at void. */
static bool plain_type(const struct dbg_types *t, Dwarf_Die *die, const char **alias)
{
	for (unsigned i = 0; i < STEPS_MAX; i++) {
		Dwarf_Attribute attr;
		int tag = dwarf_tag(die);

		if (tag == DW_TAG_typedef)
			*alias = *alias ? *alias : dwarf_diename(die);
		else if (tag != DW_TAG_const_type && tag != DW_TAG_volatile_type && tag != DW_TAG_restrict_type &&
			 tag != DW_TAG_atomic_type)
			return true;
		if (!dwarf_attr(die, DW_AT_type, &attr) || !entry_of(t, &attr, die))
			return false;
	}
	return false;
}

static struct dbg_type *simple_shell(struct dbg_types *t, Dwarf_Die *die, const char *alias)
{
	struct dbg_type *ret;

	switch (dwarf_tag(die)) {
	case DW_TAG_structure_type:
	case DW_TAG_class_type:
	case DW_TAG_union_type:
		return struct_new(t, die, alias);
	case DW_TAG_base_type:
	case DW_TAG_enumeration_type:
	case DW_TAG_ptr_to_member_type:
		return base_new(t, die);
	case DW_TAG_pointer_type:
	case DW_TAG_reference_type:
	case DW_TAG_rvalue_reference_type:
		ret = type_new(t, die, DBG_KIND_POINTER);
		if (ret)
			ret->size = POINTER;
		if (ret && dwarf_diename(die))
			ret->name = escaped(t, "", dwarf_diename(die)); /* Rust's: "alloc::boxed::Box<T>", "&T" */
		return ret;
	default:
		return NULL;
	}
}

/* The type of a plain entry, known or not. NULL: nothing is known of it. */
static const struct dbg_type *known_or_new(struct dbg_types *t, Dwarf_Die *die, const char *alias)
{
	const struct dbg_type *type = addrmap_get(&t->types, (uintptr_t)die->addr);

	if (type)
		return type;
	type = simple_shell(t, die, alias);
	if (type)
		addrmap_put(&t->types, (uintptr_t)die->addr, type); /* without memory: again the next time */
	return type;
}

/* An array of arrays is one of all their elements. */
static const struct dbg_type *array_new(struct dbg_types *t, Dwarf_Die *of)
{
	uint64_t count = 1;
	Dwarf_Die die = *of;
	struct dbg_type *ret;
	const struct dbg_type *elem;
	const char *alias = NULL;

	for (unsigned i = 0; i < STEPS_MAX && dwarf_tag(&die) == DW_TAG_array_type; i++) {
		Dwarf_Attribute attr;

		if (!checked_mul(count, array_count(&die), &count) || !dwarf_attr(&die, DW_AT_type, &attr) ||
		    !entry_of(t, &attr, &die) || !plain_type(t, &die, &alias))
			return NULL;
	}
	elem = known_or_new(t, &die, alias);
	ret = elem ? type_new(t, of, DBG_KIND_ARRAY) : NULL;
	if (!ret)
		return NULL;
	ret->loaded = true;
	ret->to = elem;
	ret->count = count;
	if (!checked_mul(count, elem->size, &ret->size))
		ret->size = ret->count = 0;
	addrmap_put(&t->types, (uintptr_t)of->addr, ret); /* without memory: again the next time */
	return ret;
}

/* Never NULL. */
static const struct dbg_type *type_of(struct dbg_types *t, Dwarf_Die *of)
{
	const struct dbg_type *type;
	const char *alias = NULL;
	Dwarf_Attribute attr;
	Dwarf_Die die;

	if (!dwarf_attr_integrate(of, DW_AT_type, &attr) || !entry_of(t, &attr, &die) ||
	    !plain_type(t, &die, &alias))
		return &t->nothing;
	type = known_or_new(t, &die, alias);
	if (!type && dwarf_tag(&die) == DW_TAG_array_type)
		type = array_new(t, &die);
	return type ? type : &t->nothing;
}

static void *unit_of(struct dbg_types *t, const struct dbg_named *n)
{
	Dwarf_Die die, unit;

	return die_at(t, n->die, n->in_alt, &die) && dwarf_diecu(&die, &unit, NULL, NULL) ? unit.addr : NULL;
}

/* Of definitions of one name the only one in a unit; NULL: there is none, or several. */
static const struct dbg_named *of_unit(struct dbg_types *t, size_t i, size_t end, Dwarf_Die *near)
{
	const struct dbg_named *found = NULL;
	Dwarf_Die unit;

	if (!near || !dwarf_diecu(near, &unit, NULL, NULL))
		return NULL;
	for (; i < end; i++) {
		const struct dbg_named *n = &t->named.v[t->by_hash.v[i]];

		if (unit_of(t, n) != unit.addr)
			continue;
		if (found)
			return NULL;
		found = n;
	}
	return found;
}

static struct dbg_type *type_named(struct dbg_types *t, uint64_t hash, Dwarf_Die *near)
{
	size_t i = partition_point(t->by_hash.n, k, t->named.v[t->by_hash.v[k]].hash < hash), end = i;
	const struct dbg_named *first, *n;
	bool differ = false;
	Dwarf_Die die;

	if (i == t->by_hash.n || t->named.v[t->by_hash.v[i]].hash != hash)
		return NULL;
	first = &t->named.v[t->by_hash.v[i]];
	for (; end < t->by_hash.n; end++) {
		n = &t->named.v[t->by_hash.v[end]];
		if (n->hash != hash)
			break;
		differ |= n->size != first->size || n->line != first->line;
	}
	if (differ || (end - i > 1 && is_apart(first)))
		first = of_unit(t, i, end, near);
	return first && die_at(t, first->die, first->in_alt, &die) ? struct_of_named(t, &die, first) : NULL;
}

struct dbg_type *dbg_types_named(struct dbg_types *t, uint64_t hash, const struct dbg_type *near)
{
	Dwarf_Die die;
	DBG_LOCKED(t);

	return type_named(t, hash, near && near->of == t && near->die && die_at(t, near->die, near->in_alt, &die) ? &die : NULL);
}

/* ---- what a type is made of */

struct members {
	struct dbg_member *v;
	size_t n, cap;
};

static void add_member(struct dbg_types *t, Dwarf_Die *child, bool in_union, struct members *members)
{
	struct dbg_member m = { .is_base = dwarf_tag(child) == DW_TAG_inheritance };
	Dwarf_Attribute attr;
	Dwarf_Word offset = 0;
	const char *name;

	/* Bit fields hold no pointers; a virtual base is where its vtable says. */
	if (dwarf_hasattr(child, DW_AT_bit_size) || dwarf_hasattr(child, DW_AT_external))
		return;
	if (!dwarf_attr(child, DW_AT_data_member_location, &attr) ? !in_union : dwarf_formudata(&attr, &offset) != 0)
		return;
	name = m.is_base ? NULL : dwarf_diename(child);
	m.name = name ? escaped(t, "", name) : NULL;
	m.offset = offset;
	m.type = type_of(t, child);
	if (members->n < MEMBERS_OF_ONE && t->n_members < MEMBERS_MAX && vec_push(members, &m))
		t->n_members++;
}

/* ---- variants of Rust's enums */

struct variants {
	struct dbg_types *t;
	struct members *members;
	struct dbg_variant tag;
	uint64_t low, high, n; /* of the tags that variants name; how many do */
	size_t others;	       /* index of the members of the variant that names none, + 1 */
};

static uint64_t tag_value(Dwarf_Attribute *attr, unsigned size)
{
	Dwarf_Sword s;
	Dwarf_Word u = 0;

	if (dwarf_formudata(attr, &u) && !dwarf_formsdata(attr, &s))
		u = (uint64_t)s;
	return size < 8 ? u & ((1ull << 8 * size) - 1) : u;
}

/* Members of one variant; `tag` NULL: it is always there. */
static void add_variant(struct variants *v, Dwarf_Die *of, const struct dbg_variant *tag)
{
	unsigned seen = 0;
	Dwarf_Die child;

	for (bool more = !dwarf_child(of, &child); more && seen < CHILDREN_MAX;
	     more = !dwarf_siblingof(&child, &child), seen++) {
		size_t n = v->members->n;

		if (dwarf_tag(&child) != DW_TAG_member)
			continue;
		add_member(v->t, &child, false, v->members);
		if (v->members->n > n)
			v->members->v[n].variant = tag;
	}
}

static void on_variant(struct variants *v, Dwarf_Die *die)
{
	struct dbg_variant *tag = arena_alloc(&v->t->mem, sizeof(*tag));
	Dwarf_Attribute attr;

	if (!tag)
		return;
	*tag = v->tag;
	if (!v->tag.size) {
		add_variant(v, die, NULL); /* the only one */
		return;
	}
	if (!dwarf_attr(die, DW_AT_discr_value, &attr)) {
		v->others = v->members->n + 1;
		tag->is_other = true;
		add_variant(v, die, tag);
		return;
	}
	tag->low = tag->high = tag_value(&attr, tag->size);
	v->low = !v->n || tag->low < v->low ? tag->low : v->low;
	v->high = !v->n || tag->low > v->high ? tag->low : v->high;
	v->n++;
	add_variant(v, die, tag);
}

static void add_variants(struct dbg_types *t, Dwarf_Die *part, struct members *members)
{
	struct variants v = { .t = t, .members = members };
	Dwarf_Attribute attr;
	Dwarf_Die tag, child;
	unsigned seen = 0;

	if (dwarf_attr(part, DW_AT_discr, &attr) && entry_of(t, &attr, &tag)) {
		const struct dbg_type *type = type_of(t, &tag);

		v.tag.offset = number(&tag, DW_AT_data_member_location);
		v.tag.size = type->size <= 8 ? (uint8_t)type->size : 0;
		if (!v.tag.size)
			return;
	}
	for (bool more = !dwarf_child(part, &child); more && seen < CHILDREN_MAX;
	     more = !dwarf_siblingof(&child, &child), seen++)
		if (dwarf_tag(&child) == DW_TAG_variant)
			on_variant(&v, &child);
	/*
	 * What the others leave: told only where those are a range, whole but for the number of this
	 * one, which is never there (the compiler counts it all the same).
	 */
	for (size_t i = v.others ? v.others - 1 : members->n; i < members->n; i++) {
		struct dbg_variant *other = (struct dbg_variant *)members->v[i].variant;

		if (!other || !other->is_other)
			continue;
		other->low = v.low;
		other->high = v.high;
		if (v.high - v.low > v.n)
			members->v[i].type = &t->nothing;
	}
}

static void add_param(struct dbg_types *t, Dwarf_Die *child, struct members *params)
{
	struct dbg_member m = {};
	const char *name = dwarf_diename(child);

	m.name = name ? escaped(t, "", name) : NULL;
	m.type = type_of(t, child);
	if (params->n < STEPS_MAX)
		vec_push(params, &m);
}

static int by_offset(const void *a, const void *b)
{
	const struct dbg_member *x = a, *y = b;

	if (x->offset != y->offset)
		return x->offset < y->offset ? -1 : 1;
	return x->type->size < y->type->size ? -1 : x->type->size > y->type->size;
}

static const struct dbg_member *keep(struct dbg_types *t, struct members *m, uint32_t *ret_n)
{
	struct dbg_member *kept = arena_memdup(&t->mem, m->v, m->n * sizeof(*kept));

	*ret_n = kept ? (uint32_t)m->n : 0;
	free(m->v);
	return kept;
}

static void load_struct(struct dbg_types *t, struct dbg_type *type, Dwarf_Die *die)
{
	struct members members = {}, params = {};
	unsigned seen = 0;
	Dwarf_Die child;

	for (bool more = !dwarf_child(die, &child); more && seen < CHILDREN_MAX;
	     more = !dwarf_siblingof(&child, &child), seen++) {
		int tag = dwarf_tag(&child);

		if (tag == DW_TAG_member || tag == DW_TAG_inheritance)
			add_member(t, &child, type->kind == DBG_KIND_UNION, &members);
		else if (tag == DW_TAG_template_type_parameter)
			add_param(t, &child, &params);
		else if (tag == DW_TAG_variant_part)
			add_variants(t, &child, &members);
	}
	if (members.n)
		qsort(members.v, members.n, sizeof(*members.v), by_offset);
	for (size_t i = 0; i < members.n; i++)
		if (members.v[i].name && !strncmp(members.v[i].name, "_vptr", 5))
			type->has_vtable = true;
	type->members = keep(t, &members, &type->n_members);
	type->params = keep(t, &params, &type->n_params);
}

/* Under the lock, or while there is no other thread that could have it. */
void dbg_type_load(struct dbg_type *type)
{
	Dwarf_Die die;

	if (type->loaded || !type->of)
		return;
	type->loaded = true;
	if (!die_at(type->of, type->die, type->in_alt, &die))
		return;
	if (type->kind == DBG_KIND_POINTER)
		type->to = type_of(type->of, &die);
	else if (type->kind == DBG_KIND_STRUCT || type->kind == DBG_KIND_UNION)
		load_struct(type->of, type, &die);
}

/* ---- variables */

const struct dbg_var *dbg_var_at(const struct dbg_types *t, bool is_tls, uint64_t addr)
{
	size_t i = partition_point(t->vars.n, k,
				   t->vars.v[k].is_tls < is_tls ||
					   (t->vars.v[k].is_tls == is_tls && t->vars.v[k].addr <= addr));

	return i && t->vars.v[i - 1].is_tls == is_tls ? &t->vars.v[i - 1] : NULL;
}

const struct dbg_type *dbg_var_type(struct dbg_types *t, const struct dbg_var *v)
{
	Dwarf_Die die;

	return die_at(t, v->die, v->in_alt, &die) ? type_of(t, &die) : &t->nothing;
}

const struct dbg_type *dbg_vtable_type(struct dbg_types *t, uint64_t addr)
{
	const struct dbg_var *v = dbg_var_at(t, false, addr);
	const char *alias = NULL;
	Dwarf_Attribute attr;
	Dwarf_Die die, type;

	if (!v || v->addr != addr || v->language != DBG_LANG_RUST || !die_at(t, v->die, v->in_alt, &die) ||
	    !dwarf_attr_integrate(&die, DW_AT_type, &attr) || !entry_of(t, &attr, &type) ||
	    !dwarf_attr(&type, DW_AT_containing_type, &attr) || !entry_of(t, &attr, &die) ||
	    !plain_type(t, &die, &alias))
		return NULL;
	return known_or_new(t, &die, alias);
}

/* The entry that another one is in; false: in none, or in what is no class. */
static bool class_around(Dwarf_Die *die, Dwarf_Die *ret)
{
	Dwarf_Die *scopes = NULL;
	int n = dwarf_getscopes_die(die, &scopes), tag;

	if (n > 1)
		*ret = scopes[1];
	free(scopes);
	tag = n > 1 ? dwarf_tag(ret) : 0;
	return tag == DW_TAG_class_type || tag == DW_TAG_structure_type;
}

const struct dbg_type *dbg_func_class(struct dbg_types *t, uint64_t addr)
{
	size_t i = partition_point(t->funcs.n, k, t->funcs.v[k].low < addr);
	Dwarf_Attribute attr;
	Dwarf_Die die, declared, class;
	DBG_LOCKED(t);

	if (i == t->funcs.n || t->funcs.v[i].low != addr ||
	    !die_at(t, t->funcs.v[i].die, t->funcs.v[i].in_alt, &die) ||
	    !dwarf_attr_integrate(&die, DW_AT_specification, &attr) || !entry_of(t, &attr, &declared) ||
	    !class_around(&declared, &class))
		return NULL;
	return known_or_new(t, &class, NULL);
}

bool dbg_class_constant(const struct dbg_type *type, const char *name, uint64_t *ret)
{
	Dwarf_Die die, child;
	Dwarf_Word value;
	Dwarf_Attribute attr;

	if (!type->of)
		return false;
	DBG_LOCKED(type->of);
	if (!die_at(type->of, type->die, type->in_alt, &die) || dwarf_child(&die, &child))
		return false;
	do {
		const char *is = dwarf_diename(&child);

		if (is && !strcmp(is, name) && dwarf_attr(&child, DW_AT_const_value, &attr) &&
		    !dwarf_formudata(&attr, &value)) {
			*ret = value;
			return true;
		}
	} while (!dwarf_siblingof(&child, &child));
	return false;
}

/* "clang LLVM (rustc version 1.87.0 (17067e9ac 2025-05-09))" */
unsigned dbg_type_rustc(const struct dbg_type *type)
{
	static const char before[] = "rustc version 1.";
	const char *maker = NULL, *at;
	Dwarf_Die die, unit;
	Dwarf_Attribute attr;
	unsigned minor = 0;

	if (!type->of)
		return 0;
	DBG_LOCKED(type->of);
	if (die_at(type->of, type->die, type->in_alt, &die) && dwarf_diecu(&die, &unit, NULL, NULL) &&
	    dwarf_attr(&unit, DW_AT_producer, &attr))
		maker = dwarf_formstring(&attr);
	at = maker ? strstr(maker, before) : NULL;
	for (at = at ? at + strlen(before) : ""; *at >= '0' && *at <= '9' && minor < 10000; at++)
		minor = 10 * minor + (unsigned)(*at - '0');
	return minor;
}

/* ---- for dbg_frame.c */

bool dbg_die_at(const struct dbg_types *t, void *addr, bool in_alt, void *ret)
{
	return die_at(t, addr, in_alt, ret);
}

bool dbg_die_referred(const struct dbg_types *t, void *die, unsigned name, void *ret)
{
	Dwarf_Attribute attr;

	return dwarf_attr(die, name, &attr) && entry_of(t, &attr, ret);
}

const struct dbg_type *dbg_die_type(struct dbg_types *t, void *die)
{
	return type_of(t, die);
}

const char *dbg_die_name(struct dbg_types *t, void *die)
{
	Dwarf_Attribute attr;
	const char *name = dwarf_attr_integrate(die, DW_AT_name, &attr) ? dwarf_formstring(&attr) : NULL;

	return name ? escaped(t, "", name) : NULL;
}
