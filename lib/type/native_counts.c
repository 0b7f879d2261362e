/*
 * type/native_counts.c - blocks with a count of the references to them, and which words are such
 * references: shared_ptr and weak_ptr, Rc and Arc.
 *
 * Source of truth: libstdc++ of GCC 5 to 14 (bits/shared_ptr_base.h: _Sp_counted_base has its
 * vtable pointer, then _M_use_count and _M_weak_count, of which all strong ones together have one),
 * libc++ of LLVM 8 to 19 (__memory/shared_ptr.h: __shared_owners_ and __shared_weak_owners_, both
 * less one), Rust 1.2 to 1.95 (alloc/src/rc.rs, sync.rs: strong, weak, then the value; all strong ones
 * together have one weak).
 *
 * Control blocks of C++ say themselves what they are.  A reference is one for sure where DWARF says
 * so, in what of a block is in use; elsewhere the address of a control block counts behind one into
 * what it manages, as perhaps a reference: weak ones look the same.
 */
#include <string.h>

#include "base/bits.h"
#include "base/guard.h"
#include "base/search.h"
#include "base/vec.h"
#include "image/elf.h"
#include "image/shadow.h"
#include "type/native.h"
#include "type/noter.h"

enum {
	WORD = 8,
	COUNT_MAX = 1 << 30,	/* references of one that are believed */
	UNKNOWN_MAX = 1 << 16,	/* and where no type says that these are some */
	MANAGED_WORDS = 8,	/* of a control block that may lead to what it manages */
	STEPS_MAX = 8,		/* structs inside each other on the way to a word */
	SHAPES_MAX = 1 << 20,
};

/* ---- references, by their types */

static const struct holder {
	const char *name, *member; /* member NULL: the first */
	bool is_weak;
} holders[] = {
	{ "std::__shared_count<", "_M_pi", false },
	{ "std::__weak_count<", "_M_pi", true },
	{ "std::__1::shared_ptr<", "__cntrl_", false },
	{ "std::__1::weak_ptr<", "__cntrl_", true },
	{ "alloc::rc::Rc<", "ptr", false },
	{ "alloc::rc::Weak<", "ptr", true },
	{ "alloc::sync::Arc<", "ptr", false },
	{ "alloc::sync::Weak<", "ptr", true },
};

/* Where a block of counts has that of the strong ones; LLVM's is one less. */
bool native_lives_by(const struct dbg_type *type, struct native_guard *ret)
{
	static const struct {
		const char *name, *member;
		uint8_t offset, size, low;
	} blocks[] = {
		{ "std::_Sp_counted_ptr", NULL, WORD, 4, 1 }, /* and .._inplace */
		{ "std::_Sp_counted_deleter<", NULL, WORD, 4, 1 },
		{ "std::__1::__shared_ptr_emplace<", NULL, WORD, 8, 0 },
		{ "std::__1::__shared_ptr_pointer<", NULL, WORD, 8, 0 },
		{ "alloc::rc::RcInner<", "strong", 0, 8, 1 },
		{ "alloc::rc::RcBox<", "strong", 0, 8, 1 },
		{ "alloc::sync::ArcInner<", "strong", 0, 8, 1 },
	};
	const struct dbg_member *m;

	for (size_t i = 0; i < ARRAY_SIZE(blocks); i++) {
		if (!native_begins(type->name, blocks[i].name) || type->name[strlen(type->name) - 1] != '>')
			continue; /* or a class inside one */
		m = blocks[i].member ? native_member(type, blocks[i].member) : NULL;
		*ret = (struct native_guard){
			.offset = m ? m->offset : blocks[i].offset, .size = blocks[i].size, .low = blocks[i].low,
			.high = blocks[i].size == 4 ? INT32_MAX : INT64_MAX,
		};
		return m || !blocks[i].member;
	}
	return false;
}

bool native_is_weak(const struct dbg_type *type)
{
	return native_begins(type->name, "std::__weak_ptr<") || native_begins(type->name, "std::__1::weak_ptr<");
}

const struct dbg_member *native_counted(const struct dbg_type *type, uint64_t *ret_offset, bool *ret_is_weak)
{
	const struct dbg_member *m = NULL;
	uint64_t offset = 0;

	for (size_t i = 0; i < ARRAY_SIZE(holders) && !m; i++) {
		if (!native_begins(type->name, holders[i].name))
			continue;
		m = native_member(type, holders[i].member);
		*ret_is_weak = holders[i].is_weak;
		if (!m)
			return NULL;
	}
	for (unsigned i = 0; m && i < STEPS_MAX; i++) {
		offset += m->offset;
		*ret_offset = offset;
		if (m->type->kind == DBG_KIND_POINTER)
			return m;
		dbg_type_load((struct dbg_type *)m->type);
		m = m->type->kind == DBG_KIND_STRUCT && m->type->n_members ? &m->type->members[0] : NULL;
	}
	return NULL;
}

/* ---- what has a count */

enum family { FAMILY_NONE, FAMILY_LIBSTDCXX, FAMILY_LIBCXX, FAMILY_RUST, FAMILY_RULE, FAMILY_GOBJECT, FAMILY_HANDLER };

static const struct counter {
	const char *name; /* what its type's name begins with */
	const char *kind;
	enum family family;
	bool is_apart; /* what it manages is a block of its own, which the third word leads to */
	const struct native_ruled *ruled; /* FAMILY_RULE */
} counters[] = {
	{ "std::_Sp_counted_ptr_inplace<", "shared_ptr", FAMILY_LIBSTDCXX, false },
	{ "std::_Sp_counted_ptr<", "shared_ptr", FAMILY_LIBSTDCXX, true },
	{ "std::_Sp_counted_deleter<", "shared_ptr", FAMILY_LIBSTDCXX, true },
	{ "std::__1::__shared_ptr_emplace<", "shared_ptr", FAMILY_LIBCXX, false },
	{ "std::__1::__shared_ptr_pointer<", "shared_ptr", FAMILY_LIBCXX, true },
	{ "alloc::rc::RcInner<", "Rc", FAMILY_RUST, false },
	{ "alloc::rc::RcBox<", "Rc", FAMILY_RUST, false },
	{ "alloc::sync::ArcInner<", "Arc", FAMILY_RUST, false },
};

static const struct counter gobject = { NULL, "GObject", FAMILY_GOBJECT, false, NULL };
/* It goes with the object whose signal it handles, and is not counted by anything else. */
static const struct counter handler = { NULL, "signal handler", FAMILY_HANDLER, false, NULL };

/*
 * What nothing typed leads to, as every ring that is lost, has no type.  In a program of Rust's such a
 * block counts when it begins with two small numbers that are exactly what leads to its start.
 */
static const struct counter unknown_rc = { NULL, "Rc or Arc", FAMILY_RUST, false };

struct counts {
	struct env *env;
	struct native *n;
	const struct graph *g;
	struct note_sink *sink;
	struct {
		const struct counter **v; /* by type_id; NULL: it has no count */
		size_t n, cap;
	} counters;
	struct {
		struct counted_at {
			taddr at;
			uint64_t usable;
			struct counted is;
			const struct counter *counter;
		} *v; /* by address */
		size_t n, cap;
	} found;
	struct native_live live;
	struct {
		struct reference *v;
		size_t n, cap;
	} refs; /* `to`: index in found */
	struct col set; /* one bit a node: it has a count, or may have one */
	struct col handlers; /* one bit a node: a handler of a signal */
	struct {
		struct native_handler *v; /* by closure; as many as n->signals has */
		size_t n, cap;
	} by_closure;
	bool is_rust;	/* blocks of no known type may be Rust's: see unknown_rc */
};

static void counts_fini(struct counts *c)
{
	free(c->counters.v);
	free(c->found.v);
	native_live_fini(&c->live);
	free(c->refs.v);
	col_close(&c->set);
	col_close(&c->handlers);
	free(c->by_closure.v);
}

/* NULL: of no type, of another typer, or a guess; but of what a rule speaks of the count says more. */
static struct native_shape *shape_of(const struct counts *c, node_id node)
{
	type_id type = graph_type(c->g, node);
	struct native_shape *shape = type < c->n->by_id.n ? c->n->by_id.v[type] : NULL;
	const struct counter *is = type < c->counters.n ? c->counters.v[type] : NULL;

	return shape && (!shape->is_guess || (is && is->ruled)) ? shape : NULL;
}

/* Of a shape that a rule speaks of; NULL: none does. */
static const struct counter *rule_counter(struct counts *c, const struct native_shape *shape)
{
	const struct native_ruled *ruled = c->n->rules ? native_ruled_of(c->n, shape) : NULL;
	struct counter *ret = ruled ? arena_alloc(&c->n->mem, sizeof(*ret)) : NULL;

	if (ret)
		*ret = (struct counter){ .kind = ruled->rule->name, .family = FAMILY_RULE, .ruled = ruled };
	return ret;
}

static struct err *find_counters(struct counts *c, bool *ret)
{
	for (size_t i = 0; i < c->n->by_id.n && i < SHAPES_MAX; i++) {
		const struct native_shape *shape = c->n->by_id.v[i];
		const struct counter *is = NULL;

		for (size_t k = 0; shape && !shape->is_guess && shape->kind == NATIVE_VALUE && !is &&
				   k < ARRAY_SIZE(counters); k++)
			if (native_begins(shape->name, counters[k].name))
				is = &counters[k];
		if (shape && !is)
			is = shape->is_gobject && !shape->is_guess ? &gobject : rule_counter(c, shape);
		*ret = *ret || is;
		if (!vec_push(&c->counters, &is))
			return &err_nomem;
	}
	return NULL;
}

/* The counts themselves; false: nothing that could be some, or no strong reference is left. */
static bool read_counts(const struct counter *is, const uint8_t *b, uint64_t usable, struct counted *ret)
{
	switch (is->family) {
	case FAMILY_RULE:
		return native_ruled_counts(is->ruled, b, usable, &ret->strong, &ret->weak) && ret->strong &&
		       ret->strong <= COUNT_MAX && ret->weak <= COUNT_MAX;
	case FAMILY_LIBSTDCXX:
		ret->strong = load_u32(b + WORD);
		ret->weak = load_u32(b + WORD + 4);
		break;
	case FAMILY_LIBCXX:
		ret->strong = load_u64(b + WORD) + 1;
		ret->weak = load_u64(b + 2 * WORD) + 1;
		break;
	case FAMILY_RUST:
		ret->strong = load_u64(b);
		ret->weak = load_u64(b + WORD);
		break;
	case FAMILY_GOBJECT:
		ret->strong = load_u32(b + GOBJECT_REF_COUNT);
		return ret->strong && ret->strong <= COUNT_MAX;
	case FAMILY_HANDLER:
		ret->strong = 1;
		return true;
	default:
		return false;
	}
	/* As long as there is a strong one, all of them have a weak one. */
	if (!ret->strong || !ret->weak || ret->strong > COUNT_MAX || ret->weak > COUNT_MAX)
		return false;
	ret->weak--;
	return true;
}

static node_id managed(const struct counts *c, const struct counter *is, const uint8_t *b, uint64_t usable)
{
	uint64_t at = (is->family == FAMILY_LIBCXX ? 3 : 2) * WORD;
	uint64_t value = is->is_apart && at + WORD <= usable ? load_u64(b + at) : 0;
	uint32_t id = value ? block_at(c->n->blocks, value) : BLOCK_NONE;
	struct block block;

	if (id == BLOCK_NONE || !block_is_used(c->n->blocks, id))
		return NODE_NONE;
	block_get(c->n->blocks, id, &block);
	return block.addr == value ? id : NODE_NONE;
}

static void keep_counts(const struct counts *c, const struct counter *is, const uint8_t *bytes)
{
	const struct native_ruled *r = is->ruled;

	if (!r) {
		image_keep_exact(c->n->img, bytes, 3 * WORD);
		return;
	}
	image_keep_exact(c->n->img, bytes + r->strong.offset, r->strong.width);
	if (r->weak.width)
		image_keep_exact(c->n->img, bytes + r->weak.offset, r->weak.width);
}

static struct err *add_found(struct counts *c, const struct native_block *b, const struct counter *is)
{
	const struct native_shape *shape = is->family == FAMILY_GOBJECT ? shape_of(c, b->id) : NULL;
	uint64_t avail = 0, head = shape ? shape->head : 0;
	struct counted_at found = { .at = b->at + head, .usable = b->usable - head, .counter = is };
	const uint8_t *bytes;

	if (b->usable < 3 * WORD && !is->ruled)
		return NULL;
	bytes = native_view(c->n, b->at, &avail);
	found.is = (struct counted){ .node = b->id, .kind = is->kind };
	if (!bytes || avail < b->usable || !read_counts(is, bytes + head, found.usable, &found.is))
		return NULL;
	keep_counts(c, is, bytes + head);
	found.is.value = managed(c, is, bytes, b->usable);
	if (found.is.value == b->id || c->found.n >= UINT32_MAX)
		return NULL;
	bit_set(c->set.base, b->id);
	return vec_push(&c->found, &found) ? NULL : &err_nomem;
}

/* Of no known type, and it leads somewhere: to itself, or on. */
static bool may_be_rc(struct counts *c, const struct native_block *b, type_id type)
{
	const struct native_shape *shape = type < c->n->by_id.n ? c->n->by_id.v[type] : NULL;
	uint64_t avail = 0;
	const uint8_t *bytes;

	if (!c->is_rust || (type && !(shape && shape->is_guess)) || b->usable < 3 * WORD)
		return false;
	bytes = native_view(c->n, b->at, &avail);
	if (!bytes || avail < b->usable || load_u64(bytes) - 1 >= UNKNOWN_MAX || load_u64(bytes + WORD) - 1 >= UNKNOWN_MAX)
		return false;
	for (uint64_t at = 2 * WORD; at + WORD <= b->usable; at += WORD)
		if (load_u64(bytes + at) == b->at)
			return true;
	return graph_row(c->g, b->id) < graph_row(c->g, b->id + 1);
}

static bool is_handler(const struct counts *c, uint32_t block)
{
	return c->by_closure.n && bit_get(c->handlers.base, block);
}

static struct err *on_block(void *arg, const struct native_block *b)
{
	struct counts *c = arg;
	type_id type = graph_type(c->g, b->id);
	const struct counter *is = type < c->counters.n ? c->counters.v[type] : NULL;

	if (!is && is_handler(c, b->id))
		is = &handler;
	if (!is && may_be_rc(c, b, type))
		is = &unknown_rc;
	return is ? add_found(c, b, is) : NULL;
}

/* ---- what of a block is in use */

/* Whether arrays of it have references in them. */
static bool has_refs(struct native *n, struct native_type *type)
{
	native_refs(n, type);
	return type->n_refs;
}

static struct err *find_live(void *arg, const struct native_block *b)
{
	struct counts *c = arg;
	struct native_shape *shape = shape_of(c, b->id);
	uint64_t avail = 0;
	const uint8_t *bytes;

	if (!shape || !shape->type || !shape->type->n_slots)
		return NULL;
	bytes = native_view(c->n, b->at, &avail);
	if (!bytes || avail < b->usable)
		return NULL;
	return native_live_add(c->n, &c->live, shape, bytes, b->usable, has_refs);
}

/* ---- references */

/* Index in `found` of what begins at an address, or has there what a rule speaks of; UINT32_MAX. */
static uint32_t found_at(const struct counts *c, uint64_t word)
{
	const struct grains *g = &c->n->blocks->grains;
	uint64_t grain = grain_of(g, word);
	const struct native_ruled *ruled;
	size_t i;

	if (grain == GRAIN_NONE || !bit_get(c->set.base, grain_block(g, grain)))
		return UINT32_MAX;
	i = partition_point(c->found.n, k, c->found.v[k].at <= word);
	if (!i)
		return UINT32_MAX;
	word -= c->found.v[i - 1].at;
	ruled = c->found.v[i - 1].counter->ruled;
	return !word || (ruled && word == ruled->at) ? (uint32_t)i - 1 : UINT32_MAX;
}

/* Of a block that is looked at. */
struct scanned {
	const struct native_block *b;
	const uint8_t *bytes;
	const struct native_type *type; /* NULL: not known */
	bool is_guess;
	struct native_rule_refs named; /* fields that rules speak of by offsets, where no type does */
};

static struct err *add(struct counts *c, const struct scanned *s, uint64_t offset, uint32_t to, bool sure)
{
	struct reference ref = { .from = s->b->id, .to = to, .offset = offset, .sure = sure };
	uint64_t before = !sure && offset >= WORD ? WORD : 0; /* what is_pair() looked at */

	image_keep_exact(c->n->img, s->bytes + offset - before, before + WORD);
	return vec_push(&c->refs, &ref) ? NULL : &err_nomem;
}

/* The word before a control block's address leads into what that manages. */
static bool is_pair(const struct counts *c, const struct scanned *s, uint64_t offset, uint32_t to)
{
	const struct counted_at *found = &c->found.v[to];
	uint64_t before = offset >= WORD ? load_u64(s->bytes + offset - WORD) : 0, avail = 0;
	const uint8_t *control = native_view(c->n, found->at, &avail);

	if (before > found->at + WORD && before < found->at + found->usable)
		return true;
	if (found->is.value != NODE_NONE && before && block_at(c->n->blocks, before) == found->is.value)
		return true;
	for (uint64_t i = 2; before && i < MANAGED_WORDS && (i + 1) * WORD <= found->usable && control; i++)
		if (load_u64(control + i * WORD) == before)
			return true;
	return false;
}

/* References of one value, by its type. */
static struct err *add_typed(struct counts *c, const struct scanned *s, uint64_t at)
{
	uint64_t size = s->type->dbg->size;
	struct err *err = NULL;

	for (uint32_t i = 0; i < s->type->n_refs && !err; i++) {
		const struct native_ref *ref = &s->type->refs[i];
		uint32_t to;

		if (size < WORD || ref->offset > size - WORD ||
		    !native_holds(ref->guard, s->bytes + at, size))
			continue;
		to = found_at(c, load_u64(s->bytes + at + ref->offset));
		if (to == UINT32_MAX || !native_is_ref_to(c->n, ref, c->found.v[to].counter->ruled))
			continue;
		if (ref->is_weak)
			c->found.v[to].is.found_weak++;
		else
			err = add(c, s, at + ref->offset, to, !ref->is_open && !s->is_guess);
	}
	return err;
}

/* What a rule says of a word of a class that only its name is known of. */
static const struct native_rule_ref *named_ref(const struct scanned *s, uint64_t offset)
{
	for (unsigned i = 0; i < s->named.n; i++)
		if (offset - s->named.v[i].offset < s->named.v[i].size)
			return &s->named.v[i];
	return NULL;
}

static bool is_typed(const struct scanned *s, uint64_t offset)
{
	uint32_t i;

	if (!s->type)
		return false;
	i = (uint32_t)partition_point(s->type->n_refs, k, s->type->refs[k].offset < offset);
	return i < s->type->n_refs && s->type->refs[i].offset == offset;
}

/* Its references are one word, of which nothing shows that it is one. */
static bool has_no_pairs(const struct counted_at *found)
{
	return found->counter->family == FAMILY_RUST || found->counter->family == FAMILY_RULE;
}

/* The address of an object of GLib: types do not tell which of those count. */
static struct err *add_gobject(struct counts *c, const struct scanned *s, uint64_t at, uint32_t found)
{
	enum native_word is = native_gobject_word(c->n, s->b->id, s->bytes, s->b->usable, at);

	return is == NATIVE_WORD_NONE ? NULL : add(c, s, at, found, is == NATIVE_WORD_COUNTED);
}

/* What looks like a reference where no type says so: [from, to) of the block, of a value at `from`. */
static struct err *add_untyped(struct counts *c, const struct scanned *s, uint64_t from, uint64_t to)
{
	struct err *err = NULL;

	for (uint64_t at = align_up(from, WORD); to - at >= WORD && at < to && !err; at += WORD) {
		uint32_t found = found_at(c, load_u64(s->bytes + at));
		const struct native_rule_ref *ref;

		if (found == UINT32_MAX || is_typed(s, at - from))
			continue;
		if (c->found.v[found].counter->family == FAMILY_HANDLER)
			continue;
		if (c->found.v[found].counter->family == FAMILY_GOBJECT) {
			err = add_gobject(c, s, at, found);
			continue;
		}
		ref = s->type ? NULL : named_ref(s, at);
		if (ref && ref->kind == COUNT_REF_WEAK)
			c->found.v[found].is.found_weak++;
		if (ref && ref->kind == COUNT_REF)
			err = add(c, s, at, found, true);
		if (ref)
			continue;
		if (has_no_pairs(&c->found.v[found]) ? !s->type : is_pair(c, s, at, found))
			err = add(c, s, at, found, false);
	}
	return err;
}

static bool leads_to_counted(const struct counts *c, node_id node)
{
	const uint64_t *set = c->set.base;

	if (bit_get(set, node))
		return true; /* one to itself is no edge */
	for (edge_id e = graph_row(c->g, node); e < graph_row(c->g, node + 1); e++)
		if (bit_get(set, EDGE_NODE(c->g->dst[e])))
			return true;
	return false;
}

static struct err *add_values(struct counts *c, const struct scanned *s, uint64_t size, const struct native_values *v)
{
	struct err *err = NULL;

	for (uint64_t i = 0; i < v->n && !err; i++) {
		err = add_typed(c, s, v->at + i * size);
		if (!err)
			err = add_untyped(c, s, v->at + i * size, v->at + (i + 1) * size);
	}
	return err;
}

static uint32_t found_of(const struct counts *c, uint32_t id)
{
	size_t i = partition_point(c->found.n, k, c->found.v[k].is.node < id);

	return i < c->found.n && c->found.v[i].is.node == id ? (uint32_t)i : UINT32_MAX;
}

/* What no word of a block says. */
static struct err *add_made_up(struct counts *c, const struct reference *ref)
{
	return ref->to == UINT32_MAX || vec_push(&c->refs, ref) ? NULL : &err_nomem;
}

/* An object's handlers; what the data of a handler's closure keeps. */
static struct err *add_handled(struct counts *c, uint32_t id)
{
	const struct native_handler *v = c->n->signals.handlers.v, *by = c->by_closure.v;
	size_t n = c->by_closure.n, i = partition_point(n, k, v[k].object < id);
	struct err *err = NULL;

	for (; i < n && v[i].object == id && !err; i++)
		err = add_made_up(c, &(struct reference){
			.from = id, .to = found_of(c, v[i].block), .offset = NATIVE_HANDLER_AT + v[i].signal,
			.sure = true, .owns = true,
		});
	/* Of one closure that handles several signals, once. */
	i = partition_point(n, k, by[k].closure < id);
	if (i < n && by[i].closure == id && by[i].data != BLOCK_NONE && !err)
		err = add_made_up(c, &(struct reference){
			.from = id, .to = found_of(c, by[i].data), .offset = NATIVE_CLOSURE_DATA, .sure = true,
		});
	return err;
}

static int by_closure(const void *pa, const void *pb)
{
	const struct native_handler *a = pa, *b = pb;

	if (a->closure != b->closure)
		return a->closure < b->closure ? -1 : 1;
	return a->block < b->block ? -1 : a->block > b->block;
}

static struct err *find_handlers(struct counts *c)
{
	const struct native_signals *s = &c->n->signals;
	struct err *err;

	if (!s->handlers.n)
		return NULL;
	err = col_fixed(c->env, 8, bits_words(c->g->n) + 1, "references", &c->handlers);
	for (size_t i = 0; i < s->handlers.n && !err; i++) {
		bit_set(c->handlers.base, s->handlers.v[i].block);
		if (!vec_push(&c->by_closure, &s->handlers.v[i]))
			err = &err_nomem;
	}
	if (!err)
		qsort(c->by_closure.v, c->by_closure.n, sizeof(*c->by_closure.v), by_closure);
	return err;
}

static struct err *find_references(void *arg, const struct native_block *b)
{
	struct counts *c = arg;
	struct native_shape *shape;
	struct scanned s = { .b = b };
	uint64_t avail = 0, size;
	struct native_values v;
	struct native_live_iter it = { .live = &c->live };
	struct err *err = NULL;

	err = c->by_closure.n ? add_handled(c, b->id) : NULL;
	if (err || !leads_to_counted(c, b->id))
		return err;
	s.bytes = native_view(c->n, b->at, &avail);
	if (!s.bytes || avail < b->usable)
		return NULL;
	shape = shape_of(c, b->id);
	if (shape && !shape->type && shape->kind == NATIVE_VALUE)
		native_rule_refs(c->n, &(struct dbg_type){ .name = shape->name }, &s.named);
	if (!shape || !shape->type)
		return add_untyped(c, &s, 0, b->usable);
	s.type = shape->type;
	s.is_guess = shape->is_guess;
	native_refs(c->n, shape->type);
	size = shape->type->dbg->size;
	while (!err && native_live_next(&it, b->id, shape, s.bytes, b->usable, &v))
		err = add_values(c, &s, size, &v);
	return err;
}

/* What may have a count is left out unless all that it counts was found, and is nothing else. */
static struct err *give(struct counts *c)
{
	_free_ uint32_t *total = calloc(c->found.n + 1, sizeof(*total));
	uint32_t n = 0;
	struct err *err = NULL;

	if (!total)
		return &err_nomem;
	for (size_t i = 0; i < c->refs.n; i++)
		total[c->refs.v[i].to]++;
	for (size_t i = 0; i < c->found.n && !err; i++) {
		const struct counted_at *found = &c->found.v[i];
		uint64_t known = total[i] + found->is.found_weak;

		if (found->counter == &unknown_rc && (!total[i] || known != found->is.strong + found->is.weak)) {
			total[i] = UINT32_MAX;
			continue;
		}
		total[i] = n++;
		err = c->sink->counted(c->sink, &found->is);
	}
	for (size_t i = 0; i < c->refs.n && !err; i++) {
		struct reference *ref = &c->refs.v[i];

		ref->to = total[ref->to];
		if (ref->to != UINT32_MAX)
			err = c->sink->reference(c->sink, ref);
	}
	return err;
}

/* By symbols; where these were stripped compilers' own words are left as a rule, which Debian takes away too. */
static bool has_rust(const struct image *img)
{
	static const char compiler[] = "rustc version ";
	struct symbol symbol;
	const uint8_t *words;
	uint64_t n;

	if (image_symbol(img, NULL, "rust_eh_personality", &symbol))
		return true;
	for (size_t i = 0; i < img->n_modules; i++)
		if (img->modules[i].elf && elf_file_section(img->modules[i].elf, ".comment", &words, &n) &&
		    memmem(words, n, compiler, sizeof(compiler) - 1))
			return true;
	return false;
}

static struct err *find(struct env *env, const struct image *img, const struct blocks *blocks, const struct graph *g,
			struct note_sink *sink)
{
	extern const struct typer_ops typer_native;
	_cleanup_(counts_fini) struct counts c = { .env = env, .g = g, .sink = sink };
	bool any = false;
	struct err *err;

	c.n = typing_context(sink->typing, &typer_native);
	if (!c.n || !blocks->grains.n)
		return NULL;
	c.is_rust = has_rust(img);
	err = find_counters(&c, &any);
	if (err || !(any || c.is_rust))
		return err;
	err = col_fixed(env, 8, bits_words(g->n) + 1, "references", &c.set);
	if (!err)
		err = find_handlers(&c);
	if (!err)
		err = native_each(c.n, on_block, &c);
	if (!err && c.found.n && c.n->has_dwarf)
		err = native_each(c.n, find_live, &c);
	native_live_sort(&c.live);
	if (!err && c.found.n)
		err = native_each(c.n, find_references, &c);
	return err ? err : give(&c);
}

extern const struct noter_ops noter_native_counts;
const struct noter_ops noter_native_counts = { .name = "counted references", .find = find };
