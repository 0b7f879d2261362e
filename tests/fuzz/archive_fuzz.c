/* archive_fuzz.c - any bytes as a packed input: members are readable to their end, budgets hold. */
#include "fuzz.h"

static uint64_t sum_members(const struct input *in)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < in->n; i++) {
		const struct member *m = &in->members[i];

		if (m->size && !m->map)
			abort();
		for (uint64_t at = 0; at < m->size; at += 4096)
			sum += m->map[at];
		if (m->size)
			sum += m->map[m->size - 1];
	}
	return sum;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct env env;
	struct input *in = NULL;
	struct err *err;
	char path[64];
	int fd = fuzz_file(data, size, path);

	fuzz_env(&env);
	err = input_open(&env, path, &in);
	if (env.disk_used > env.disk_budget)
		abort();
	if (!err) {
		volatile uint64_t keep = sum_members(in);
		(void)keep;
	}
	err_free(err);
	input_close(in);
	env_fini(&env);
	close(fd);
	return 0;
}
