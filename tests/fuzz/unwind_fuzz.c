/*
 * unwind_fuzz.c - any ELF file's call frame information: threads that stand at many of its bytes, on a stack
 * whose words lead back into it, and what each frame's registers were.
 */
#include "fuzz.h"
#include <elf.h>

#include "image/elf.h"
#include "image/parts.h"

enum { BASE = 0x500000, STACK = 0x900000, WORDS = 256, THREADS = 12 };

/* Where its code is: the first mapping that is executable. */
static uint64_t code_of(const struct elf_file *e, uint64_t *ret_size)
{
	for (size_t i = 0; i < e->h.n; i++) {
		const struct elf_segment *s = &e->h.segments[i];

		if (s->type == PT_LOAD && s->flags & PF_X && s->memsz) {
			*ret_size = s->memsz < 1 << 20 ? s->memsz : 1 << 20;
			return s->vaddr;
		}
	}
	*ret_size = 4096;
	return 0;
}

static void start_thread(struct thread *t, unsigned no, uint64_t code, uint64_t size)
{
	*t = (struct thread){
		.tid = 7, .has_regs = true, .pc = BASE + code + (no * 0x9e3779b9ull >> 4) % size, .sp = STACK + 64 * no,
		.stack_low = STACK, .stack_high = STACK + WORDS * 8, .live_low = STACK + 64 * no,
	};
	for (unsigned i = 0; i < 17; i++)
		t->regs[i] = STACK + 8 * (i + 3 * no);
	t->regs[7] = t->sp;
	t->regs[16] = t->pc;
}

static void unwind(struct env *env, struct elf_file *file, const uint8_t *data, size_t size)
{
	static const Elf64_Ehdr core = {
		.e_ident = { 0x7f, 'E', 'L', 'F', ELFCLASS64, ELFDATA2LSB, EV_CURRENT }, .e_type = ET_CORE, .e_machine = EM_X86_64,
		.e_version = EV_CURRENT, .e_ehsize = sizeof(core), .e_phentsize = sizeof(Elf64_Phdr), .e_shentsize = sizeof(Elf64_Shdr),
	};
	uint64_t words[WORDS], n, code = code_of(file, &n);
	struct module module = { .path = "fuzzed", .start = BASE, .end = BASE + (1 << 21), .bias = BASE, .elf = file };
	struct segment segments[] = {
		{ .start = BASE, .end = BASE + size, .bytes = data, .flags = SEG_R | SEG_X },
		{ .start = STACK, .end = STACK + sizeof(words), .bytes = (const uint8_t *)words, .flags = SEG_R | SEG_W, .module = -1 },
	};
	struct thread threads[THREADS];
	struct member member = { .name = "core", .size = sizeof(core), .map = (const uint8_t *)&core };
	struct image img = {
		.env = env, .core = &member, .target = target_by_machine(EM_X86_64), .segments = segments, .n_segments = 2,
		.modules = &module, .n_modules = 1, .threads = threads, .n_threads = THREADS,
	};
	struct image_options options = {};

	for (unsigned i = 0; i < WORDS; i++)
		words[i] = i % 3 ? BASE + code + i * 37ull % n : STACK + 8ull * (i + 2 + i % 7);
	for (unsigned i = 0; i < THREADS; i++)
		start_thread(&threads[i], i, code, n);
	err_free(unwind_threads(&img, &options));
	for (unsigned i = 0; i < THREADS; i++) {
		for (size_t k = 0; k < threads[i].n_saved; k++)
			if (threads[i].saved[k].frame >= threads[i].n_frames || threads[i].saved[k].reg >= TARGET_MAX_REGS)
				abort();
		free(threads[i].frames);
		free(threads[i].saved);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct elf_file *file = NULL;
	struct env env;

	fuzz_env(&env);
	err_free(elf_file_open_bytes("fuzzed", data, size, &file));
	if (file)
		unwind(&env, file, data, size);
	elf_file_free(file);
	env_fini(&env);
	return 0;
}
