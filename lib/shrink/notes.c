/*
 * shrink/notes.c - headers and notes of a core, each at its place: numbers stay, names go.
 *
 * Sources as of image/elf_core.c, and for the XSAVE area of image/vectors.c.  A note of a kind
 * that is not known here keeps its name, type and length alone.
 */
#include <string.h>

#include "base/bits.h"
#include "base/cursor.h"
#include "image/note_types.h"
#include "shrink/shrink.h"
#include "type/scan.h"

enum {
	NOTE_HEADER = 12,
	PRSTATUS_REGS_AT = 112,
	PRPSINFO_FNAME_AT = 40,
	PRPSINFO_ARGS_AT = 56,
	PRPSINFO_SIZE = 136,
	SIGINFO_NUMBERS =
		12,	/* si_signo, si_errno, si_code; what follows may be an address or a value */
	FX_CONTROL = 8, /* of an FXSAVE area: control, status and tag words, the last opcode */
	FX_MXCSR_AT = 24,
	FX_SIZE = 512,
	FX_XCR0_AT = 464,
	XSAVE_HEADER_AT = 512,
	SIMD_CONTROL_AT = 512, /* aarch64: fpsr, fpcr */
	FILE_HEAD = 16,
	FILE_ROW = 24,
	/* words of x86-64's elf_gregset_t that are no data: orig_rax, then rip to gs */
	X86_ORIG_RAX = 15,
	ARM_PSTATE = 33,
};

struct writer {
	const struct image *img;
	const struct shadow *s;
	struct scan scan;
	bool marked; /* the core says that it is blanked */
};

/* A part of the file: what it is, and where it goes. */
struct part {
	const uint8_t *from;
	uint8_t *to;
	uint64_t n;
};

static struct part part_of(const struct writer *w, uint64_t at, uint64_t n)
{
	uint64_t left = at < w->s->size ? w->s->size - at : 0;

	n = n < left ? n : left;
	return (struct part){ w->s->from + (n ? at : 0), w->s->to + (n ? at : 0), n };
}

static void keep(const struct part *p, uint64_t at, uint64_t n)
{
	if (at < p->n)
		memcpy(p->to + at, p->from + at, n < p->n - at ? n : p->n - at);
}

/* ---- words that may be pointers */

static uint64_t pointer(const struct writer *w, uint64_t word, bool anywhere)
{
	uint32_t target = scan_target(&w->scan, word);

	if (target == NODE_NONE)
		target = scan_pointer(&w->scan, word);
	if (target != NODE_NONE)
		return shrink_pointer(&w->scan, word, target);
	return anywhere && image_segment(w->img, word) ? word : 0;
}

static void keep_pointers(const struct writer *w, const struct part *p, uint64_t at, uint64_t n,
			  bool anywhere)
{
	for (; at < p->n && p->n - at >= 8 && n >= 8; at += 8, n -= 8) {
		uint64_t word = pointer(w, load_u64(p->from + at), anywhere);

		memcpy(p->to + at, &word, 8);
	}
}

/* ---- notes */

static bool is_data_register(const struct target *t, unsigned i)
{
	if (t->id == TARGET_X86_64)
		return i < X86_ORIG_RAX;
	return i < t->sp;
}

static void write_prstatus(const struct writer *w, const struct part *p)
{
	const struct target *t = w->img->target;
	uint64_t end = PRSTATUS_REGS_AT + 8ull * t->n_gregset;

	keep(p, 0, PRSTATUS_REGS_AT);
	for (unsigned i = 0; i < t->n_gregset; i++) {
		if (is_data_register(t, i))
			keep_pointers(w, p, PRSTATUS_REGS_AT + 8ull * i, 8, true);
		else
			keep(p, PRSTATUS_REGS_AT + 8ull * i, 8);
	}
	keep(p, end, 8); /* pr_fpvalid */
}

_Static_assert(PRPSINFO_ARGS_AT + sizeof(HASHED_ARGS) <= PRPSINFO_SIZE, "there is room for it");

static const char *blanked_args(const struct image *img)
{
	return img->shadow->salted ? HASHED_ARGS : BLANKED_ARGS;
}

static void write_prpsinfo(struct writer *w, const struct part *p)
{
	if (p->n < PRPSINFO_SIZE)
		return;
	keep(p, 0, PRPSINFO_FNAME_AT);
	strcpy((char *)p->to + PRPSINFO_ARGS_AT, blanked_args(w->img));
	w->marked = true;
}

static bool is_module(const struct image *img, const char *path)
{
	for (size_t i = 0; i < img->n_modules; i++)
		if (img->modules[i].path && !strcmp(img->modules[i].path, path))
			return true;
	return false;
}

/* Of a path its length stays. */
static void mask_path(char *path, uint64_t n)
{
	memset(path, '*', n);
	*path = '/';
}

struct err *shrink_names(struct image *img)
{
	img->blanked = true;
	img->command = NULL;
	img->hashed &= img->shadow->salted;
	img->args = blanked_args(img);
	for (size_t i = 0; i < img->n_threads; i++)
		img->threads[i].name = NULL;
	for (size_t i = 0; i < img->n_segments; i++) {
		struct segment *seg = &img->segments[i];
		char *masked;

		if (!seg->file || !*seg->file || is_module(img, seg->file))
			continue;
		masked = arena_strdup(&img->names, seg->file);
		if (!masked)
			return &err_nomem;
		mask_path(masked, strlen(masked));
		seg->file = masked;
	}
	return NULL;
}

/* Rows stay, and paths of modules; of all others the length. */
static void write_files(const struct writer *w, const struct part *p)
{
	struct cursor c = cursor_init(p->from, p->n, "NT_FILE", 0);
	uint64_t rows = cursor_count(&c, cursor_u64(&c), FILE_ROW),
		 at = FILE_HEAD + rows * FILE_ROW;

	if (c.bad || at > p->n)
		return;
	keep(p, 0, at);
	while (at < p->n && rows--) {
		const uint8_t *nul = memchr(p->from + at, 0, p->n - at);
		uint64_t n = nul ? (uint64_t)(nul - (p->from + at)) : 0;

		if (!nul)
			return;
		if (is_module(w->img, (const char *)p->from + at)) {
			keep(p, at, n);
		} else if (n) {
			mask_path((char *)p->to + at, n);
		}
		at += n + 1;
	}
}

static void write_fpregs(const struct writer *w, const struct part *p)
{
	if (w->img->target->id == TARGET_X86_64) {
		keep_pointers(w, p, FX_MXCSR_AT + 8, FX_XCR0_AT - FX_MXCSR_AT - 8, false);
		keep(p, 0, FX_CONTROL);
		keep(p, FX_MXCSR_AT, 8);
	} else {
		keep_pointers(w, p, 0, SIMD_CONTROL_AT, false);
		keep(p, SIMD_CONTROL_AT, 8);
	}
}

static void write_xstate(const struct writer *w, const struct part *p)
{
	write_fpregs(w, p);
	keep(p, FX_XCR0_AT, 8);
	keep(p, XSAVE_HEADER_AT, 16);
	keep_pointers(w, p, XSAVE_HEADER_AT + 64, UINT64_MAX, false);
}

static void write_note(struct writer *w, const char *owner, uint32_t type, const struct part *p)
{
	bool core = !strcmp(owner, "CORE"), linux_note = !strcmp(owner, "LINUX");

	if (core && type == NT_PRSTATUS)
		write_prstatus(w, p);
	else if (core && type == NT_PRPSINFO)
		write_prpsinfo(w, p);
	else if (core && type == NT_AUXV)
		keep(p, 0, p->n);
	else if (core && type == NT_FILE)
		write_files(w, p);
	else if (core && type == NT_SIGINFO)
		keep(p, 0, SIGINFO_NUMBERS);
	else if (core && type == NT_FPREGSET)
		write_fpregs(w, p);
	else if (linux_note && type == NT_X86_XSTATE)
		write_xstate(w, p);
	else if ((linux_note && (type == NT_X86_XSAVE_LAYOUT || type == NT_ARM_TLS)) ||
		 (!strcmp(owner, "GDB") && type == NT_GDB_TDESC) || !strcmp(owner, "HEAPFX"))
		keep(p, 0, p->n);
}

static uint64_t padded(uint64_t n, uint64_t left)
{
	uint64_t pad = -n & 3;

	return pad < left ? pad : left;
}

static void write_notes(struct writer *w, uint64_t at, uint64_t n)
{
	struct cursor c = cursor_slice(w->s->from, w->s->size, at, n, "notes");

	while (cursor_left(&c) >= NOTE_HEADER) {
		uint64_t start = cursor_offset(&c);
		uint32_t namesz = cursor_u32(&c), descsz = cursor_u32(&c), type = cursor_u32(&c);
		const uint8_t *name = cursor_bytes(&c, namesz);
		char owner[8] = "";
		struct part head = part_of(w, start, NOTE_HEADER), desc;

		if (name && namesz && namesz <= sizeof(owner) && !name[namesz - 1])
			memcpy(owner, name, namesz);
		cursor_skip(&c, padded(namesz, cursor_left(&c)));
		desc = part_of(w, cursor_offset(&c), descsz);
		cursor_skip(&c, descsz);
		if (c.bad)
			return;
		cursor_skip(&c, padded(descsz, cursor_left(&c)));
		keep(&head, 0, NOTE_HEADER);
		if (*owner)
			memcpy(head.to + NOTE_HEADER, owner, namesz);
		write_note(w, owner, type, &desc);
	}
}

/* ---- headers */

struct err *shrink_notes(const struct image *img, const struct blocks *b, const uint64_t *pooled)
{
	struct writer w = { .img = img, .s = img->shadow, .scan = scan_init(img, b) };
	uint64_t left = w.s->size, n;
	struct part table;
	Elf64_Ehdr e;

	w.scan.pooled = pooled;
	w.scan.tagged = tagged_find(img, b);
	if (left < sizeof(e))
		return err_new(ERR_FORMAT, "%s: no ELF core", img->core->name);
	memcpy(&e, w.s->from, sizeof(e));
	n = e.e_phnum;
	if (n == PN_XNUM) { /* then the count is in section 0, which stays */
		struct part section = part_of(&w, e.e_shoff, sizeof(Elf64_Shdr));
		Elf64_Shdr sh = {};

		memcpy(&sh, section.from, section.n == sizeof(sh) ? sizeof(sh) : 0);
		n = sh.sh_info;
		sh = (Elf64_Shdr){ .sh_info = sh.sh_info, .sh_size = 1 };
		memcpy(section.to, &sh, section.n == sizeof(sh) ? sizeof(sh) : 0);
	} else {
		e.e_shoff = 0;
	}
	e.e_shnum = e.e_shoff ? 1 : 0;
	e.e_shstrndx = 0;
	memcpy(w.s->to, &e, sizeof(e));
	table = part_of(&w, e.e_phoff, n * sizeof(Elf64_Phdr));
	keep(&table, 0, table.n);
	for (uint64_t at = 0; table.n - at >= sizeof(Elf64_Phdr); at += sizeof(Elf64_Phdr)) {
		Elf64_Phdr p;

		memcpy(&p, table.from + at, sizeof(p));
		if (p.p_type != PT_NOTE || p.p_filesz > left)
			continue;
		left -= p.p_filesz; /* more notes than bytes are no notes */
		write_notes(&w, p.p_offset, p.p_filesz);
	}
	if (!w.marked)
		return err_at(
			ERR_UNSUPPORTED, img->core->name, ERR_NOWHERE,
			"the core has no NT_PRPSINFO, where it would say that its contents are gone");
	return NULL;
}
