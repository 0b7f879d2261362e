/*
 * image/dbg.c - struct layouts and source places, from DWARF.
 *
 * Source of truth: DWARF 4 and 5, through libdw.  Names are those of the top level of a unit: what
 * lies in a namespace or a function is not looked for.
 */
#include "image/dbg.h"

#include <dwarf.h>
#include <elfutils/libdw.h>
#include <libelf.h>
#include <stdlib.h>
#include <string.h>

#include "base/bits.h"
#include "base/cursor.h"
#include "base/guard.h"
#include "base/search.h"
#include "base/vec.h"
#include "image/elf.h"
#include "image/field_cache.h"
#include "image/parts.h"

enum {
	DIES_MAX = 20000000,   /* looked at for one question */
	TYPE_STEPS_MAX = 32,   /* typedefs and qualifiers on the way to a type */
	ANONYMOUS_MAX = 64,    /* unnamed structs and unions inside one struct */
	FIELDS_MAX = 65536,    /* answers kept */
	FRAME_SCOPES_MAX = 32, /* blocks and inlined calls inside each other */
	LOCALS_MAX = 1 << 16,  /* entries of one function */
};

static void dbg_unlock(pthread_mutex_t **lock)
{
	pthread_mutex_unlock(*lock);
}

struct Elf *dbg_reader_elf(const struct image *img, const struct elf_file *file, struct dbg_reader *r)
{
	struct err *err = elf_copy_open(img->env, file, &r->copy);

	if (err)
		diag_err(img->env, "module/debug-info", err);
	if (r->copy.map)
		r->elf = elf_memory((char *)r->copy.map, r->copy.size);
	return r->elf;
}

static struct Dwarf *reader_open(const struct image *img, const struct elf_file *file, struct dbg_reader *r)
{
	bool is_packed = dbg_plain_is_for(img, file);

	if (!dbg_reader_elf(img, file, r))
		return NULL;
	if (is_packed && dbg_plain_read(img, file, r->elf, &r->plain)) {
		elf_end(r->elf);
		elf_copy_close(&r->copy);
		r->elf = r->plain.view.elf;
		return r->dwarf = r->plain.view.dwarf;
	}
	r->dwarf = dwarf_begin_elf(r->elf, DWARF_C_READ, NULL);
	if (r->dwarf && is_packed)
		dbg_plain_write(img, file, r->elf);
	return r->dwarf;
}

void dbg_reader_close(struct dbg_reader *r)
{
	if (r->plain.map) {
		dbg_plain_close(&r->plain);
		*r = (struct dbg_reader){};
		return;
	}
	if (r->dwarf)
		dwarf_end(r->dwarf);
	elf_end(r->elf);
	elf_copy_close(&r->copy);
	*r = (struct dbg_reader){};
}

/*
 * Under the lock: the DWARF, opened on first use.  Where there is another half libdw must be given
 * it, or none is used: left alone it would look for one by itself, and believe it by its name.
 */
struct Dwarf *dbg_dwarf(const struct image *img, struct dbg *d)
{
	if (d->opened)
		return d->main.dwarf;
	d->opened = true;
	if (elf_version(EV_CURRENT) == EV_NONE)
		return NULL;
	if (reader_open(img, d->file, &d->main) && d->alt) {
		if (reader_open(img, d->alt, &d->rest))
			dwarf_setalt(d->main.dwarf, d->rest.dwarf);
		else
			dbg_reader_close(&d->main);
	}
	if (d->main.dwarf && d->dwp)
		dbg_reader_elf(img, d->dwp, &d->package);
	return d->main.dwarf;
}

void dbg_free(struct dbg *d)
{
	if (!d)
		return;
	for (size_t i = 0; i < d->fields.n; i++) {
		free(d->fields.v[i].of);
		free(d->fields.v[i].name);
	}
	free(d->fields.v);
	free(d->variables.v);
	dbg_parts_close(&d->parts);
	dbg_reader_close(&d->main);
	dbg_reader_close(&d->rest);
	dbg_reader_close(&d->package);
	elf_file_free(d->own);
	elf_file_free(d->alt);
	elf_file_free(d->dwp);
	pthread_mutex_destroy(&d->lock);
	free(d);
}

/* The other half, where dwz made two of it; false, with a diag, when it is not to be had. */
static struct err *find_alt(struct image *img, const struct module *m, const struct elf_file *file,
			    const struct image_options *opt, struct elf_file **ret, bool *ret_whole)
{
	char hex[2 * BUILD_ID_MAX + 1];
	struct build_id id;
	const char *name;
	struct err *err;

	*ret_whole = true;
	if (!elf_file_alt(file, &name, &id))
		return NULL;
	err = elf_alt_file_open(img, file, opt, ret);
	if (err || *ret)
		return err;
	*ret_whole = false;
	build_id_hex(&id, hex);
	diag(img->env, "module/debug-info", m->start,
	     "%s: its debug info needs %s with build id %s, which is not there (--debug-dir, --sysroot): it is not used",
	     module_base_name(m), name, id.n ? hex : "(damaged)");
	return NULL;
}

static struct err *module_dbg(struct image *img, struct module *m, const struct image_options *opt)
{
	struct elf_file *own = NULL, *alt = NULL;
	bool whole = true;
	struct dbg *d = NULL;
	struct err *err = NULL;

	if (!m->elf || !elf_file_has(m->elf, ".debug_info")) {
		err = elf_debug_file_open(img, m, opt, ".debug_info", &own);
		if (err || !own)
			return err;
	}
	err = find_alt(img, m, own ? own : m->elf, opt, &alt, &whole);
	if (!err && whole) {
		d = calloc(1, sizeof(*d));
		err = d ? NULL : &err_nomem;
	}
	if (!d) {
		elf_file_free(own);
		elf_file_free(alt);
		return err;
	}
	pthread_mutex_init(&d->lock, NULL);
	d->own = own;
	d->alt = alt;
	d->file = own ? own : m->elf;
	d->may_look = !opt->no_host_files;
	m->dbg = d;
	m->symbols = SYMBOLS_DWARF;
	return elf_package_open(img, m, d->file, opt, &d->dwp);
}

struct err *dbg_open(struct image *img, const struct image_options *opt)
{
	for (size_t i = 0; i < img->n_modules; i++) {
		struct err *err = module_dbg(img, &img->modules[i], opt);

		if (err)
			return err;
	}
	return NULL;
}

/* ---- walking the top level of all units */

struct top {
	Dwarf_CU *cu;
	Dwarf_Die unit, die; /* die: the one at hand */
	Dwarf *dwarf;
	unsigned seen;
	bool in_unit;
};

/* The next top-level entry of any unit; false at the end or when enough were seen. */
static bool top_next(struct top *t)
{
	while (t->seen++ < DIES_MAX) {
		if (t->in_unit && !dwarf_siblingof(&t->die, &t->die))
			return true;
		t->in_unit = false;
		if (dwarf_get_units(t->dwarf, t->cu, &t->cu, NULL, NULL, &t->unit, NULL))
			return false;
		if (!dwarf_child(&t->unit, &t->die)) {
			t->in_unit = true;
			return true;
		}
	}
	return false;
}

static bool is_struct(Dwarf_Die *die)
{
	int tag = dwarf_tag(die);

	return tag == DW_TAG_structure_type || tag == DW_TAG_class_type || tag == DW_TAG_union_type;
}

/* The type of an entry without typedefs and qualifiers. */
static bool plain_type(Dwarf_Die *of, Dwarf_Die *ret)
{
	Dwarf_Die die = *of;

	for (unsigned i = 0; i < TYPE_STEPS_MAX; i++) {
		Dwarf_Attribute attr;
		int tag;

		if (!dwarf_attr_integrate(&die, DW_AT_type, &attr) || !dwarf_formref_die(&attr, &die))
			return false;
		tag = dwarf_tag(&die);
		if (tag != DW_TAG_typedef && tag != DW_TAG_const_type && tag != DW_TAG_volatile_type) {
			*ret = die;
			return true;
		}
	}
	return false;
}

static bool named(Dwarf_Die *die, const char *name)
{
	const char *have = dwarf_diename(die);

	return have && !strcmp(have, name);
}

/* The definition of a struct, class or union, by its tag or by a typedef. */
static bool struct_find(Dwarf *dwarf, const char *name, Dwarf_Die *ret)
{
	struct top t = { .dwarf = dwarf };

	while (top_next(&t)) {
		int tag = dwarf_tag(&t.die);

		if (is_struct(&t.die) && named(&t.die, name) && !dwarf_hasattr(&t.die, DW_AT_declaration)) {
			*ret = t.die;
			return true;
		}
		if (tag == DW_TAG_typedef && named(&t.die, name) && plain_type(&t.die, ret) && is_struct(ret) &&
		    !dwarf_hasattr(ret, DW_AT_declaration))
			return true;
	}
	return false;
}

/* False for bit fields and for what an expression computes: they have no fixed byte. */
static bool member_offset(Dwarf_Die *of, Dwarf_Die *member, Dwarf_Word *ret)
{
	Dwarf_Attribute attr;

	*ret = 0;
	if (dwarf_hasattr(member, DW_AT_data_bit_offset) || dwarf_hasattr(member, DW_AT_bit_size))
		return false;
	if (!dwarf_attr(member, DW_AT_data_member_location, &attr))
		return dwarf_tag(of) == DW_TAG_union_type; /* others say so, unless they are damaged */
	return !dwarf_formudata(&attr, ret);
}

/* Fields of the struct itself and of the unnamed ones in it, nearest first. */
static bool field_find(Dwarf_Die *of, const char *field, uint64_t *ret)
{
	struct {
		Dwarf_Die die;
		uint64_t at;
	} todo[ANONYMOUS_MAX];
	unsigned n = 1, seen = 0;

	todo[0].die = *of;
	todo[0].at = 0;
	for (unsigned i = 0; i < n; i++) {
		Dwarf_Die member;
		bool more = !dwarf_child(&todo[i].die, &member);

		for (; more && seen < DIES_MAX; more = !dwarf_siblingof(&member, &member), seen++) {
			Dwarf_Word offset;

			if (dwarf_tag(&member) != DW_TAG_member || !member_offset(&todo[i].die, &member, &offset))
				continue;
			if (named(&member, field)) {
				*ret = todo[i].at + offset;
				return true;
			}
			if (n < ANONYMOUS_MAX && !dwarf_diename(&member) &&
			    plain_type(&member, &todo[n].die) && is_struct(&todo[n].die))
				todo[n++].at = todo[i].at + offset;
		}
	}
	return false;
}

static void field_keep(struct dbg *d, const char *of, const char *name, bool found, uint64_t offset)
{
	struct dbg_field f = { .offset = offset, .found = found };

	if (d->fields.n >= FIELDS_MAX)
		return;
	f.of = strdup(of);
	f.name = strdup(name);
	/* Without memory it is found again the next time. */
	if (f.of && f.name && vec_push(&d->fields, &f))
		return;
	free(f.of);
	free(f.name);
}

bool image_field_offset(const struct image *img, const struct module *m, const char *struct_name,
			const char *field, uint64_t *ret_offset)
{
	struct dbg *d = m->dbg;
	uint64_t offset = 0;
	bool found = false;
	Dwarf_Die die;

	if (!d)
		return false;
	pthread_mutex_lock(&d->lock);
	_cleanup_(dbg_unlock) pthread_mutex_t *lock = &d->lock;

	(void)lock;
	field_cache_read(img, m);
	for (size_t i = 0; i < d->fields.n; i++) {
		const struct dbg_field *f = &d->fields.v[i];

		if (strcmp(f->of, struct_name) || strcmp(f->name, field))
			continue;
		if (f->found)
			*ret_offset = f->offset;
		return f->found;
	}
	if (dbg_dwarf(img, d) && struct_find(d->main.dwarf, struct_name, &die))
		found = field_find(&die, field, &offset);
	field_keep(d, struct_name, field, found, offset);
	if (!found)
		return false;
	field_cache_write(img, m);
	*ret_offset = offset;
	return true;
}

/* ---- many questions at once */

/* The member, or element, that the first n bytes of a path name; `at` grows by where it is. */
static bool path_step(Dwarf_Die *die, const char *path, size_t n, uint64_t *at)
{
	char name[64];

	if (n >= sizeof(name))
		return false;
	memcpy(name, path, n);
	name[n] = 0;
	if (!strcmp(name, "[]"))
		return dwarf_tag(die) == DW_TAG_array_type && plain_type(die, die);
	if (!is_struct(die))
		return false;
	Dwarf_Die member;
	unsigned seen = 0;

	for (bool more = !dwarf_child(die, &member); more && seen < DIES_MAX;
	     more = !dwarf_siblingof(&member, &member), seen++) {
		Dwarf_Word offset;

		if (dwarf_tag(&member) != DW_TAG_member || !named(&member, name))
			continue;
		return member_offset(die, &member, &offset) && checked_add(*at, offset, at) &&
		       plain_type(&member, die);
	}
	return false;
}

static void ask_struct(Dwarf_Die *of, struct dbg_ask *ask)
{
	const char *path = ask->path + (*ask->path == '#');
	Dwarf_Die die = *of;
	Dwarf_Word size;
	uint64_t at = 0;

	while (*path) {
		size_t n = strcspn(path, ".");

		if (!path_step(&die, path, n, &at))
			return;
		path += n + (path[n] == '.');
	}
	if (*ask->path == '#') {
		if (dwarf_aggregate_size(&die, &size) || !size)
			return;
		at = size;
	}
	ask->value = at;
	ask->found = true;
}

static void ask_constant(Dwarf_Die *die, struct dbg_ask *ask)
{
	Dwarf_Attribute attr;
	Dwarf_Word value;

	if (!dwarf_attr(die, DW_AT_const_value, &attr) || dwarf_formudata(&attr, &value))
		return;
	ask->value = value;
	ask->found = true;
}

/* Those that this entry answers. */
static size_t ask_entry(Dwarf_Die *die, struct dbg_ask *asks, size_t n)
{
	bool constant = dwarf_tag(die) == DW_TAG_constant;
	size_t found = 0;
	const char *name;

	if (!constant && (dwarf_tag(die) != DW_TAG_structure_type || dwarf_hasattr(die, DW_AT_declaration)))
		return 0;
	name = dwarf_diename(die);
	for (size_t i = 0; i < n && name; i++) {
		if (asks[i].found || !asks[i].path || !asks[i].of != constant ||
		    strcmp(constant ? asks[i].path : asks[i].of, name) != 0)
			continue;
		if (constant)
			ask_constant(die, &asks[i]);
		else
			ask_struct(die, &asks[i]);
		found += asks[i].found;
	}
	return found;
}

/* Go's assembler makes units of that name, too, beside the one with the types. */
static size_t ask_units(Dwarf *dwarf, const char *unit, struct dbg_ask *asks, size_t n)
{
	struct top t = { .dwarf = dwarf };
	size_t found = 0;

	while (found < n && t.seen++ < DIES_MAX &&
	       !dwarf_get_units(dwarf, t.cu, &t.cu, NULL, NULL, &t.unit, NULL)) {
		if (!named(&t.unit, unit) || dwarf_srclang(&t.unit) != DW_LANG_Go)
			continue;
		for (bool more = !dwarf_child(&t.unit, &t.die); more && found < n && t.seen++ < DIES_MAX;
		     more = !dwarf_siblingof(&t.die, &t.die))
			found += ask_entry(&t.die, asks, n);
	}
	return found;
}

size_t dbg_ask_all(const struct image *img, const struct module *m, const char *unit, struct dbg_ask *asks,
		   size_t n)
{
	Dwarf *dwarf;

	if (!m->dbg)
		return 0;
	pthread_mutex_lock(&m->dbg->lock);
	_cleanup_(dbg_unlock) pthread_mutex_t *lock = &m->dbg->lock;

	(void)lock;
	dwarf = dbg_dwarf(img, m->dbg);
	return dwarf ? ask_units(dwarf, unit, asks, n) : 0;
}

/* ---- source places */

static bool unit_of(Dwarf *dwarf, uint64_t addr, Dwarf_Die *ret)
{
	struct top t = { .dwarf = dwarf };

	if (dwarf_addrdie(dwarf, addr, ret))
		return true;
	/* Not every compiler writes .debug_aranges. */
	while (t.seen++ < DIES_MAX &&
	       !dwarf_get_units(dwarf, t.cu, &t.cu, NULL, NULL, &t.unit, NULL))
		if (dwarf_haspc(&t.unit, addr) == 1) {
			*ret = t.unit;
			return true;
		}
	return false;
}

static bool line_of(Dwarf *dwarf, uint64_t addr, struct source_place *ret)
{
	Dwarf_Die unit;
	Dwarf_Line *line;
	int number;

	if (!unit_of(dwarf, addr, &unit))
		return false;
	line = dwarf_getsrc_die(&unit, addr);
	if (!line || dwarf_lineno(line, &number) || number <= 0)
		return false;
	ret->file = dwarf_linesrc(line, NULL, NULL);
	ret->line = (unsigned)number;
	return ret->file != NULL;
}

/* The address of a variable that has one all the time. */
static bool static_address(Dwarf_Die *die, uint64_t *ret)
{
	Dwarf_Attribute attr;
	Dwarf_Block block;
	Dwarf_Op *ops;
	size_t n;

	if (!dwarf_attr(die, DW_AT_location, &attr))
		return false;
	/* Go writes blocks where DWARF 4 has expressions: libdw refuses those. */
	if (dwarf_whatform(&attr) == DW_FORM_block1) {
		if (dwarf_formblock(&attr, &block) || block.length != 9 || block.data[0] != DW_OP_addr)
			return false;
		*ret = load_u64(block.data + 1);
		return true;
	}
	if (dwarf_getlocation(&attr, &ops, &n) || n != 1 || ops[0].atom != DW_OP_addr)
		return false;
	*ret = ops[0].number;
	return true;
}

static int variable_cmp(const void *a, const void *b)
{
	const struct dbg_variable *x = a, *y = b;

	if (x->addr != y->addr)
		return x->addr < y->addr ? -1 : 1;
	return x->line < y->line ? -1 : x->line > y->line;
}

static void variables_read(struct dbg *d)
{
	struct top t = { .dwarf = d->main.dwarf };

	while (top_next(&t)) {
		struct dbg_variable v = {};
		Dwarf_Die type;
		Dwarf_Word size;
		int line;

		if (dwarf_tag(&t.die) != DW_TAG_variable || !static_address(&t.die, &v.addr))
			continue;
		if (!plain_type(&t.die, &type) || dwarf_aggregate_size(&type, &size) || dwarf_decl_line(&t.die, &line))
			continue;
		v.size = size;
		v.line = (unsigned)line;
		v.file = dwarf_decl_file(&t.die);
		if (v.file && !vec_push(&d->variables, &v))
			break; /* out of memory: those found so far will do */
	}
	if (d->variables.n)
		qsort(d->variables.v, d->variables.n, sizeof(*d->variables.v), variable_cmp);
}

static bool variable_of(struct dbg *d, uint64_t addr, struct source_place *ret)
{
	size_t lo;

	if (!d->variables_read)
		variables_read(d);
	d->variables_read = true;
	lo = partition_point(d->variables.n, i, d->variables.v[i].addr <= addr);
	if (!lo || addr - d->variables.v[lo - 1].addr >= d->variables.v[lo - 1].size)
		return false;
	ret->file = d->variables.v[lo - 1].file;
	ret->line = d->variables.v[lo - 1].line;
	return true;
}

bool image_source_of(const struct image *img, taddr pc, struct source_place *ret)
{
	const struct module *m = image_module_at(img, pc);
	const struct segment *s = image_segment(img, pc);
	struct source_place place = {};
	bool found;

	if (!m || !m->dbg || !s)
		return false;
	pthread_mutex_lock(&m->dbg->lock);
	_cleanup_(dbg_unlock) pthread_mutex_t *lock = &m->dbg->lock;

	(void)lock;
	if (!dbg_dwarf(img, m->dbg))
		return false;
	found = s->flags & SEG_X ? line_of(m->dbg->main.dwarf, pc - m->bias, &place) :
				   variable_of(m->dbg, pc - m->bias, &place);
	if (found)
		*ret = place;
	return found;
}

/* ---- entries, for readers that know a language */

/* A number, or an address that is not one of code: an offset in Go's types. */
static bool attr_u64(Dwarf_Die *die, unsigned name, uint64_t *ret)
{
	Dwarf_Attribute attr;
	Dwarf_Word word;
	Dwarf_Addr addr;

	if (!dwarf_attr_integrate(die, name, &attr))
		return false;
	if (!dwarf_formaddr(&attr, &addr))
		*ret = addr;
	else if (!dwarf_formudata(&attr, &word))
		*ret = word;
	else
		return false;
	return true;
}

static bool low_pc(Dwarf_Die *die, uint64_t *ret)
{
	Dwarf_Addr addr;

	if (dwarf_lowpc(die, &addr))
		return false;
	*ret = addr;
	return true;
}

static uint64_t attr_die(Dwarf_Die *die, unsigned name)
{
	Dwarf_Attribute attr;
	Dwarf_Die to;

	if (!dwarf_attr_integrate(die, name, &attr) || !dwarf_formref_die(&attr, &to))
		return 0;
	return dwarf_dieoffset(&to);
}

/* Element count of an array: of its first subrange. */
static uint64_t array_count(Dwarf_Die *of)
{
	Dwarf_Die child;
	uint64_t n = 0;

	if (dwarf_child(of, &child) || dwarf_tag(&child) != DW_TAG_subrange_type)
		return 0;
	if (!attr_u64(&child, DW_AT_count, &n) && attr_u64(&child, DW_AT_upper_bound, &n))
		n++;
	return n;
}

static void entry_fill(Dwarf_Die *die, struct dbg_entry *e)
{
	Dwarf_Attribute attr;
	uint64_t n = 0;

	*e = (struct dbg_entry){ .id = dwarf_dieoffset(die), .tag = (unsigned)dwarf_tag(die) };
	if (dwarf_attr_integrate(die, DW_AT_name, &attr))
		e->name = dwarf_formstring(&attr);
	e->type = attr_die(die, DW_AT_type);
	attr_u64(die, DW_AT_byte_size, &e->size);
	if (e->tag == DW_TAG_variable)
		e->has_addr = static_address(die, &e->addr);
	else if (e->tag == DW_TAG_subprogram)
		e->has_addr = low_pc(die, &e->addr);
	else if (e->tag == DW_TAG_member)
		attr_u64(die, DW_AT_data_member_location, &e->offset);
	else if (e->tag == DW_TAG_array_type)
		e->count = array_count(die);
	if (attr_u64(die, DBG_GO_KIND, &n))
		e->go_kind = (unsigned)n;
	attr_u64(die, DBG_GO_RUNTIME_TYPE, &e->go_runtime_type);
	e->go_key = attr_die(die, DBG_GO_KEY);
	e->go_elem = attr_die(die, DBG_GO_ELEM);
	e->has_closure_offset = attr_u64(die, DBG_GO_CLOSURE_OFFSET, &e->offset);
}

bool dbg_entry_read(const struct image *img, const struct module *m, uint64_t id, struct dbg_entry *ret)
{
	Dwarf_Die die;

	if (!m->dbg)
		return false;
	pthread_mutex_lock(&m->dbg->lock);
	_cleanup_(dbg_unlock) pthread_mutex_t *lock = &m->dbg->lock;

	(void)lock;
	if (!dbg_dwarf(img, m->dbg) || !dwarf_offdie(dbg_dwarf(img, m->dbg), id, &die))
		return false;
	entry_fill(&die, ret);
	return true;
}

bool dbg_children(const struct image *img, const struct module *m, uint64_t id,
		  bool (*fn)(void *arg, const struct dbg_entry *e), void *arg)
{
	Dwarf_Die die, child;
	unsigned seen = 0;

	if (!m->dbg)
		return false;
	pthread_mutex_lock(&m->dbg->lock);
	_cleanup_(dbg_unlock) pthread_mutex_t *lock = &m->dbg->lock;

	(void)lock;
	if (!dbg_dwarf(img, m->dbg) || !dwarf_offdie(dbg_dwarf(img, m->dbg), id, &die))
		return false;
	for (bool more = !dwarf_child(&die, &child); more && seen < DIES_MAX;
	     more = !dwarf_siblingof(&child, &child), seen++) {
		struct dbg_entry e;

		entry_fill(&child, &e);
		if (!fn(arg, &e))
			return false;
	}
	return true;
}

bool dbg_statics(const struct image *img, const struct module *m,
		 bool (*fn)(void *arg, const struct dbg_static *s), void *arg)
{
	struct top t = {};

	if (!m->dbg)
		return false;
	pthread_mutex_lock(&m->dbg->lock);
	_cleanup_(dbg_unlock) pthread_mutex_t *lock = &m->dbg->lock;

	(void)lock;
	t.dwarf = dbg_dwarf(img, m->dbg);
	while (t.dwarf && top_next(&t)) {
		int tag = dwarf_tag(&t.die);
		struct dbg_static s = { .is_function = tag == DW_TAG_subprogram };

		if (tag == DW_TAG_variable ? !static_address(&t.die, &s.addr) :
					     !s.is_function || !low_pc(&t.die, &s.addr))
			continue;
		s.id = dwarf_dieoffset(&t.die);
		if (!fn(arg, &s))
			return false;
	}
	return true;
}

/* ---- where variables of a frame lie */

/* A location as it is read: where the next piece lies. */
struct location {
	struct dbg_piece pieces[DBG_PIECES];
	size_t n;
	int64_t at;	 /* from the canonical frame address */
	int64_t operand; /* pushed last */
	uint64_t done;	 /* bytes of the variable that pieces told of */
	bool in_frame;	 /* false: in a register, or nowhere */
};

static void location_piece(struct location *l, uint64_t size)
{
	if (l->in_frame && l->n < DBG_PIECES)
		l->pieces[l->n++] = (struct dbg_piece){ l->at, l->done, size };
	l->done += size;
	l->in_frame = false;
}

/* What compilers use for variables in frames whose base is the canonical frame address. */
static bool location_op(struct location *l, uint8_t atom, int64_t n)
{
	switch (atom) {
	case DW_OP_call_frame_cfa:
		l->in_frame = true;
		l->at = 0;
		return true;
	case DW_OP_fbreg:
		l->in_frame = true;
		l->at = n;
		return true;
	case DW_OP_consts:
		l->operand = n;
		return true;
	case DW_OP_plus:
		l->at = (int64_t)((uint64_t)l->at + (uint64_t)l->operand);
		return true;
	case DW_OP_plus_uconst:
		l->at = (int64_t)((uint64_t)l->at + (uint64_t)n);
		return true;
	case DW_OP_piece:
		if (n <= 0 || n > 1 << 20)
			return false;
		location_piece(l, (uint64_t)n);
		return true;
	default:
		l->in_frame = false;
		return (atom >= DW_OP_reg0 && atom <= DW_OP_reg31) || atom == DW_OP_regx;
	}
}

static int64_t read_sleb(struct cursor *c)
{
	uint64_t v = 0;
	unsigned shift = 0;
	uint8_t b;

	do {
		b = cursor_u8(c);
		v |= shift < 64 ? (uint64_t)(b & 0x7f) << shift : 0;
		shift += 7;
	} while (b & 0x80 && !c->bad);
	return shift < 64 && b & 0x40 ? (int64_t)(v | ~0ull << shift) : (int64_t)v;
}

/* Go's blocks, which libdw refuses (see static_address). */
static bool location_block(struct location *l, const Dwarf_Block *block)
{
	struct cursor c = cursor_init(block->data, block->length, "location", 0);

	while (cursor_left(&c) && !c.bad) {
		uint8_t atom = cursor_u8(&c);
		int64_t n = 0;

		if (atom == DW_OP_fbreg || atom == DW_OP_consts)
			n = read_sleb(&c);
		else if (atom == DW_OP_piece || atom == DW_OP_plus_uconst)
			n = (int64_t)cursor_uleb(&c);
		if (c.bad || !location_op(l, atom, n))
			return false;
	}
	return !c.bad;
}

/* At pc: false when it is told in no way that is understood. */
static bool location_read(Dwarf_Die *die, uint64_t pc, struct location *l)
{
	Dwarf_Attribute attr;
	Dwarf_Block block;
	Dwarf_Op *ops;
	size_t n;

	if (!dwarf_attr(die, DW_AT_location, &attr))
		return false;
	if (dwarf_whatform(&attr) == DW_FORM_block1) {
		if (dwarf_formblock(&attr, &block) || !location_block(l, &block))
			return false;
	} else {
		if (dwarf_getlocation_addr(&attr, pc, &ops, &n, 1) != 1)
			return false;
		for (size_t i = 0; i < n; i++)
			if (!location_op(l, ops[i].atom, (int64_t)ops[i].number))
				return false;
	}
	if (!l->done)
		location_piece(l, UINT64_MAX);
	return l->n;
}

static bool covers_pc(Dwarf_Die *die, uint64_t pc)
{
	int tag = dwarf_tag(die);

	return (tag == DW_TAG_lexical_block || tag == DW_TAG_inlined_subroutine) &&
	       dwarf_haspc(die, pc) == 1;
}

/* Calls fn for each variable of a function that lies in its frame at pc, until it answers false. */
static bool walk_locals(Dwarf_Die *function, uint64_t pc,
			bool (*fn)(void *arg, Dwarf_Die *die, const struct location *l), void *arg)
{
	Dwarf_Die stack[FRAME_SCOPES_MAX];
	unsigned n = 1, seen = 0;

	if (dwarf_child(function, &stack[0]))
		return false;
	while (n && seen++ < LOCALS_MAX) {
		Dwarf_Die *at = &stack[n - 1], here = *at;
		int tag = dwarf_tag(&here);
		struct location l = {};

		if (dwarf_siblingof(at, at))
			n--;
		if ((tag == DW_TAG_variable || tag == DW_TAG_formal_parameter) &&
		    location_read(&here, pc, &l) && !fn(arg, &here, &l))
			return false;
		if (n < FRAME_SCOPES_MAX && covers_pc(&here, pc) && !dwarf_child(&here, &stack[n]))
			n++;
	}
	return true;
}

struct locals_call {
	bool (*fn)(void *arg, const struct dbg_entry *e, const struct dbg_piece *p, size_t n);
	void *arg;
};

static bool on_local(void *arg, Dwarf_Die *die, const struct location *l)
{
	const struct locals_call *c = arg;
	struct dbg_entry e;

	entry_fill(die, &e);
	return c->fn(c->arg, &e, l->pieces, l->n);
}

bool dbg_locals(const struct image *img, const struct module *m, uint64_t id, uint64_t pc,
		bool (*fn)(void *arg, const struct dbg_entry *e, const struct dbg_piece *p,
			   size_t n),
		void *arg)
{
	struct locals_call call = { fn, arg };
	Dwarf_Die die;

	if (!m->dbg)
		return false;
	pthread_mutex_lock(&m->dbg->lock);
	_cleanup_(dbg_unlock) pthread_mutex_t *lock = &m->dbg->lock;

	(void)lock;
	return dbg_dwarf(img, m->dbg) && dwarf_offdie(dbg_dwarf(img, m->dbg), id, &die) &&
	       walk_locals(&die, pc, on_local, &call);
}

/* The one that covers a byte of the frame; of those inside each other the innermost: the last. */
struct local_search {
	int64_t at;
	Dwarf_Die die;
	uint64_t into;
	bool found;
};

static bool find_local(void *arg, Dwarf_Die *die, const struct location *l)
{
	struct local_search *s = arg;
	Dwarf_Attribute attr;
	Dwarf_Die of;
	Dwarf_Word all = 8;

	if (dwarf_attr_integrate(die, DW_AT_type, &attr) && dwarf_formref_die(&attr, &of))
		dwarf_aggregate_size(&of, &all);
	for (size_t i = 0; i < l->n; i++) {
		const struct dbg_piece *p = &l->pieces[i];
		uint64_t size = p->size == UINT64_MAX ? all : p->size;

		if (s->at < p->at || (uint64_t)s->at - (uint64_t)p->at >= size)
			continue;
		s->die = *die;
		s->into = p->offset + ((uint64_t)s->at - (uint64_t)p->at);
		s->found = true;
	}
	return true;
}

/* The frame's address is the canonical one; of others nothing can be said. */
static bool has_canonical_frame(Dwarf_Die *function)
{
	Dwarf_Attribute attr;
	Dwarf_Block block;

	return dwarf_attr_integrate(function, DW_AT_frame_base, &attr) &&
	       !dwarf_formblock(&attr, &block) && block.length == 1 &&
	       block.data[0] == DW_OP_call_frame_cfa;
}

static bool function_of(Dwarf *dwarf, uint64_t pc, Dwarf_Die *ret)
{
	Dwarf_Die unit;
	unsigned seen = 0;

	if (!unit_of(dwarf, pc, &unit))
		return false;
	for (bool more = !dwarf_child(&unit, ret); more && seen < DIES_MAX;
	     more = !dwarf_siblingof(ret, ret), seen++)
		if (dwarf_tag(ret) == DW_TAG_subprogram && dwarf_haspc(ret, pc) == 1)
			return true;
	return false;
}

bool dbg_local(const struct image *img, const struct module *m, uint64_t pc, int64_t at,
	       struct dbg_entry *ret, uint64_t *ret_into)
{
	struct local_search search = { .at = at };
	Dwarf_Die function;

	if (!m->dbg)
		return false;
	pthread_mutex_lock(&m->dbg->lock);
	_cleanup_(dbg_unlock) pthread_mutex_t *lock = &m->dbg->lock;

	(void)lock;
	pc -= m->bias;
	if (!dbg_dwarf(img, m->dbg) || !function_of(dbg_dwarf(img, m->dbg), pc, &function) ||
	    !has_canonical_frame(&function) || !walk_locals(&function, pc, find_local, &search) ||
	    !search.found)
		return false;
	entry_fill(&search.die, ret);
	*ret_into = search.into;
	return true;
}
