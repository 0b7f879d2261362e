/*
 * in_flight_fuzz.c - damage beside a thread that stands still inside free() (lib/heap/in_flight.c): headers of
 * chunks, the thread's registers and its stack are overwritten (tests/fuzz/patches.h).
 *
 * What is damaged must be told, as an operation under way or as damage, and each damage must lie in the
 * memory that it is about.
 */
#include "patches.h"

enum {
	STACK_BELOW = 256,
	STACK_ABOVE = 4096,
	NOTE_STEP = 4, /* what notes are aligned to */
};

extern const struct walker_ops glibc_walker;

static size_t n_in_flight;

/* Registers as notes have them: wherever one of their values stands before the first memory. */
static void note_registers(const struct image *img, const struct thread *t)
{
	uint64_t end = patched_core.size;

	for (size_t i = 0; i < img->n_segments; i++)
		if (img->segments[i].origin == SEG_CORE && img->segments[i].bytes) {
			uint64_t at = (uint64_t)(img->segments[i].bytes - img->core->map);

			end = at < end ? at : end;
		}
	for (uint64_t at = 0; at + 8 <= end && patched_core.n_places < MAX_PLACES; at += NOTE_STEP)
		for (unsigned r = 0; r < img->target->n_regs && r < TARGET_MAX_REGS; r++)
			if (t->regs[r] && !memcmp(patched_core.bytes + at, &t->regs[r], 8)) {
				patched_core.places[patched_core.n_places++] = at;
				break;
			}
}

static void note_threads(const struct image *img)
{
	for (size_t i = 0; i < img->n_threads; i++) {
		const struct thread *t = &img->threads[i];

		for (taddr at = (t->sp & ~(taddr)7) - STACK_BELOW; at < t->sp + STACK_ABOVE; at += 8)
			patches_note(img, at);
		note_registers(img, t);
	}
}

static void check_damage(const struct heap_info *info)
{
	for (size_t i = 0; i < info->n_damage; i++) {
		const struct heap_damage *d = &info->damage[i];

		if (!d->what || d->low > d->high)
			abort();
		n_in_flight += d->in_flight != 0;
	}
}

static void look(struct env *env, const struct image *img)
{
	struct blocks blocks = {};
	struct err *err = blocks_build_with(env, img, patched_core.walkers, &blocks);

	for (size_t i = 0; i < blocks.n_heaps && !err; i++)
		check_damage(blocks.heaps[i].ops->info(blocks.heaps[i].ctx));
	err_free(err);
	blocks_fini(&blocks);
}

static void look_at_all(struct env *env, const struct image *img)
{
	note_threads(img);
	look(env, img);
}

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc;
	(void)argv;
	patched_core.exe = getenv("HEAPFX_FUZZ_IN_FLIGHT_EXE");
	patches_open("HEAPFX_FUZZ_IN_FLIGHT_CORE", &glibc_walker);
	fuzz_image_of(patched_core.path, patched_core.exe, look_at_all);
	if (!n_in_flight) {
		fprintf(stderr, "no thread of the core is inside an allocator\n");
		exit(2);
	}
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	return patches_run_with(data, size, look);
}
