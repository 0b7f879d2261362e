/*
 * image/dbg_index.c - one pass over all entries of the DWARF of C, C++ and Rust: static variables,
 * functions, and every struct under its qualified name.
 *
 * Source of truth: DWARF 4 and 5, through libdw.  Bounded by entries and by depth; what is past
 * that is not known.  Units of a large module are parted among threads, each with a libdw of its own.
 */
#include <dwarf.h>
#include <elfutils/libdw.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/guard.h"
#include "base/par.h"
#include "base/search.h"
#include "base/text.h"
#include "base/vec.h"
#include "image/dbg.h"
#include "image/dbg_types.h"
#include "image/demangle.h"

enum {
	ENTRIES_MAX = 40000000,
	DEPTH_MAX = 48,
	STEPS_MAX = 32, /* typedefs and qualifiers on the way to a type */
	NAME_BYTES = 4096,
	RANGES_MAX = 64, /* of one function */
	SIGNATURE_BYTES = sizeof("{signature 0123456789abcdef}"),
	DECLARED_NEAR = 256, /* structs between a declaration and its definition */
	CHUNK = 256 << 10, CHUNKS = 32, /* bytes of DWARF that one thread takes at once; about how many times */
};

/* A first part of a struct, whose own name is looked up when all are known. */
struct first {
	void *part;
	uint64_t size; /* of the whole */
};

struct level {
	Dwarf_Die die; /* the next to look at */
	size_t prefix; /* bytes of the name that hold here */
	bool in_struct, has_first;
	uint64_t size; /* of that struct */
};

struct index {
	struct dbg_types own, *t; /* what is found here alone; t: that */
	bool is_alt;
	uint8_t language;
	uint64_t seen, most;
	struct text name;
	struct {
		struct first *v;
		size_t n, cap;
	} firsts;
	struct level levels[DEPTH_MAX];
	unsigned depth;
};

/* ---- names */

uint64_t dbg_name_hash(const char *name)
{
	/* Clang calls an enumerator by its name; of libstdc++'s shared_ptr all programs have this one. */
	static const char number[] = "(__gnu_cxx::_Lock_policy)2", atomic[] = "__gnu_cxx::_S_atomic";
	uint64_t h = 0xcbf29ce484222325;
	char last = 0;

	for (; *name; name++) {
		bool digit = last >= '0' && last <= '9';

		if (!strncmp(name, number, strlen(number))) {
			for (const char *c = atomic; *c; c++)
				h = (h ^ (uint8_t)*c) * 0x100000001b3;
			name += strlen(number) - 1;
			continue;
		}

		/* "3ul" of demanglers and Clang is "3" to GCC. */
		if (*name == ' ' || (digit && (*name == 'u' || *name == 'l' || *name == 'U' || *name == 'L')))
			continue;
		h = (h ^ (uint8_t)*name) * 0x100000001b3;
		last = *name;
	}
	return h | 1;
}

static enum dbg_language language_of(Dwarf_Die *unit)
{
	switch (dwarf_srclang(unit)) {
	case DW_LANG_C_plus_plus:
	case DW_LANG_C_plus_plus_03:
	case DW_LANG_C_plus_plus_11:
	case DW_LANG_C_plus_plus_14:
	case 0x002b: /* DW_LANG_C_plus_plus_17 */
	case 0x002c: /* DW_LANG_C_plus_plus_20 */
		return DBG_LANG_CXX;
	case DW_LANG_Rust:
		return DBG_LANG_RUST;
	case DW_LANG_Go:
	case DW_LANG_Mips_Assembler:
		return DBG_LANG_OTHER;
	default:
		return DBG_LANG_C;
	}
}

static const char *name_of(Dwarf_Die *die)
{
	Dwarf_Attribute attr;

	return dwarf_attr_integrate(die, DW_AT_name, &attr) ? dwarf_formstring(&attr) : NULL;
}

/* What a struct, a function or a namespace adds in front of the names inside it. */
static void push_name(struct index *x, const char *name, const char *after)
{
	text_add_escaped(&x->name, name, strnlen(name, NAME_BYTES));
	text_add(&x->name, after);
}

static const char *full_name(struct index *x, const char *name)
{
	size_t n = x->name.n;
	const char *ret;

	if (x->name.n > NAME_BYTES)
		return NULL;
	text_add_escaped(&x->name, name, strnlen(name, NAME_BYTES));
	ret = x->name.bad ? NULL : arena_strdup(&x->t->mem, text_str(&x->name));
	text_cut(&x->name, n);
	return ret;
}

/* ---- entries */

static bool is_struct_tag(int tag)
{
	return tag == DW_TAG_structure_type || tag == DW_TAG_class_type || tag == DW_TAG_union_type;
}

/* In a split unit: the type whose signature it is, in whichever part. */
static void *signed_entry(const struct index *x, const Dwarf_Attribute *attr)
{
	const struct dbg_parts *parts = &x->own.module->dbg->parts;

	return dbg_parts_signed(parts, dbg_parts_signature(parts, attr->valp));
}

/* The struct that a member or base is, without typedefs and qualifiers; its address. */
static void *struct_of(const struct index *x, Dwarf_Die *of)
{
	Dwarf_Die die = *of;

	for (unsigned i = 0; i < STEPS_MAX; i++) {
		Dwarf_Attribute attr;
		int tag;

		if (!dwarf_attr(&die, DW_AT_type, &attr))
			return NULL;
		if (!dwarf_formref_die(&attr, &die))
			return attr.form == DW_FORM_ref_sig8 ? signed_entry(x, &attr) : NULL;
		tag = dwarf_tag(&die);
		if (is_struct_tag(tag)) {
			void *defined = NULL; /* in a unit of types */

			if (dwarf_attr(&die, DW_AT_signature, &attr) && !dwarf_formref_die(&attr, &die))
				defined = signed_entry(x, &attr);
			return defined ? defined : die.addr;
		}
		if (tag != DW_TAG_typedef && tag != DW_TAG_const_type && tag != DW_TAG_volatile_type)
			return NULL;
	}
	return NULL;
}

static uint64_t number(Dwarf_Die *die, unsigned name)
{
	Dwarf_Attribute attr;
	Dwarf_Word v;

	return dwarf_attr(die, name, &attr) && !dwarf_formudata(&attr, &v) ? v : 0;
}

/*
 * A definition outside its namespace, as GCC has them in units of types: the declaration inside was met shortly
 * before, and has the whole name.  NULL: it is not one.
 */
static const char *declared_name(const struct index *x, Dwarf_Die *die)
{
	const struct dbg_named *v = x->t->named.v;
	size_t n = x->t->named.n, end = n > DECLARED_NEAR ? n - DECLARED_NEAR : 0;
	Dwarf_Attribute attr;
	Dwarf_Die of;

	if (x->name.n || !dwarf_attr(die, DW_AT_specification, &attr) || !dwarf_formref_die(&attr, &of))
		return NULL;
	while (n-- > end)
		if (v[n].die == of.addr)
			return v[n].name;
	return NULL;
}

static bool add_struct(struct index *x, Dwarf_Die *die, const char *name, const char *declared)
{
	struct dbg_named n = {
		.die = die->addr,
		.name = declared ? declared : full_name(x, name),
		.size = number(die, DW_AT_byte_size),
		.line = (uint32_t)number(die, DW_AT_decl_line),
		.is_declaration = dwarf_hasattr(die, DW_AT_declaration),
		.in_alt = x->is_alt,
		.language = x->language,
	};

	if (!n.name)
		return !x->name.bad;
	n.hash = dbg_name_hash(n.name);
	return vec_push(&x->t->named, &n);
}

/* C's structs that only a typedef names: they have its name. */
static bool add_alias(struct index *x, Dwarf_Die *die)
{
	const char *name = x->language == DBG_LANG_C ? dwarf_diename(die) : NULL;
	Dwarf_Attribute attr;
	Dwarf_Die to;
	size_t n = x->t->named.n;

	if (!name || !dwarf_attr(die, DW_AT_type, &attr) || !dwarf_formref_die(&attr, &to) ||
	    !is_struct_tag(dwarf_tag(&to)) || dwarf_hasattr(&to, DW_AT_name) || dwarf_hasattr(&to, DW_AT_declaration))
		return true;
	if (!add_struct(x, &to, name, NULL))
		return false;
	if (x->t->named.n > n)
		x->t->named.v[n].is_alias = true;
	return true;
}

static const char *linkage_name(struct index *x, Dwarf_Die *die)
{
	Dwarf_Attribute attr;
	struct text name = TEXT_INIT;
	const char *mangled = NULL, *ret = NULL;

	if (dwarf_attr_integrate(die, DW_AT_linkage_name, &attr) ||
	    dwarf_attr_integrate(die, DW_AT_MIPS_linkage_name, &attr))
		mangled = dwarf_formstring(&attr);
	if (mangled && demangle(mangled, &name))
		ret = arena_strdup(&x->t->mem, text_str(&name));
	text_fini(&name);
	return ret;
}

/* An address, or offset, that the expression names by its number in .debug_addr. */
static bool indexed(Dwarf_Attribute *attr, const Dwarf_Op *op, uint64_t *ret)
{
	Dwarf_Attribute to;
	Dwarf_Addr addr;
	Dwarf_Word offset;

	if (dwarf_getlocation_attr(attr, op, &to))
		return false;
	if (!dwarf_formaddr(&to, &addr))
		*ret = addr;
	else if (!dwarf_formudata(&to, &offset))
		*ret = offset;
	else
		return false;
	return true;
}

static bool is_tls_push(uint8_t atom)
{
	return atom == DW_OP_form_tls_address || atom == DW_OP_GNU_push_tls_address;
}

/* Where a static variable is: DW_OP_addr, or an offset in the TLS block. */
static bool static_place(Dwarf_Die *die, struct dbg_var *v)
{
	Dwarf_Attribute attr;
	Dwarf_Op *ops;
	size_t n;

	if (!dwarf_attr(die, DW_AT_location, &attr) || dwarf_getlocation(&attr, &ops, &n) || !n)
		return false;
	v->addr = ops[0].number;
	v->is_tls = n == 2 && is_tls_push(ops[1].atom);
	switch (ops[0].atom) {
	case DW_OP_addr:
		return n == 1 || v->is_tls;
	case DW_OP_addrx:
	case DW_OP_GNU_addr_index:
		return n == 1 && indexed(&attr, ops, &v->addr);
	case DW_OP_constx:
	case DW_OP_GNU_const_index:
		return v->is_tls && indexed(&attr, ops, &v->addr);
	case DW_OP_const8u:
	case DW_OP_const4u:
		return v->is_tls;
	default:
		return false;
	}
}

/* GCC's .debug_addr has the address in the file's TLS segment (binutils resolve it so), not the offset. */
static uint64_t tls_offset(const struct module *m, uint64_t at)
{
	uint64_t segment = m->tls_image - m->bias;

	return at >= m->tls_size && at - segment < m->tls_size ? at - segment : at;
}

static bool add_variable(struct index *x, Dwarf_Die *die)
{
	struct dbg_var v = { .die = die->addr, .in_alt = x->is_alt, .language = x->language };
	const char *name;

	if (!dwarf_hasattr(die, DW_AT_location) || !static_place(die, &v))
		return true;
	if (v.is_tls)
		v.addr = tls_offset(x->t->module, v.addr);
	/* A definition outside its namespace or class has the whole name in its mangled one alone. */
	if (dwarf_hasattr(die, DW_AT_specification))
		v.name = linkage_name(x, die);
	name = v.name ? NULL : name_of(die);
	if (name)
		v.name = full_name(x, name);
	return !v.name || vec_push(&x->t->vars, &v);
}

static bool add_function(struct index *x, Dwarf_Die *die)
{
	struct dbg_func f = { .die = die->addr, .in_alt = x->is_alt, .language = x->language };
	Dwarf_Addr base, low, high;
	ptrdiff_t at = 0;

	if (!dwarf_lowpc(die, &low) && !dwarf_highpc(die, &high)) {
		f.low = low;
		f.high = high;
		return high <= low || vec_push(&x->t->funcs, &f);
	}
	if (!dwarf_hasattr(die, DW_AT_ranges))
		return true;
	/* Of one that was parted into hot and cold: each. */
	for (unsigned i = 0; i < RANGES_MAX && (at = dwarf_ranges(die, at, &base, &low, &high)) > 0; i++) {
		f.low = low;
		f.high = high;
		if (high > low && !vec_push(&x->t->funcs, &f))
			return false;
	}
	return true;
}

/*
 * libstdc++'s measure of how a type is aligned (ext/aligned_buffer.h): there is never one.  Nor is there ever
 * one by itself of the halves of libc++'s pairs without room for what is empty (<__memory/compressed_pair.h>).
 */
static bool is_measure(const struct index *x)
{
	static const char *const names[] = { "__gnu_cxx::__aligned_membuf<", "std::__1::__compressed_pair_elem<" };

	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		if (x->name.n > strlen(names[i]) && !strncmp(text_str(&x->name), names[i], strlen(names[i])))
			return true;
	return false;
}

/* The first part of a struct that lies at its beginning and is a struct itself. */
static bool add_first(struct index *x, struct level *level, Dwarf_Die *die)
{
	struct first f = { .size = level->size };

	level->has_first = true;
	if (is_measure(x))
		return true;
	f.part = number(die, DW_AT_data_member_location) ? NULL : struct_of(x, die);
	return !f.part || vec_push(&x->firsts, &f);
}

/* ---- the walk */

static bool enter(struct index *x, Dwarf_Die *die, const char *name, const char *after, bool in_struct)
{
	struct level *level = &x->levels[x->depth];

	if (x->depth == DEPTH_MAX || dwarf_child(die, &level->die))
		return true;
	level->prefix = x->name.n;
	level->in_struct = in_struct;
	level->has_first = false;
	level->size = in_struct ? number(die, DW_AT_byte_size) : 0;
	if (name)
		push_name(x, name, after);
	x->depth++;
	return true;
}

/*
 * Clang's units of types have what a struct lies in without its name, by the signature of its own unit: names are put
 * together when all units were read.  What follows must be the same for all units.
 */
static const char *signature_of(const struct index *x, Dwarf_Die *die, char ret[static SIGNATURE_BYTES])
{
	Dwarf_Attribute attr;
	uint64_t signature = 0;
	Dwarf_Die to;

	if (dwarf_hasattr(die, DW_AT_name) || !dwarf_attr(die, DW_AT_signature, &attr) || attr.form != DW_FORM_ref_sig8)
		return NULL;
	signature = dbg_parts_signature(&x->own.module->dbg->parts, attr.valp);
	if (!signature && (!dwarf_formref_die(&attr, &to) ||
			   dwarf_cu_info(to.cu, NULL, NULL, NULL, NULL, &signature, NULL, NULL)))
		return NULL;
	snprintf(ret, SIGNATURE_BYTES, "{signature %016" PRIx64 "}", signature);
	return ret;
}

static bool visit_struct(struct index *x, Dwarf_Die *die, bool is_union)
{
	const char *name = dwarf_diename(die), *declared = name ? declared_name(x, die) : NULL;

	char signature[SIGNATURE_BYTES];
	const char *scope = declared ? declared : name ? name : signature_of(x, die, signature);

	return (!name || add_struct(x, die, name, declared)) &&
	       enter(x, die, scope, "::", !is_union && !dwarf_hasattr(die, DW_AT_declaration));
}

static bool visit(struct index *x, Dwarf_Die *die, struct level *level)
{
	int tag = dwarf_tag(die);
	const char *name;

	switch (tag) {
	case DW_TAG_namespace:
		name = name_of(die);
		return enter(x, die, name ? name : "(anonymous namespace)", "::", false);
	case DW_TAG_structure_type:
	case DW_TAG_class_type:
	case DW_TAG_union_type:
		return visit_struct(x, die, tag == DW_TAG_union_type);
	case DW_TAG_typedef:
		return add_alias(x, die);
	case DW_TAG_variable:
		return add_variable(x, die);
	case DW_TAG_subprogram:
		if (dwarf_hasattr(die, DW_AT_declaration) || !dwarf_haschildren(die))
			return add_function(x, die);
		return add_function(x, die) && enter(x, die, name_of(die), "()::", false);
	case DW_TAG_lexical_block:
		return enter(x, die, NULL, NULL, false);
	case DW_TAG_member:
	case DW_TAG_inheritance:
		/* A pointer of Rust's to a T is to no struct that only begins with one. */
		if (level->in_struct && !level->has_first && x->language != DBG_LANG_RUST &&
		    !dwarf_hasattr(die, DW_AT_external))
			return add_first(x, level, die);
		return true;
	default:
		return true;
	}
}

static bool walk_unit(struct index *x, Dwarf_Die *unit)
{
	bool ok = true;

	x->depth = 0;
	text_reset(&x->name);
	enter(x, unit, NULL, NULL, false);
	while (x->depth && ok) {
		unsigned depth = x->depth;
		struct level *level = &x->levels[depth - 1];
		Dwarf_Die die = level->die;

		if (x->seen++ >= x->most)
			return true;
		ok = visit(x, &die, level);
		if (dwarf_siblingof(&die, &level->die))
			level->die.addr = NULL;
		/* What was entered comes first; levels without a next one end with it. */
		while (x->depth == depth && depth && !x->levels[depth - 1].die.addr) {
			text_cut(&x->name, x->levels[depth - 1].prefix);
			x->depth = --depth;
		}
	}
	return ok;
}

static int by_die(const void *a, const void *b)
{
	const struct dbg_named *x = a, *y = b;

	if (x->die != y->die)
		return x->die < y->die ? -1 : 1;
	return strcmp(x->name, y->name);
}

/* Of several typedefs the first by name. */
static void named_once(struct dbg_types *t)
{
	size_t kept = 0;

	for (size_t i = 0; i < t->named.n; i++)
		if (!kept || t->named.v[kept - 1].die != t->named.v[i].die)
			t->named.v[kept++] = t->named.v[i];
	t->named.n = kept;
}

/* What a name has in place of the name of a struct, and that struct; NULL: it has no such thing. */
static const char *unnamed_in(struct dbg_types *t, const char *name, const struct dbg_named **ret)
{
	const char *at = name;
	uint64_t signature;
	int n = 0;

	for (; (at = strchr(at, '{')); at++) {
		if (sscanf(at, "{signature %16" SCNx64 "}%n", &signature, &n) != 1 || n != SIGNATURE_BYTES - 1)
			continue;
		*ret = dbg_named_of(t, dbg_parts_signed(&t->module->dbg->parts, signature));
		return *ret ? at : NULL;
	}
	return NULL;
}

/* The struct's own name says what it lies in. */
static bool names_settle(struct dbg_types *t)
{
	for (size_t i = 0; i < t->named.n; i++) {
		struct dbg_named *n = &t->named.v[i];
		_free_ char *whole = NULL;
		const struct dbg_named *in = NULL;
		const char *at;

		for (unsigned k = 0; k < STEPS_MAX && (at = unnamed_in(t, whole ? whole : n->name, &in)); k++) {
			char *more = text_format("%s%s", in->name, at + SIGNATURE_BYTES - 1);

			if (!more)
				return false;
			free(whole);
			whole = more;
			if (strlen(whole) > NAME_BYTES)
				break;
		}
		if (!whole)
			continue;
		n->name = arena_strdup(&t->mem, whole);
		if (!n->name)
			return false;
		n->hash = dbg_name_hash(n->name);
	}
	return true;
}

static int var_by_addr(const void *a, const void *b)
{
	const struct dbg_var *x = a, *y = b;

	if (x->is_tls != y->is_tls)
		return x->is_tls ? 1 : -1;
	if (x->addr != y->addr)
		return x->addr < y->addr ? -1 : 1;
	return x->die < y->die ? -1 : x->die > y->die;
}

static int func_by_addr(const void *a, const void *b)
{
	const struct dbg_func *x = a, *y = b;

	if (x->low != y->low)
		return x->low < y->low ? -1 : 1;
	return x->die < y->die ? -1 : x->die > y->die;
}

struct dbg_named *dbg_named_of(struct dbg_types *t, const void *die)
{
	size_t i = partition_point(t->named.n, k, (const void *)t->named.v[k].die < die);

	return i < t->named.n && t->named.v[i].die == die ? &t->named.v[i] : NULL;
}

/* ---- units, by threads */

/* Units that follow each other in one part. */
struct chunk {
	size_t first, end;
	uint64_t bytes;
	struct index *x;
};

struct half {
	struct Elf *elf;
	struct dbg_section sections[DBG_SECTIONS_MAX];
	size_t n;
};

struct pass {
	struct dbg_types *t;
	const struct dbg_parts *parts;
	struct half own, rest;
	struct {
		struct chunk *v;
		size_t n, cap;
	} chunks;
	size_t n_views; /* chunks that have a libdw of their own come first */
};

static struct err *walk_chunk(const struct pass *p, struct chunk *c, struct Dwarf *dwarf)
{
	const struct dbg_unit *units = p->parts->units.v;
	struct index *x = c->x;

	for (size_t i = c->first; i < c->end && x->seen <= x->most; i++) {
		Dwarf_Die unit;
		bool got = units[i].section == DBG_TYPES ? dwarf_offdie_types(dwarf, units[i].offset, &unit) != NULL
							 : dwarf_offdie(dwarf, units[i].offset, &unit) != NULL;

		x->language = got ? language_of(&unit) : DBG_LANG_OTHER;
		if (x->language != DBG_LANG_OTHER && !walk_unit(x, &unit))
			return &err_nomem;
	}
	return NULL;
}

static struct err *chunk_start(const struct pass *p, struct chunk *c)
{
	struct index *x = c->x = calloc(1, sizeof(*x));

	if (!x)
		return &err_nomem;
	x->own.module = p->t->module;
	x->t = &x->own;
	x->name.max = 4 * NAME_BYTES;
	x->most = c->bytes < ENTRIES_MAX ? c->bytes : ENTRIES_MAX; /* an entry has a byte */
	x->is_alt = p->parts->parts.v[p->parts->units.v[c->first].part].in_alt;
	return NULL;
}

/* A libdw of its own for the sections that the module's has, and for the other half that it refers to. */
static struct err *walk_by_view(const struct pass *p, struct chunk *c)
{
	const struct dbg_part *part = &p->parts->parts.v[p->parts->units.v[c->first].part];
	struct dbg_view own = {}, rest = {};
	struct err *err = &err_nomem;

	if (part->view.dwarf)
		return walk_chunk(p, c, part->view.dwarf);
	if ((!p->rest.n || dbg_view_open(p->rest.elf, p->rest.sections, p->rest.n, &rest)) &&
	    (part->in_alt || dbg_view_open(p->own.elf, p->own.sections, p->own.n, &own))) {
		if (own.dwarf && rest.dwarf)
			dwarf_setalt(own.dwarf, rest.dwarf);
		err = walk_chunk(p, c, part->in_alt ? rest.dwarf : own.dwarf);
	}
	dbg_view_close(&own);
	dbg_view_close(&rest);
	return err;
}

static struct err *on_view(void *arg, uint64_t i, uint64_t first, uint64_t last)
{
	const struct pass *p = arg;
	struct chunk *c = &p->chunks.v[i];
	struct err *err = chunk_start(p, c);

	(void)first;
	(void)last;
	return err ? err : walk_by_view(p, c);
}

/* By the module's own libdw, and those that it has linked with: one after the other. */
static struct err *walk_others(const struct pass *p)
{
	struct err *err = NULL;

	for (size_t i = p->n_views; i < p->chunks.n && !err; i++) {
		struct chunk *c = &p->chunks.v[i];

		err = chunk_start(p, c);
		if (!err)
			err = walk_chunk(p, c, p->parts->parts.v[p->parts->units.v[c->first].part].dwarf);
	}
	return err;
}

static bool has_section(const struct half *h, const char *name, uint64_t at)
{
	for (size_t i = 0; i < h->n; i++)
		if (!strcmp(h->sections[i].name, name))
			return (uintptr_t)h->sections[i].at == at;
	return false;
}

static uint64_t bytes_of(const struct dbg_part *p)
{
	return p->sections[DBG_INFO].size + p->sections[DBG_TYPES].size;
}

/* Whether threads may part it: a view of its sections has the same entries. */
static bool may_part(const struct pass *p, const struct dbg_part *part)
{
	const struct half *h = part->in_alt ? &p->rest : &p->own;

	if (part->is_split || bytes_of(part) <= CHUNK)
		return part->view.dwarf;
	return has_section(h, ".debug_info", part->sections[DBG_INFO].at) &&
	       (!part->sections[DBG_TYPES].size || has_section(h, ".debug_types", part->sections[DBG_TYPES].at));
}

static bool add_chunks_of(struct pass *p, size_t first, size_t end, uint64_t most)
{
	const struct dbg_unit *units = p->parts->units.v;
	struct chunk c = { .first = first };

	for (size_t i = first; i < end; i++) {
		c.end = i + 1;
		c.bytes += units[i].size;
		if (c.bytes < most && c.end < end)
			continue;
		if (!vec_push(&p->chunks, &c))
			return false;
		c = (struct chunk){ .first = i + 1 };
	}
	return true;
}

/* The same for any number of threads. */
static bool add_chunks(struct pass *p, bool with_views)
{
	const struct dbg_parts *ps = p->parts;
	size_t first = 0, end;

	for (; first < ps->units.n; first = end) {
		const struct dbg_part *part = &ps->parts.v[ps->units.v[first].part];
		uint64_t most = bytes_of(part) / CHUNKS > CHUNK ? bytes_of(part) / CHUNKS : CHUNK;

		most = part->view.dwarf ? UINT64_MAX : most; /* one libdw, one thread */

		for (end = first; end < ps->units.n && ps->units.v[end].part == ps->units.v[first].part;)
			end++;
		if (may_part(p, part) == with_views && !add_chunks_of(p, first, end, most))
			return false;
	}
	return true;
}

#define TAKE(to, from, name) take_rows((void **)&(to)->name.v, &(to)->name.n, &(to)->name.cap, (from)->name.v, \
				       (from)->name.n, sizeof(*(to)->name.v))

static bool take_rows(void **v, size_t *n, size_t *cap, const void *more, size_t n_more, size_t size)
{
	if (!n_more)
		return true;
	if (!vec_grow(v, cap, *n + n_more, size))
		return false;
	memcpy((char *)*v + *n * size, more, n_more * size);
	*n += n_more;
	return true;
}

static struct err *join(struct pass *p, struct index *all)
{
	struct dbg_types *t = p->t;
	uint64_t seen = 0;

	for (size_t i = 0; i < p->chunks.n && seen < ENTRIES_MAX; i++) {
		struct index *x = p->chunks.v[i].x;

		seen += x->seen;
		t->too_many |= x->seen > x->most;
		if (!TAKE(t, x->t, vars) || !TAKE(t, x->t, funcs) || !TAKE(t, x->t, named) || !TAKE(all, x, firsts))
			return &err_nomem;
		arena_join(&t->mem, &x->t->mem);
	}
	t->too_many |= seen >= ENTRIES_MAX;
	return NULL;
}

static void index_free(struct index *x)
{
	if (!x)
		return;
	free(x->own.vars.v);
	free(x->own.funcs.v);
	free(x->own.named.v);
	arena_fini(&x->own.mem);
	text_fini(&x->name);
	free(x->firsts.v);
	free(x);
}

static void pass_fini(struct pass *p)
{
	for (size_t i = 0; i < p->chunks.n; i++)
		index_free(p->chunks.v[i].x);
	free(p->chunks.v);
}

/* What a struct begins with is of another size than it; smallest first. */
static void firsts_settle(struct dbg_types *t, const struct index *all)
{
	for (size_t i = 0; i < all->firsts.n; i++) {
		struct dbg_named *part = dbg_named_of(t, all->firsts.v[i].part);
		uint64_t size = all->firsts.v[i].size;

		if (part && size && (!part->outer || size < part->outer))
			part->outer = size;
	}
}

static void half_of(struct Elf *elf, struct half *ret)
{
	ret->elf = elf;
	ret->n = elf ? dbg_sections_of(elf, ret->sections) : 0;
}

static struct err *walk_all(struct pass *p)
{
	struct err *err;

	half_of(p->t->module->dbg->main.elf, &p->own);
	half_of(p->t->module->dbg->rest.elf, &p->rest);
	if (!add_chunks(p, true))
		return &err_nomem;
	p->n_views = p->chunks.n;
	if (!add_chunks(p, false))
		return &err_nomem;
	err = par_ranges(p->t->env, p->n_views, 1, on_view, p);
	return err ? err : walk_others(p);
}

struct err *dbg_index(struct dbg_types *t)
{
	_cleanup_(pass_fini) struct pass p = { .t = t, .parts = &t->module->dbg->parts };
	struct index all = {};
	struct err *err = walk_all(&p);

	if (!err)
		err = join(&p, &all);
	if (!err) {
		if (t->named.n)
			qsort(t->named.v, t->named.n, sizeof(*t->named.v), by_die);
		named_once(t);
		firsts_settle(t, &all);
		err = names_settle(t) ? NULL : &err_nomem;
	}
	free(all.firsts.v);
	return err;
}

void dbg_types_tell(const struct dbg_types *t)
{
	if (t->too_many)
		diag(t->env, "module/debug-info", t->module->start,
		     "%s: more than %u entries of debug info: the rest is not used", module_base_name(t->module),
		     (unsigned)ENTRIES_MAX);
	if (t->module->dbg->parts.missing)
		diag(t->env, "module/debug-info", t->module->start,
		     "%s: the debug info of %llu units is in files of their own, which are not there or of another build",
		     module_base_name(t->module), (unsigned long long)t->module->dbg->parts.missing);
}

static int by_hash(const void *a, const void *b, void *arg)
{
	const struct dbg_named *v = arg, *x = &v[*(const uint32_t *)a], *y = &v[*(const uint32_t *)b];

	if (x->hash != y->hash)
		return x->hash < y->hash ? -1 : 1;
	return x->die < y->die ? -1 : x->die > y->die;
}

/* What one unit says of the first parts of a struct holds for all entries of that struct. */
static void outers_settle(struct dbg_types *t)
{
	size_t i = 0, k, end;

	for (; i < t->by_hash.n; i = end) {
		uint64_t outer = 0, hash = t->named.v[t->by_hash.v[i]].hash;

		for (end = i; end < t->by_hash.n && t->named.v[t->by_hash.v[end]].hash == hash; end++) {
			uint64_t one = t->named.v[t->by_hash.v[end]].outer;

			outer = one && (!outer || one < outer) ? one : outer;
		}
		for (k = i; k < end; k++)
			t->named.v[t->by_hash.v[k]].outer = outer;
	}
}

struct err *dbg_index_finish(struct dbg_types *t)
{
	if (t->named.n >= UINT32_MAX)
		return err_new(ERR_LIMIT, "more than 2^32 types");
	if (t->named.n)
		qsort(t->named.v, t->named.n, sizeof(*t->named.v), by_die);
	t->by_hash.n = 0;
	for (uint32_t i = 0; i < t->named.n; i++)
		if (!t->named.v[i].is_declaration && !vec_push(&t->by_hash, &i))
			return &err_nomem;
	if (t->by_hash.n)
		qsort_r(t->by_hash.v, t->by_hash.n, sizeof(*t->by_hash.v), by_hash, t->named.v);
	outers_settle(t);
	if (t->vars.n)
		qsort(t->vars.v, t->vars.n, sizeof(*t->vars.v), var_by_addr);
	if (t->funcs.n)
		qsort(t->funcs.v, t->funcs.n, sizeof(*t->funcs.v), func_by_addr);
	return NULL;
}
