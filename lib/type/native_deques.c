/*
 * type/native_deques.c - std::deque: which buffers it has, and where in them its values lie.
 *
 * Source of truth: libstdc++ of GCC 5 to 14 (bits/stl_deque.h): map, its length, then cur, first, last,
 * node of the first value and of the one behind the last.  libc++ of LLVM 14 (<deque>, <__split_buffer>):
 * the array of pointers, of which those from the second word to the third count, its room; where the first value
 * is, counted in values from the first buffer on, and how many there are.  A buffer has 4096 bytes of values
 * there, or 16 of 256 bytes and more.
 */
#include "base/bits.h"
#include "type/native.h"

enum { WORD = 8, BYTES = 4096, LARGE = 256, FEW = 16 };

static bool read_ours(const uint8_t *w, struct native_deque *ret)
{
	uint64_t first = load_u64(w + 24), cur = load_u64(w + 16), end = load_u64(w + 48), last = load_u64(w + 56);
	uint64_t to = load_u64(w + 72);

	ret->map = load_u64(w);
	ret->map_bytes = load_u64(w + 8);
	ret->first = load_u64(w + 40);
	ret->room = load_u64(w + 32) - first;
	if (!checked_mul(ret->map_bytes, WORD, &ret->map_bytes) || to < ret->first || cur < first || end < last ||
	    cur - first > ret->room || end - last > ret->room)
		return false;
	ret->n = (to - ret->first) / WORD + 1;
	ret->from = cur - first;
	return checked_mul(ret->n - 1, ret->room, &ret->to) && checked_add(ret->to, end - last, &ret->to);
}

static bool read_libcxx(const uint8_t *w, uint64_t size, struct native_deque *ret)
{
	uint64_t end = load_u64(w + 16), end_of_room = load_u64(w + 24), start = load_u64(w + 32), n = load_u64(w + 40);

	ret->map = load_u64(w);
	ret->first = load_u64(w + 8);
	if (!size || ret->first < ret->map || end < ret->first || end_of_room < end)
		return false;
	ret->map_bytes = end_of_room - ret->map;
	ret->n = (end - ret->first) / WORD;
	if (!checked_mul(size < LARGE ? BYTES / size : FEW, size, &ret->room))
		return false;
	return checked_mul(start, size, &ret->from) && checked_mul(n, size, &n) && checked_add(ret->from, n, &ret->to) &&
	       ret->to / ret->room <= ret->n;
}

bool native_deque_read(const struct native_slot *slot, const uint8_t *words, struct native_deque *ret)
{
	const struct dbg_type *value;

	dbg_type_load(slot->to->dbg);
	value = slot->to->dbg->to;
	*ret = (struct native_deque){ 0 };
	if (slot->op == NATIVE_DEQUE ? !read_ours(words, ret) : !value || !read_libcxx(words, value->size, ret))
		return false;
	return ret->room && ret->first >= ret->map && !((ret->first - ret->map) % WORD) && ret->map_bytes / WORD >= ret->n &&
	       ret->first - ret->map <= ret->map_bytes - ret->n * WORD;
}

void native_deque_part(const struct native_deque *d, uint64_t i, uint64_t *ret_from, uint64_t *ret_to)
{
	uint64_t at = i * d->room;

	*ret_from = d->from <= at ? 0 : d->from - at < d->room ? d->from - at : d->room;
	*ret_to = d->to <= at ? 0 : d->to - at < d->room ? d->to - at : d->room;
	if (*ret_to < *ret_from)
		*ret_to = *ret_from;
}
