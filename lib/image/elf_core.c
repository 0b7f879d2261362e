/*
 * image/elf_core.c - ELF64 little-endian cores of Linux: program headers and notes.
 *
 * Sources: System V gABI chapters 4 and 5; Linux fs/binfmt_elf.c and include/uapi/linux/elfcore.h
 * for the notes and for PN_XNUM.  What vector notes hold is image/vectors.c's.
 */
#include <string.h>
#include <stdlib.h>

#include "base/bits.h"
#include "base/cursor.h"
#include "base/guard.h"
#include "base/text.h"
#include "base/vec.h"
#include "image/note_types.h"
#include "image/parts.h"
#include "image/vectors.h"

enum {
	EHDR_SIZE = 64,
	PHDR_SIZE = 56,
	SHDR_SIZE = 64,
	SH_INFO_AT = 44,
	NHDR_SIZE = 12,
	PRSTATUS_CURSIG_AT = 12,
	PRSTATUS_PID_AT = 32,
	PRSTATUS_REGS_AT = 112,
	PRPSINFO_PID_AT = 24,
	PRPSINFO_FNAME_AT = 40,
	FNAME_MAX = 16,
	ARGS_MAX = 80,
	FILE_ROW_MIN = 25, /* three words and the NUL of a path */
	FIRST_KINDS = 3,   /* notes that show who wrote the core */
};

/* ---- who is it */

static bool is_elf(const struct member *m)
{
	return m->size >= EHDR_SIZE && !memcmp(m->map, ELFMAG, SELFMAG);
}

static uint16_t header_u16(const struct member *m, uint64_t at)
{
	struct cursor c = cursor_slice(m->map, m->size, at, 2, m->name);

	c.big_endian = m->map[EI_DATA] == ELFDATA2MSB;
	return cursor_u16(&c);
}

static unsigned elf_core_bid(const struct member *m)
{
	if (!is_elf(m))
		return 0;
	return header_u16(m, 16) == ET_CORE ? 100
					    : 10; /* 10: refused by name, if nothing better comes */
}

static const char *type_name(uint16_t type)
{
	switch (type) {
	case ET_EXEC:
		return "an executable";
	case ET_DYN:
		return "an executable or a shared object";
	case ET_REL:
		return "an object file";
	default:
		return "an ELF file of an unknown type";
	}
}

static const char *machine_name(uint16_t machine)
{
	static const struct {
		uint16_t machine;
		const char *name;
	} names[] = {
		{ EM_386, "i386" },	 { EM_68K, "m68k" },	    { EM_MIPS, "mips" },
		{ EM_PPC, "powerpc" },	 { EM_PPC64, "ppc64" },	    { EM_S390, "s390" },
		{ EM_ARM, "arm" },	 { EM_SPARCV9, "sparc64" }, { EM_IA_64, "ia64" },
		{ EM_X86_64, "x86_64" }, { EM_AARCH64, "aarch64" }, { EM_RISCV, "riscv" },
		{ 258, "loongarch" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		if (names[i].machine == machine)
			return names[i].name;
	return "unknown";
}

static struct err *check_identity(const struct member *m, const struct target **ret)
{
	uint16_t type, machine;

	if (!is_elf(m))
		return err_at(ERR_FORMAT, m->name, 0, "not an ELF core dump");
	type = header_u16(m, 16);
	machine = header_u16(m, 18);
	if (type != ET_CORE)
		return err_at(ERR_FORMAT, m->name, 16, "this is %s, not a core dump",
			      type_name(type));
	if (m->map[EI_CLASS] != ELFCLASS64)
		return err_at(ERR_UNSUPPORTED, m->name, EI_CLASS,
			      "a 32-bit core (%s, machine %u); only 64-bit ones are read",
			      machine_name(machine), machine);
	if (m->map[EI_DATA] != ELFDATA2LSB)
		return err_at(
			ERR_UNSUPPORTED, m->name, EI_DATA,
			"a big-endian core (%s, machine %u); only little-endian ones are read",
			machine_name(machine), machine);
	*ret = target_by_machine(machine);
	if (!*ret)
		return err_at(ERR_UNSUPPORTED, m->name, 18,
			      "a core of machine %u (%s); only x86_64 and aarch64 are read",
			      machine, machine_name(machine));
	return NULL;
}

/* ---- program headers */

struct phdr {
	uint32_t type, flags;
	uint64_t offset, vaddr, filesz, memsz;
};

static struct phdr read_phdr(struct cursor *c)
{
	struct phdr p = {};

	p.type = cursor_u32(c);
	p.flags = cursor_u32(c);
	p.offset = cursor_u64(c);
	p.vaddr = cursor_u64(c);
	cursor_skip(c, 8); /* p_paddr */
	p.filesz = cursor_u64(c);
	p.memsz = cursor_u64(c);
	cursor_skip(c, 8); /* p_align */
	return p;
}

/* Where the headers must end, by what they say: at the first byte that any of them names. */
static uint64_t headers_by_layout(struct cursor table, uint64_t phoff)
{
	uint64_t n = 0, first = UINT64_MAX;

	while (cursor_left(&table) >= PHDR_SIZE && first - phoff >= (n + 1) * PHDR_SIZE) {
		struct phdr p = read_phdr(&table);

		if (p.filesz && p.offset >= phoff + PHDR_SIZE && p.offset < first)
			first = p.offset;
		n++;
	}
	return n;
}

/* PN_XNUM: the count is sh_info of section 0.  False when that is not in the file. */
static bool extended_count(const struct member *m, uint64_t shoff, uint64_t *ret)
{
	struct cursor c = cursor_slice(m->map, m->size, shoff, SHDR_SIZE, m->name);

	cursor_skip(&c, SH_INFO_AT);
	*ret = cursor_u32(&c);
	return shoff && !c.bad;
}

/* The table of program headers, as much of it as there is. */
static struct err *find_headers(struct image *img, const struct member *m, struct cursor *ret_table,
				uint64_t *ret_n)
{
	struct cursor c = cursor_slice(m->map, m->size, 0, EHDR_SIZE, m->name);
	uint64_t phoff, shoff, n, fits;
	uint16_t phentsize;
	bool counted = true;

	cursor_skip(&c, 32);
	phoff = cursor_u64(&c);
	shoff = cursor_u64(&c);
	cursor_skip(&c, 6);
	phentsize = cursor_u16(&c);
	n = cursor_u16(&c);
	if (c.bad)
		return cursor_err(&c, "ELF header");
	if (n && phentsize != PHDR_SIZE)
		return err_at(ERR_FORMAT, m->name, 54, "program headers of %u bytes instead of %d",
			      phentsize, PHDR_SIZE);
	if (n && phoff >= m->size)
		return err_at(ERR_FORMAT, m->name, 32,
			      "the program headers at 0x%llx lie outside the file of 0x%llx bytes",
			      (unsigned long long)phoff, (unsigned long long)m->size);
	if (!n)
		phoff = 0;
	*ret_table = cursor_slice(m->map, m->size, phoff, m->size - phoff, m->name);
	if (n == PN_XNUM)
		counted = extended_count(m, shoff, &n);
	fits = (m->size - phoff) / PHDR_SIZE;
	if (!counted || n > fits) {
		uint64_t found = headers_by_layout(*ret_table, phoff);

		img->complete = false;
		if (counted)
			diag(img->env, "core/headers", phoff,
			     "%llu program headers are counted and %llu fit into the file: %llu "
			     "are read, up to the first contents",
			     (unsigned long long)n, (unsigned long long)fits,
			     (unsigned long long)found);
		else
			diag(img->env, "core/headers", phoff,
			     "the count of program headers is in a section that is not in the "
			     "file: %llu are read, up to the first contents",
			     (unsigned long long)found);
		n = found;
	}
	*ret_n = n;
	return NULL;
}

struct reader {
	struct image *img;
	const struct member *m;
	struct {
		struct load *v;
		size_t n, cap;
	} loads;
	struct {
		struct mapped_file *v;
		size_t n, cap;
	} files;
	struct {
		struct thread *v;
		size_t n, cap;
	} threads;
	struct {
		struct vector_notes *v;
		size_t n, cap;
	} vectors; /* one a thread; read at the end, for the layout stands behind all threads */
	struct xsave_layout layout;
	uint64_t note_bytes; /* already read: note segments may name the same bytes again and again
			      */
	uint32_t kinds[FIRST_KINDS], n_kinds;
	uint64_t n_cut, lost, file_end; /* loads that the file does not hold whole */
	bool saw_siginfo;
};

static struct err *add_load(struct reader *r, const struct phdr *p)
{
	struct env *env = r->img->env;
	struct load load = {
		.start = p->vaddr, .offset = p->offset, .n_bytes = p->filesz, .flags = p->flags & 7
	};
	uint64_t size = p->memsz, in_file;

	if (load.n_bytes > size) {
		diag(env, "core/segment", p->vaddr,
		     "segment at 0x%llx has 0x%llx bytes in the file and 0x%llx in memory; the "
		     "rest is ignored",
		     (unsigned long long)p->vaddr, (unsigned long long)p->filesz,
		     (unsigned long long)p->memsz);
		load.n_bytes = size;
	}
	if (size > UINT64_MAX - load.start) {
		diag(env, "core/segment", p->vaddr,
		     "segment at 0x%llx of 0x%llx bytes wraps around the end of the address space; "
		     "it is cut there",
		     (unsigned long long)p->vaddr, (unsigned long long)p->memsz);
		size = UINT64_MAX - load.start;
		load.n_bytes = load.n_bytes < size ? load.n_bytes : size;
	}
	load.end = load.start + size;
	in_file = p->offset < r->m->size ? r->m->size - p->offset : 0;
	if (load.n_bytes > in_file) {
		uint64_t end;

		if (!checked_add(p->offset, load.n_bytes, &end))
			diag(env, "core/segment", p->vaddr,
			     "segment at 0x%llx: offset 0x%llx and size 0x%llx overflow",
			     (unsigned long long)p->vaddr, (unsigned long long)p->offset,
			     (unsigned long long)p->filesz);
		else if (end > r->file_end)
			r->file_end = end;
		r->n_cut++;
		if (!checked_add(r->lost, load.n_bytes - in_file, &r->lost))
			r->lost = UINT64_MAX;
		load.n_bytes = in_file;
	}
	if (!load.n_bytes)
		load.offset = 0;
	if (load.start == load.end)
		return NULL;
	return vec_push(&r->loads, &load) ? NULL : &err_nomem;
}

static void report_cut(struct reader *r)
{
	if (!r->n_cut)
		return;
	r->img->complete = false;
	diag(r->img->env, "core/truncated", r->m->size,
	     "the file ends at 0x%llx of at least 0x%llx: %llu of %zu segments are cut, %llu bytes "
	     "of memory are missing",
	     (unsigned long long)r->m->size,
	     (unsigned long long)(r->file_end > r->m->size ? r->file_end : r->m->size),
	     (unsigned long long)r->n_cut, r->loads.n, (unsigned long long)r->lost);
}

/* ---- notes */

static char *take_name(struct reader *r, const uint8_t *bytes, size_t max)
{
	size_t n = strnlen((const char *)bytes, max);

	while (n && bytes[n - 1] == ' ') /* the kernel puts a space where each argument ended */
		n--;
	return n ? arena_strndup(&r->img->names, (const char *)bytes, n) : NULL;
}

static void note_regs(struct thread *t, const struct target *target, struct cursor regs)
{
	uint64_t words[TARGET_MAX_REGS + 8] = {};

	for (unsigned i = 0; i < target->n_gregset && i < ARRAY_SIZE(words); i++)
		words[i] = cursor_u64(&regs);
	if (regs.bad)
		return;
	for (unsigned i = 0; i < target->n_regs; i++)
		if (target->gregset[i] >= 0)
			t->regs[i] = words[target->gregset[i]];
	t->has_regs = true;
	t->sp = t->regs[target->sp];
	t->pc = t->regs[target->pc];
	if (target->gregset_tp >= 0)
		t->tp = words[target->gregset_tp];
}

static struct err *note_prstatus(struct reader *r, struct cursor desc)
{
	struct thread t = {};
	struct cursor c = desc;

	cursor_skip(&c, PRSTATUS_CURSIG_AT);
	t.signal = cursor_u16(&c);
	cursor_skip(&c, PRSTATUS_PID_AT - PRSTATUS_CURSIG_AT - 2);
	t.tid = cursor_u32(&c);
	if (!c.bad) {
		cursor_skip(&c, PRSTATUS_REGS_AT - PRSTATUS_PID_AT - 4);
		note_regs(&t, r->img->target, c);
	}
	if (!t.has_regs)
		diag(r->img->env, "core/note", cursor_offset(&desc),
		     "NT_PRSTATUS of %llu bytes is too short for the registers of %s",
		     (unsigned long long)cursor_left(&desc), r->img->target->name);
	if (!t.tid && !t.has_regs)
		return NULL;
	if (!vec_push(&r->vectors, &(struct vector_notes){}))
		return &err_nomem;
	return vec_push(&r->threads, &t) ? NULL : &err_nomem;
}

static struct err *note_prpsinfo(struct reader *r, struct cursor desc)
{
	struct image *img = r->img;
	struct cursor c = desc;
	const uint8_t *fname, *args;
	uint32_t pid;

	cursor_skip(&c, PRPSINFO_PID_AT);
	pid = cursor_u32(&c);
	cursor_skip(&c, PRPSINFO_FNAME_AT - PRPSINFO_PID_AT - 4);
	fname = cursor_bytes(&c, FNAME_MAX);
	args = cursor_bytes(&c, ARGS_MAX);
	if (c.bad || !fname || !args) {
		diag(img->env, "core/note", cursor_offset(&desc),
		     "NT_PRPSINFO of %llu bytes is too short",
		     (unsigned long long)cursor_left(&desc));
		return NULL;
	}
	img->pid = pid;
	img->command = take_name(r, fname, FNAME_MAX);
	img->args = take_name(r, args, ARGS_MAX);
	img->hashed = img->args && !strcmp(img->args, HASHED_ARGS);
	img->blanked = img->hashed || (img->args && !strcmp(img->args, BLANKED_ARGS));
	return NULL;
}

static struct err *note_auxv(struct reader *r, struct cursor desc)
{
	struct image *img = r->img;
	uint64_t max = cursor_left(&desc) / 16, at = cursor_offset(&desc);
	struct cursor c = desc;

	if (img->auxv || !max)
		return NULL;
	img->auxv = calloc(max, sizeof(*img->auxv));
	if (!img->auxv)
		return &err_nomem;
	while (img->n_auxv < max) {
		struct auxv a = { .type = cursor_u64(&c) };

		a.value = cursor_u64(&c);
		if (a.type == AT_NULL)
			return NULL;
		img->auxv[img->n_auxv++] = a;
	}
	diag(img->env, "core/note", at, "NT_AUXV has no end mark");
	return NULL;
}

static struct err *add_file(struct reader *r, struct mapped_file row, uint64_t page_size,
			    const char *path, uint64_t where)
{
	const struct mapped_file *last = r->files.n ? &r->files.v[r->files.n - 1] : NULL;

	if (row.start >= row.end || !checked_mul(row.offset, page_size, &row.offset)) {
		diag(r->img->env, "core/note", where,
		     "NT_FILE row 0x%llx-0x%llx cannot be; it is left out",
		     (unsigned long long)row.start, (unsigned long long)row.end);
		return NULL;
	}
	row.path =
		last && !strcmp(last->path, path) ? last->path : arena_strdup(&r->img->names, path);
	return row.path && vec_push(&r->files, &row) ? NULL : &err_nomem;
}

static struct err *note_file(struct reader *r, struct cursor desc)
{
	uint64_t where = cursor_offset(&desc);
	struct cursor c = desc, paths;
	uint64_t claimed = cursor_u64(&c), page_size = cursor_u64(&c);
	uint64_t n = cursor_count(&c, claimed, FILE_ROW_MIN);

	if (c.bad) {
		diag(r->img->env, "core/note", where,
		     "NT_FILE of %llu bytes cannot hold its %llu rows",
		     (unsigned long long)cursor_left(&desc), (unsigned long long)claimed);
		return NULL;
	}
	paths = c;
	cursor_skip(&paths, n * 24);
	for (uint64_t i = 0; i < n; i++) {
		struct mapped_file row = { .start = cursor_u64(&c) };
		const char *path = cursor_cstr(&paths);
		struct err *err;

		row.end = cursor_u64(&c);
		row.offset = cursor_u64(&c);
		if (!path) {
			diag(r->img->env, "core/note", where,
			     "NT_FILE ends within its paths: %llu of %llu rows are used",
			     (unsigned long long)i, (unsigned long long)n);
			return NULL;
		}
		err = add_file(r, row, page_size, path, where);
		if (err)
			return err;
	}
	return NULL;
}

static struct err *note_siginfo(struct reader *r, struct cursor desc)
{
	int32_t signal = (int32_t)cursor_u32(&desc);

	if (!desc.bad && !r->saw_siginfo) {
		r->img->signal = signal;
		r->saw_siginfo = true;
	}
	return NULL;
}

/* Belongs to the thread of the NT_PRSTATUS before it. */
static struct err *note_arm_tls(struct reader *r, struct cursor desc)
{
	uint64_t tp = cursor_u64(&desc);

	if (!desc.bad && r->threads.n)
		r->threads.v[r->threads.n - 1].tp = tp;
	return NULL;
}

/* Likewise; the first of each stands. */
static void note_vectors(struct reader *r, bool linux_note, uint32_t type, struct cursor desc)
{
	struct vector_notes *notes = r->vectors.n ? &r->vectors.v[r->vectors.n - 1] : NULL;

	if (linux_note && type == NT_X86_XSAVE_LAYOUT)
		vectors_read_layout(r->img->env, desc, &r->layout);
	else if (linux_note && type == NT_X86_XSTATE && notes && !notes->xstate.start)
		notes->xstate = desc;
	else if (!linux_note && type == NT_FPREGSET && notes && !notes->fpregs.start)
		notes->fpregs = desc;
}

static struct err *take_note(struct reader *r, const char *name, uint32_t type, struct cursor desc)
{
	bool core = !strcmp(name, "CORE"), linux_note = !strcmp(name, "LINUX");

	if (r->n_kinds < FIRST_KINDS)
		r->kinds[r->n_kinds++] = type;
	if (!strcmp(name, "GDB") && type == NT_GDB_TDESC)
		r->img->made_by = "gcore";
	if (!strcmp(name, "HEAPFX"))
		r->img->made_by = "heapfx";
	if (core && type == NT_PRSTATUS)
		return note_prstatus(r, desc);
	if (core && type == NT_PRPSINFO)
		return note_prpsinfo(r, desc);
	if (core && type == NT_AUXV)
		return note_auxv(r, desc);
	if (core && type == NT_FILE)
		return note_file(r, desc);
	if (core && type == NT_SIGINFO)
		return note_siginfo(r, desc);
	if (linux_note && type == NT_ARM_TLS && r->img->target->gregset_tp < 0)
		return note_arm_tls(r, desc);
	if (core || (linux_note && r->img->target->id == TARGET_X86_64))
		note_vectors(r, linux_note, type, desc);
	return NULL;
}

/* Padding to 4 bytes; the last note's may be missing. */
static void skip_padding(struct cursor *c, uint64_t n)
{
	uint64_t pad = -n & 3;

	cursor_skip(c, pad < cursor_left(c) ? pad : cursor_left(c));
}

static struct err *read_notes(struct reader *r, struct cursor c)
{
	while (cursor_left(&c) >= NHDR_SIZE) {
		uint64_t where = cursor_offset(&c);
		uint32_t namesz = cursor_u32(&c), descsz = cursor_u32(&c), type = cursor_u32(&c);
		const uint8_t *name = cursor_bytes(&c, namesz);
		char short_name[8] = "";
		struct cursor desc;
		struct err *err;

		if (name && namesz && namesz <= sizeof(short_name) && !name[namesz - 1])
			memcpy(short_name, name, namesz);
		skip_padding(&c, namesz);
		desc = cursor_sub(&c, descsz);
		if (c.bad) {
			diag(r->img->env, "core/note", where,
			     "a note of type 0x%x with a name of 0x%x and contents of 0x%x bytes "
			     "runs past the notes; those before it are used",
			     type, namesz, descsz);
			return NULL;
		}
		skip_padding(&c, descsz);
		err = take_note(r, short_name, type, desc);
		if (err)
			return err;
	}
	return NULL;
}

static struct err *add_notes(struct reader *r, const struct phdr *p)
{
	uint64_t in_file = p->offset < r->m->size ? r->m->size - p->offset : 0;
	uint64_t n = p->filesz;

	if (n > in_file) {
		diag(r->img->env, "core/note", p->offset,
		     "notes at 0x%llx of 0x%llx bytes run past the end of the file; what is there "
		     "is used",
		     (unsigned long long)p->offset, (unsigned long long)p->filesz);
		r->img->complete = false;
		n = in_file;
	}
	if (n > r->m->size - r->note_bytes) {
		diag(r->img->env, "core/note", p->offset,
		     "more notes than the file has bytes; they are ignored");
		return NULL;
	}
	if (!n)
		return NULL;
	r->note_bytes += n;
	return read_notes(r, cursor_slice(r->m->map, r->m->size, p->offset, n, r->m->name));
}

/* ---- the whole */

/* By the order of the first notes: gdb writes NT_PRPSINFO first, the kernel NT_SIGINFO third. */
static void recognise_writer(struct reader *r)
{
	if (r->img->made_by || r->n_kinds < FIRST_KINDS)
		return;
	if (r->kinds[0] == NT_PRPSINFO && r->kinds[1] == NT_PRSTATUS)
		r->img->made_by = "gcore";
	else if (r->kinds[0] == NT_PRSTATUS && r->kinds[1] == NT_PRPSINFO &&
		 r->kinds[2] == NT_SIGINFO)
		r->img->made_by = "kernel";
}

static void check_what_is_there(struct reader *r)
{
	struct env *env = r->img->env;

	if (!r->loads.n)
		diag(env, "core/no-memory", ERR_NOWHERE, "the core holds no memory at all");
	if (!r->threads.n)
		diag(env, "core/no-threads", ERR_NOWHERE,
		     "the core has no NT_PRSTATUS: threads, stacks and registers are unknown");
	if (!r->img->pid && r->threads.n)
		r->img->pid = r->threads.v[0].tid;
	/* gcore's NT_SIGINFO is the SIGSTOP of its own attaching; pr_cursig is the program's. */
	if (r->threads.n &&
	    (!r->saw_siginfo || (r->img->made_by && !strcmp(r->img->made_by, "gcore"))))
		r->img->signal = r->threads.v[0].signal;
}

static struct err *read_headers(struct reader *r, struct cursor table, uint64_t n)
{
	for (uint64_t i = 0; i < n; i++) {
		struct phdr p = read_phdr(&table);
		struct err *err = NULL;

		if (p.type == PT_LOAD)
			err = add_load(r, &p);
		else if (p.type == PT_NOTE)
			err = add_notes(r, &p);
		if (err)
			return err;
	}
	return NULL;
}

static struct err *read_vectors(struct reader *r)
{
	for (size_t i = 0; i < r->threads.n; i++) {
		struct err *err = vectors_read(r->img, &r->vectors.v[i], &r->layout, &r->threads.v[i]);

		if (err)
			return err;
	}
	return NULL;
}

static struct err *read_core(struct reader *r)
{
	struct cursor table;
	uint64_t n = 0;
	struct err *err = find_headers(r->img, r->m, &table, &n);

	if (!err)
		err = read_headers(r, table, n);
	if (!err)
		err = read_vectors(r);
	if (err)
		return err;
	report_cut(r);
	recognise_writer(r);
	check_what_is_there(r);
	return NULL;
}

static struct err *elf_core_read(struct env *env, const struct member *m, struct image *img,
				 struct dump *ret)
{
	struct reader r = { .img = img, .m = m };
	struct err *err = check_identity(m, &img->target);

	(void)env; /* the image's own */
	if (err)
		return err;
	err = read_core(&r);
	free(r.vectors.v);
	if (err) {
		free(r.loads.v);
		free(r.files.v);
		free(r.threads.v);
		return err;
	}
	img->threads = r.threads.v;
	img->n_threads = r.threads.n;
	*ret = (struct dump){ r.loads.v, r.loads.n, r.files.v, r.files.n };
	return NULL;
}

const struct dump_ops dump_elf_core = { .name = "elf-core",
					.bid = elf_core_bid,
					.read = elf_core_read };
