/*
 * image/modules.c - which files a process had loaded, where, and which files of now they are.
 *
 * Source of truth: NT_FILE rows and the ELF header each module has in memory, then the link map
 * of the dynamic loader (struct r_debug, <link.h>).  Contents come from a file only when its
 * build id is the one in the dumped memory; without one, when it is the Go program whose data is
 * there (go_file.c), or when --exe vouches for it.
 */
#include <elf.h>
#include <stdlib.h>
#include <string.h>

#include "base/bits.h"
#include "base/cursor.h"
#include "base/guard.h"
#include "base/vec.h"
#include "image/elf.h"
#include "image/go_file.h"
#include "image/parts.h"
#include "image/shadow.h"

enum {
	LINK_MAP_MAX = 65536,
	DYNAMIC_MAX = 4096,
	PATH_BYTES = 4096,
	ELF_HEADER = sizeof(Elf64_Ehdr),
	PROGRAM_HEADER = sizeof(Elf64_Phdr),
	NOTE_BYTES = 4096,
	MODULES_MAX = 8192,
	ROWS_OF_A_FILE = 64, /* mappings of one loaded file: five, more after mprotect() */
	GAPS_OF_A_FILE = 1 << 26, /* between them all; what is farther away the program mapped itself */
	/* Words searched for DT_DEBUG when the program's headers are in no dump: 16 MiB. */
	SCAN_WORDS = 1 << 21,
};

struct link_entry {
	taddr base, dynamic; /* l_addr, l_ld */
	const char *name;
};

struct builder {
	struct image *img;
	const struct mapped_file *files;
	size_t n_files;
	const struct image_options *opt;
	struct { /* by start while they are found */
		struct module *v;
		size_t n, cap;
	} modules;
	struct {
		struct link_entry *v;
		size_t n, cap;
	} links;
};

static void builder_fini(struct builder *b)
{
	for (size_t i = 0; i < b->modules.n; i++)
		elf_file_free(b->modules.v[i].elf);
	free(b->modules.v);
	free(b->links.v);
}

static const char *base_of(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

/* The headers that a module has in memory at `start`. */
static bool headers_in_memory(const struct image *img, taddr start, struct elf_headers *ret)
{
	uint64_t avail;
	const uint8_t *bytes = image_view(img, start, &avail);

	if (!bytes || !elf_headers_parse(bytes, avail, ret))
		return false;
	image_keep(img, start, ELF_HEADER);
	image_keep(img, start + ret->phoff, ret->n * PROGRAM_HEADER);
	return true;
}

static struct module *module_of(struct builder *b, taddr addr)
{
	for (size_t i = 0; i < b->modules.n; i++)
		if (addr >= b->modules.v[i].start && addr < b->modules.v[i].end)
			return &b->modules.v[i];
	return NULL;
}

/* Takes the module, its file with it. */
static struct err *module_add(struct builder *b, struct module *m)
{
	if (b->modules.n >= MODULES_MAX) {
		diag(b->img->env, "module/too-many", m->start, "%s and further modules are left out", m->path);
		elf_file_free(m->elf);
		return NULL;
	}
	if (vec_push(&b->modules, m))
		return NULL;
	elf_file_free(m->elf);
	return &err_nomem;
}

static void build_id_in_memory(const struct image *img, const struct elf_headers *h, struct module *m)
{
	struct build_id id = {};

	for (size_t i = 0; i < h->n && !id.n; i++) {
		const struct elf_segment *s = &h->segments[i];
		uint8_t bytes[NOTE_BYTES];

		if (s->type != PT_NOTE || s->filesz > sizeof(bytes))
			continue;
		if (image_read(img, m->bias + s->vaddr, bytes, s->filesz) == MEM_OK)
			build_id_of_notes(bytes, s->filesz, s->align, &id);
	}
	memcpy(m->build_id, id.bytes, id.n);
	m->n_build_id = id.n;
}

static uint64_t page_size(const struct image *img)
{
	uint64_t n = image_auxv(img, AT_PAGESZ, 4096);

	return is_pow2(n) && n >= 4096 && n <= 1 << 16 ? n : 4096;
}

/* What the program headers say, wherever they were read from. */
static void module_take_headers(const struct image *img, struct module *m,
				const struct elf_headers *h)
{
	const struct elf_segment *dynamic = elf_headers_find(h, PT_DYNAMIC);
	const struct elf_segment *tls = elf_headers_find(h, PT_TLS);
	uint64_t page = page_size(img);
	taddr end;

	if (dynamic && !m->dynamic)
		m->dynamic = m->bias + dynamic->vaddr;
	if (tls) {
		m->tls_image = m->bias + tls->vaddr;
		m->tls_image_size = tls->filesz < tls->memsz ? tls->filesz : tls->memsz;
		m->tls_size = tls->memsz;
		m->tls_align = is_pow2(tls->align) ? tls->align : 1;
	}
	end = align_up(m->bias + h->high, page);
	m->is_whole = h->high && end - m->start <= h->high - h->low + 2 * page;
	if (m->is_whole) /* with .bss, which is of no file; without what was mapped of the file later */
		m->end = end;
}

/* Rows of one file from its header on: [i, ret_next) in address order, none of another copy. */
static taddr rows_end(const struct builder *b, size_t i)
{
	const struct mapped_file *first = &b->files[i];
	taddr end = first->end;

	for (size_t k = i + 1; k < b->n_files && k - i < ROWS_OF_A_FILE; k++) {
		const struct mapped_file *f = &b->files[k];

		if (f->start < first->start || strcmp(f->path, first->path) ||
		    f->start - first->start > GAPS_OF_A_FILE + f->offset)
			continue;
		if (!f->offset && f->start >= end)
			break; /* the file again, from its start */
		if (f->end > end)
			end = f->end;
	}
	return end;
}

static bool rows_have_code(const struct builder *b, size_t i, taddr end)
{
	for (size_t k = i; k < b->n_files && k - i < ROWS_OF_A_FILE; k++) {
		const struct image *img = b->img;
		const struct segment *s;

		if (b->files[k].start >= end || strcmp(b->files[k].path, b->files[i].path))
			continue;
		s = image_segment(img, b->files[k].start);
		if (s && s->flags & SEG_X)
			return true;
	}
	return false;
}

/* Code of the file that row `i` begins may lie there; where the dump has nothing, rows alone say. */
static bool may_run(const struct builder *b, size_t i, taddr at)
{
	const struct segment *s = image_segment(b->img, at);

	for (size_t k = i; !s && k < b->n_files && k - i < ROWS_OF_A_FILE; k++)
		if (at >= b->files[k].start && at < b->files[k].end && !strcmp(b->files[k].path, b->files[i].path))
			return true;
	return s && s->flags & SEG_X;
}

/* A program that reads files of code, as debuggers do, maps them too: that is no module, and may end anywhere. */
static bool is_loaded(const struct builder *b, size_t i, const struct elf_headers *h, taddr bias)
{
	bool has_code = false;

	for (size_t k = 0; k < h->n; k++) {
		const struct elf_segment *code = &h->segments[k];

		if (code->type != PT_LOAD || !(code->flags & PF_X) || !code->memsz)
			continue;
		if (may_run(b, i, bias + code->vaddr) || may_run(b, i, bias + code->vaddr + code->memsz - 1))
			return true;
		has_code = true;
	}
	return !has_code;
}

/* One module from the row that maps the start of its file; nothing when that is no ELF file, or only read. */
static struct err *module_from_row(struct builder *b, size_t i)
{
	const struct mapped_file *f = &b->files[i];
	struct module m = { .path = f->path, .start = f->start, .end = rows_end(b, i), .bias = f->start };
	_cleanup_(elf_headers_fini) struct elf_headers h = {};
	uint8_t magic[SELFMAG];

	if (module_of(b, f->start))
		return NULL;
	if (headers_in_memory(b->img, f->start, &h)) {
		if (!h.high || (h.type != ET_EXEC && h.type != ET_DYN) ||
		    h.machine != b->img->target->elf_machine)
			return NULL;
		m.bias = f->start - h.low;
		if (!is_loaded(b, i, &h, m.bias))
			return NULL;
		build_id_in_memory(b->img, &h, &m);
		module_take_headers(b->img, &m, &h);
	} else if (image_read(b->img, f->start, magic, sizeof(magic)) == MEM_OK ||
		   !rows_have_code(b, i, m.end)) {
		return NULL;
	}
	return module_add(b, &m);
}

static struct err *modules_from_rows(struct builder *b)
{
	for (size_t i = 0; i < b->n_files; i++) {
		struct err *err = NULL;

		if (!b->files[i].offset)
			err = module_from_row(b, i);
		if (err)
			return err;
	}
	return NULL;
}

static struct err *module_vdso(struct builder *b)
{
	taddr start = image_auxv(b->img, AT_SYSINFO_EHDR, 0);
	_cleanup_(elf_headers_fini) struct elf_headers h = {};
	struct module m = { .path = "[vdso]", .start = start, .is_vdso = true };
	const struct segment *s = image_segment(b->img, start);
	struct module *known = module_of(b, start);
	uint64_t avail;
	const uint8_t *bytes = image_view(b->img, start, &avail);

	if (known)
		known->is_vdso = true;
	if (known || !start || !s || !bytes || !headers_in_memory(b->img, start, &h))
		return NULL;
	m.end = s->end;
	m.bias = start - h.low;
	build_id_in_memory(b->img, &h, &m);
	module_take_headers(b->img, &m, &h);
	m.end = s->end;
	struct err *err = elf_file_open_bytes("[vdso]", bytes, avail, &m.elf);
	if (err)
		return err;
	image_keep(b->img, start, avail); /* the kernel's, the same for all */
	m.found = "[vdso]";
	return module_add(b, &m);
}

/* The program's headers through AT_PHDR, when no row named it: a static or a nameless program. */
static struct err *module_from_auxv(struct builder *b)
{
	struct image *img = b->img;
	taddr phdr = image_auxv(img, AT_PHDR, 0);
	_cleanup_(elf_headers_fini) struct elf_headers h = {};
	struct module m = { .path = img->exe };
	const struct segment *s = image_segment(img, phdr);

	if (!phdr || !s || module_of(b, phdr))
		return NULL;
	/* The headers lie in the first page of the file, which is mapped whole. */
	m.start = align_down(phdr, 4096);
	if (!headers_in_memory(img, m.start, &h) || !h.high)
		return NULL;
	if (!m.path) {
		char name[PATH_BYTES];

		if (image_read_str(img, image_auxv(img, AT_EXECFN, 0), name, sizeof(name)) != MEM_OK)
			name[0] = '\0';
		m.path = arena_strdup(&img->names, name);
		if (!m.path)
			return &err_nomem;
	}
	m.bias = m.start - h.low;
	m.end = m.start;
	build_id_in_memory(img, &h, &m);
	module_take_headers(b->img, &m, &h);
	return m.end > m.start ? module_add(b, &m) : NULL;
}

/* Where the program of AT_ENTRY and AT_PHDR was loaded, if that can be `e`. */
static bool exe_bias(const struct image *img, const struct elf_file *e, taddr *ret)
{
	taddr bias = image_auxv(img, AT_ENTRY, 0) - e->h.entry;

	if (e->h.machine != img->target->elf_machine || !e->h.high || image_auxv(img, AT_PHNUM, 0) != e->h.n)
		return false;
	for (size_t i = 0; i < e->h.n; i++) {
		const struct elf_segment *s = &e->h.segments[i];

		if (s->type != PT_LOAD || e->h.phoff < s->offset || e->h.phoff - s->offset >= s->filesz)
			continue;
		*ret = bias;
		return image_auxv(img, AT_PHDR, 0) == bias + s->vaddr + (e->h.phoff - s->offset);
	}
	return false;
}

/* --exe, when the dump has neither a row nor the headers of the program: qemu-user writes such ones. */
static struct err *module_from_told(struct builder *b)
{
	struct image *img = b->img;
	taddr entry = image_auxv(img, AT_ENTRY, 0);
	struct module m = { .path = img->exe ? img->exe : "" };
	struct elf_file *e;
	struct err *err;

	if (!b->opt->exe || !entry || module_of(b, entry))
		return NULL;
	err = elf_file_open_path(b->opt->exe, &e);
	if (err)
		return err_wrap(err, "--exe");
	if (exe_bias(img, e, &m.bias)) {
		m.start = m.end = e->h.low + m.bias;
		module_take_headers(img, &m, &e->h);
		if (m.end > m.start && image_segment(img, entry))
			err = module_add(b, &m);
	}
	elf_file_free(e);
	return err;
}

/* The value of a tag in a dynamic section; false when the section cannot be read that far. */
static bool dynamic_value(const struct image *img, taddr dynamic, uint64_t tag, uint64_t *ret)
{
	for (unsigned i = 0; dynamic && i < DYNAMIC_MAX; i++) {
		uint64_t pair[2];

		if (image_read(img, dynamic + i * sizeof(pair), pair, sizeof(pair)) != MEM_OK || !pair[0])
			return false;
		if (pair[0] == tag) {
			*ret = pair[1];
			return true;
		}
	}
	return false;
}

/*
 * The first link map of an r_debug.  struct r_debug { int version; link_map *map; ... };
 * struct link_map { addr; name; ld; next; prev; }.
 */
static bool link_map_first(const struct image *img, taddr r_debug, taddr *ret)
{
	uint64_t head[2], first[5];

	if (!r_debug || image_read(img, r_debug, head, sizeof(head)) != MEM_OK)
		return false;
	if (!(uint32_t)head[0] || (uint32_t)head[0] > 16 || !head[1])
		return false;
	if (image_read(img, head[1], first, sizeof(first)) != MEM_OK || first[4])
		return false;
	*ret = head[1];
	return true;
}

static struct err *links_read(struct builder *b, taddr at)
{
	struct image *img = b->img;
	taddr prev = 0;

	for (unsigned i = 0; at; i++) {
		struct link_entry e = {};
		uint64_t w[5];
		char name[PATH_BYTES];

		if (i >= LINK_MAP_MAX || image_read(img, at, w, sizeof(w)) != MEM_OK || w[4] != prev) {
			diag(img->env, "module/link-map", at, "the list of loaded modules breaks at entry %u", i);
			return NULL;
		}
		if (image_read_str(img, w[1], name, sizeof(name)) != MEM_OK)
			name[0] = '\0';
		e.base = w[0];
		e.dynamic = w[2];
		e.name = arena_strdup(&img->names, name);
		if (!e.name || !vec_push(&b->links, &e))
			return &err_nomem;
		prev = at;
		at = w[3];
	}
	return NULL;
}

/*
 * Without program headers: the pair { DT_DEBUG, r_debug } in the dumped memory of the program,
 * believed only when the first link map says that its dynamic section is the one around it.
 */
static bool link_map_scan(const struct image *img, taddr entry, taddr *ret)
{
	uint64_t words = 0;

	for (size_t i = 0; i < img->n_segments && words < SCAN_WORDS; i++) {
		const struct segment *s = &img->segments[i];
		uint64_t n = (s->end - s->start) / 8;

		if (s->end <= entry || !s->bytes)
			continue;
		for (uint64_t k = 0; k + 1 < n && words < SCAN_WORDS; k += 2, words += 2) {
			taddr first, at = s->start + k * 8, from;
			uint64_t link[5];

			if (load_u64(s->bytes + k * 8) != DT_DEBUG ||
			    !link_map_first(img, load_u64(s->bytes + k * 8 + 8), &first) ||
			    image_read(img, first, link, sizeof(link)) != MEM_OK)
				continue;
			from = link[2];
			if (from <= at && at - from < DYNAMIC_MAX * 16 && (at - from) % 16 == 0) {
				*ret = first;
				return true;
			}
		}
	}
	return false;
}

/* The program is the module whose dynamic section the loader gave an r_debug. */
static struct err *links_find(struct builder *b)
{
	struct image *img = b->img;
	taddr first, phdr = image_auxv(img, AT_PHDR, 0);
	struct module *exe = module_of(b, phdr);
	uint64_t r_debug;

	if (exe)
		exe->is_exe = true;
	if (exe && dynamic_value(img, exe->dynamic, DT_DEBUG, &r_debug) && link_map_first(img, r_debug, &first))
		return links_read(b, first);
	/* Started as "ld.so PROGRAM": the program the kernel knows is the loader. */
	for (size_t i = 0; i < b->modules.n; i++) {
		struct module *m = &b->modules.v[i];

		if (m == exe || !dynamic_value(img, m->dynamic, DT_DEBUG, &r_debug) ||
		    !link_map_first(img, r_debug, &first))
			continue;
		if (exe) {
			exe->is_exe = false;
			exe->is_loader = true;
		}
		m->is_exe = true;
		return links_read(b, first);
	}
	if (!b->n_files && link_map_scan(img, image_auxv(img, AT_ENTRY, 0), &first))
		return links_read(b, first);
	return NULL;
}

/*
 * The extent of a module of which only the link map tells: mapped memory without a hole from its
 * first page over its dynamic section and the data behind that.  What follows a program's data
 * without a hole may be its heap, so one writable mapping is all that a program gets.
 */
static void extent_guess(const struct image *img, const struct link_entry *e, bool is_exe, taddr limit,
			 struct module *m)
{
	const struct segment *s = image_segment(img, e->base ? e->base : e->dynamic);
	bool past = false;

	if (!s)
		return;
	m->start = e->base ? e->base : s->start;
	m->end = s->end;
	for (; s && s->start < limit; s = image_segment(img, m->end)) {
		if (past && is_exe && s->flags & SEG_W) {
			m->end = s->end;
			break;
		}
		m->end = s->end;
		if (e->dynamic >= s->start && e->dynamic < s->end)
			past = true;
		if (past && is_exe && s->flags & SEG_W)
			break;
	}
}

static struct err *module_from_link(struct builder *b, size_t i)
{
	const struct link_entry *e = &b->links.v[i];
	struct image *img = b->img;
	_cleanup_(elf_headers_fini) struct elf_headers h = {};
	struct module m = { .path = e->name, .bias = e->base, .dynamic = e->dynamic, .is_exe = i == 0 };
	taddr limit = UINT64_MAX;

	for (size_t k = 0; k < b->links.n; k++)
		if (b->links.v[k].base > e->base && b->links.v[k].base < limit)
			limit = b->links.v[k].base;
	if (m.is_exe && !*m.path) {
		char name[PATH_BYTES];

		if (image_read_str(img, image_auxv(img, AT_EXECFN, 0), name, sizeof(name)) == MEM_OK)
			m.path = arena_strdup(&img->names, name);
		if (!m.path)
			return &err_nomem;
	}
	if (e->base && headers_in_memory(img, e->base, &h) && h.high) {
		m.start = e->base + h.low;
		m.end = m.start;
		build_id_in_memory(img, &h, &m);
		module_take_headers(b->img, &m, &h);
	} else {
		extent_guess(img, e, m.is_exe, limit, &m);
	}
	if (m.end <= m.start || module_of(b, m.start))
		return NULL;
	return module_add(b, &m);
}

static struct err *modules_from_links(struct builder *b)
{
	for (size_t i = 0; i < b->links.n && b->modules.n < MODULES_MAX; i++) {
		const struct link_entry *e = &b->links.v[i];
		struct module *m = module_of(b, e->dynamic);
		struct err *err;

		if (m) {
			if (!m->dynamic)
				m->dynamic = e->dynamic;
			if (!*m->path && *e->name)
				m->path = e->name;
			continue;
		}
		err = module_from_link(b, i);
		if (err)
			return err;
	}
	return NULL;
}

static void mark_roles(struct builder *b)
{
	struct image *img = b->img;
	struct module *loader = module_of(b, image_auxv(img, AT_BASE, 0));
	struct module *exe = NULL;

	if (loader && image_auxv(img, AT_BASE, 0))
		loader->is_loader = true;
	for (size_t i = 0; i < b->modules.n; i++)
		if (b->modules.v[i].is_exe)
			exe = &b->modules.v[i];
	if (!exe) {
		exe = module_of(b, image_auxv(img, AT_ENTRY, 0));
		if (exe)
			exe->is_exe = true;
	}
	if (exe && *exe->path)
		img->exe = exe->path;
}

/* ---- the file of a module */

enum verdict { FILE_NO, FILE_MATCHES, FILE_DIFFERS };

static struct build_id module_id(const struct module *m)
{
	struct build_id id = { .n = m->n_build_id };

	memcpy(id.bytes, m->build_id, id.n);
	return id;
}

static enum verdict file_verdict(const struct image *img, const struct module *m, const struct elf_file *e)
{
	struct build_id id = module_id(m);

	if (e->h.machine != img->target->elf_machine || !e->h.high)
		return FILE_NO;
	return build_id_equal(&id, &e->id) ? FILE_MATCHES : FILE_DIFFERS;
}

static void say_mismatch(const struct image *img, const struct module *m, const struct elf_file *e)
{
	struct build_id id = module_id(m);
	char want[2 * BUILD_ID_MAX + 1], have[2 * BUILD_ID_MAX + 1];

	build_id_hex(&id, want);
	build_id_hex(&e->id, have);
	diag(img->env, "module/build-id-mismatch", m->start,
	     "%s is not used for %s: its build id is %s, the process had %s", e->path, m->path,
	     *have ? have : "unknown", want);
}

static struct err *module_use(struct image *img, struct module *m, struct elf_file *e)
{
	m->found = arena_strdup(&img->names, e->path);
	if (!m->found) {
		elf_file_free(e);
		return &err_nomem;
	}
	m->elf = e;
	if (!m->n_build_id) { /* nor were its headers in the dump, as a rule */
		m->bias = m->start - e->h.low;
		m->end = m->start;
	}
	if (!m->n_build_id || !m->tls_size || !m->dynamic)
		module_take_headers(img, m, &e->h);
	return NULL;
}

/* Takes `e`. */
static struct err *module_offer(struct image *img, struct module *m, struct elf_file *e, bool say)
{
	enum verdict v = file_verdict(img, m, e);

	if (v == FILE_DIFFERS && !m->n_build_id &&
	    go_file_fits(img, m->start - e->h.low, e) == GO_FIT_YES)
		v = FILE_MATCHES;
	if (v == FILE_MATCHES)
		return module_use(img, m, e);
	if (v == FILE_DIFFERS && m->n_build_id && say)
		say_mismatch(img, m, e);
	elf_file_free(e);
	return NULL;
}

/* A file that is not there is no news; the next place may have it. */
static struct err *module_offer_path(struct image *img, struct module *m, const char *path)
{
	struct elf_file *e;
	struct err *err = elf_file_open_path(path, &e);

	if (err) {
		err_free(err);
		return NULL;
	}
	return module_offer(img, m, e, true);
}

/* The shape of the program in the process: where it starts and how many program headers it has. */
static bool exe_shape_fits(const struct image *img, const struct module *m, const struct elf_file *e)
{
	uint64_t entry = image_auxv(img, AT_ENTRY, 0), phdr = image_auxv(img, AT_PHDR, 0);
	uint64_t n = image_auxv(img, AT_PHNUM, 0);
	taddr bias = m->start - e->h.low;

	/* Of a program started as "ld.so PROGRAM" the kernel knows neither: they are the loader's. */
	return (!entry || entry == bias + e->h.entry || entry - m->start >= m->end - m->start) &&
	       (!n || n == e->h.n || phdr - m->start >= m->end - m->start);
}

/* --exe: the user vouches for a program whose build id the dump does not hold. */
static struct err *module_offer_exe(struct image *img, struct module *m, const char *path)
{
	struct elf_file *e;
	enum go_fit fit;
	struct err *err = elf_file_open_path(path, &e);

	if (err)
		return err_wrap(err, "--exe");
	if (m->n_build_id)
		return module_offer(img, m, e, true);
	fit = go_file_fits(img, m->start - e->h.low, e);
	if (file_verdict(img, m, e) == FILE_NO || !exe_shape_fits(img, m, e) || fit == GO_FIT_NO) {
		diag(img->env, "module/build-id-mismatch", m->start,
		     "%s is not used for %s: its %s are not those of the process", e->path, m->path,
		     fit == GO_FIT_NO ? "Go tables" : "machine, entry point or program headers");
		elf_file_free(e);
		return NULL;
	}
	if (fit != GO_FIT_YES)
		diag(img->env, "module/unverified", m->start,
		     "%s is used as the program as told: the dump has no build id to check it by", e->path);
	return module_use(img, m, e);
}

static struct err *module_offer_bundle(struct builder *b, struct module *m)
{
	struct image *img = b->img;

	for (size_t i = 0; img->input && i < img->input->n && !m->elf; i++) {
		const struct member *member = &img->input->members[i];
		bool named = !strcmp(base_of(member->name), base_of(m->path));
		struct elf_file *e;
		struct err *err;

		if (member == img->core || member->size < sizeof(Elf64_Ehdr) ||
		    memcmp(member->map, ELFMAG, SELFMAG))
			continue;
		err = elf_file_open_bytes(member->name, member->map, member->size, &e);
		if (err) {
			diag_err(img->env, "module/damaged", err);
			continue;
		}
		/* A debug file has the build id too, and none of the bytes. */
		if (elf_headers_find(&e->h, PT_LOAD) && !elf_file_has_code(e)) {
			elf_file_free(e);
			continue;
		}
		err = module_offer(img, m, e, named);
		if (err)
			return err;
	}
	return NULL;
}

static struct err *module_find_file(struct builder *b, struct module *m)
{
	const struct image_options *opt = b->opt;
	struct image *img = b->img;
	struct err *err = NULL;

	if (m->elf)
		return NULL;
	if (m->is_exe && opt->exe)
		err = module_offer_exe(img, m, opt->exe);
	if (err || m->elf)
		return err;
	err = module_offer_bundle(b, m);
	for (size_t i = 0; !err && !m->elf && *m->path == '/' && opt->sysroots && opt->sysroots[i]; i++) {
		_free_ char *path = text_format("%s%s", opt->sysroots[i], m->path);

		err = path ? module_offer_path(img, m, path) : &err_nomem;
	}
	if (!err && !m->elf && *m->path == '/' && !opt->no_host_files)
		err = module_offer_path(img, m, m->path);
	if (!err && !m->elf && !m->n_build_id)
		diag(img->env, "module/no-build-id", m->start,
		     "%s: the dump does not hold its build id, so that no file can be matched to it", m->path);
	return err;
}

/* A loader that no row and no link map named: as the program asks for it. */
static void loader_name(struct builder *b)
{
	const struct module *exe = NULL;
	const struct elf_segment *s;
	struct cursor c;
	const char *name;

	for (size_t i = 0; i < b->modules.n; i++)
		if (b->modules.v[i].is_exe && b->modules.v[i].elf)
			exe = &b->modules.v[i];
	s = exe ? elf_headers_find(&exe->elf->h, PT_INTERP) : NULL;
	if (!s)
		return;
	c = cursor_slice(exe->elf->map, exe->elf->size, s->offset, s->filesz, exe->path);
	name = cursor_cstr(&c);
	for (size_t i = 0; name && i < b->modules.n; i++)
		if (b->modules.v[i].is_loader && !*b->modules.v[i].path)
			b->modules.v[i].path = name;
}

/* ---- order */

static size_t link_rank(const struct builder *b, const struct module *m)
{
	for (size_t i = 0; m->dynamic && i < b->links.n; i++)
		if (b->links.v[i].dynamic == m->dynamic)
			return i;
	return m->is_exe ? 0 : SIZE_MAX;
}

struct ranked {
	size_t rank, index;
	taddr start;
};

static int ranked_cmp(const void *a, const void *b)
{
	const struct ranked *x = a, *y = b;

	if (x->rank != y->rank)
		return x->rank < y->rank ? -1 : 1;
	return x->start < y->start ? -1 : x->start > y->start;
}

/* Load order: the link map's, then by address. */
static struct err *modules_order(struct builder *b)
{
	size_t n = b->modules.n;
	_free_ struct ranked *order = calloc(n + 1, sizeof(*order));
	struct module *sorted = calloc(n + 1, sizeof(*sorted));

	if (!order || !sorted) {
		free(sorted);
		return &err_nomem;
	}
	for (size_t i = 0; i < n; i++)
		order[i] = (struct ranked){ link_rank(b, &b->modules.v[i]), i, b->modules.v[i].start };
	qsort(order, n, sizeof(*order), ranked_cmp);
	for (size_t i = 0; i < n; i++)
		sorted[i] = b->modules.v[order[i].index];
	free(b->modules.v);
	b->modules.v = sorted;
	b->modules.cap = n + 1;
	return NULL;
}

/* A module ends where the next begins: the headers of a hostile one may claim more. */
static void modules_clip(struct builder *b)
{
	for (size_t i = 0; i < b->modules.n; i++)
		for (size_t k = 0; k < b->modules.n; k++) {
			struct module *m = &b->modules.v[i];
			taddr next = b->modules.v[k].start;

			if (next > m->start && next < m->end)
				m->end = next;
		}
}

static struct err *builder_run(struct builder *b)
{
	struct err *err = modules_from_rows(b);

	if (!err)
		err = module_from_auxv(b);
	if (!err)
		err = module_from_told(b);
	if (!err)
		err = module_vdso(b);
	if (!err)
		err = links_find(b);
	if (!err)
		err = modules_from_links(b);
	if (err)
		return err;
	mark_roles(b);
	for (size_t i = 0; i < b->modules.n && !err; i++)
		err = module_find_file(b, &b->modules.v[i]);
	if (err)
		return err;
	loader_name(b);
	modules_clip(b);
	return modules_order(b);
}

struct err *modules_build(struct image *img, const struct mapped_file *files, size_t n,
			  const struct image_options *opt)
{
	_cleanup_(builder_fini) struct builder b = { .img = img, .files = files, .n_files = n, .opt = opt };
	struct err *err = builder_run(&b);

	if (err)
		return err;
	img->modules = take(&b.modules.v);
	img->n_modules = b.modules.n;
	b.modules.n = 0;
	return segments_of_modules(img, files, n);
}
