/* tests/lib/fake_types.c - see the header; layouts of internal/abi/type.go. */
#include "fake_types.h"

#include <assert.h>
#include <string.h>

#include "base/bits.h"

void fake_types_init(struct fake_module *g, struct env *env, struct fake_image *fake)
{
	struct err *err;

	*g = (struct fake_module){ .fake = fake, .next_name = FAKE_NAMES };
	g->module = (struct go_module){ .types = FAKE_TYPES, .etypes = FAKE_TYPES_END };
	g->go = (struct go){
		.env = env,
		.img = &fake->img,
		.minor = 26,
		.swissmap = true,
		.allocheaders = true,
		.modules = &g->module,
		.n_modules = 1,
	};
	memset(&g->go.layout, 0xff, sizeof(g->go.layout));
	err = go_types_open(&g->go, &g->go.types);
	assert(!err);
	fake->img.go = &g->go;
}

void fake_types_fini(struct fake_module *g)
{
	go_types_close(g->go.types);
	g->fake->img.go = NULL;
}

taddr fake_types_name(struct fake_module *g, const char *s)
{
	uint8_t bytes[128] = { 0, (uint8_t)strlen(s) };
	taddr at = g->next_name;

	assert(strlen(s) < 100);
	memcpy(bytes + 2, s, strlen(s));
	for (unsigned i = 0; i < strlen(s) + 2; i += 8)
		fake_image_put(g->fake, at + i, load_u64(bytes + i));
	g->next_name += align_up(strlen(s) + 2, 8) + 8;
	return at;
}

taddr fake_types_add(struct fake_module *g, struct fake_type t)
{
	uint64_t name = fake_types_name(g, t.name) - FAKE_TYPES, align = t.align ? t.align : 8;

	fake_image_put(g->fake, t.at, t.size);
	fake_image_put(g->fake, t.at + 8, t.ptr_bytes);
	fake_image_put(g->fake, t.at + 16,
		       (uint32_t)t.at | (uint64_t)t.tflag << 32 | align << 40 | align << 48 |
			       (uint64_t)t.kind << 56);
	fake_image_put(g->fake, t.at + 40, name);
	return t.at;
}

void fake_types_words(struct fake_module *g, taddr at, const uint64_t *words, size_t n)
{
	for (size_t i = 0; i < n; i++)
		fake_image_put(g->fake, at + 8 * i, words[i]);
}
