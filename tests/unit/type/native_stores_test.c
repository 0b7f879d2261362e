/*
 * Containers by the words that they keep: how many values there are, what they have room for and where
 * (native_stores.c, native_rust.c, native_khash.c); and which words are references that are counted (native_counts.c).
 */
#include <string.h>

#include "base/guard.h"
#include "fake_image.h"
#include "type/native.h"
#include "unit_env.h"

enum { HEAP = 0x100000, AT = 0x200000, MAX_WORDS = 10 };

/* ---- types, as DWARF has them */

static struct dbg_type number = { .name = "long", .size = 8, .kind = DBG_KIND_BASE, .loaded = true };
static struct dbg_type line = { .name = "line", .size = 24, .kind = DBG_KIND_STRUCT, .loaded = true };
#define POINTER_TO(t) { .size = 8, .kind = DBG_KIND_POINTER, .to = (t), .loaded = true }
static struct dbg_type to_line = POINTER_TO(&line), to_map = POINTER_TO(&to_line);

#define STRUCT(n, bytes, lang, ...)                                                            \
	{                                                                                      \
		.name = (n), .size = (bytes), .kind = DBG_KIND_STRUCT, .loaded = true,         \
		.language = (lang), .members = (const struct dbg_member[]){ __VA_ARGS__ },     \
		.n_members = ARRAY_SIZE(((const struct dbg_member[]){ __VA_ARGS__ })),         \
	}
#define MEMBER(n, at, t) { .name = (n), .offset = (at), .type = &(t) }
#define CXX DBG_LANG_CXX
#define RUST DBG_LANG_RUST

static struct dbg_type vector = STRUCT("std::_Vector_base<line>::_Vector_impl_data", 24, CXX, MEMBER("_M_start", 0, to_line),
				       MEMBER("_M_finish", 8, to_line), MEMBER("_M_end_of_storage", 16, to_line));
static struct dbg_type libcxx_vector = STRUCT("std::__1::vector<line>", 24, CXX, MEMBER("__begin_", 0, to_line),
					      MEMBER("__end_", 8, to_line), MEMBER("__end_cap_", 16, to_line));
static struct dbg_type string = STRUCT("std::__cxx11::basic_string<char, x>", 32, CXX, MEMBER("_M_p", 0, to_line));
static struct dbg_type libcxx_string = STRUCT("std::__1::basic_string<char, x>", 24, CXX, MEMBER("__r_", 0, number));
static struct dbg_type iterator = STRUCT("std::_Deque_iterator<line>", 32, CXX, MEMBER("_M_cur", 0, to_line));
static struct dbg_type deque = STRUCT("std::_Deque_base<line>::_Deque_impl_data", 80, CXX, MEMBER("_M_map", 0, to_map),
				      MEMBER("_M_map_size", 8, number), MEMBER("_M_start", 16, iterator),
				      MEMBER("_M_finish", 48, iterator));
static struct dbg_type table = STRUCT("std::_Hashtable<long, x>", 56, CXX, MEMBER("_M_buckets", 0, to_map));
static struct dbg_type libcxx_table = STRUCT("std::__1::__hash_table<x>", 40, CXX, MEMBER("__bucket_list_", 0, to_map));
static struct dbg_type plain = STRUCT("struct plain", 24, DBG_LANG_C, MEMBER("start", 0, to_line));

static const struct dbg_member of_line = { .type = &line };
static struct dbg_type raw = STRUCT("alloc::raw_vec::RawVec<line>", 16, RUST, MEMBER("ptr", 0, to_line), MEMBER("cap", 8, number));
static struct dbg_type vec = STRUCT("alloc::vec::Vec<line>", 24, RUST, MEMBER("buf", 0, raw), MEMBER("len", 16, number));
static struct dbg_type raw_table = STRUCT("hashbrown::raw::RawTable<line>", 32, RUST, MEMBER("ctrl", 0, to_line),
					  MEMBER("bucket_mask", 8, number), MEMBER("growth_left", 16, number),
					  MEMBER("items", 24, number));

/* ---- in use */

static const struct {
	const char *name;
	struct dbg_type *type;
	uint64_t words[MAX_WORDS];
	bool is_one; /* else there is no block, or it is damaged */
	uint64_t start, used, room, size;
	bool is_table;
} cases[] = {
	{ "a vector", &vector, { HEAP, HEAP + 48, HEAP + 240 }, true, HEAP, 2, 10, 24 },
	{ "of libc++", &libcxx_vector, { HEAP, HEAP + 24, HEAP + 24 }, true, HEAP, 1, 1, 24 },
	{ "one that ends before it begins", &vector, { HEAP + 48, HEAP, HEAP + 240 }, false },
	{ "one whose end is inside a value", &vector, { HEAP, HEAP + 50, HEAP + 240 }, false },
	{ "one whose room ends before its values", &vector, { HEAP, HEAP + 96, HEAP + 48 }, false },
	{ "a string", &string, { HEAP, 9, 99 }, true, HEAP, 10, 100, 1 },
	{ "a short one, which is in itself", &string, { AT + 16, 9, 99 }, false },
	{ "one longer than its room", &string, { HEAP, 100, 99 }, false },
	{ "of libc++: long", &libcxx_string, { 0x81, 9, HEAP }, true, HEAP, 10, 128, 1 },
	{ "of libc++: short", &libcxx_string, { 0x80, 9, HEAP }, false },
	{ "a deque that was never filled", &deque, { HEAP, 8, HEAP + 512, HEAP + 512, HEAP + 1024, HEAP + 24, HEAP + 512,
	  HEAP + 512, HEAP + 1024, HEAP + 24 }, true, HEAP, 0, 8, 8 },
	{ "of two buffers", &deque, { HEAP, 8, HEAP + 512, HEAP + 512, HEAP + 1024, HEAP + 24, HEAP + 2048, HEAP + 2048,
	  HEAP + 4096, HEAP + 32 }, true, HEAP, 2, 8, 8 },
	{ "whose last is before its first", &deque, { HEAP, 8, 0, 0, 0, HEAP + 32, 0, 0, 0, HEAP + 24 }, false },
	{ "a table", &table, { HEAP, 97, 0, 5 }, true, HEAP, 5, 97, 8, true },
	{ "of one bucket, which is in itself", &table, { AT + 48, 1, 0, 1 }, false },
	{ "a table of libc++", &libcxx_table, { HEAP, 64, 0, 3 }, true, HEAP, 3, 64, 8, true },
	{ "a Vec", &vec, { HEAP, 16, 3 }, true, HEAP, 3, 16, 24 },
	{ "one without room", &vec, { 8, 0, 0 }, false },
	{ "one with more than its room", &vec, { HEAP, 16, 18 }, false },
	{ "one of as many as there are addresses", &vec, { HEAP, UINT64_MAX / 2, 3 }, false },
	{ "a table of Rust's", &raw_table, { HEAP + 192, 7, 4, 3 }, true, HEAP, 3, 8, 25, true },
	{ "whose mask is none", &raw_table, { HEAP + 192, 6, 4, 3 }, false },
	{ "a struct of a program's", &plain, { HEAP, HEAP, HEAP }, false },
};

static void room_and_use(void **state)
{
	static const struct fake_mapping memory[] = { { HEAP, 0x1000, SEG_R | SEG_W }, {} };
	struct fake_image *f = fake_image_new(&env, memory, &(struct fake_word){});
	struct native n = { .env = &env, .img = &f->img };

	(void)state;
	vec.params = raw_table.params = &of_line;
	vec.n_params = raw_table.n_params = 1;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		const uint8_t *bytes = (const uint8_t *)cases[i].words;
		struct native_store store = {};
		struct native_use u = {};
		bool is_one = native_store_of(&n, cases[i].type, 0, &store) &&
			      native_use_of(&n, &store, AT, bytes, cases[i].type->size, &u);

		if (is_one != cases[i].is_one)
			fail_msg("%s: %d", cases[i].name, is_one);
		if (is_one && (u.start != cases[i].start || u.used != cases[i].used || u.room != cases[i].room ||
			       u.size != cases[i].size || u.is_table != cases[i].is_table))
			fail_msg("%s: %#llx, %llu of %llu, %llu bytes each", cases[i].name, (unsigned long long)u.start,
				 (unsigned long long)u.used, (unsigned long long)u.room, (unsigned long long)u.size);
		if (is_one && native_use_of(&n, &store, AT, bytes, 8, &u))
			fail_msg("%s: of one that is cut short", cases[i].name);
	}
	arena_fini(&n.mem);
	fake_image_free(f);
}

/* ---- tables of a dump that lies: all claim the same buckets */

enum { BUCKETS = 1024, TABLES = 8, LOOKED_AT = 3 };

static struct dbg_type u32 = { .name = "unsigned int", .size = 4, .kind = DBG_KIND_BASE, .loaded = true };
static struct dbg_type to_u32 = POINTER_TO(&u32), to_number = POINTER_TO(&number);
static struct dbg_type kh = STRUCT("struct kh_lines", 40, DBG_LANG_C, MEMBER("n_buckets", 0, u32), MEMBER("size", 4, u32),
				   MEMBER("n_occupied", 8, u32), MEMBER("upper_bound", 12, u32), MEMBER("flags", 16, to_u32),
				   MEMBER("keys", 24, to_number), MEMBER("vals", 32, to_line));
static struct dbg_type rc_inner = STRUCT("alloc::rc::RcInner<[line]>", 40, RUST, MEMBER("data", 16, line));
static struct dbg_type to_rc = POINTER_TO(&rc_inner);
static struct dbg_type rc_slice = STRUCT("alloc::rc::Rc<[line]>", 16, RUST, MEMBER("data_ptr", 0, to_rc), MEMBER("length", 8, number));

/* Of another world's arena. */
static void forget(void)
{
	line.user = number.user = rc_inner.user = NULL;
}

static bool count_run(void *arg, const struct native_run *run)
{
	(void)run;
	++*(unsigned *)arg;
	return true;
}

static void tables_that_claim_the_same(void **state)
{
	static const struct fake_mapping memory[] = { { HEAP, 0x1000, SEG_R | SEG_W }, {} };
	static const uint64_t words[] = { HEAP, BUCKETS - 1, 0, BUCKETS }, kh_words[] = { BUCKETS, 0, HEAP, HEAP, HEAP };
	struct fake_image *f = fake_image_new(&env, memory, &(struct fake_word){});
	struct native n = { .env = &env, .img = &f->img, .controls_left = LOOKED_AT * BUCKETS, .flags_left = LOOKED_AT * BUCKETS / 4 };
	struct native_slot slot = {}, kh_slot = {};
	unsigned some = 0, kh_some = 0;

	(void)state;
	forget();
	raw_table.params = &of_line;
	raw_table.n_params = 1;
	assert_true(native_rust_room(&n, &raw_table, 0, &slot));
	assert_true(native_is_khash(&kh));
	assert_true(native_khash_slot(&n, &kh, &kh.members[6], 0, &kh_slot));
	for (unsigned i = 0; i < TABLES; i++) {
		unsigned runs = 0, kh_runs = 0;

		native_rust_runs(&n, (const uint8_t *)words, sizeof(words), &slot, count_run, &runs);
		native_khash_runs(&n, (const uint8_t *)kh_words, sizeof(kh_words), &kh_slot, count_run, &kh_runs);
		some += runs > 0;
		kh_some += kh_runs > 0;
	}
	assert_int_equal(some, LOOKED_AT);
	assert_int_equal(kh_some, LOOKED_AT);
	forget();
	arena_fini(&n.mem);
	fake_image_free(f);
}

static void values_behind_counts_that_cannot_be_so_many(void **state)
{
	static const struct fake_mapping memory[] = { { HEAP, 0x1000, SEG_R | SEG_W }, {} };
	static const struct {
		uint64_t length;
		bool is_one;
	} lengths[] = { { 3, true }, { 0, false }, { UINT64_MAX, false }, { UINT64_MAX / 24, false }, { UINT64_MAX / 24 + 1, false } };
	struct fake_image *f = fake_image_new(&env, memory, &(struct fake_word){});
	struct native n = { .env = &env, .img = &f->img };
	struct native_slot slot = {};

	(void)state;
	forget();
	assert_true(native_rust_room(&n, &rc_slice, 0, &slot));
	for (size_t i = 0; i < ARRAY_SIZE(lengths); i++) {
		uint64_t words[] = { HEAP, lengths[i].length };
		unsigned runs = 0;

		native_rust_runs(&n, (const uint8_t *)words, sizeof(words), &slot, count_run, &runs);
		assert_int_equal(runs, lengths[i].is_one);
	}
	forget();
	arena_fini(&n.mem);
	fake_image_free(f);
}

/* ---- what counts */

static struct dbg_type wrapped = STRUCT("core::ptr::NonNull<x>", 8, RUST, MEMBER("pointer", 0, to_line));
static struct dbg_type shared = STRUCT("std::__shared_count<x>", 8, CXX, MEMBER("_M_pi", 0, to_line));
static struct dbg_type weak = STRUCT("std::__weak_count<x>", 8, CXX, MEMBER("_M_pi", 0, to_line));
static struct dbg_type libcxx_shared = STRUCT("std::__1::shared_ptr<x>", 16, CXX, MEMBER("__ptr_", 0, to_line),
					      MEMBER("__cntrl_", 8, to_line));
static struct dbg_type rc = STRUCT("alloc::rc::Rc<x>", 8, RUST, MEMBER("ptr", 0, wrapped));
static struct dbg_type arc_weak = STRUCT("alloc::sync::Weak<x>", 8, RUST, MEMBER("ptr", 0, wrapped));
static struct dbg_type numbered = STRUCT("alloc::rc::Rc<y>", 8, RUST, MEMBER("ptr", 0, number));
static struct dbg_type other_fields = STRUCT("std::__shared_count<y>", 8, CXX, MEMBER("_M_q", 0, to_line));

static const struct {
	struct dbg_type *type;
	bool counts, is_weak;
	uint64_t offset;
} counted[] = {
	{ &shared, true, false, 0 }, { &weak, true, true, 0 }, { &libcxx_shared, true, false, 8 },
	{ &rc, true, false, 0 }, { &arc_weak, true, true, 0 },
	{ &numbered, false }, { &other_fields, false }, { &vector, false }, { &plain, false },
};

static void counted_references(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(counted); i++) {
		uint64_t offset = 99;
		bool is_weak = false;
		const struct dbg_member *m = native_counted(counted[i].type, &offset, &is_weak);

		if (!m != !counted[i].counts || (m && (offset != counted[i].offset || is_weak != counted[i].is_weak)))
			fail_msg("%s", counted[i].type->name);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(room_and_use, set_up, tear_down),
		cmocka_unit_test_setup_teardown(tables_that_claim_the_same, set_up, tear_down),
		cmocka_unit_test_setup_teardown(values_behind_counts_that_cannot_be_so_many, set_up, tear_down),
		cmocka_unit_test_setup_teardown(counted_references, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
