/* image/field_cache.c - a header with a hash, and rows of one size: a name longer than theirs is not kept. */
#include "image/field_cache.h"

#include <stdlib.h>
#include <string.h>

#include "base/guard.h"
#include "base/hash.h"
#include "base/vec.h"
#include "image/cache_file.h"

enum { FORMAT = 1, NAME = 60 };

struct header {
	char magic[8];
	uint64_t format, hash; /* of the rows */
	uint64_t size, alt_size; /* of the files with the DWARF */
};

struct row {
	uint64_t offset;
	char of[NAME], name[NAME];
};

static const char magic[8] = "heapfxDF", ending[] = ".fields";

static bool is_name(const char text[static NAME])
{
	return *text && memchr(text, 0, NAME);
}

static bool add(struct dbg *d, const struct row *row)
{
	struct dbg_field f = { .offset = row->offset, .found = true };

	f.of = strdup(row->of);
	f.name = strdup(row->name);
	if (f.of && f.name && vec_push(&d->fields, &f))
		return true;
	free(f.of);
	free(f.name);
	return false;
}

bool field_cache_parse(struct dbg *d, const uint8_t *bytes, uint64_t n, uint64_t size, uint64_t alt_size)
{
	struct header h;
	struct row row;

	if (n < sizeof(h) || (n - sizeof(h)) % sizeof(row))
		return false;
	memcpy(&h, bytes, sizeof(h));
	if (memcmp(h.magic, magic, sizeof(magic)) != 0 || h.format != FORMAT || h.size != size ||
	    h.alt_size != alt_size || h.hash != hash_bytes(bytes + sizeof(h), n - sizeof(h)))
		return false;
	for (uint64_t at = sizeof(h); at < n; at += sizeof(row)) {
		memcpy(&row, bytes + at, sizeof(row));
		if (!is_name(row.of) || !is_name(row.name) || !add(d, &row))
			return false;
	}
	return true;
}

static uint64_t size_of(const struct elf_file *file)
{
	return file ? file->size : 0;
}

void field_cache_read(const struct image *img, const struct module *m)
{
	struct dbg *d = m->dbg;
	uint64_t n;
	_free_ uint8_t *bytes = NULL;

	if (d->fields_read)
		return;
	d->fields_read = true;
	bytes = cache_file_read(img, m, ending, &n);
	if (bytes)
		(void)field_cache_parse(d, bytes, n, size_of(d->file), size_of(d->alt));
}

void field_cache_write(const struct image *img, const struct module *m)
{
	const struct dbg *d = m->dbg;
	struct header h = { .format = FORMAT, .size = size_of(d->file), .alt_size = size_of(d->alt) };
	_free_ uint8_t *bytes = NULL;
	uint64_t n = sizeof(h);

	if (!img->cache_dir)
		return;
	bytes = calloc(1, sizeof(h) + d->fields.n * sizeof(struct row));
	if (!bytes)
		return;
	for (size_t i = 0; i < d->fields.n; i++) {
		const struct dbg_field *f = &d->fields.v[i];
		struct row row = { .offset = f->offset };

		if (!f->found || strlen(f->of) >= NAME || strlen(f->name) >= NAME)
			continue;
		strcpy(row.of, f->of);
		strcpy(row.name, f->name);
		memcpy(bytes + n, &row, sizeof(row));
		n += sizeof(row);
	}
	memcpy(h.magic, magic, sizeof(magic));
	h.hash = hash_bytes(bytes + sizeof(h), n - sizeof(h));
	memcpy(bytes, &h, sizeof(h));
	if (n > sizeof(h))
		cache_file_write(img, m, ending, bytes, n);
}
