/*
 * type/go_sync_find.c - where the words of a sync.Map are, and which words without a type are one.
 *
 * A program without debug info tells no types of its globals, and some blocks have none in any
 * program.  A sync.Map among them is known by what
 * it leads to: to 1.23 an atomic pointer to {m, amended}, m a map whose storage is as large as that
 * of a map[any]*entry; since 1.24 a trie's root beside a function that hashes.
 */
#include "type/go_sync_maps.h"

#include "base/bits.h"
#include "type/go_block.h"
#include "type/go_shape.h"

/* atomic.Pointer {[0]*T, noCopy, v}; atomic.Value {v any}, whose second word is the pointer. */
static uint64_t pointer_in(const struct go_field *f)
{
	const struct go_field *v = f->type->kind == GO_STRUCT ? go_field_named(f->type, "v") : NULL;

	if (!v)
		return f->offset;
	return f->offset + v->offset + (v->type->kind == GO_INTERFACE ? 8 : 0);
}

static bool old_layout(const struct go_type *t, struct go_sync_layout *l)
{
	const struct go_field *read = go_field_named(t, "read"),
			      *dirty = go_field_named(t, "dirty"),
			      *misses = go_field_named(t, "misses");

	if (!read || !dirty || !misses)
		return false;
	l->read = pointer_in(read);
	l->dirty = dirty->offset;
	l->misses = misses->offset;
	return true;
}

static bool trie_layout(const struct go *go, const struct go_type *t, struct go_sync_layout *l)
{
	const struct go_field *m = go_field_named(t, "m"),
			      *root = m ? go_field_named(m->type, "root") : NULL, *children,
			      *hash, *parent;
	const struct go_type *node, *entry;

	if (!root || root->type->kind != GO_STRUCT || !root->type->n_fields ||
	    root->type->fields[0].type->kind != GO_ARRAY)
		return false;
	node = root->type->fields[0].type->elem;
	node = node && node->kind == GO_POINTER ? node->elem : NULL;
	children = node ? go_field_named(node, "children") : NULL;
	if (!children || children->type->size < 8 * SYNC_CHILDREN)
		return false;
	l->root = m->offset + pointer_in(root);
	hash = go_field_named(m->type, "keyHash");
	l->hash = hash ? m->offset + hash->offset : l->root + 8;
	parent = go_field_named(node, "parent");
	l->parent = parent ? parent->offset : l->children - 8;
	l->children = children->offset;
	entry = go_type_named(go, "sync.entry[interface {},interface {}]");
	l->overflow = entry && go_field_named(entry, "overflow") ?
			      go_field_named(entry, "overflow")->offset :
			      8;
	l->is_trie = true;
	return true;
}

bool go_sync_layout(const struct go *go, struct go_sync_layout *l)
{
	const struct go_type *t = go_type_named(go, "sync.Map");

	*l = (struct go_sync_layout){};
	if (t && t->kind == GO_STRUCT && (old_layout(t, l) || trie_layout(go, t, l)))
		l->type = t;
	return l->type;
}

/* ---- words without a type */

static uint64_t word(const struct sync_search *s, taddr at)
{
	uint64_t v;

	return image_read_u64(s->img, at, &v) == MEM_OK ? v : 0;
}

static bool starts_block(const struct sync_search *s, taddr at, uint64_t least, struct go_block *ret)
{
	return at && go_block_at(s->blocks, at, ret) && ret->start == at && ret->usable >= least;
}

/* A function value: a pointer to a word that is a function's entry. */
static bool is_function(const struct sync_search *s, taddr value)
{
	taddr pc = value ? word(s, value) : 0;
	struct go_func f;

	return pc && go_func_at(s->img->go, pc, &f) && f.entry == pc;
}

static bool is_trie(const struct sync_search *s, taddr at)
{
	const struct go_sync_layout *l = &s->l;
	taddr root = word(s, at + l->root);
	struct go_block b;

	return starts_block(s, root, l->children + 8 * SYNC_CHILDREN, &b) && !(word(s, root) & 0xff) &&
	       !word(s, root + l->parent) && is_function(s, word(s, at + l->hash));
}

/* Of 2^bits buckets or of one group: what its storage takes must fit. */
static bool is_entry_map(const struct sync_search *s, taddr header)
{
	const struct go *go = s->img->go;
	uint64_t bits = word(s, header + 8) >> 8 & 0xff, n = 1;
	struct go_block b, slots;

	if (!s->map || !s->map->bucket || go->swissmap || bits > 40 ||
	    !starts_block(s, header, HMAP_EXTRA + 8, &b) ||
	    !starts_block(s, word(s, header + HMAP_BUCKETS), 8, &slots) ||
	    word(s, header + HMAP_COUNT) > (uint64_t)16 << bits)
		return false;
	n <<= bits;
	n += bits < 4 ? 0 : n >> 4;
	return go_block_size(go, n * s->map->bucket->size, true) == slots.size;
}

static bool is_old(const struct sync_search *s, taddr at)
{
	taddr read = word(s, at + s->l.read), dirty = word(s, at + s->l.dirty);
	struct go_block b;

	if (!starts_block(s, read, 16, &b) || b.size != 16 || (word(s, read + 8) & 0xff) > 1)
		return false;
	if (dirty && !is_entry_map(s, dirty))
		return false;
	return is_entry_map(s, word(s, read));
}

bool go_sync_search(const struct image *img, const struct blocks *blocks, struct sync_search *ret)
{
	*ret = (struct sync_search){ .img = img, .blocks = blocks };
	if (!go_sync_layout(img->go, &ret->l))
		return false;
	ret->map = go_type_named(img->go, "map[interface {}]*sync.entry");
	return true;
}

/* A lock that few wait for; of which most are free. */
static bool is_mutex(uint64_t word)
{
	return (uint32_t)word < 1 << 20 && word >> 32 < 1 << 16;
}

bool go_sync_may_be(const struct sync_search *s, const uint8_t *words, uint64_t n, uint64_t i)
{
	const struct go_sync_layout *l = &s->l;
	uint64_t hash, first, dirty, misses;

	if (l->is_trie) {
		hash = i + (l->hash - l->root) / 8;
		return hash < n && load_u64(words + 8 * hash);
	}
	if (i < l->read / 8)
		return false;
	first = i - l->read / 8;
	dirty = first + l->dirty / 8;
	misses = first + l->misses / 8;
	return misses < n && dirty < n && is_mutex(load_u64(words + 8 * first)) &&
	       load_u64(words + 8 * misses) < UINT32_MAX &&
	       (i == first + 1 || load_u64(words + 8 * (i - 1)));
}

taddr go_sync_at(const struct sync_search *s, taddr slot)
{
	taddr at = slot - (s->l.is_trie ? s->l.root : s->l.read);

	return (s->l.is_trie ? is_trie(s, at) : is_old(s, at)) ? at : 0;
}
