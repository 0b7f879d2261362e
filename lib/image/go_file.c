/*
 * image/go_file.c - is a file the Go program of a process whose dump holds no build id?
 *
 * gcore leaves out a program's first page, where build ids are, and Go before 1.24 writes none.  What
 * every dump has is the program's data: the build information in it (with the hashes of all modules
 * and the revision), and the moduledata, whose lengths and addresses follow from the code.
 * Both must be in memory as they are in the file.
 */
#include "image/go_file.h"

#include <elf.h>
#include <string.h>

#include "base/bits.h"

enum {
	HEAD_WORDS = 32,   /* of a moduledata: pcHeader ... enoptrbss */
	PCLN_WORDS = 19,   /* of these: a pointer and six slices, all full */
	BLOB_MAX = 1 << 20,
	CHUNK = 4096,
};

static const uint64_t scan_max = 256ull << 20;

/* Lengths are there before any relocation. */
static bool lengths_plausible(const uint8_t *p)
{
	for (unsigned i = 1; i < PCLN_WORDS; i += 3) {
		uint64_t len = load_u64(p + (i + 1) * 8);

		if (!len || len > UINT32_MAX || len != load_u64(p + (i + 2) * 8))
			return false;
	}
	return true;
}

/* The same numbers; addresses moved by the bias, or left to the loader to fill in. */
static bool words_agree(const uint8_t *file, const uint64_t *mem, uint64_t bias)
{
	for (unsigned i = 0; i < HEAD_WORDS; i++) {
		uint64_t w = load_u64(file + i * 8);
		bool is_length = i && i < PCLN_WORDS && i % 3 != 1;

		if (is_length ? w != mem[i] : w && w != mem[i] && w + bias != mem[i])
			return false;
	}
	return true;
}

static bool same_bytes(const struct image *img, taddr addr, const uint8_t *file, uint64_t n)
{
	uint8_t buf[CHUNK];

	for (uint64_t at = 0; at < n; at += CHUNK) {
		uint64_t step = n - at < CHUNK ? n - at : CHUNK;

		if (image_read(img, addr + at, buf, step) != MEM_OK || memcmp(buf, file + at, step) != 0)
			return false;
	}
	return true;
}

/* The section says how long it is; without sections nothing is compared. */
static enum go_fit build_info_fits(const struct image *img, uint64_t bias, const struct elf_file *e)
{
	const uint8_t *blob;
	uint64_t n, offset;

	if (!elf_file_section(e, ".go.buildinfo", &blob, &n) || n > BLOB_MAX)
		return GO_FIT_YES;
	offset = (uint64_t)(blob - e->map);
	for (size_t i = 0; i < e->h.n; i++) {
		const struct elf_segment *s = &e->h.segments[i];

		if (s->type == PT_LOAD && offset >= s->offset && offset - s->offset < s->filesz &&
		    n <= s->filesz - (offset - s->offset))
			return same_bytes(img, bias + s->vaddr + (offset - s->offset), blob, n) ? GO_FIT_YES :
												 GO_FIT_NO;
	}
	return GO_FIT_NO;
}

static enum go_fit moduledata_fits(const struct image *img, uint64_t bias, const struct elf_file *e,
				   const struct elf_segment *s)
{
	const uint8_t *bytes = e->map + s->offset;
	uint64_t n = s->filesz < scan_max ? s->filesz : scan_max;
	enum go_fit fit = GO_FIT_UNKNOWN;

	for (uint64_t at = align_up(s->vaddr, 8) - s->vaddr; at + HEAD_WORDS * 8 <= n; at += 8) {
		uint64_t mem[HEAD_WORDS];

		if (!lengths_plausible(bytes + at) ||
		    image_read(img, bias + s->vaddr + at, mem, sizeof(mem)) != MEM_OK)
			continue;
		if (words_agree(bytes + at, mem, bias))
			return GO_FIT_YES;
		fit = GO_FIT_NO;
	}
	return fit;
}

enum go_fit go_file_fits(const struct image *img, uint64_t bias, const struct elf_file *e)
{
	enum go_fit fit = GO_FIT_UNKNOWN;

	for (size_t i = 0; i < e->h.n && fit != GO_FIT_YES; i++) {
		const struct elf_segment *s = &e->h.segments[i];

		if (s->type == PT_LOAD && s->flags & PF_W && range_fits(s->offset, s->filesz, e->size)) {
			enum go_fit here = moduledata_fits(img, bias, e, s);

			fit = here != GO_FIT_UNKNOWN ? here : fit;
		}
	}
	return fit == GO_FIT_YES ? build_info_fits(img, bias, e) : fit;
}
