/* count_rules_fuzz.c - any text as a file of count rules; what it says of a few names and numbers. */
#include "fuzz.h"
#include "type/count_rules.h"

static size_t ask(const struct count_rule *rule)
{
	static const char *const names[] = { "struct object", "shop::Node<int>", "", "obj" };
	uint64_t value = 0;
	size_t sum = 0;

	for (unsigned i = 0; i < rule->n_types; i++)
		for (size_t k = 0; k < sizeof(names) / sizeof(*names); k++)
			sum += count_rule_names(rule->types[i], names[k]);
	for (uint64_t word = 1; word; word <<= 7)
		sum += count_place_value(&rule->strong, word, &value) + count_place_value(&rule->weak, word, &value);
	return sum + value % 2;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct count_rules rules = {};
	struct err *err = count_rules_parse("fuzzed", (const char *)data, size, &rules);
	size_t sum = 0;

	for (size_t i = 0; !err && i < rules.n; i++)
		sum += ask(&rules.v[i]);
	if (sum == SIZE_MAX)
		abort(); /* so that nothing is left out as unused */
	err_free(err);
	count_rules_fini(&rules);
	return 0;
}
