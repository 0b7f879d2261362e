/*
 * type/native_rust.c - containers of Rust's standard library: where their values are.
 *
 * Source of truth: alloc/src/vec/mod.rs, raw_vec (ptr, cap: Rust 1.60 to 1.95; since 1.80 with
 * RawVecInner between), vec_deque/mod.rs (head, len: since 1.67), hashbrown 0.12 to 0.16
 * (src/raw: ctrl, bucket_mask; values lie in front of ctrl, the first next to it).  Which byte of a struct
 * a field is, the compiler chooses: DWARF says.  Box, Rc and Arc are plain pointers to it.
 * sync/once_lock.rs, sync/lazy_lock.rs (since 1.70, 1.80), sys/sync/once/futex.rs.
 */
#include <string.h>

#include "base/bits.h"
#include "base/guard.h"
#include "image/shadow.h"
#include "type/native.h"

enum room_kind { ROOM_VEC, ROOM_DEQUE, ROOM_TABLE, ROOM_SHARED };

enum {
	GROUP = 16, /* control bytes behind the last bucket's: as many as are looked at together, with SSE2 */
	BUCKETS_MAX = 1 << 26,
	TABLE_ALIGN = 16,
	WRAPPERS_MAX = 8,
};

bool native_is_rust_std(const struct dbg_type *type)
{
	static const char *const of[] = { "alloc::", "core::", "std::", "hashbrown::" };

	for (size_t i = 0; type->language == DBG_LANG_RUST && type->name && i < ARRAY_SIZE(of); i++)
		if (!strncmp(type->name, of[i], strlen(of[i])))
			return true;
	return false;
}

bool native_is_rust_pointer(const struct dbg_type *type, const struct dbg_member *m)
{
	return type->language == DBG_LANG_RUST && type->n_members == 2 && m->name && !strcmp(m->name, "data_ptr") &&
	       native_member(type, "length");
}

const struct dbg_type *native_rust_bare(const struct dbg_type *type)
{
	for (unsigned i = 0; i < WRAPPERS_MAX && type->kind == DBG_KIND_STRUCT && native_begins(type->name, "core::mem::"); i++) {
		dbg_type_load((struct dbg_type *)type);
		if (type->n_members != 1 || type->members[0].offset || type->members[0].type->size != type->size)
			break;
		type = type->members[0].type;
	}
	return type;
}

/* "buf.inner.ptr": where it is; false: a name of these is not there. */
static bool find_field(const struct dbg_type *type, const char *path, uint64_t *ret)
{
	uint64_t offset = 0;
	char name[32];

	while (*path) {
		size_t n = strcspn(path, ".");
		const struct dbg_member *m;

		memcpy(name, path, n);
		name[n] = 0;
		m = native_member(type, name);
		if (!m)
			return false;
		offset += m->offset;
		type = m->type;
		path += n + (path[n] == '.');
	}
	*ret = offset;
	return true;
}

/* One of these paths. */
static bool find_any(const struct dbg_type *type, const char *a, const char *b, uint64_t *ret)
{
	return find_field(type, a, ret) || find_field(type, b, ret);
}

static bool find_room(const struct dbg_type *type, struct native_room *room)
{
	if (native_begins(type->name, "alloc::vec::Vec<")) {
		room->kind = ROOM_VEC;
		return find_any(type, "buf.inner.ptr", "buf.ptr", &room->first) &&
		       find_any(type, "buf.inner.cap", "buf.cap", &room->capacity) &&
		       find_field(type, "len", &room->length);
	}
	if (native_begins(type->name, "alloc::collections::vec_deque::VecDeque<")) {
		room->kind = ROOM_DEQUE;
		return find_any(type, "buf.inner.ptr", "buf.ptr", &room->first) &&
		       find_any(type, "buf.inner.cap", "buf.cap", &room->capacity) &&
		       find_field(type, "len", &room->length) && find_field(type, "head", &room->head);
	}
	if (native_begins(type->name, "hashbrown::raw::RawTable<")) {
		room->kind = ROOM_TABLE;
		return find_any(type, "table.ctrl", "ctrl", &room->first) &&
		       find_any(type, "table.bucket_mask", "bucket_mask", &room->capacity) &&
		       find_any(type, "table.items", "items", &room->length);
	}
	/* Box<[T]>, Box<str> */
	room->kind = ROOM_VEC;
	return find_field(type, "data_ptr", &room->first) && find_field(type, "length", &room->length) &&
	       find_field(type, "length", &room->capacity);
}

/* What a pointer to a slice behind two counts leads to: its values' type; NULL: it is none of these. */
static const struct dbg_type *shared_values(const struct dbg_type *to)
{
	static const char *const names[] = { "alloc::rc::RcInner<", "alloc::rc::RcBox<", "alloc::sync::ArcInner<" };
	const struct dbg_member *data;

	for (size_t i = 0; to && i < ARRAY_SIZE(names); i++)
		if (native_begins(to->name, names[i])) {
			data = native_member(to, "data");
			if (!data)
				data = native_member(to, "value");
			return data && data->offset == NATIVE_SHARED_HEAD ? data->type : NULL;
		}
	return NULL;
}

/* A pointer to a trait: to a value of a type that its vtable alone knows. */
static bool find_dyn(const struct dbg_type *type, struct native_room *room)
{
	return type->n_members == 2 && find_field(type, "pointer", &room->first) &&
	       find_field(type, "vtable", &room->length);
}

bool native_rust_room(struct native *n, const struct dbg_type *type, uint64_t at, struct native_slot *ret)
{
	struct native_room room = {}, *kept;
	const struct dbg_member *data;
	bool is_dyn;

	dbg_type_load((struct dbg_type *)type);
	is_dyn = find_dyn(type, &room);
	if (!is_dyn && !find_room(type, &room))
		return false;
	kept = arena_alloc(&n->mem, sizeof(*kept));
	if (!kept)
		return false;
	*kept = room;
	kept->first += at;
	kept->capacity += at;
	kept->length += at;
	kept->head += at;
	ret->offset = kept->first;
	ret->room = kept;
	data = native_member(type, is_dyn ? "pointer" : "data_ptr");
	if (is_dyn)
		ret->op = NATIVE_DYN;
	if (data && data->type->kind == DBG_KIND_POINTER) {
		dbg_type_load((struct dbg_type *)data->type);
		if (is_dyn && data->type->to && native_begins(data->type->to->name, "alloc::"))
			kept->wrapper = data->type->to->name;
		ret->to = native_type_of(n, data->type->to);
		if (!is_dyn && shared_values(data->type->to)) {
			kept->kind = ROOM_SHARED;
			ret->to = native_type_of(n, shared_values(data->type->to));
		}
	} else {
		ret->to = type->n_params ? native_type_of(n, type->params[0].type) : NULL;
	}
	return true;
}

/*
 * The states of a futex's Once that say "complete" and "incomplete".  Seen in programs of 1.73, 1.80 and 1.81 (4), of 1.82,
 * 1.84, 1.87 to 1.89 (3), of 1.90, 1.92 and 1.95 (0): debug info does not tell these apart, but for its maker.
 */
static bool once_states(unsigned rustc, uint64_t *ret_complete, uint64_t *ret_incomplete)
{
	*ret_complete = rustc >= 90 ? 0 : rustc >= 82 ? 3 : 4;
	*ret_incomplete = rustc >= 90 ? 3 : 0;
	return rustc >= 70;
}

bool native_rust_once(const struct dbg_type *type, struct native_once *ret)
{
	const struct dbg_member *once, *cell, *held;
	uint64_t complete, incomplete;
	bool is_lazy = native_begins(type->name, "std::sync::lazy_lock::LazyLock<");

	if (!is_lazy && !native_begins(type->name, "std::sync::once_lock::OnceLock<"))
		return false;
	once = native_member(type, "once");
	cell = native_member(type, is_lazy ? "data" : "value");
	held = cell ? native_member(cell->type, "value") : NULL; /* in an UnsafeCell: a union */
	if (!once || once->type->size != 4 || !held || held->type->kind != DBG_KIND_UNION ||
	    !once_states(dbg_type_rustc(type), &complete, &incomplete))
		return false;
	*ret = (struct native_once){
		.offset = cell->offset + held->offset,
		.done = { .offset = once->offset, .low = complete, .high = complete, .size = 4 },
		.undone = { .offset = once->offset, .low = incomplete, .high = incomplete, .size = 4 },
	};
	cell = native_member(held->type, "value");
	ret->value = cell ? cell->type : NULL;
	cell = native_member(held->type, "f");
	ret->maker = is_lazy && cell ? cell->type : NULL;
	return ret->value;
}

bool native_rust_text(const struct native *n, const struct dbg_type *type, taddr at, uint64_t *ret_at,
		      uint64_t *ret_length)
{
	uint64_t first, length;
	bool is_text;

	if (type->language != DBG_LANG_RUST || type->kind != DBG_KIND_STRUCT || !type->name)
		return false;
	if (!strcmp(type->name, "alloc::string::String"))
		is_text = find_any(type, "vec.buf.inner.ptr", "vec.buf.ptr", &first) && find_field(type, "vec.len", &length);
	else
		is_text = !strcmp(type->name, "&str") && find_field(type, "data_ptr", &first) &&
			  find_field(type, "length", &length);
	return is_text && !image_read_u64(n->img, at + first, ret_at) && !image_read_u64(n->img, at + length, ret_length);
}

/* "alloc::rc::RcInner<dyn shop::Speak>" and shop::Dog: "alloc::rc::RcInner<shop::Dog>" */
static struct native_type *wrapped(struct native *n, const char *wrapper, const struct dbg_type *type)
{
	struct text name = TEXT_INIT;
	struct native_type *ret = NULL;

	text_add_n(&name, wrapper, strcspn(wrapper, "<") + 1);
	text_add(&name, type->name ? type->name : "");
	text_add(&name, ">");
	if (!name.bad)
		ret = native_type_named(n, text_str(&name), type);
	text_fini(&name);
	return ret;
}

/* The vtable of a trait for a type has its own variable in the debug info: "<shop::Dog as shop::Speak>::{vtable}". */
struct native_type *native_rust_dyn(struct native *n, const struct native_slot *slot, uint64_t vtable)
{
	const struct module *m = image_module_at(n->img, vtable);
	size_t no = m ? (size_t)(m - n->img->modules) : 0;
	const struct dbg_type *type;

	if (!m || !n->dwarf[no])
		return NULL;
	type = dbg_vtable_type(n->dwarf[no], vtable - m->bias);
	return slot->room->wrapper && type ? wrapped(n, slot->room->wrapper, type) : native_type_of(n, type);
}

/* ---- the values that there are */

struct container {
	struct native *n;
	uint64_t first, capacity, length, head, size; /* size: of one value */
	bool (*fn)(void *arg, const struct native_run *run);
	void *arg;
};

static void vec_runs(const struct container *c)
{
	struct native_run run = { .start = c->first, .kind = NATIVE_ARRAY, .to = c->length * c->size, .room = c->capacity * c->size };

	c->fn(c->arg, &run);
}

static void shared_runs(const struct container *c)
{
	struct native_run run = {
		.start = c->first, .kind = NATIVE_SHARED, .skip = NATIVE_SHARED_HEAD, .from = NATIVE_SHARED_HEAD,
	};

	if (checked_mul(c->length, c->size, &run.room) && checked_add(run.room, NATIVE_SHARED_HEAD, &run.to))
		c->fn(c->arg, &run);
}

/* From the head to the end of the room, and on from its beginning. */
static void deque_runs(const struct container *c)
{
	uint64_t whole = c->capacity - c->head < c->length ? c->capacity - c->head : c->length;
	struct native_run run = {
		.start = c->first, .kind = NATIVE_ARRAY, .room = c->capacity * c->size, .from = c->head * c->size, .to = (c->head + whole) * c->size,
	};

	if (!c->fn(c->arg, &run) || whole == c->length)
		return;
	run.from = 0;
	run.to = (c->length - whole) * c->size;
	c->fn(c->arg, &run);
}

/* A control byte whose highest bit is not set is that of a value. */
static void table_runs(const struct container *c)
{
	uint64_t buckets = c->capacity + 1, bytes = align_up(buckets * c->size, TABLE_ALIGN), avail = 0;
	const uint8_t *ctrl = native_view(c->n, c->first, &avail);
	struct native_run run = {
		.start = c->first - bytes, .kind = NATIVE_TABLE, .room = buckets * c->size + buckets + GROUP, .skip = bytes - buckets * c->size,
	};

	if (!ctrl || avail < buckets || bytes > c->first || buckets > c->n->controls_left)
		return;
	c->n->controls_left -= buckets;
	image_keep_bytes(c->n->img, ctrl, buckets);
	run.from = run.to = run.skip;
	if (!c->fn(c->arg, &run))
		return;
	/* The last value lies first. */
	for (uint64_t i = buckets; i--;) {
		if (ctrl[i] & 0x80)
			continue;
		run.from = bytes - (i + 1) * c->size;
		for (; i && !(ctrl[i - 1] & 0x80); i--)
			;
		run.to = bytes - i * c->size;
		if (!c->fn(c->arg, &run))
			return;
	}
}

static uint64_t word_at(const struct container *c, const uint8_t *value, uint64_t size, uint64_t offset)
{
	if (size < 8 || offset > size - 8)
		return 0;
	image_keep_exact(c->n->img, value + offset, 8);
	return load_u64(value + offset);
}

/* False: it has no block. */
static bool read_container(struct native *n, const uint8_t *value, uint64_t size, const struct native_slot *slot,
			   struct container *c)
{
	uint64_t bytes;

	*c = (struct container){ .n = n, .size = slot->to->dbg->size };
	c->first = word_at(c, value, size, slot->room->first);
	c->capacity = word_at(c, value, size, slot->room->capacity);
	c->length = word_at(c, value, size, slot->room->length);
	c->head = slot->room->kind == ROOM_DEQUE ? word_at(c, value, size, slot->room->head) : 0;
	return c->first && c->capacity && c->length <= c->capacity + 1 && c->capacity <= UINT64_MAX / 2 &&
	       checked_mul(c->capacity + 1, c->size, &bytes) && bytes <= UINT64_MAX / 2;
}

bool native_rust_use(struct native *n, const uint8_t *value, uint64_t size, const struct native_slot *slot,
		     struct native_use *ret)
{
	struct container c;
	uint64_t bytes;

	if (slot->room->kind == ROOM_SHARED)
		return false; /* it has no room for more */
	if (!read_container(n, value, size, slot, &c) || c.length > c.capacity + (slot->room->kind == ROOM_TABLE))
		return false;
	*ret = (struct native_use){
		.start = c.first, .used = c.length, .room = c.capacity, .size = c.size, .is_table = slot->room->kind == ROOM_TABLE,
	};
	if (!ret->is_table)
		return true;
	if (c.capacity >= BUCKETS_MAX || !is_pow2(c.capacity + 1))
		return false;
	bytes = align_up(++ret->room * c.size, TABLE_ALIGN);
	ret->start -= bytes;
	ret->size++; /* and its control byte */
	return bytes <= c.first;
}

void native_rust_runs(struct native *n, const uint8_t *value, uint64_t size, const struct native_slot *slot,
		      bool (*fn)(void *arg, const struct native_run *run), void *arg)
{
	struct container c;

	if (!read_container(n, value, size, slot, &c))
		return;
	c.fn = fn;
	c.arg = arg;
	if (slot->room->kind == ROOM_VEC && c.length <= c.capacity)
		vec_runs(&c);
	else if (slot->room->kind == ROOM_SHARED)
		shared_runs(&c);
	else if (slot->room->kind == ROOM_DEQUE && c.head <= c.capacity && c.length <= c.capacity)
		deque_runs(&c);
	else if (slot->room->kind == ROOM_TABLE && c.capacity < BUCKETS_MAX && is_pow2(c.capacity + 1))
		table_runs(&c);
}
