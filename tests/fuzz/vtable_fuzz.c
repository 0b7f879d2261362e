/*
 * vtable_fuzz.c - any bytes as a module's data: each of its words is asked for as a vtable pointer.
 */
#include "base/bits.h"
#include "fuzz.h"
#include "image/cxx.h"

enum { CODE = 0x10000, DATA = 0x20000, DATA_MAX = 1 << 16 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const uint8_t code[4096];
	struct env env;
	struct module module = { .path = "fuzzed", .start = CODE, .end = DATA + DATA_MAX };
	struct segment segments[] = {
		{ .start = CODE, .end = CODE + sizeof(code), .bytes = code, .flags = SEG_R | SEG_X, .load = 0 },
		{ .start = DATA, .end = DATA + (size & ~7ull), .bytes = data, .flags = SEG_R, .load = 1 },
	};
	struct image img = { .env = &env, .modules = &module, .n_modules = 1, .segments = segments, .n_segments = 2 };
	struct cxx c;
	size_t sum = 0;

	if (size < 8 || size > DATA_MAX)
		return 0;
	fuzz_env(&env);
	if (cxx_open(&img, &c))
		abort();
	for (size_t i = 0; i + 8 <= size; i += 8) {
		const struct cxx_point *p = cxx_point_at(&c, DATA + i), *q = cxx_point_at(&c, load_u64(data + i));

		sum += (p->of ? strlen(p->of->name) + p->n_parts : 0) + (q->of != NULL);
	}
	if (sum == SIZE_MAX)
		abort(); /* so that nothing is left out as unused */
	cxx_close(&c);
	env_fini(&env);
	return 0;
}
