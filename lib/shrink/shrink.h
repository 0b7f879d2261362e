/*
 * shrink/shrink.h - a core with its shape kept and its contents blanked.
 *
 * The shape is what readers asked for while the dump was analysed (image/shadow.h), held against
 * what then turned out to lie there, and every word that points at a used block.  All else is zero,
 * at the same place of a file of the same length.
 */
#ifndef HEAPFX_SHRINK_SHRINK_H
#define HEAPFX_SHRINK_SHRINK_H

#include "heap/blocks.h"
#include "image/shadow.h"
#include "type/scan.h"

/*
 * Before anything is told of it: the image as one of the blanked core, without the process's names
 * and those of files that are no modules.
 */
struct err *shrink_names(struct image *img) MUST_CHECK;
/*
 * Once blocks are known: of what was kept so far, what lies in the program's own memory goes, unless
 * it is a plain word that the first readers asked for, before the heaps were walked.
 */
struct err *shrink_blocks(const struct image *img, const struct blocks *b) MUST_CHECK;
/*
 * Once everything has been read: pointers to used blocks, a mark in pages that would else look as
 * if they had never been written to.  `pooled`: a bit for each block of a pool, which pointers into it hold; NULL: none.
 */
struct err *shrink_pointers(const struct image *img, const struct blocks *b, const uint64_t *pooled) MUST_CHECK;
/*
 * The headers of the file and its notes: registers and paths of files that are no modules go as
 * memory does.  ERR_UNSUPPORTED for a core without a place to say in that its contents are gone.
 */
struct err *shrink_notes(const struct image *img, const struct blocks *b, const uint64_t *pooled) MUST_CHECK;
/*
 * After that: used blocks of these types are as they were.  ERR_USAGE for a name that no type has.
 */
struct err *shrink_keep(const struct image *img, const struct blocks *b, const struct graph *g,
			const char *const *names, size_t n) MUST_CHECK;
/*
 * After that: equal contents become equal digests, as far as they were compared.  Who does not know
 * the salt cannot find out what they were, not even by trying.
 */
enum { SALT_LEAST = 16, SALT_MOST = 4096 };
struct salt {
	uint8_t bytes[SALT_MOST];
	size_t n;
};
struct err *shrink_digests(const struct image *img, const struct salt *salt) MUST_CHECK;
/*
 * What a word that points at a block becomes.  A pointer into the middle tells the block alone: which
 * byte of it would be room for something that only looks like a pointer.
 */
uint64_t shrink_pointer(const struct scan *s, uint64_t value, uint32_t target);

#endif
