/* Files of the DWARF cache whose hash is right: rows, names and numbers are whatever they are. */
#include "base/hash.h"
#include "fuzz.h"
#include "image/dbg_cache.h"
#include "image/dbg_plain.h"
#include "image/field_cache.h"

enum { HASH_AT = 16, SIZE_AT = 24, HEADER = 88, FIELDS_HEADER = 40 };

static void fields(uint8_t *bytes, size_t size)
{
	uint64_t hash, sizes[2];
	struct dbg d = {};

	if (size < FIELDS_HEADER)
		return;
	hash = hash_bytes(bytes + FIELDS_HEADER, size - FIELDS_HEADER);
	memcpy(bytes + HASH_AT, &hash, sizeof(hash));
	memcpy(sizes, bytes + SIZE_AT, sizeof(sizes));
	(void)field_cache_parse(&d, bytes, size, sizes[0], sizes[1]);
	for (size_t i = 0; i < d.fields.n; i++) {
		(void)!strlen(d.fields.v[i].of);
		free(d.fields.v[i].of);
		free(d.fields.v[i].name);
	}
	free(d.fields.v);
}

/* Sections whose hashes are whatever they are: of those that are taken each byte is there. */
static void plain(uint8_t *bytes, size_t size)
{
	enum { PLAIN_HASH_AT = 40, PLAIN_HEADER = 48, ROW = 56 };
	struct dbg_section sections[DBG_SECTIONS_MAX];
	uint64_t rows, hash, file_size, mtime;
	size_t n;

	if (size < PLAIN_HEADER)
		return;
	memcpy(&rows, bytes + 32, sizeof(rows));
	if (rows > (size - PLAIN_HEADER) / ROW)
		rows = 0;
	hash = hash_bytes(bytes + PLAIN_HEADER, rows * ROW);
	memcpy(bytes + PLAIN_HASH_AT, &hash, sizeof(hash));
	memcpy(&file_size, bytes + 16, sizeof(file_size));
	memcpy(&mtime, bytes + 24, sizeof(mtime));
	n = dbg_plain_parse(bytes, size, file_size, mtime, sections);
	for (size_t i = 0; i < n; i++)
		(void)!(strlen(sections[i].name) + hash_bytes(sections[i].at, sections[i].n));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct dbg_space spaces[] = { { 0x10000, 0x1000 }, {}, { 0x90000, 0x1000 } };
	static const struct dbg_cache_base base = { spaces, 3 };
	struct dbg_cache_key key = {};
	struct dbg_types t = {};
	uint8_t *bytes = malloc(size + 1);
	uint64_t hash;
	struct err *err;
	bool ok;

	if (!bytes)
		abort();
	memcpy(bytes, data, size);
	if (size > HEADER) {
		hash = hash_bytes(bytes + HEADER, size - HEADER);
		memcpy(bytes + HASH_AT, &hash, sizeof(hash));
		memcpy(&key.size, bytes + SIZE_AT, 8);
		memcpy(&key.alt_size, bytes + SIZE_AT + 8, 8);
		memcpy(&key.parts, bytes + SIZE_AT + 16, 8);
	}
	err = dbg_cache_parse(&t, bytes, size, &key, &base, &ok);
	if (!err && ok) {
		for (size_t i = 0; i < t.vars.n; i++)
			(void)!strlen(t.vars.v[i].name);
		for (size_t i = 0; i < t.named.n; i++)
			(void)!strlen(t.named.v[i].name);
		for (size_t i = 0; i < t.by_hash.n; i++)
			if (t.by_hash.v[i] >= t.named.n)
				abort();
	}
	err_free(err);
	free(t.vars.v);
	free(t.funcs.v);
	free(t.named.v);
	free(t.by_hash.v);
	arena_fini(&t.mem);
	fields(bytes, size);
	plain(bytes, size);
	free(bytes);
	return 0;
}
