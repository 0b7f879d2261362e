/*
 * image/image.h - a dump as an address space with threads and modules.
 *
 * Built once by image_open(), const afterwards; every function on a const image may be called
 * from any thread unless its header says otherwise.  Bytes are always little-endian, 64-bit
 * (others are refused by name when the dump is opened).
 */
#ifndef HEAPFX_IMAGE_IMAGE_H
#define HEAPFX_IMAGE_IMAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/env.h"
#include "base/text.h"
#include "image/target.h"
#include "input/input.h"

typedef uint64_t taddr;

enum mem_status {
	MEM_OK,
	MEM_NOT_DUMPED, /* mapped in the process, but neither the core nor a matching file has the bytes */
	MEM_UNMAPPED,	/* no such memory in the process */
};

enum segment_flags { SEG_R = 4, SEG_W = 2, SEG_X = 1 };

enum segment_origin {
	SEG_NONE, /* bytes absent */
	SEG_CORE, /* bytes from the dump */
	SEG_FILE, /* bytes from a module whose build id matches */
};

/*
 * A run of addresses with one origin.  Sorted by start, never overlapping; one PT_LOAD gives up
 * to three (dumped part, part restored from a file, part absent).
 */
struct segment {
	taddr start, end;
	const uint8_t *bytes; /* end - start of them; NULL for SEG_NONE */
	uint8_t flags;	      /* enum segment_flags, as the program header says */
	uint8_t origin;	      /* enum segment_origin */
	bool zero_reserve;    /* gcore wrote a PROT_NONE reservation as zeros */
	uint32_t load;	      /* which mapping (PT_LOAD) it came from: same number, same mapping */
	int32_t module;	      /* index in image.modules, -1 if none maps it */
	const char *file;     /* NT_FILE path of the mapping, NULL if anonymous; image's own */
	uint64_t file_offset; /* of `start` in that file */
	uint64_t behind;      /* bytes of the segments from `end` on that lie right behind `bytes` */
};

enum symbols_kind { SYMBOLS_NONE, SYMBOLS_DYNAMIC, SYMBOLS_SYMTAB, SYMBOLS_DWARF };

struct module {
	const char *path;	/* as the process knew it (NT_FILE, link map) */
	const char *found;	/* file or bundle member the contents are read from, NULL if none matched */
	taddr start, end;	/* lowest to highest mapped address */
	uint64_t bias;		/* add to a file's own virtual addresses */
	uint8_t build_id[32];	/* from the dumped memory */
	uint8_t n_build_id;	/* 0 = unknown */
	uint8_t symbols;	/* enum symbols_kind: the best there is */
	bool is_exe, is_loader, is_vdso;
	bool is_whole;		/* its headers were read: nothing of it lies behind `end` */
	taddr dynamic;		/* PT_DYNAMIC in memory, 0 if unknown */
	/* PT_TLS: initial image and size; tls_size 0 when the module has none */
	taddr tls_image;
	uint64_t tls_image_size, tls_size, tls_align;
	struct elf_file *elf;	/* image/elf.h; NULL when no file matched */
	struct symtab *symtab;	/* image/symtab.h; sorted on first use by image_open, NULL if no symbols */
	struct dbg *dbg;	/* image/dbg.h; NULL without DWARF */
};

struct frame {
	taddr pc, sp; /* sp: the canonical frame address when known */
	bool is_signal; /* it called nobody: what a signal's handler returns to, and the next one, which was interrupted */
};

/* The kernel saved all its registers. */
static inline bool frame_is_interrupted(const struct frame *frames, size_t i)
{
	return i && frames[i].is_signal && frames[i - 1].is_signal;
}

/* Where a function called by a frame's keeps what that has in a register, which it must restore. */
struct saved_reg {
	uint32_t frame; /* from this one of the thread's on outwards, until another says otherwise */
	uint16_t reg;	/* DWARF number */
	bool is_known;
	taddr at; /* on the stack; 0: nowhere in memory */
	uint64_t value;
};

struct vector_word {
	uint64_t value; /* never 0 */
	uint32_t no;	/* which word of which register: image/vectors.h names it */
};

struct thread {
	uint32_t tid;
	const char *name;	/* NULL = unknown (cores name the process's main thread alone) */
	bool has_regs;
	uint64_t regs[TARGET_MAX_REGS]; /* by DWARF register number of the target */
	const struct vector_word *vectors; /* what vector registers hold; image.names owns them */
	size_t n_vectors;
	taddr pc, sp, tp;	/* tp: thread pointer (fs base, TPIDR_EL0); 0 if unknown */
	int signal;		/* that stopped it, 0 if none */
	/*
	 * The mapping sp points into: [stack_low, stack_high).  The live part is
	 * [live_low, stack_high): from the stack pointer less the red zone to the base (where the
	 * thread's own control block begins for a thread made by libc).  0, 0 when unknown.
	 */
	taddr stack_low, stack_high, live_low;
	struct frame *frames;	/* innermost first; may be empty */
	size_t n_frames;
	struct saved_reg *saved; /* by frame; none where frames were not all found by call frame information */
	size_t n_saved;
};

/* What `heapfx shrink` puts into NT_PRPSINFO instead of the arguments. */
#define BLANKED_ARGS "[contents blanked by heapfx shrink]"
#define HASHED_ARGS "[contents blanked by heapfx shrink --salt]"

struct image {
	struct env *env;
	const struct input *input;
	const struct member *core;
	const struct target *target;
	const char *kind; /* "elf-core" */
	const char *made_by; /* "gcore", "kernel", "qemu", "heapfx" as far as its notes show, else NULL */
	uint32_t pid;
	const char *command;	 /* NT_PRPSINFO pr_fname, NULL if unknown */
	const char *args;	 /* NT_PRPSINFO pr_psargs */
	const char *exe;	 /* path of the main executable, NULL if unknown */
	int signal;		 /* of the process, 0 if none */
	bool complete;		 /* false: truncated, or part of it unreadable */
	struct segment *segments;
	size_t n_segments;
	struct module *modules;
	size_t n_modules;
	struct thread *threads;
	size_t n_threads;
	struct auxv {
		uint64_t type, value;
	} *auxv;
	size_t n_auxv;
	taddr brk_start, brk_end; /* the mapping that looks like the brk heap; 0, 0 if unknown */
	struct go *go;		  /* image/go.h; NULL without a Go runtime */
	struct python *python;	  /* image/python.h; NULL without CPython */
	const char *cache_dir;	  /* of the options; NULL: nothing is kept */
	bool blanked;		  /* contents are gone (`heapfx shrink`): equal bytes mean nothing */
	bool hashed;		  /* they do where shrink left digests of them: image/shadow.h */
	struct shadow *shadow;	  /* image/shadow.h: what is read is kept there; NULL but for `shrink` */
	struct arena names;	  /* owns every string above, and vector_words */
};

struct image_options {
	const char *exe;		  /* --exe, NULL if none */
	const char *const *sysroots;	  /* --sysroot, NULL-terminated */
	const char *const *debug_dirs;	  /* --debug-dir; /usr/lib/debug is always tried last */
	const char *cache_dir;		  /* where indexes of debug info are kept; NULL: nowhere */
	bool no_host_files;		  /* read modules from the bundle and sysroots alone */
	struct shadow *shadow;		  /* zeroed: is opened, and outlives the image; NULL: not wanted */
};

/*
 * Finds the dump among the input's members by bidding (dump_ops), reads segments, notes,
 * threads, modules, restores file-backed bytes where build ids match, opens symbols and
 * unwinds stacks.  `in` must outlive the image.
 */
struct err *image_open(struct env *env, const struct input *in, const struct image_options *opt,
		       struct image **ret) MUST_CHECK;
void image_close(struct image *img);

/* One dump format; registry in image/registry.c. Best bid of all members wins, ties to the first. */
struct dump;
struct dump_ops {
	const char *name; /* "elf-core" */
	unsigned (*bid)(const struct member *m); /* 0..100 */
	/* Fills threads, auxv and what names the process; `ret` (image/parts.h) is the caller's to free. */
	struct err *(*read)(struct env *env, const struct member *m, struct image *img, struct dump *ret);
};
extern const struct dump_ops *const dump_registry[];

/* The segment that contains addr, NULL if unmapped: a binary search, a few ns when cached. */
const struct segment *image_segment(const struct image *img, taddr addr);
/* The thread whose stack has it; NULL: none's. */
const struct thread *image_stack(const struct image *img, taddr addr);
/* Below the stack pointer of one: what lies there was. */
static inline bool image_is_dead_stack(const struct image *img, taddr addr)
{
	const struct thread *t = image_stack(img, addr);

	return t && addr < t->live_low;
}

/* Somebody may run what is there. */
static inline bool image_is_code(const struct image *img, taddr addr)
{
	const struct segment *seg = image_segment(img, addr);

	return seg && seg->flags & SEG_X;
}

/*
 * The index of the module whose data a segment is: mapped from its file, or the anonymous .bss
 * right behind that; -1 if none.  What the program's brk area begins with may be told as its .bss.
 */
int32_t image_data_module(const struct image *img, const struct segment *seg);

/*
 * Zero-copy: bytes at addr up to the end of what lies contiguous, in one segment or in several (a
 * program's .bss begins in a page of its file); NULL when there are none.  The hot path of every
 * reader.
 */
const uint8_t *image_view(const struct image *img, taddr addr, uint64_t *ret_avail);

/* Across segments. On failure `ret` is untouched. */
enum mem_status image_read(const struct image *img, taddr addr, void *ret, uint64_t n);
enum mem_status image_read_u64(const struct image *img, taddr addr, uint64_t *ret);
enum mem_status image_read_u32(const struct image *img, taddr addr, uint32_t *ret);
/* A C string of at most max - 1 bytes; MEM_OK only if its NUL was seen. */
enum mem_status image_read_str(const struct image *img, taddr addr, char *ret, size_t max);

const struct module *image_module_at(const struct image *img, taddr addr); /* NULL if none */
const char *module_base_name(const struct module *m);
uint64_t image_auxv(const struct image *img, uint64_t type, uint64_t if_absent);

/* ---- symbols (image/symtab.c): .symtab, .dynsym, .gnu_debugdata, or the dumped dynamic section */

/*
 * glibc's struct pthread on x86-64, which a thread pointer points to: whether there is one, known by
 * its words `tcb` and `self`, and what its `stackblock`, `stackblock_size` and `guardsize` say, wherever
 * behind its tid they are: the memory [start, end), guard pages included, with the struct at its end.
 */
struct pthread_stack {
	taddr words; /* where the three lie */
	taddr start, end;
};
bool image_is_pthread(const struct image *img, taddr pd);
bool image_pthread_stack(const struct image *img, taddr pd, struct pthread_stack *ret);

struct symbol {
	const char *name; /* as in the file, not demangled; lives as long as the image */
	taddr addr;
	uint64_t size;	  /* 0 = unknown */
	bool is_func, is_object, is_tls; /* tls: addr is the offset in the TLS block */
	const struct module *module;
};
/* `module` NULL: every module in load order, first hit. */
bool image_symbol(const struct image *img, const struct module *module, const char *name, struct symbol *ret);
/* The symbol whose [addr, addr + size) holds it (or the nearest before it when size is 0). */
bool image_symbol_at(const struct image *img, taddr addr, struct symbol *ret);
/* "symbol+0x10", "libfoo.so+0x4a10", or "0x7f.."; never fails. Demangled. */
void image_describe(const struct image *img, taddr addr, struct text *ret);

/* ---- debug info (image/dbg.c); false when there is no DWARF or it does not say */

bool image_field_offset(const struct image *img, const struct module *m, const char *struct_name,
			const char *field, uint64_t *ret_offset);
/* The variable or function of DWARF that covers a static address, with its file:line; NULLs where unknown. */
struct source_place {
	const char *file; /* lives as long as the image */
	unsigned line;
};
bool image_source_of(const struct image *img, taddr pc, struct source_place *ret);

#endif
