/*
 * image/parts.h - the steps by which image_open() fills an image, in the order it runs them.
 *
 * Each is one file of its own; none calls another.  A step that finds nothing is no error: it
 * leaves its part empty, with a diag when that is a defect.
 */
#ifndef HEAPFX_IMAGE_PARTS_H
#define HEAPFX_IMAGE_PARTS_H

#include "image/image.h"

/* What a dump format read, before it becomes segments. */
struct load {
	taddr start, end;    /* as the process had it */
	uint64_t offset, n_bytes; /* in the dump; n_bytes <= end - start, already cut to the file */
	uint8_t flags;
};
struct mapped_file { /* one NT_FILE row */
	taddr start, end;
	uint64_t offset; /* in bytes */
	const char *path;
};
struct dump {
	struct load *loads; /* in the order of the file */
	size_t n_loads;
	struct mapped_file *files;
	size_t n_files;
};
/*
 * segments.c: sorted, disjoint segments from the loads; of overlapping ones the first in the file
 * that has contents wins (diag "core/overlap"). Split where the dumped part ends and where NT_FILE rows begin and end.
 */
struct err *segments_build(struct image *img, const struct member *core, const struct dump *dump) MUST_CHECK;
/*
 * modules.c: modules from NT_FILE rows and the link map (and from the auxv alone when there is
 * neither), build ids from dumped memory, the file of each from --exe, bundle, sysroots or the
 * host, only if the build id matches (diag "module/build-id-mismatch" with both ids otherwise).
 */
struct err *modules_build(struct image *img, const struct mapped_file *files, size_t n, const struct image_options *opt) MUST_CHECK;
/*
 * module_segments.c: adds what NT_FILE rows name and no load covers, cuts segments where modules
 * begin and end, and fills segment->module, file and file_offset.
 */
struct err *segments_of_modules(struct image *img, const struct mapped_file *files, size_t n) MUST_CHECK;
/* module_segments.c: gives absent parts of segments the bytes of the matching files; segment->behind. */
struct err *modules_restore_bytes(struct image *img) MUST_CHECK;
/* symtab.c: module->symtab, module->symbols. */
struct err *symbols_open(struct image *img, const struct image_options *opt) MUST_CHECK;
void symtab_free(struct symtab *t);
/* dbg.c: module->dbg from the file itself, its debug link or build-id file in the debug dirs. */
struct err *dbg_open(struct image *img, const struct image_options *opt) MUST_CHECK;
void dbg_free(struct dbg *d);
/* elf.c */
void elf_file_free(struct elf_file *e);
/* unwind.c: thread->frames by libdwfl, bounded in depth; then the frame pointers where that fails. */
struct err *unwind_threads(struct image *img, const struct image_options *opt) MUST_CHECK;
/* threads.c: stack_low/high/live_low, tp, from registers and segments; img->brk_*. */
struct err *threads_place(struct image *img) MUST_CHECK;

#endif
