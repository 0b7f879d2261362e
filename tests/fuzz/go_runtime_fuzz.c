/*
 * go_runtime_fuzz.c - a real Go core whose runtime has words overwritten: the runtime is found
 * again, or not, and asked.
 *
 * The input is a list of 14-byte patches: in which part (moduledata, variables, function table,
 * goroutines, ...), where, and what to put there.  The core and program that HEAPFX_FUZZ_GO_CORE and
 * HEAPFX_FUZZ_GO_EXE name (tests/fuzz/run makes them) are opened once; patches go to copies of
 * their segments.
 */
#include "base/cursor.h"
#include "fuzz.h"
#include "image/go.h"
#include "image/go_sched.h"
#include "image/go_type.h"

enum { MAX_PATCHES = 64, PATCH_BYTES = 14, MAX_COPIES = 32, MAX_COPY = 64 << 20, ASKED = 64 };

static struct base {
	struct env env;
	struct input *in;
	struct image *img;
	struct copy {
		taddr start;
		uint64_t size;
		uint8_t *bytes;
		const uint8_t *original;
	} copies[MAX_COPIES];
	size_t n_copies;
	struct part {
		taddr start;
		uint64_t size;
	} parts[16];
	size_t n_parts;
	taddr text, types; /* what is asked for */
	uint64_t text_size, types_size;
} base;

/* The segment of an address becomes a copy that may be written to. */
static void copy_segment(taddr addr)
{
	struct segment *s = (struct segment *)image_segment(base.img, addr);
	struct copy *c = &base.copies[base.n_copies];

	if (!s || !s->bytes || s->end - s->start > MAX_COPY || base.n_copies == MAX_COPIES)
		return;
	for (size_t i = 0; i < base.n_copies; i++)
		if (base.copies[i].start == s->start)
			return;
	*c = (struct copy){ s->start, s->end - s->start, malloc(s->end - s->start), s->bytes };
	if (!c->bytes)
		abort();
	memcpy(c->bytes, s->bytes, c->size);
	s->bytes = c->bytes;
	base.n_copies++;
}

static void part_add(taddr start, uint64_t size)
{
	base.parts[base.n_parts++] = (struct part){ start, size };
	copy_segment(start);
}

static void parts_find(const struct go *go)
{
	const struct go_module *m = &go->modules[0];
	taddr gs = go_word(go, go->at.allgs), spans = go_word(go, go->at.mheap + go->layout.mheap.allspans);

	part_add(m->addr, 600);
	part_add(go->at.mheap + go->layout.mheap.sweepgen, 512);
	part_add(go->at.allgs, 24);
	part_add(go->at.allp, 24);
	part_add(go->at.sched, 256);
	part_add(go->at.wait_reasons, 512);
	part_add(m->data, m->edata - m->data);
	part_add(m->bss, m->ebss - m->bss);
	part_add(m->pclntab, 72);
	part_add(m->ftab, m->n_ftab * 8);
	part_add(m->pctab, m->n_pctab);
	part_add(m->gofunc, 1 << 16);
	part_add(gs, 512);
	part_add(go_word(go, gs), 1024);
	part_add(spans, 512);
	part_add(go_word(go, spans), 1024);
	base.text = m->text;
	base.text_size = m->etext - m->text;
	base.types = m->types;
	base.types_size = m->etypes - m->types;
}

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	const char *core = getenv("HEAPFX_FUZZ_GO_CORE");
	struct image_options options = fuzz_options;

	(void)argc;
	(void)argv;
	options.exe = getenv("HEAPFX_FUZZ_GO_EXE");
	fuzz_env(&base.env);
	if (!core || !options.exe || input_open(&base.env, core, &base.in) ||
	    image_open(&base.env, base.in, &options, &base.img) || !base.img->go) {
		fprintf(stderr, "HEAPFX_FUZZ_GO_CORE and _EXE name no Go core: use tests/fuzz/run\n");
		exit(2);
	}
	parts_find(base.img->go);
	go_close(base.img->go);
	base.img->go = NULL;
	return 0;
}

static uint8_t *place(taddr addr)
{
	for (size_t i = 0; i < base.n_copies; i++)
		if (addr - base.copies[i].start < base.copies[i].size &&
		    base.copies[i].size - (addr - base.copies[i].start) >= 8)
			return base.copies[i].bytes + (addr - base.copies[i].start);
	return NULL;
}

/* A value, a small step, one bit, or the address of a part. */
static uint64_t patched(uint64_t before, unsigned how, uint64_t value)
{
	switch (how % 4) {
	case 0: return value;
	case 1: return before + value % 64 - 32;
	case 2: return before ^ 1ull << value % 64;
	default: return base.parts[value % base.n_parts].start;
	}
}

static void patch(struct cursor *c)
{
	for (unsigned n = 0; n < MAX_PATCHES && cursor_left(c) >= PATCH_BYTES; n++) {
		const struct part *part = &base.parts[cursor_u8(c) % base.n_parts];
		unsigned how = cursor_u8(c);
		uint64_t at = cursor_u32(c) % part->size, word;
		uint64_t value = cursor_u64(c);
		uint8_t *p = place(part->start + at);

		if (!p)
			continue;
		memcpy(&word, p, sizeof(word));
		word = patched(word, how, value);
		memcpy(p, &word, sizeof(word));
	}
}

static void restore(void)
{
	for (size_t i = 0; i < base.n_copies; i++)
		memcpy(base.copies[i].bytes, base.copies[i].original, base.copies[i].size);
}

static void heard(void *arg, const char *function, const char *file, unsigned line)
{
	*(size_t *)arg += strlen(function) + (file ? strlen(file) : 0) + line;
}

static void ask(const struct go *go)
{
	size_t sum = 0;

	for (unsigned i = 0; i < ASKED; i++) {
		taddr pc = base.text + base.text_size / ASKED * i;
		struct go_func f;
		int32_t value;

		go_source(go, pc, heard, &sum);
		if (go_func_at(go, pc, &f) && go_pcdata(go, &f, GO_PCDATA_STACK_MAP, pc, &value))
			sum += go_funcdata(go, &f, GO_FUNCDATA_LOCALS) + (uint32_t)value;
		sum += go_type_at(go, base.types + (base.types_size / ASKED * i & ~7ull)) != NULL;
	}
	for (size_t i = 0; i < go->n_goroutines; i++)
		sum += go->goroutines[i].n_frames;
	if (sum == SIZE_MAX)
		abort(); /* so that nothing is left out as unused */
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct cursor c = cursor_init(data, size, "patches", 0);
	struct err *err;

	patch(&c);
	err = go_open(base.img);
	if (base.img->go)
		ask(base.img->go);
	err_free(err);
	go_close(base.img->go);
	base.img->go = NULL;
	env_fini(&base.env); /* what it was told of damage */
	fuzz_env(&base.env);
	restore();
	return 0;
}
