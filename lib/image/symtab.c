/*
 * image/symtab.c - symbols of every module: from its file, a debug file, or the dump itself.
 *
 * Source of truth: the gABI's symbol tables; .gnu_debugdata is an xz-packed ELF file with the
 * .symtab that strip took away (GDB manual, "MiniDebugInfo"); DT_GNU_HASH counts the dynamic
 * symbols where there are no section headers.  All is built when the image is opened.
 */
#include "image/symtab.h"

#include <elf.h>
#include <stdlib.h>
#include <string.h>

#include "base/bits.h"
#include "base/cursor.h"
#include "base/guard.h"
#include "base/search.h"
#include "base/vec.h"
#include "image/demangle.h"
#include "image/elf.h"
#include "image/go.h"
#include "image/parts.h"
#include "image/shadow.h"

enum {
	SYM_SIZE = 24,
	PROBES_MAX = 4096,     /* a table whose names collide more than this is hostile */
	UNPACKED_MAX = 256 << 20,
	NESTING_MAX = 32,      /* symbols that begin before an address and may still hold it */
};

/* ---- one table */

struct symtab *symtab_new(void)
{
	return calloc(1, sizeof(struct symtab));
}

void symtab_free(struct symtab *t)
{
	if (!t)
		return;
	arena_fini(&t->names);
	elf_file_free(t->file);
	free(t->unpacked);
	free(t->by_name);
	free(t->v);
	free(t);
}

static uint8_t bind_rank(uint8_t bind)
{
	switch (bind) {
	case STB_GLOBAL:
	case STB_GNU_UNIQUE:
		return 6;
	case STB_WEAK:
		return 4;
	default:
		return 2;
	}
}

/* "name@@V" is the version that new programs get, "name@V" one that old ones still use. */
static struct err *sym_unversion(struct symtab *t, struct sym *s)
{
	const char *at = strchr(s->name, '@');

	if (!at || at == s->name)
		return NULL;
	if (at[1] != '@')
		s->rank--;
	s->name = arena_strndup(&t->names, s->name, (size_t)(at - s->name));
	return s->name ? NULL : &err_nomem;
}

static bool kind_usable(uint8_t kind)
{
	return kind == STT_FUNC || kind == STT_OBJECT || kind == STT_TLS || kind == STT_GNU_IFUNC;
}

struct err *symtab_add(struct symtab *t, const uint8_t *syms, uint64_t n, const uint8_t *strings,
		       uint64_t n_strings, uint64_t bias)
{
	struct cursor c = cursor_init(syms, n, "symbols", 0);

	while (cursor_left(&c) >= SYM_SIZE) {
		uint32_t name = cursor_u32(&c);
		uint8_t info = cursor_u8(&c);
		uint8_t other = cursor_u8(&c);
		uint16_t section = cursor_u16(&c);
		struct sym s = { .addr = cursor_u64(&c), .size = cursor_u64(&c) };
		struct cursor names;
		struct err *err;

		(void)other; /* hidden symbols are as good as others here */
		s.kind = info & 15;
		if (!kind_usable(s.kind) || section == SHN_UNDEF || !name || name >= n_strings)
			continue;
		names = cursor_slice(strings, n_strings, name, n_strings - name, "symbol names");
		s.name = cursor_cstr(&names);
		if (!s.name || !*s.name)
			continue;
		s.rank = bind_rank(info >> 4);
		if (s.kind != STT_TLS && section != SHN_ABS)
			s.addr += bias;
		if (s.size > UINT64_MAX - s.addr)
			s.size = 0;
		err = sym_unversion(t, &s);
		if (err)
			return err;
		if (!vec_push(t, &s))
			return &err_nomem;
	}
	return NULL;
}

static int sym_cmp(const void *a, const void *b)
{
	const struct sym *x = a, *y = b;
	int tls = (x->kind == STT_TLS) - (y->kind == STT_TLS);

	if (tls)
		return tls;
	if (x->addr != y->addr)
		return x->addr < y->addr ? -1 : 1;
	/* The last of an address is the first to be asked: the most public, then the longest. */
	if (x->rank != y->rank)
		return x->rank < y->rank ? -1 : 1;
	if (x->size != y->size)
		return x->size < y->size ? -1 : 1;
	return -strcmp(x->name, y->name);
}

static uint64_t name_hash(const char *s)
{
	uint64_t h = 0xcbf29ce484222325;

	for (; *s; s++)
		h = (h ^ (uint8_t)*s) * 0x100000001b3;
	return h ^ h >> 29;
}

/* The slot of the name, or the empty one where it belongs; NULL when its neighbourhood is full. */
static uint32_t *name_slot(const struct symtab *t, const char *name)
{
	uint64_t at = name_hash(name);

	for (unsigned i = 0; i < PROBES_MAX; i++, at++) {
		uint32_t *slot = &t->by_name[at & (t->n_slots - 1)];

		if (!*slot || !strcmp(t->v[*slot - 1].name, name))
			return slot;
	}
	return NULL;
}

struct err *symtab_seal(struct symtab *t)
{
	if (t->n > UINT32_MAX / 4)
		t->n = UINT32_MAX / 4;
	if (t->n)
		qsort(t->v, t->n, sizeof(*t->v), sym_cmp);
	t->n_addr = t->n;
	while (t->n_addr && t->v[t->n_addr - 1].kind == STT_TLS)
		t->n_addr--;
	for (t->n_slots = 16; t->n_slots < t->n * 2; t->n_slots *= 2)
		;
	t->by_name = calloc(t->n_slots, sizeof(*t->by_name));
	if (!t->by_name)
		return &err_nomem;
	for (size_t i = 0; i < t->n; i++) {
		uint32_t *slot = name_slot(t, t->v[i].name);

		if (slot && (!*slot || t->v[*slot - 1].rank < t->v[i].rank))
			*slot = (uint32_t)i + 1;
	}
	return NULL;
}

const struct sym *symtab_find(const struct symtab *t, const char *name)
{
	const uint32_t *slot = name_slot(t, name);

	return slot && *slot ? &t->v[*slot - 1] : NULL;
}

const struct sym *symtab_at(const struct symtab *t, uint64_t addr)
{
	size_t lo = partition_point(t->n_addr, i, t->v[i].addr <= addr);

	for (size_t i = lo; i > 0 && lo - i < NESTING_MAX; i--) {
		const struct sym *s = &t->v[i - 1];

		if (addr - s->addr < s->size)
			return s;
	}
	/* Size 0 says "unknown": hand-written code; it reaches to the next symbol. */
	if (lo && !t->v[lo - 1].size)
		return &t->v[lo - 1];
	return NULL;
}

/* ---- where the symbols of a module are */

static struct err *add_sections(struct symtab *t, const struct elf_file *e, const char *syms,
				const char *strings, uint64_t bias, bool *ret_any)
{
	const uint8_t *s, *names;
	uint64_t n, n_names;
	size_t before = t->n;
	struct err *err;

	if (!elf_file_section(e, syms, &s, &n) || !elf_file_section(e, strings, &names, &n_names))
		return NULL;
	err = symtab_add(t, s, n, names, n_names, bias);
	if (t->n > before)
		*ret_any = true;
	return err;
}

static struct err *add_debug_file(struct image *img, struct module *m, const struct image_options *opt,
				  struct symtab *t, bool *ret_any)
{
	struct err *err = elf_debug_file_open(img, m, opt, ".symtab", &t->file);

	if (err || !t->file)
		return err;
	return add_sections(t, t->file, ".symtab", ".strtab", m->bias, ret_any);
}

static struct err *add_mini_debug(struct image *img, struct module *m, struct symtab *t, bool *ret_any)
{
	const uint8_t *packed;
	uint64_t n_packed, n;
	struct elf_file *e;
	struct err *err;

	if (!elf_file_section(m->elf, ".gnu_debugdata", &packed, &n_packed))
		return NULL;
	err = input_unpack_bytes(img->env, packed, n_packed, UNPACKED_MAX, &t->unpacked, &n);
	if (!err)
		err = elf_file_open_bytes(m->found, t->unpacked, n, &e);
	if (err) {
		diag_err(img->env, "module/debugdata", err);
		return NULL;
	}
	err = add_sections(t, e, ".symtab", ".strtab", m->bias, ret_any);
	elf_file_free(e); /* the names lie in t->unpacked */
	return err;
}

/* ---- the dynamic section, in dumped memory */

struct dynamic {
	taddr symtab, strtab, gnu_hash, hash;
	uint64_t strsz, syment;
};

/* glibc relocates these pointers in place, other loaders leave them as they are in the file. */
static taddr dynamic_ptr(const struct module *m, uint64_t value)
{
	return value >= m->start && value < m->end ? value : value + m->bias;
}

static bool dynamic_read(const struct image *img, const struct module *m, struct dynamic *d)
{
	for (unsigned i = 0; i < 4096; i++) {
		uint64_t pair[2];

		if (image_read(img, m->dynamic + i * sizeof(pair), pair, sizeof(pair)) != MEM_OK)
			return false;
		if (pair[0] == DT_NULL)
			break;
		if (pair[0] == DT_SYMTAB)
			d->symtab = dynamic_ptr(m, pair[1]);
		else if (pair[0] == DT_STRTAB)
			d->strtab = dynamic_ptr(m, pair[1]);
		else if (pair[0] == DT_GNU_HASH)
			d->gnu_hash = dynamic_ptr(m, pair[1]);
		else if (pair[0] == DT_HASH)
			d->hash = dynamic_ptr(m, pair[1]);
		else if (pair[0] == DT_STRSZ)
			d->strsz = pair[1];
		else if (pair[0] == DT_SYMENT)
			d->syment = pair[1];
	}
	return d->symtab && d->strtab && d->strsz && d->syment == SYM_SIZE;
}

/* The highest symbol of any chain, plus one: the table itself does not say how long it is. */
static uint64_t gnu_hash_count(const struct image *img, taddr at)
{
	uint64_t avail, last = 0, first, n_buckets, n_bloom;
	const uint8_t *bytes = image_view(img, at, &avail);
	struct cursor c, chains;

	if (!bytes)
		return 0;
	c = cursor_init(bytes, avail, "DT_GNU_HASH", at);
	n_buckets = cursor_u32(&c);
	first = cursor_u32(&c);
	n_bloom = cursor_u32(&c);
	cursor_skip(&c, 4);
	n_bloom = cursor_count(&c, n_bloom, 8);
	cursor_skip(&c, n_bloom * 8);
	n_buckets = cursor_count(&c, n_buckets, 4);
	for (uint64_t i = 0; i < n_buckets; i++) {
		uint32_t b = cursor_u32(&c);

		if (b > last)
			last = b;
	}
	if (c.bad || last < first)
		return 0;
	chains = c;
	cursor_skip(&chains, (last - first) * 4);
	while (!chains.bad && !(cursor_u32(&chains) & 1))
		last++;
	image_keep(img, at, cursor_offset(&chains) - at);
	return chains.bad ? 0 : last + 1;
}

static struct err *add_from_memory(struct image *img, struct module *m, struct symtab *t, bool *ret_any)
{
	struct dynamic d = {};
	uint64_t n = 0, n_syms, n_names;
	const uint8_t *syms, *names;
	size_t before = t->n;
	struct err *err;
	uint32_t n_hash;

	if (!m->dynamic || !dynamic_read(img, m, &d))
		return NULL;
	if (d.gnu_hash)
		n = gnu_hash_count(img, d.gnu_hash);
	else if (d.hash && image_read_u32(img, d.hash + 4, &n_hash) == MEM_OK)
		n = n_hash;
	syms = image_view(img, d.symtab, &n_syms);
	names = image_view(img, d.strtab, &n_names);
	if (!n || !syms || !names)
		return NULL;
	if (n_syms / SYM_SIZE > n)
		n_syms = n * SYM_SIZE;
	if (n_names > d.strsz)
		n_names = d.strsz;
	image_keep_bytes(img, syms, n_syms);
	image_keep_bytes(img, names, n_names);
	err = symtab_add(t, syms, n_syms, names, n_names, m->bias);
	*ret_any = t->n > before;
	return err;
}

static struct err *module_symbols(struct image *img, struct module *m, const struct image_options *opt,
				  struct symtab *t)
{
	bool full = false, dynamic = false;
	struct err *err = NULL;

	if (m->elf)
		err = add_sections(t, m->elf, ".symtab", ".strtab", m->bias, &full);
	if (!err && !full)
		err = add_debug_file(img, m, opt, t, &full);
	if (!err && !full && m->elf)
		err = add_mini_debug(img, m, t, &full);
	/* What strip keeps of .symtab in .gnu_debugdata leaves out what .dynsym has. */
	if (!err && m->elf && (!full || t->unpacked))
		err = add_sections(t, m->elf, ".dynsym", ".dynstr", m->bias, &dynamic);
	if (!err && !full && !dynamic)
		err = add_from_memory(img, m, t, &dynamic);
	if (full)
		m->symbols = SYMBOLS_SYMTAB;
	else if (dynamic)
		m->symbols = SYMBOLS_DYNAMIC;
	return err;
}

struct err *symbols_open(struct image *img, const struct image_options *opt)
{
	for (size_t i = 0; i < img->n_modules; i++) {
		struct module *m = &img->modules[i];
		struct symtab *t = symtab_new();
		struct err *err = t ? module_symbols(img, m, opt, t) : &err_nomem;

		if (!err)
			err = symtab_seal(t);
		if (err || !t->n) {
			symtab_free(t);
			t = NULL;
		}
		if (err)
			return err;
		m->symtab = t;
	}
	return NULL;
}

/* ---- questions */

static void symbol_of(const struct module *m, const struct sym *s, struct symbol *ret)
{
	*ret = (struct symbol){
		.name = s->name,
		.addr = s->addr,
		.size = s->size,
		.is_func = s->kind == STT_FUNC || s->kind == STT_GNU_IFUNC,
		.is_object = s->kind == STT_OBJECT,
		.is_tls = s->kind == STT_TLS,
		.module = m,
	};
}

bool image_symbol(const struct image *img, const struct module *module, const char *name, struct symbol *ret)
{
	for (size_t i = 0; i < img->n_modules; i++) {
		const struct module *m = &img->modules[i];
		const struct sym *s;

		if ((module && m != module) || !m->symtab)
			continue;
		s = symtab_find(m->symtab, name);
		if (s) {
			symbol_of(m, s, ret);
			return true;
		}
	}
	return false;
}

/* Go's own tables of functions are in every binary, whatever was stripped from it. */
static bool go_symbol_at(const struct image *img, const struct module *m, taddr addr, struct symbol *ret)
{
	struct go_func f;
	uint64_t avail;
	const uint8_t *name;

	if (!img->go || !go_func_at(img->go, addr, &f))
		return false;
	name = image_view(img, f.name, &avail);
	if (!name || avail <= f.name_length || !f.name_length)
		return false;
	*ret = (struct symbol){
		.name = (const char *)name, /* with its NUL */
		.addr = f.entry,
		.size = f.end - f.entry,
		.is_func = true,
		.module = m,
	};
	return true;
}

bool image_symbol_at(const struct image *img, taddr addr, struct symbol *ret)
{
	const struct module *m = image_module_at(img, addr);
	const struct sym *s = m && m->symtab ? symtab_at(m->symtab, addr) : NULL;

	if (!s)
		return m && go_symbol_at(img, m, addr, ret);
	symbol_of(m, s, ret);
	return true;
}

static void add_name(struct text *ret, const char *name)
{
	size_t n = strnlen(name, DEMANGLE_MAX);

	if (n == DEMANGLE_MAX || !demangle(name, ret))
		text_add_escaped(ret, name, n);
}

void image_describe(const struct image *img, taddr addr, struct text *ret)
{
	const struct module *m = image_module_at(img, addr);
	struct symbol s;

	if (image_symbol_at(img, addr, &s)) {
		add_name(ret, s.name);
		if (addr != s.addr)
			text_printf(ret, "+0x%lx", addr - s.addr);
	} else if (m) {
		const char *base = module_base_name(m);

		text_add_escaped(ret, base, strnlen(base, DEMANGLE_MAX));
		text_printf(ret, "+0x%lx", addr - m->start);
	} else {
		text_printf(ret, "0x%lx", addr);
	}
}
