/* tests/lib/fake_tcmalloc.c - see the header. */
#include "fake_tcmalloc.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/guard.h"
#include "heap/blocks.h"

struct world *world_new(const struct fake_mapping *mappings)
{
	struct world *w = calloc(1, sizeof(*w));

	assert_non_null(w);
	env_init(&w->env);
	w->env.threads = 2;
	w->f = fake_image_new(&w->env, mappings, &(struct fake_word){ 0 });
	w->f->img.n_modules = 1;
	w->f->modules[0] = (struct module){
		.path = "libtcmalloc.so",
		.start = mappings[0].start,
		.end = mappings[1].start + mappings[1].size,
	};
	return w;
}

void world_free(struct world *w)
{
	fake_image_free(w->f);
	env_fini(&w->env);
	free(w);
}

static char state_of(const struct blocks *b, taddr object)
{
	static const struct {
		const char *where;
		char letter;
	} wheres[] = {
		{ "central", 'f' },
		{ "cpu-cache", 'p' },
		{ "thread-cache", 'c' },
		{ "transfer-cache", 't' },
	};
	uint32_t id = block_at(b, object);
	struct block block;

	if (id == BLOCK_NONE || grains_key(&b->grains, id) != object || block_is_filler(b, id))
		return '-';
	block_get(b, id, &block);
	for (size_t i = 0; !block.used && i < ARRAY_SIZE(wheres); i++)
		if (!strcmp(block.where, wheres[i].where))
			return wheres[i].letter;
	return 'u';
}

void world_expect(struct world *w, const char *states, size_t n_damage)
{
	struct blocks b;

	assert_null(blocks_build(&w->env, &w->f->img, &b));
	assert_int_equal(b.n_heaps, 1);
	for (size_t i = 0; states[i]; i++) {
		char is = state_of(&b, w->object[i]);

		if (is != states[i])
			fail_msg("object %zu at 0x%lx is '%c', not '%c'", i, w->object[i], is,
				 states[i]);
	}
	assert_int_equal(b.heaps[0].info->n_damage, n_damage);
	if (!n_damage)
		assert_int_equal(b.heaps[0].info->checks_failed, 0);
	blocks_fini(&b);
}

void world_expect_damage(struct world *(*laid_out)(void), const struct overwrite *cases, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		struct world *w = laid_out();

		put(w, cases[i].at, cases[i].value);
		print_message("%s\n", cases[i].what);
		world_expect(w, cases[i].states, cases[i].n_damage);
		world_free(w);
	}
}
