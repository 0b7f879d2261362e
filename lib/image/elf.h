/*
 * image/elf.h - an ELF file (or its headers as a process had them), every offset checked.
 *
 * Reads 64-bit little-endian files only.  Const after it is opened.
 */
#ifndef HEAPFX_IMAGE_ELF_H
#define HEAPFX_IMAGE_ELF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/col.h"
#include "image/image.h"

enum { BUILD_ID_MAX = 32 };

struct build_id {
	uint8_t bytes[BUILD_ID_MAX];
	uint8_t n; /* 0 = unknown */
};

struct elf_segment { /* one program header */
	uint32_t type, flags;
	uint64_t offset, vaddr, filesz, memsz, align;
};

/* An ELF header and its program headers: of a file, or of the start of a module in memory. */
struct elf_headers {
	uint16_t type, machine, shstrndx, shnum;
	uint64_t entry, phoff, shoff;
	uint64_t low; /* lowest PT_LOAD address, rounded down to its page */
	uint64_t high; /* end of the highest PT_LOAD */
	struct elf_segment *segments; /* in file order; owned */
	size_t n;
};

struct elf_file {
	char *path;
	const uint8_t *map;
	uint64_t size;
	bool mapped; /* `map` is our own mapping of the file at `path`, which was: */
	uint64_t device, inode, mtime_ns;
	struct elf_headers h;
	struct build_id id;
};

bool build_id_equal(const struct build_id *a, const struct build_id *b); /* false when unknown */
void build_id_hex(const struct build_id *id, char ret[2 * BUILD_ID_MAX + 1]);
/* The GNU build id in the bytes of a PT_NOTE; leaves `ret` alone when there is none. */
void build_id_of_notes(const uint8_t *bytes, uint64_t n, uint64_t align, struct build_id *ret);

/* False when it is no ELF header that we read, or its program headers are not in these bytes. */
bool elf_headers_parse(const uint8_t *bytes, uint64_t n, struct elf_headers *ret);
void elf_headers_fini(struct elf_headers *h);
const struct elf_segment *elf_headers_find(const struct elf_headers *h, uint32_t type);

/* Borrowed bytes, which must outlive the file. `path` is copied. ERR_FORMAT if it is not ELF. */
struct err *elf_file_open_bytes(const char *path, const uint8_t *bytes, uint64_t n,
				struct elf_file **ret) MUST_CHECK;
/* A regular file of this machine. ERR_OS if there is none. */
struct err *elf_file_open_path(const char *path, struct elf_file **ret) MUST_CHECK;
/* False for a debug file: its program headers are there, what they describe is not. */
bool elf_file_has_code(const struct elf_file *e);
/* There is such a section and it has bytes, compressed or not. */
bool elf_file_has(const struct elf_file *e, const char *section);
/* The bytes of a section; false when there is none, it has no bytes in the file or is compressed. */
bool elf_file_section(const struct elf_file *e, const char *name, const uint8_t **ret, uint64_t *ret_n);

/*
 * The same bytes for libelf, which writes where it unpacks a compressed section: pages of their
 * own, so that nobody else sees that.  `map` is NULL when the file is no longer what it was.
 */
struct elf_copy {
	uint8_t *map;
	uint64_t size;
	struct col own; /* where it lies, unless it is a mapping of the file */
};
struct err *elf_copy_open(struct env *env, const struct elf_file *e, struct elf_copy *ret) MUST_CHECK;
void elf_copy_close(struct elf_copy *c); /* zeroed is fine */

/*
 * The separate debug file of a module, by its build id: in the bundle, the debug directories,
 * the sysroots, /usr/lib/debug.  It has a section of this name.  NULL when there is none.
 */
struct err *elf_debug_file_open(const struct image *img, const struct module *m,
				const struct image_options *opt, const char *section,
				struct elf_file **ret) MUST_CHECK;

/* The file that `e` says the rest of its DWARF is in; false when it says nothing. An id of 0 bytes is a damaged one. */
bool elf_file_alt(const struct elf_file *e, const char **ret_name, struct build_id *ret_id);
/* That file, by its build id in the same places, then by its name; NULL when there is none with that id. */
struct err *elf_alt_file_open(const struct image *img, const struct elf_file *of, const struct image_options *opt,
			      struct elf_file **ret) MUST_CHECK;
/*
 * The package with the units that were split off from the DWARF in `of`: a module of the input or a
 * file beside that one, by its name and ".dwp".  It has no build id: units have ids.  NULL when there is none.
 */
struct err *elf_package_open(const struct image *img, const struct module *m, const struct elf_file *of,
			     const struct image_options *opt, struct elf_file **ret) MUST_CHECK;

#endif
