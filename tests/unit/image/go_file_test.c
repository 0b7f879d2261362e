/* Whether a file is the Go program that a dump without its build id is of: a small one of both. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <elf.h>

#include <cmocka.h>

#include "base/guard.h"
#include "fake_image.h"
#include "image/go_file.h"
#include "image/parts.h"

enum {
	FILE_SIZE = 0x3000,
	DATA_AT = 0x1000, /* in the file: the writable segment, of a page */
	DATA_ADDR = 0x402000,
	INFO = 0x20, /* in it: the build information */
	INFO_SIZE = 0x60,
	MODULE = 0x100, /* the moduledata */
	TABLES = 0x401000,
	STRINGS_AT = 0x2000,
	SECTIONS_AT = 0x2100,
	PIE_BIAS = 0x555555000000,
};

struct file {
	_Alignas(16) uint8_t bytes[FILE_SIZE];
};

static void word(struct file *f, unsigned i, uint64_t value)
{
	memcpy(f->bytes + DATA_AT + MODULE + 8 * i, &value, 8);
}

/* moduledata: a pointer, six full slices, twelve addresses; in a PIE the loader fills them in. */
static void put_module(struct file *f, bool pie)
{
	word(f, 0, pie ? 0 : TABLES);
	for (unsigned i = 0; i < 6; i++) {
		word(f, 1 + 3 * i, pie ? 0 : TABLES + 0x48 + 0x40 * i);
		word(f, 2 + 3 * i, 0x40 + i);
		word(f, 3 + 3 * i, 0x40 + i);
	}
	for (unsigned i = 19; i < 32; i++)
		word(f, i, pie ? 0 : TABLES + 0x1000 + 0x10 * i);
}

static void file_init(struct file *f, bool pie)
{
	static const char names[] = "\0.go.buildinfo\0.shstrtab";
	static const uint8_t ident[] = { 0x7f, 'E', 'L', 'F', ELFCLASS64, ELFDATA2LSB, EV_CURRENT };
	Elf64_Ehdr h = { .e_type = pie ? ET_DYN : ET_EXEC, .e_machine = EM_X86_64, .e_version = 1,
			 .e_phoff = sizeof(h), .e_phentsize = sizeof(Elf64_Phdr), .e_phnum = 1,
			 .e_shoff = SECTIONS_AT, .e_shentsize = sizeof(Elf64_Shdr), .e_shnum = 3, .e_shstrndx = 2 };
	Elf64_Phdr load = { .p_type = PT_LOAD, .p_flags = PF_R | PF_W, .p_offset = DATA_AT, .p_vaddr = DATA_ADDR,
			    .p_filesz = 0x1000, .p_memsz = 0x1000, .p_align = 0x1000 };
	Elf64_Shdr sections[] = {
		{},
		{ .sh_name = 1, .sh_type = SHT_PROGBITS, .sh_offset = DATA_AT + INFO, .sh_size = INFO_SIZE,
		  .sh_addr = DATA_ADDR + INFO },
		{ .sh_name = 15, .sh_type = SHT_STRTAB, .sh_offset = STRINGS_AT, .sh_size = sizeof(names) },
	};

	memset(f, 0, sizeof(*f));
	memcpy(h.e_ident, ident, sizeof(ident));
	memcpy(f->bytes, &h, sizeof(h));
	memcpy(f->bytes + sizeof(h), &load, sizeof(load));
	memcpy(f->bytes + STRINGS_AT, names, sizeof(names));
	memcpy(f->bytes + SECTIONS_AT, sections, sizeof(sections));
	memcpy(f->bytes + DATA_AT + INFO, "\xff Go buildinf:\x08\x02", 16);
	memset(f->bytes + DATA_AT + INFO + 32, 'v', 16);
	put_module(f, pie);
}

/* The segment as the process has it: addresses moved by the bias. */
static struct fake_image *process_of(struct env *env, const struct file *f, uint64_t bias)
{
	static const struct fake_word nothing[] = { {} };
	struct fake_mapping memory[] = { { DATA_ADDR + bias, 0x1000, SEG_R | SEG_W, 1 }, {} };
	struct fake_image *p = fake_image_new(env, memory, nothing);
	struct file filled = *f;

	put_module(&filled, false);
	memcpy((uint8_t *)p->segments[0].bytes, filled.bytes + DATA_AT, 0x1000);
	for (unsigned i = 0; i < 32; i++) {
		taddr at = DATA_ADDR + bias + MODULE + 8 * i;
		uint64_t w;

		memcpy(&w, filled.bytes + DATA_AT + MODULE + 8 * i, 8);
		if (w >= TABLES)
			fake_image_put(p, at, w + bias);
	}
	return p;
}

static void fits(void **state)
{
	static const struct {
		bool pie;
		uint64_t bias;
		uint64_t at, value; /* of the file: a word put there afterwards; 0: none */
		enum go_fit fit;
	} cases[] = {
		{ false, 0, 0, 0, GO_FIT_YES },
		{ true, PIE_BIAS, 0, 0, GO_FIT_YES },
		{ false, 0, DATA_AT + MODULE + 8 * 2, 0x41, GO_FIT_UNKNOWN }, /* len is not cap: no moduledata */
		{ false, 0, DATA_AT + MODULE + 8 * 22, 0x999000, GO_FIT_NO }, /* another end of the text */
		{ false, 0, DATA_AT + INFO + 32, 0x7777777777777777, GO_FIT_NO }, /* another revision */
		{ false, 0, DATA_AT + 0x800, 0x1234, GO_FIT_YES }, /* what the program may write */
		{ true, PIE_BIAS, DATA_AT + MODULE + 8 * 22, 0x999000, GO_FIT_NO },
		{ true, PIE_BIAS, DATA_AT + MODULE + 8 * 22, TABLES + 0x1000 + 0x10 * 22, GO_FIT_YES },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct env env;
		struct file f;
		struct fake_image *p;
		struct elf_file *e;

		env_init(&env);
		file_init(&f, cases[i].pie);
		p = process_of(&env, &f, cases[i].bias);
		if (cases[i].at)
			memcpy(f.bytes + cases[i].at, &cases[i].value, 8);
		assert_null(elf_file_open_bytes("prog", f.bytes, sizeof(f.bytes), &e));
		assert_int_equal(go_file_fits(&p->img, cases[i].bias, e), cases[i].fit);
		elf_file_free(e);
		fake_image_free(p);
		env_fini(&env);
	}
}

/* Two lengths that are both wrong: the file is another build, whose tables are of another size. */
static void other_sizes(void **state)
{
	struct env env;
	struct file f;
	struct fake_image *p;
	struct elf_file *e;

	(void)state;
	env_init(&env);
	file_init(&f, false);
	p = process_of(&env, &f, 0);
	word(&f, 11, 0x50);
	word(&f, 12, 0x50);
	assert_null(elf_file_open_bytes("prog", f.bytes, sizeof(f.bytes), &e));
	assert_int_equal(go_file_fits(&p->img, 0, e), GO_FIT_NO);
	assert_int_equal(go_file_fits(&p->img, 0x10000000, e), GO_FIT_UNKNOWN); /* nothing is there */
	elf_file_free(e);
	fake_image_free(p);
	env_fini(&env);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(fits), cmocka_unit_test(other_sizes) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
