/*
 * count_rules_parse(): which texts are rules; what a word counts, and which names a pattern has.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "base/guard.h"
#include "type/count_rules.h"

#define RULE "count a\ntype struct a\nstrong refs\n"

static void texts_are_read_to_the_letter(void **state)
{
	static const struct {
		const char *text;
		const char *wrong; /* how the message begins; NULL: these are rules */
	} texts[] = {
		{ "", NULL },
		{ RULE, NULL },
		{ RULE RULE, NULL },
		{ "# one\ncount a b # c\r\ntype x::Y<int, long>\nstrong 0x10 u16\nweak base.weak u32", NULL },
		{ RULE "strong.bias -1\nstrong.shift 63\nstrong.mask 1\nweak.bias 2\n", NULL },
		{ RULE "ref struct b to\nref.weak struct b 8\nref.none C<* p.q\n", NULL },
		{ "type struct a", "x:1: " },
		{ "count", "x:1: " },
		{ "count a\nstrong refs\n", "x:1: " },
		{ "count a\ntype struct a\n" RULE, "x:1: " },
		{ RULE "strong other", "x:4: " },
		{ "count a\ntype a\nstrong 8", "x:3: " },
		{ "count a\ntype a\nstrong 8 u7", "x:3: " },
		{ "count a\ntype a\nstrong 65537 u8", "x:3: " },
		{ "count a\ntype a\nstrong 8x u8", "x:3: " },
		{ RULE "strong.shift 64", "x:4: " },
		{ RULE "strong.shift -1", "x:4: " },
		{ RULE "strong.mask 0", "x:4: " },
		{ RULE "strong.mask 1 2", "x:4: " },
		{ RULE "strong.bias 4294967296", "x:4: " },
		{ RULE "strong.sum 1", "x:4: " },
		{ RULE "ref b", "x:4: " },
		{ RULE "ref struct b", "x:4: " },
		{ RULE "refs b c", "x:4: " },
		{ RULE "type", "x:4: " },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		struct count_rules rules = {};
		struct err *err = count_rules_parse("x", texts[i].text, strlen(texts[i].text), &rules);

		if (!err != !texts[i].wrong ||
		    (err && strncmp(err->message, texts[i].wrong, strlen(texts[i].wrong))))
			fail_msg("%s: %s", texts[i].text, err ? err->message : "no error");
		err_free(err);
		count_rules_fini(&rules);
	}
}

static void names_are_told_apart(void **state)
{
	static const struct {
		const char *pattern, *name;
		bool same;
	} names[] = {
		{ "struct a", "struct a", true },	{ "struct a", "struct ab", false },
		{ "struct ab", "struct a", false },	{ "Ref<*", "Ref<x::Y>", true },
		{ "Ref<*", "Ref", false },		{ "A<int,B<long>>", "A<int, B<long> >", true },
		{ "*", "anything", true },		{ "a", NULL, false },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		if (count_rule_names(names[i].pattern, names[i].name) != names[i].same)
			fail_msg("%s against %s", names[i].pattern, names[i].name);
}

static void a_word_counts_what_the_rule_says(void **state)
{
	static const struct {
		struct count_place place;
		uint64_t word, count; /* UINT64_MAX: none */
	} words[] = {
		{ { .mask = UINT64_MAX }, 3, 3 },
		{ { .mask = UINT64_MAX, .bias = 1 }, 0, 1 },
		{ { .mask = UINT64_MAX, .bias = -1 }, 1, 0 },
		{ { .mask = UINT64_MAX, .bias = -1 }, 0, UINT64_MAX },
		{ { .mask = 0xff, .shift = 4 }, 0x12345, 0x34 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(words); i++) {
		uint64_t count;

		if (!count_place_value(&words[i].place, words[i].word, &count))
			count = UINT64_MAX;
		assert_int_equal(count, words[i].count);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(texts_are_read_to_the_letter),
		cmocka_unit_test(names_are_told_apart),
		cmocka_unit_test(a_word_counts_what_the_rule_says),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
