/*
 * image/elf.c - ELF headers, notes and sections from bytes that nobody vouches for.
 *
 * Source of truth: the ELF-64 object file format and the gABI.  Parsed here with the cursor and
 * not with libelf, because the same code reads headers out of dumped memory.
 */
#include "image/elf.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "base/bits.h"
#include "base/cursor.h"
#include "base/guard.h"
#include "image/parts.h"

enum { PHDR_SIZE = 56, SHDR_SIZE = 64, PHDRS_MAX = 4096 };

#define DEBUG_DIR "/usr/lib/debug/"

bool build_id_equal(const struct build_id *a, const struct build_id *b)
{
	return a->n && a->n == b->n && !memcmp(a->bytes, b->bytes, a->n);
}

void build_id_hex(const struct build_id *id, char ret[2 * BUILD_ID_MAX + 1])
{
	ret[0] = '\0';
	for (unsigned i = 0; i < id->n; i++)
		snprintf(ret + 2 * i, 3, "%02x", id->bytes[i]);
}

void build_id_of_notes(const uint8_t *bytes, uint64_t n, uint64_t align, struct build_id *ret)
{
	struct cursor c = cursor_init(bytes, n, "notes", 0);
	unsigned pad = align == 8 ? 8 : 4;

	while (cursor_left(&c) >= 12) {
		uint32_t n_name = cursor_u32(&c);
		uint32_t n_desc = cursor_u32(&c);
		uint32_t type = cursor_u32(&c);
		const uint8_t *name = cursor_bytes(&c, n_name);
		const uint8_t *desc;

		cursor_align(&c, pad);
		desc = cursor_bytes(&c, n_desc);
		if (c.bad)
			return;
		if (type == NT_GNU_BUILD_ID && n_name == 4 && !memcmp(name, "GNU", 4) && n_desc &&
		    n_desc <= BUILD_ID_MAX) {
			memcpy(ret->bytes, desc, n_desc);
			ret->n = (uint8_t)n_desc;
			return;
		}
		cursor_align(&c, pad);
	}
}

/* The lowest and the end of the highest PT_LOAD; a segment that wraps makes the file unusable. */
static bool headers_extent(struct elf_headers *h)
{
	bool any = false;

	h->low = UINT64_MAX;
	h->high = 0;
	for (size_t i = 0; i < h->n; i++) {
		const struct elf_segment *s = &h->segments[i];
		uint64_t end;

		if (s->type != PT_LOAD)
			continue;
		if (!checked_add(s->vaddr, s->memsz, &end))
			return false;
		if (align_down(s->vaddr, 4096) < h->low)
			h->low = align_down(s->vaddr, 4096);
		if (end > h->high)
			h->high = end;
		any = true;
	}
	if (!any)
		h->low = 0;
	return true;
}

static bool headers_segments(const uint8_t *bytes, uint64_t n, uint64_t count, struct elf_headers *h)
{
	struct cursor c = cursor_slice(bytes, n, h->phoff, count * PHDR_SIZE, "program headers");

	if (c.bad)
		return false;
	h->segments = calloc(count, sizeof(*h->segments));
	if (!h->segments)
		return false;
	for (uint64_t i = 0; i < count; i++) {
		struct elf_segment *s = &h->segments[i];

		s->type = cursor_u32(&c);
		s->flags = cursor_u32(&c);
		s->offset = cursor_u64(&c);
		s->vaddr = cursor_u64(&c);
		cursor_skip(&c, 8);
		s->filesz = cursor_u64(&c);
		s->memsz = cursor_u64(&c);
		s->align = cursor_u64(&c);
	}
	h->n = count;
	return headers_extent(h);
}

bool elf_headers_parse(const uint8_t *bytes, uint64_t n, struct elf_headers *ret)
{
	struct cursor c = cursor_init(bytes, n, "ELF header", 0);
	const uint8_t *ident = cursor_bytes(&c, EI_NIDENT);
	struct elf_headers h = {};
	uint16_t phentsize, phnum, shentsize;

	if (!ident || memcmp(ident, ELFMAG, SELFMAG) || ident[EI_CLASS] != ELFCLASS64 ||
	    ident[EI_DATA] != ELFDATA2LSB)
		return false;
	h.type = cursor_u16(&c);
	h.machine = cursor_u16(&c);
	cursor_skip(&c, 4);
	h.entry = cursor_u64(&c);
	h.phoff = cursor_u64(&c);
	h.shoff = cursor_u64(&c);
	cursor_skip(&c, 4 + 2);
	phentsize = cursor_u16(&c);
	phnum = cursor_u16(&c);
	shentsize = cursor_u16(&c);
	h.shnum = cursor_u16(&c);
	h.shstrndx = cursor_u16(&c);
	if (c.bad || phnum > PHDRS_MAX || (phnum && phentsize != PHDR_SIZE))
		return false;
	if (shentsize != SHDR_SIZE)
		h.shnum = 0;
	if (phnum && !headers_segments(bytes, n, phnum, &h)) {
		free(h.segments);
		return false;
	}
	*ret = h;
	return true;
}

void elf_headers_fini(struct elf_headers *h)
{
	free(h->segments);
	h->segments = NULL;
	h->n = 0;
}

const struct elf_segment *elf_headers_find(const struct elf_headers *h, uint32_t type)
{
	for (size_t i = 0; i < h->n; i++)
		if (h->segments[i].type == type)
			return &h->segments[i];
	return NULL;
}

struct section {
	uint32_t name, type;
	uint64_t flags, offset, size;
};

static bool section_read(const struct elf_file *e, unsigned i, struct section *ret)
{
	struct cursor c = cursor_slice(e->map, e->size, e->h.shoff, (uint64_t)e->h.shnum * SHDR_SIZE,
				       "section headers");

	cursor_skip(&c, (uint64_t)i * SHDR_SIZE);
	ret->name = cursor_u32(&c);
	ret->type = cursor_u32(&c);
	ret->flags = cursor_u64(&c);
	cursor_skip(&c, 8);
	ret->offset = cursor_u64(&c);
	ret->size = cursor_u64(&c);
	return !c.bad;
}

/* The section of that name; its bytes may still be absent. */
static bool section_find(const struct elf_file *e, const char *name, struct section *ret)
{
	struct section names;

	if (e->h.shstrndx >= e->h.shnum || !section_read(e, e->h.shstrndx, &names))
		return false;
	for (unsigned i = 1; i < e->h.shnum; i++) {
		struct section s;
		struct cursor c;
		const char *found;

		if (!section_read(e, i, &s))
			return false;
		c = cursor_slice(e->map, e->size, names.offset, names.size, "section names");
		cursor_skip(&c, s.name);
		found = cursor_cstr(&c);
		if (found && !strcmp(found, name)) {
			*ret = s;
			return true;
		}
	}
	return false;
}

static bool section_has_bytes(const struct elf_file *e, const struct section *s)
{
	return s->type != SHT_NOBITS && s->size && range_fits(s->offset, s->size, e->size);
}

bool elf_file_has(const struct elf_file *e, const char *section)
{
	struct section s;

	return section_find(e, section, &s) && section_has_bytes(e, &s);
}

bool elf_file_section(const struct elf_file *e, const char *name, const uint8_t **ret, uint64_t *ret_n)
{
	struct section s;
	struct cursor c;

	if (!section_find(e, name, &s) || !section_has_bytes(e, &s) || s.flags & SHF_COMPRESSED)
		return false;
	c = cursor_slice(e->map, e->size, s.offset, s.size, name);
	*ret = c.pos;
	*ret_n = s.size;
	return true;
}

bool elf_file_has_code(const struct elf_file *e)
{
	struct section s;

	return !section_find(e, ".dynstr", &s) ? !section_find(e, ".text", &s) || s.type != SHT_NOBITS :
						 s.type != SHT_NOBITS;
}

static void file_build_id(struct elf_file *e)
{
	struct section s;
	struct cursor c;

	for (size_t i = 0; i < e->h.n && !e->id.n; i++) {
		const struct elf_segment *seg = &e->h.segments[i];

		if (seg->type != PT_NOTE)
			continue;
		c = cursor_slice(e->map, e->size, seg->offset, seg->filesz, e->path);
		if (!c.bad)
			build_id_of_notes(c.pos, seg->filesz, seg->align, &e->id);
	}
	/* The program headers of a debug file may point at bytes that it no longer has. */
	if (!e->id.n && section_find(e, ".note.gnu.build-id", &s) && section_has_bytes(e, &s)) {
		c = cursor_slice(e->map, e->size, s.offset, s.size, e->path);
		build_id_of_notes(c.pos, s.size, 4, &e->id);
	}
}

void elf_file_free(struct elf_file *e)
{
	if (!e)
		return;
	if (e->mapped)
		munmap((void *)e->map, e->size);
	elf_headers_fini(&e->h);
	free(e->path);
	free(e);
}

struct err *elf_file_open_bytes(const char *path, const uint8_t *bytes, uint64_t n,
				struct elf_file **ret)
{
	struct elf_file *e = calloc(1, sizeof(*e));

	if (!e)
		return &err_nomem;
	e->path = strdup(path);
	if (!e->path) {
		elf_file_free(e);
		return &err_nomem;
	}
	e->map = bytes;
	e->size = n;
	if (!elf_headers_parse(bytes, n, &e->h)) {
		elf_file_free(e);
		return err_new(ERR_FORMAT, "%s: not a 64-bit little-endian ELF file", path);
	}
	file_build_id(e);
	*ret = e;
	return NULL;
}

static uint64_t mtime_ns(const struct stat *st)
{
	return (uint64_t)st->st_mtim.tv_sec * 1000000000 + (uint64_t)st->st_mtim.tv_nsec;
}

struct err *elf_file_open_path(const char *path, struct elf_file **ret)
{
	_close_ int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	struct stat st;
	struct err *err;
	void *map;

	if (fd < 0 || fstat(fd, &st) < 0)
		return err_os(errno, "%s", path);
	if (!S_ISREG(st.st_mode) || st.st_size <= 0)
		return err_new(ERR_FORMAT, "%s: not a regular file with bytes in it", path);
	map = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	if (map == MAP_FAILED)
		return err_os(errno, "%s", path);
	err = elf_file_open_bytes(path, map, (uint64_t)st.st_size, ret);
	if (err) {
		munmap(map, (size_t)st.st_size);
		return err;
	}
	(*ret)->mapped = true;
	(*ret)->device = st.st_dev;
	(*ret)->inode = st.st_ino;
	(*ret)->mtime_ns = mtime_ns(&st);
	return NULL;
}

static struct err *copy_mapped(const struct elf_file *e, struct elf_copy *ret)
{
	_close_ int fd = open(e->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	struct stat st;
	void *map;

	if (fd < 0 || fstat(fd, &st) < 0)
		return err_os(errno, "%s", e->path);
	if (st.st_dev != e->device || st.st_ino != e->inode || (uint64_t)st.st_size != e->size ||
	    mtime_ns(&st) != e->mtime_ns)
		return NULL;
	map = mmap(NULL, e->size, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
	if (map == MAP_FAILED)
		return err_os(errno, "%s", e->path);
	ret->map = map;
	ret->size = e->size;
	return NULL;
}

struct err *elf_copy_open(struct env *env, const struct elf_file *e, struct elf_copy *ret)
{
	struct err *err;

	*ret = (struct elf_copy){};
	if (e->mapped)
		return copy_mapped(e, ret);
	err = col_fixed(env, 1, e->size, "a copy of a program file", &ret->own);
	if (err)
		return err;
	memcpy(ret->own.base, e->map, e->size);
	ret->map = ret->own.base;
	ret->size = e->size;
	return NULL;
}

void elf_copy_close(struct elf_copy *c)
{
	if (c->map && !c->own.base)
		munmap(c->map, c->size);
	col_close(&c->own);
	c->map = NULL;
}

/* ---- separate debug files */

static bool debug_file_fits(const struct elf_file *e, const struct build_id *id, const char *section)
{
	return build_id_equal(&e->id, id) && (!section || elf_file_has(e, section));
}

/* `path` is ours to free, NULL when there was no memory for it. */
static struct err *debug_file_try(char *path, const struct build_id *id, const char *section, struct elf_file **ret)
{
	_free_ char *mine = path;
	struct elf_file *e = NULL;
	struct err *err;

	if (!mine)
		return &err_nomem;
	err = elf_file_open_path(mine, &e);
	if (err) { /* no such file, or not one: the next place may have it */
		err_free(err);
		return NULL;
	}
	if (debug_file_fits(e, id, section))
		*ret = e;
	else
		elf_file_free(e);
	return NULL;
}

static struct err *debug_file_in_bundle(const struct image *img, const struct build_id *id,
					const char *section, struct elf_file **ret)
{
	for (size_t i = 0; img->input && i < img->input->n; i++) {
		const struct member *m = &img->input->members[i];
		struct elf_file *e = NULL;
		struct err *err;

		if (m == img->core || m->size < 64 || memcmp(m->map, ELFMAG, SELFMAG))
			continue;
		err = elf_file_open_bytes(m->name, m->map, m->size, &e);
		if (err) { /* a member that is no ELF file after all */
			err_free(err);
			continue;
		}
		if (debug_file_fits(e, id, section)) {
			*ret = e;
			return NULL;
		}
		elf_file_free(e);
	}
	return NULL;
}

/* Under each of the places where debug files are: `name` is relative to /usr/lib/debug. */
static struct err *debug_file_in_dirs(const struct image_options *opt, const char *name, const struct build_id *id,
				      const char *section, struct elf_file **ret)
{
	struct err *err = NULL;

	for (size_t i = 0; !err && !*ret && opt->debug_dirs && opt->debug_dirs[i]; i++)
		err = debug_file_try(text_format("%s/%s", opt->debug_dirs[i], name), id, section, ret);
	for (size_t i = 0; !err && !*ret && opt->sysroots && opt->sysroots[i]; i++)
		err = debug_file_try(text_format("%s" DEBUG_DIR "%s", opt->sysroots[i], name), id, section, ret);
	if (!err && !*ret && !opt->no_host_files)
		err = debug_file_try(text_format(DEBUG_DIR "%s", name), id, section, ret);
	return err;
}

static struct err *debug_file_by_id(const struct image *img, const struct build_id *id,
				    const struct image_options *opt, const char *section, struct elf_file **ret)
{
	char hex[2 * BUILD_ID_MAX + 1];
	struct err *err;

	if (id->n < 2)
		return NULL;
	build_id_hex(id, hex);
	_free_ char *name = text_format(".build-id/%.2s/%s.debug", hex, hex + 2);
	if (!name)
		return &err_nomem;
	err = debug_file_in_bundle(img, id, section, ret);
	if (!err && !*ret)
		err = debug_file_in_dirs(opt, name, id, section, ret);
	return err;
}

struct err *elf_debug_file_open(const struct image *img, const struct module *m,
				const struct image_options *opt, const char *section,
				struct elf_file **ret)
{
	struct build_id id = { .n = m->n_build_id };

	*ret = NULL;
	memcpy(id.bytes, m->build_id, id.n);
	return debug_file_by_id(img, &id, opt, section, ret);
}

/* ---- the alternate debug file, which dwz makes of what several files have in common */

bool elf_file_alt(const struct elf_file *e, const char **ret_name, struct build_id *ret_id)
{
	const uint8_t *bytes;
	uint64_t n;
	struct cursor c;
	const char *name;

	if (!elf_file_section(e, ".gnu_debugaltlink", &bytes, &n))
		return false;
	c = cursor_init(bytes, n, e->path, 0);
	name = cursor_cstr(&c);
	*ret_id = (struct build_id){};
	if (name && cursor_left(&c) <= BUILD_ID_MAX) {
		ret_id->n = (uint8_t)cursor_left(&c);
		memcpy(ret_id->bytes, cursor_bytes(&c, ret_id->n), ret_id->n);
	}
	*ret_name = name ? name : "";
	return true;
}

/* By its name: below the places of debug files, or beside the file that names it. */
static struct err *alt_file_by_name(const struct elf_file *of, const char *name, const struct build_id *id,
				    const struct image_options *opt, struct elf_file **ret)
{
	const char *slash = strrchr(of->path, '/');
	struct err *err;

	if (!strncmp(name, DEBUG_DIR, strlen(DEBUG_DIR)))
		return debug_file_in_dirs(opt, name + strlen(DEBUG_DIR), id, NULL, ret);
	if (name[0] != '/')
		return of->mapped ? debug_file_try(text_format("%.*s%s", slash ? (int)(slash + 1 - of->path) : 0,
							      of->path, name), id, NULL, ret)
				  : NULL;
	err = opt->no_host_files ? NULL : debug_file_try(strdup(name), id, NULL, ret);
	for (size_t i = 0; !err && !*ret && opt->sysroots && opt->sysroots[i]; i++)
		err = debug_file_try(text_format("%s%s", opt->sysroots[i], name), id, NULL, ret);
	return err;
}

struct err *elf_alt_file_open(const struct image *img, const struct elf_file *of, const struct image_options *opt,
			      struct elf_file **ret)
{
	struct build_id id;
	const char *name;
	struct err *err;

	*ret = NULL;
	if (!elf_file_alt(of, &name, &id) || !id.n)
		return NULL;
	err = debug_file_by_id(img, &id, opt, NULL, ret);
	if (!err && !*ret)
		err = alt_file_by_name(of, name, &id, opt, ret);
	return err;
}

/* ---- the package of split units */

static bool is_package(const struct elf_file *e)
{
	return elf_file_has(e, ".debug_cu_index") && elf_file_has(e, ".debug_info.dwo");
}

/* No package, or none that can be read: units may be in files of their own. */
static bool package_took(struct err *err, struct elf_file *e, struct elf_file **ret)
{
	err_free(err);
	if (!err && is_package(e)) {
		*ret = e;
		return true;
	}
	if (!err)
		elf_file_free(e);
	return false;
}

static bool package_in_bundle(const struct image *img, const char *name, struct elf_file **ret)
{
	for (size_t i = 0; img->input && i < img->input->n; i++) {
		const struct member *m = &img->input->members[i];
		const char *slash = m == img->core ? NULL : strrchr(m->name, '/');
		struct elf_file *e = NULL;
		struct err *err;

		if (m == img->core || m->size < 64 || strcmp(slash ? slash + 1 : m->name, name) != 0)
			continue;
		err = elf_file_open_bytes(m->name, m->map, m->size, &e);
		if (package_took(err, e, ret))
			return true;
	}
	return false;
}

static bool package_beside(const struct elf_file *of, struct elf_file **ret)
{
	_free_ char *path = of && of->mapped ? text_format("%s.dwp", of->path) : NULL;
	struct elf_file *e = NULL;
	struct err *err = path ? elf_file_open_path(path, &e) : NULL;

	return path && package_took(err, e, ret);
}

struct err *elf_package_open(const struct image *img, const struct module *m, const struct elf_file *of,
			     const struct image_options *opt, struct elf_file **ret)
{
	_free_ char *name = text_format("%s.dwp", module_base_name(m));

	*ret = NULL;
	if (!name)
		return &err_nomem;
	if (!package_in_bundle(img, name, ret) && !opt->no_host_files && !package_beside(of, ret))
		package_beside(m->elf, ret);
	return NULL;
}
