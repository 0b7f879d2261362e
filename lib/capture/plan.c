/* capture/plan.c - mappings to segments, segments to a file. */
#include "capture/plan.h"

#include <elf.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cursor.h"
#include "base/guard.h"
#include "base/vec.h"
#include "capture/regs.h"

enum { PAGE = 4096, PAGES_AT_ONCE = 1024 };
#define PAGE_PRESENT (UINT64_C(1) << 63)
#define PAGE_SWAPPED (UINT64_C(1) << 62)
#define PAGE_OF_FILE (UINT64_C(1) << 61)

void plan_fini(struct plan *p)
{
	free(p->segments.v);
	free(p->modules.v);
	*p = (struct plan){};
}

/* ---- modules */

static unsigned build_id_in(struct cursor notes, uint8_t ret[BUILD_ID_MAX])
{
	while (cursor_left(&notes) >= sizeof(Elf64_Nhdr)) {
		uint32_t n_name = cursor_u32(&notes), n = cursor_u32(&notes),
			 type = cursor_u32(&notes);
		const uint8_t *name = cursor_bytes(&notes, n_name), *desc;

		cursor_align(&notes, 4);
		desc = cursor_bytes(&notes, n);
		cursor_align(&notes, 4);
		if (!desc)
			return 0;
		if (type == NT_GNU_BUILD_ID && n_name == 4 && name && !memcmp(name, "GNU", 4) &&
		    n <= BUILD_ID_MAX) {
			memcpy(ret, desc, n);
			return n;
		}
	}
	return 0;
}

unsigned build_id_of(const uint8_t *page, size_t n, uint8_t ret[BUILD_ID_MAX])
{
	Elf64_Ehdr e;
	struct cursor phdrs;

	if (n < sizeof(e) || memcmp(page, ELFMAG, SELFMAG) || page[EI_CLASS] != ELFCLASS64)
		return 0;
	memcpy(&e, page, sizeof(e));
	if (e.e_phentsize != sizeof(Elf64_Phdr))
		return 0;
	phdrs = cursor_slice(page, n, e.e_phoff, (uint64_t)e.e_phnum * sizeof(Elf64_Phdr), NULL);
	while (cursor_left(&phdrs) >= sizeof(Elf64_Phdr)) {
		Elf64_Phdr p;
		unsigned found;

		memcpy(&p, cursor_bytes(&phdrs, sizeof(p)), sizeof(p));
		if (p.p_type != PT_NOTE)
			continue;
		found = build_id_in(cursor_slice(page, n, p.p_offset, p.p_filesz, NULL), ret);
		if (found)
			return found;
	}
	return 0;
}

/* The first page of a mapped file that is ELF; false: it is none. */
static bool read_elf_page(const struct plan_request *r, const struct map *m, uint8_t *page)
{
	return m->inode && !m->offset && m->flags & VMA_R && *m->path == '/' &&
	       pread(r->mem, page, PAGE, (off_t)m->start) == PAGE && !memcmp(page, ELFMAG, SELFMAG);
}

static struct err *add_module(struct plan *p, const struct map *m, const uint8_t *page)
{
	struct module_id mod = {
		.path = m->path,
		.base = m->start,
		.deleted = map_is_deleted(m),
	};

	mod.n_id = build_id_of(page, PAGE, mod.id);
	return vec_push(&p->modules, &mod) ? NULL : &err_nomem;
}

/* ---- what goes in */

/*
 * The rules of vma_dump_size(), in its order, but for one: memory that may be used and was not yet
 * is zeros, which cost nothing here, and the kernel leaves it out.  `is_elf`: the first page is an
 * ELF header.
 */
static uint64_t dump_size(const struct map *m, unsigned filter, bool is_elf)
{
	uint64_t whole = m->end - m->start;
	bool shares = m->flags & VMA_SHARES;
	unsigned bit;

	if (!strcmp(m->path, "[vdso]"))
		return whole;
	if (m->flags & (VMA_DONTDUMP | VMA_IO) || !strcmp(m->path, "[vsyscall]"))
		return 0;
	if (m->flags & VMA_HUGETLB)
		bit = shares ? FILTER_HUGETLB_SHARED : FILTER_HUGETLB_PRIVATE;
	else if (shares)
		bit = map_is_deleted(m) ? FILTER_ANON_SHARED : FILTER_MAPPED_SHARED;
	else if (filter & FILTER_ANON_PRIVATE &&
		 (m->anonymous || (!m->inode && m->flags & (VMA_R | VMA_W | VMA_X))))
		return whole;
	else if (!m->inode)
		return 0;
	else if (filter & FILTER_MAPPED_PRIVATE)
		return whole;
	else
		return filter & FILTER_ELF_HEADERS && is_elf ? PAGE : 0;
	return filter & bit ? whole : 0;
}

static struct err *add_segment(struct plan *p, const struct map *m, uint64_t start, uint64_t end,
			       uint64_t dumped)
{
	struct segment_plan seg = {
		.start = start,
		.end = end,
		.dumped = dumped,
		.flags = m->flags,
		.sparse = !m->inode && !(m->flags & VMA_SHARES) && strcmp(m->path, "[vdso]"),
	};

	p->dumped += dumped;
	p->left_out += end - start - dumped;
	p->shared += m->flags & VMA_SHARES ? dumped : 0;
	return vec_push(&p->segments, &seg) ? NULL : &err_nomem;
}

static bool is_written(uint64_t entry)
{
	return entry & PAGE_SWAPPED || (entry & PAGE_PRESENT && !(entry & PAGE_OF_FILE));
}

/*
 * Of a file's pages those that were written to, each run a segment; `kept` bytes from the start on
 * are taken anyway (the header with the build id).
 */
static struct err *add_written(const struct plan_request *r, struct plan *p, const struct map *m,
			       uint64_t kept)
{
	uint64_t pages[PAGES_AT_ONCE], run = m->start, at = m->start;
	bool in_run = kept; /* of written pages */
	struct err *err = NULL;

	while (!err && at < m->end) {
		uint64_t want = (m->end - at) / PAGE;
		ssize_t got = pread(r->pagemap, pages,
				    (want < PAGES_AT_ONCE ? want : PAGES_AT_ONCE) * 8,
				    (off_t)(at / PAGE * 8));

		if (got < 8) /* the kernel does not say: all of it is taken */
			return add_segment(p, m, run, m->end, m->end - run);
		for (size_t i = 0; !err && i < (size_t)got / 8; i++, at += PAGE) {
			bool written = is_written(pages[i]) || at - m->start < kept;

			if (written == in_run)
				continue;
			if (at > run)
				err = add_segment(p, m, run, at, in_run ? at - run : 0);
			run = at;
			in_run = written;
		}
	}
	return err ? err : add_segment(p, m, run, m->end, in_run ? m->end - run : 0);
}

static struct err *add_map(const struct plan_request *r, struct plan *p, const struct map *m)
{
	uint8_t page[PAGE];
	bool is_elf = read_elf_page(r, m, page);
	uint64_t dumped = dump_size(m, r->filter, is_elf);
	const struct module_id *mod;
	struct err *err = is_elf ? add_module(p, m, page) : NULL;

	if (err)
		return err;
	if (r->original && m->flags & VMA_WIPEONFORK) {
		p->wiped += m->end - m->start;
		dumped = 0;
	}
	mod = p->modules.n ? &p->modules.v[p->modules.n - 1] : NULL;
	if (r->only_heap && dumped == m->end - m->start && dumped > PAGE && m->inode &&
	    !(m->flags & VMA_SHARES) && mod && mod->n_id && !mod->deleted &&
	    !strcmp(mod->path, m->path))
		return add_written(r, p, m, is_elf ? PAGE : 0);
	return add_segment(p, m, m->start, m->end, dumped);
}

/* A mapping of the original that the copy was not given (MADV_DONTFORK). */
static struct err *add_lacking(struct plan *p, const struct map *m)
{
	p->dontfork += m->end - m->start;
	return add_segment(p, m, m->start, m->end, 0);
}

/* Pages of [start, end) that exist. */
static uint64_t touched(int pagemap, uint64_t start, uint64_t end)
{
	uint64_t pages[PAGES_AT_ONCE], n = 0;

	while (start < end) {
		uint64_t want = (end - start) / PAGE;
		ssize_t got = pread(pagemap, pages, (want < PAGES_AT_ONCE ? want : PAGES_AT_ONCE) * 8,
				    (off_t)(start / PAGE * 8));

		if (got < 8)
			break;
		for (size_t i = 0; i < (size_t)got / 8; i++, start += PAGE)
			n += (pages[i] & (PAGE_PRESENT | PAGE_SWAPPED)) != 0;
	}
	return n;
}

uint64_t plan_lacking(const struct plan_request *r, int pagemap)
{
	uint64_t n = 0;

	for (size_t i = 0; pagemap >= 0 && i < r->original->n; i++) {
		const struct map *m = &r->original->v[i], *copied = maps_find(r->maps, m->start);

		if ((!copied || copied->flags & VMA_WIPEONFORK) && dump_size(m, r->filter, false))
			n += touched(pagemap, m->start, m->end);
	}
	return n * PAGE;
}

static int by_start(const void *a, const void *b)
{
	const struct segment_plan *x = a, *y = b;

	return x->start < y->start ? -1 : x->start > y->start;
}

struct err *plan_make(const struct plan_request *r, struct plan *ret)
{
	struct plan p = {};
	struct err *err = NULL;

	for (size_t i = 0; !err && i < r->maps->n; i++)
		if (strcmp(r->maps->v[i].path, "[vsyscall]"))
			err = add_map(r, &p, &r->maps->v[i]);
	for (size_t i = 0; !err && r->original && i < r->original->n; i++)
		if (!maps_find(r->maps, r->original->v[i].start))
			err = add_lacking(&p, &r->original->v[i]);
	if (err) {
		plan_fini(&p);
		return err;
	}
	if (p.segments.n)
		qsort(p.segments.v, p.segments.n, sizeof(*p.segments.v), by_start);
	*ret = p;
	return NULL;
}

/* ---- the file */

static uint64_t page_up(uint64_t n)
{
	return (n + PAGE - 1) / PAGE * PAGE;
}

static Elf64_Ehdr elf_header(size_t n_phdrs)
{
	Elf64_Ehdr e = {
		.e_ident = { ELFMAG0, ELFMAG1, ELFMAG2, ELFMAG3, ELFCLASS64, ELFDATA2LSB,
			     EV_CURRENT, ELFOSABI_NONE },
		.e_type = ET_CORE,
		.e_machine = REGS_MACHINE,
		.e_version = EV_CURRENT,
		.e_phoff = sizeof(Elf64_Ehdr),
		.e_ehsize = sizeof(Elf64_Ehdr),
		.e_phentsize = sizeof(Elf64_Phdr),
		.e_phnum = (Elf64_Half)(n_phdrs < PN_XNUM ? n_phdrs : PN_XNUM),
	};

	if (n_phdrs >= PN_XNUM) { /* the number stands in section 0 (elf(5)) */
		e.e_shoff = sizeof(Elf64_Ehdr) + n_phdrs * sizeof(Elf64_Phdr);
		e.e_shentsize = sizeof(Elf64_Shdr);
		e.e_shnum = 1;
	}
	return e;
}

static bool add_phdr(struct bytes *head, const struct segment_plan *seg, uint64_t offset)
{
	Elf64_Phdr h = {
		.p_type = PT_LOAD,
		.p_flags = (seg->flags & VMA_R ? PF_R : 0u) | (seg->flags & VMA_W ? PF_W : 0u) |
			   (seg->flags & VMA_X ? PF_X : 0u),
		.p_offset = offset,
		.p_vaddr = seg->start,
		.p_filesz = seg->dumped,
		.p_memsz = seg->end - seg->start,
		.p_align = PAGE,
	};

	return bytes_add(head, &h, sizeof(h));
}

struct err *plan_layout(const struct plan *p, const struct bytes *notes, struct bytes *ret_head,
			struct stream *s)
{
	size_t n = p->segments.n + 1;
	Elf64_Ehdr e = elf_header(n);
	Elf64_Shdr many = { .sh_size = 1, .sh_info = (Elf64_Word)n };
	uint64_t notes_at = sizeof(e) + n * sizeof(Elf64_Phdr) + (e.e_shnum ? sizeof(many) : 0);
	Elf64_Phdr note = {
		.p_type = PT_NOTE,
		.p_offset = notes_at,
		.p_filesz = notes->n,
		.p_align = 4,
	};
	uint64_t at = page_up(notes_at + notes->n);
	bool ok = bytes_add(ret_head, &e, sizeof(e)) && bytes_add(ret_head, &note, sizeof(note));
	struct err *err;

	for (size_t i = 0; ok && i < p->segments.n; i++) {
		ok = add_phdr(ret_head, &p->segments.v[i], at);
		at += p->segments.v[i].dumped;
	}
	ok = ok && (!e.e_shnum || bytes_add(ret_head, &many, sizeof(many))) &&
	     bytes_add(ret_head, notes->v, notes->n);
	err = ok ? stream_add(s, &(struct piece){ .n = ret_head->n, .bytes = ret_head->v }) :
		   &err_nomem;
	at = page_up(notes_at + notes->n);
	for (size_t i = 0; !err && i < p->segments.n; i++) {
		const struct segment_plan *seg = &p->segments.v[i];

		err = stream_add(s, &(struct piece){ .offset = at,
						     .n = seg->dumped,
						     .kind = PIECE_MEMORY,
						     .sparse = seg->sparse,
						     .addr = seg->start });
		at += seg->dumped;
	}
	return err;
}
