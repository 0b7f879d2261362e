/* elf_core_fuzz.c - an ELF core of any bytes: segments, notes, modules, symbols, stacks. */
#include "fuzz.h"

static void read_everywhere(struct env *env, const struct image *img)
{
	uint64_t word;

	(void)env;
	for (size_t i = 0; i < img->n_segments; i++) {
		const struct segment *s = &img->segments[i];

		if (s->start >= s->end || (i && s->start < img->segments[i - 1].end))
			abort(); /* sorted, never empty, never overlapping */
		(void)image_read_u64(img, s->start, &word); /* status does not matter: only that it returns */
		(void)image_read_u64(img, s->end - 8, &word);
		(void)image_read_u64(img, s->end - 1, &word);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char path[64];
	int fd = fuzz_file(data, size, path);

	fuzz_image(path, read_everywhere);
	close(fd);
	return 0;
}
