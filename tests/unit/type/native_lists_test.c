/*
 * native_is_link_type() and native_has_link(): which structs are links, and where one lies in others.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/guard.h"
#include "type/native.h"

static struct dbg_type head, to_head, head_pointer, rb, to_rb, node, to_node, hash, owner, owners, both;

static const struct dbg_type number = { .name = "long", .size = 8, .kind = DBG_KIND_BASE, .loaded = true };
static const struct dbg_type other = { .size = 8, .kind = DBG_KIND_POINTER, .loaded = true };

#define POINTER(target) (struct dbg_type){ .size = 8, .kind = DBG_KIND_POINTER, .to = &(target), .loaded = true }
#define STRUCT(text, bytes, parts)                                                            \
	(struct dbg_type){ .name = text, .size = bytes, .kind = DBG_KIND_STRUCT, .loaded = true, \
			   .members = parts, .n_members = ARRAY_SIZE(parts) }

static int set_up(void **state)
{
	static const struct dbg_member of_head[] = { { "next", 0, &to_head, NULL, false }, { "pprev", 8, &head_pointer, NULL, false } };
	static const struct dbg_member of_rb[] = { { "color", 0, &number, NULL, false }, { "right", 8, &to_rb, NULL, false },
						   { "left", 16, &to_rb, NULL, false } };
	static const struct dbg_member of_node[] = { { "next", 0, &to_node, NULL, false }, { "value", 8, &number, NULL, false } };
	static const struct dbg_member of_hash[] = { { "tbl", 0, &other, NULL, false } };
	static const struct dbg_member of_owner[] = { { "id", 0, &number, NULL, false }, { "link", 8, &head, NULL, false } };
	static const struct dbg_member of_both[] = { { "first", 0, &owner, NULL, false }, { "more", 24, &owners, NULL, false } };

	(void)state;
	head = STRUCT("struct list_head", 16, of_head);
	to_head = POINTER(head);
	head_pointer = POINTER(to_head);
	rb = STRUCT("struct rb_node", 24, of_rb);
	to_rb = POINTER(rb);
	node = STRUCT("struct node", 16, of_node);
	to_node = POINTER(node);
	hash = STRUCT("struct UT_hash_handle", 56, of_hash);
	owner = STRUCT("struct owner", 24, of_owner);
	owners = (struct dbg_type){ .size = 48, .kind = DBG_KIND_ARRAY, .to = &owner, .count = 2, .loaded = true };
	both = STRUCT("struct both", 72, of_both);
	return 0;
}

static void a_link_is_nothing_but_links(void **state)
{
	(void)state;
	assert_true(native_is_link_type(&head));
	assert_true(native_is_link_type(&rb));
	assert_true(native_is_link_type(&hash));
	assert_false(native_is_link_type(&node)); /* it has a value: it is what is linked */
	assert_false(native_is_link_type(&owner));
	assert_false(native_is_link_type(&number));
}

static void a_link_lies_where_it_lies(void **state)
{
	static const struct {
		const struct dbg_type *in;
		uint64_t offset;
		bool is_there;
	} places[] = {
		{ &owner, 8, true }, { &owner, 0, false },  { &owner, 16, false }, { &owner, 24, false },
		{ &both, 8, true },  { &both, 32, true },   { &both, 56, true },   { &both, 48, false },
		{ &head, 0, true },  { &number, 0, false }, { &both, UINT64_MAX, false },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(places); i++)
		assert_int_equal(native_has_link(places[i].in, &head, places[i].offset), places[i].is_there);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(a_link_is_nothing_but_links, set_up),
		cmocka_unit_test_setup(a_link_lies_where_it_lies, set_up),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
