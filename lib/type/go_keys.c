/*
 * type/go_keys.c - the slots of maps in words, by the keys that stand in them.
 *
 * Strings that are literals of the program are shown, cut to forty bytes and escaped; other strings
 * and numbers when env.show_contents; others never.
 */
#include "type/go_keys.h"

#include <inttypes.h>
#include <string.h>

enum { KEY_BYTES = 40 };

/* A literal of the program: in what is mapped from a file and never written. */
static bool is_literal(const struct go_names *n, taddr at)
{
	const struct segment *seg = image_segment(n->img, at);

	return seg && seg->module >= 0 && !(seg->flags & SEG_W);
}

static void add_string_key(const struct go_names *n, taddr at, struct text *ret)
{
	uint64_t header[2];
	char bytes[KEY_BYTES];
	uint64_t len;

	if (image_read(n->img, at, header, sizeof(header))) {
		text_add(ret, "?");
		return;
	}
	if (!n->img->env->show_contents && !is_literal(n, header[0])) {
		text_add(ret, "...");
		return;
	}
	len = header[1] < KEY_BYTES ? header[1] : KEY_BYTES;
	if (len && image_read(n->img, header[0], bytes, len)) {
		text_add(ret, "?");
		return;
	}
	text_add(ret, "\"");
	for (uint64_t i = 0; i < len; i++) {
		uint8_t c = (uint8_t)bytes[i];

		if (c == '"' || c == '\\')
			text_printf(ret, "\\%c", c);
		else if (c < ' ' || c == 0x7f)
			text_printf(ret, "\\x%02x", c);
		else
			text_add_n(ret, &bytes[i], 1);
	}
	text_add(ret, header[1] > KEY_BYTES ? "...\"" : "\"");
}

static void add_integer_key(const struct go_names *n, const struct go_type *key, taddr at,
			    struct text *ret)
{
	bool is_signed = key->kind >= GO_INT && key->kind <= GO_INT64;
	unsigned shift = 64 - 8 * (unsigned)key->size;
	uint64_t v = 0;

	if (image_read(n->img, at, &v, key->size))
		text_add(ret, "?");
	else if (is_signed)
		text_printf(ret, "%" PRId64, (int64_t)(v << shift) >> shift);
	else
		text_printf(ret, "%" PRIu64, v);
}

static void add_key(const struct go_names *n, const struct go_type *key, taddr at, struct text *ret)
{
	uint64_t words[2];
	const struct go_type *inside;

	if (key->kind == GO_INTERFACE && !image_read(n->img, at, words, sizeof(words))) {
		inside = go_type_at(n->go, words[0]);
		if (!inside)
			inside = go_itab_type(n->go, words[0]);
		if (inside && !inside->direct) {
			key = inside;
			at = words[1];
		}
	}
	if (key->kind == GO_STRING)
		add_string_key(n, at, ret);
	else if (n->img->env->show_contents && key->kind >= GO_INT && key->kind <= GO_UINTPTR)
		add_integer_key(n, key, at, ret);
	else
		text_add(ret, "...");
}

/* {ctrl, slots [8]{key, elem}}, {ctrl, keys [8], elems [8]} or {topbits, keys [8], elems [8], overflow}. */
bool go_map_slots_of(const struct go_type *t, struct go_map_slots *ret)
{
	const struct go_field *slots = go_field_named(t, "slots"), *keys = go_field_named(t, "keys"),
			      *elems = go_field_named(t, "elems");

	if (slots && slots->type->kind == GO_ARRAY && slots->type->elem &&
	    slots->type->elem->n_fields == 2) {
		const struct go_type *slot = slots->type->elem;

		*ret = (struct go_map_slots){
			.key = slot->fields[0].type,
			.elem = slot->fields[1].type,
			.keys = slots->offset,
			.elems = slots->offset + slot->fields[1].offset,
			.key_stride = slot->size,
			.elem_stride = slot->size,
		};
		return slot->size;
	}
	if (!keys || !elems || keys->type->kind != GO_ARRAY || elems->type->kind != GO_ARRAY ||
	    !keys->type->elem || !elems->type->elem)
		return false;
	*ret = (struct go_map_slots){
		.key = keys->type->elem,
		.elem = elems->type->elem,
		.keys = keys->offset,
		.elems = elems->offset,
		.key_stride = keys->type->elem->size,
		.elem_stride = elems->type->elem->size,
	};
	return true;
}

/* Of a large key that stands elsewhere, by a pointer in the slot. */
static void add_slot_key(const struct go_names *n, const struct go_map_slots *m, taddr at,
			 struct text *ret)
{
	text_add(ret, "[");
	if (m->key->kind == GO_POINTER && m->key->elem && m->key->elem->size > 128)
		text_add(ret, "...");
	else
		add_key(n, m->key, at, ret);
	text_add(ret, "]");
}

bool go_keys_map_path(const struct go_names *n, const struct go_type *t, taddr addr,
		      uint64_t offset, struct text *ret)
{
	taddr group = addr + offset / t->size * t->size;
	struct go_map_slots m;

	offset %= t->size;
	if (!go_map_slots_of(t, &m))
		return false;
	for (unsigned i = 0; i < 8; i++) {
		uint64_t key = m.keys + i * m.key_stride, elem = m.elems + i * m.elem_stride;

		if (offset >= key && offset - key < m.key->size) {
			text_add(ret, " key ");
			add_key(n, m.key, group + key, ret);
			return true;
		}
		if (offset >= elem && offset - elem < m.elem->size) {
			add_slot_key(n, &m, group + key, ret);
			go_type_path(n->go, m.elem, offset - elem, ret);
			return true;
		}
	}
	return true; /* the next bucket of a chain: no step to a reader */
}

/* ---- sync.Map */

static bool starts(const char *s, const char *with)
{
	return !strncmp(s, with, strlen(with));
}

static bool in_field(const struct go_field *f, uint64_t offset, uint64_t *ret)
{
	*ret = f ? offset - f->offset : 0;
	return f && offset >= f->offset && *ret < f->type->size;
}

/* Since 1.24: entry {node, overflow, key, value}. */
static bool entry_path(const struct go_names *n, const struct go_type *t, taddr addr,
		       uint64_t offset, struct text *ret)
{
	const struct go_field *key = go_field_named(t, "key"), *value = go_field_named(t, "value");
	uint64_t in;

	if (!key || !value)
		return false;
	if (in_field(key, offset, &in)) {
		text_add(ret, " key ");
		add_key(n, key->type, addr + key->offset, ret);
	} else if (in_field(value, offset, &in)) {
		text_add(ret, "[");
		add_key(n, key->type, addr + key->offset, ret);
		text_add(ret, "]");
		go_type_path(n->go, value->type, in, ret);
	}
	return true; /* overflow: the next of one hash */
}

bool go_keys_sync_path(const struct go_names *n, const struct go_type *t, taddr addr,
		       uint64_t offset, struct text *ret)
{
	const struct go_field *children;
	uint64_t in;

	if (!starts(t->name, "sync."))
		return false;
	if (starts(t->name, "sync.entry["))
		return entry_path(n, t, addr, offset, ret);
	if (starts(t->name, "sync.indirect[")) {
		children = go_field_named(t, "children");
		return in_field(children, offset, &in);
	}
	if (!strcmp(t->name, "sync.entry")) {
		text_add(ret, "*");
		return true;
	}
	return !strcmp(t->name, "sync.readOnly");
}
