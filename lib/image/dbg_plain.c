/* image/dbg_plain.c - a header, a row a section with its hash, the sections one behind the other. */
#include "image/dbg_plain.h"

#include <string.h>
#include <sys/mman.h>

#include "base/bits.h"
#include "base/guard.h"
#include "base/hash.h"
#include "image/cache_file.h"

enum { FORMAT = 2, NAME = 40 };

struct header {
	char magic[8];
	uint64_t format, file_size, mtime_ns, n;
	uint64_t hash; /* of the rows */
};

struct row {
	char name[NAME];
	uint64_t n, hash;
};

static const char magic[8] = "heapfxDS", ending[] = ".plain";

bool dbg_plain_is_for(const struct image *img, const struct elf_file *file)
{
	const uint8_t *at;
	uint64_t n;

	return img->cache_dir && file->id.n && file->mapped && elf_file_has(file, ".debug_info") &&
	       !elf_file_section(file, ".debug_info", &at, &n);
}

/* Of the bytes that are left: those of the section, if they are what they were. */
static bool take_section(const struct row *row, const uint8_t *bytes, uint64_t left, struct dbg_section *ret)
{
	*ret = (struct dbg_section){ row->name, bytes, row->n };
	return row->n && row->n <= left && !row->name[NAME - 1] && !strncmp(row->name, ".debug_", 7) &&
	       hash_bytes(bytes, row->n) == row->hash;
}

size_t dbg_plain_parse(const uint8_t *bytes, uint64_t n, uint64_t file_size, uint64_t mtime_ns,
		       struct dbg_section ret[static DBG_SECTIONS_MAX])
{
	const struct row *rows = (const void *)(bytes + sizeof(struct header));
	struct header h;
	uint64_t at;

	if (n < sizeof(h))
		return 0;
	memcpy(&h, bytes, sizeof(h));
	if (memcmp(h.magic, magic, sizeof(magic)) != 0 || h.format != FORMAT || h.file_size != file_size || h.mtime_ns != mtime_ns ||
	    h.n > DBG_SECTIONS_MAX || h.n > (n - sizeof(h)) / sizeof(*rows) ||
	    hash_bytes(rows, h.n * sizeof(*rows)) != h.hash)
		return 0;
	at = sizeof(h) + h.n * sizeof(*rows);
	for (size_t i = 0; i < h.n; at += rows[i++].n)
		if (!take_section(&rows[i], bytes + at, n - at, &ret[i]))
			return 0;
	return at == n ? h.n : 0;
}

bool dbg_plain_read(const struct image *img, const struct elf_file *file, struct Elf *like, struct dbg_plain *ret)
{
	struct dbg_section sections[DBG_SECTIONS_MAX];
	size_t n;

	*ret = (struct dbg_plain){};
	ret->map = cache_file_map(img, &file->id, ending, &ret->size);
	n = ret->map ? dbg_plain_parse(ret->map, ret->size, file->size, file->mtime_ns, sections) : 0;
	if (n && dbg_view_open(like, sections, n, &ret->view))
		return true;
	dbg_plain_close(ret);
	return false;
}

void dbg_plain_write(const struct image *img, const struct elf_file *file, struct Elf *unpacked)
{
	struct header h = { .format = FORMAT, .file_size = file->size, .mtime_ns = file->mtime_ns };
	struct cache_piece pieces[2 + DBG_SECTIONS_MAX];
	struct dbg_section sections[DBG_SECTIONS_MAX];
	struct row rows[DBG_SECTIONS_MAX] = {};
	uint64_t bytes = sizeof(h);

	h.n = dbg_sections_of(unpacked, sections);
	for (size_t i = 0; i < h.n; i++) {
		if (strlen(sections[i].name) >= NAME || sections[i].n > DBG_PLAIN_ONE - bytes)
			return;
		strcpy(rows[i].name, sections[i].name);
		rows[i].n = sections[i].n;
		rows[i].hash = hash_bytes(sections[i].at, sections[i].n);
		pieces[2 + i] = (struct cache_piece){ sections[i].at, sections[i].n };
		bytes += sections[i].n;
	}
	memcpy(h.magic, magic, sizeof(magic));
	h.hash = hash_bytes(rows, h.n * sizeof(*rows));
	pieces[0] = (struct cache_piece){ &h, sizeof(h) };
	pieces[1] = (struct cache_piece){ rows, h.n * sizeof(*rows) };
	cache_file_make_room(img, ending, DBG_PLAIN_ALL - bytes);
	cache_file_write_pieces(img, &file->id, ending, pieces, 2 + h.n);
}

void dbg_plain_close(struct dbg_plain *p)
{
	dbg_view_close(&p->view);
	if (p->map)
		munmap((void *)(uintptr_t)p->map, p->size);
	*p = (struct dbg_plain){};
}
