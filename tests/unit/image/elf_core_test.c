/* The ELF core reader: who is refused and in which words, PN_XNUM, cut files, notes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <elf.h>

#include <cmocka.h>

#include "base/guard.h"
#include "image/parts.h"

enum { NOTES_AT = 0x400, DATA_AT = 0x3000, FILE_SIZE = 0x4000, DATA_ADDR = 0x600000 };

/* A sound core of one note segment and one page of memory, to be made worse. */
struct core {
	_Alignas(16) uint8_t bytes[FILE_SIZE];
	uint64_t size, n_notes;
};

static Elf64_Ehdr *ehdr(struct core *c)
{
	return (Elf64_Ehdr *)c->bytes;
}

static Elf64_Phdr *phdr(struct core *c, size_t i)
{
	return (Elf64_Phdr *)(c->bytes + sizeof(Elf64_Ehdr)) + i;
}

static void core_init(struct core *c)
{
	static const uint8_t ident[] = { 0x7f, 'E', 'L', 'F', ELFCLASS64, ELFDATA2LSB, EV_CURRENT };

	memset(c, 0, sizeof(*c));
	c->size = FILE_SIZE;
	memcpy(c->bytes, ident, sizeof(ident));
	ehdr(c)->e_type = ET_CORE;
	ehdr(c)->e_machine = EM_X86_64;
	ehdr(c)->e_phoff = sizeof(Elf64_Ehdr);
	ehdr(c)->e_phentsize = sizeof(Elf64_Phdr);
	ehdr(c)->e_phnum = 2;
	*phdr(c, 0) = (Elf64_Phdr){ .p_type = PT_NOTE, .p_offset = NOTES_AT };
	*phdr(c, 1) = (Elf64_Phdr){ .p_type = PT_LOAD,
				    .p_flags = PF_R | PF_W,
				    .p_offset = DATA_AT,
				    .p_vaddr = DATA_ADDR,
				    .p_filesz = 0x1000,
				    .p_memsz = 0x1000 };
}

static void add_note(struct core *c, const char *name, uint32_t type, const void *desc, uint32_t n)
{
	uint8_t *at = c->bytes + NOTES_AT + c->n_notes;
	uint32_t n_name = (uint32_t)strlen(name) + 1;
	uint32_t head[3] = { n_name, n, type };

	memcpy(at, head, sizeof(head));
	memcpy(at + 12, name, n_name);
	memcpy(at + 12 + ((n_name + 3) & ~3u), desc, n);
	c->n_notes += 12 + ((n_name + 3) & ~3u) + ((n + 3) & ~3u);
	phdr(c, 0)->p_filesz = c->n_notes;
}

struct result {
	struct env env;
	struct image img;
	struct dump dump;
};

static struct err *read_core(struct core *c, struct result *r)
{
	struct member m = { .name = "core", .size = c->size, .map = c->bytes };

	memset(r, 0, sizeof(*r));
	env_init(&r->env);
	r->img.env = &r->env;
	r->img.complete = true;
	return dump_registry[0]->read(&r->env, &m, &r->img, &r->dump);
}

static void result_fini(struct result *r)
{
	free(r->dump.loads);
	free(r->dump.files);
	free(r->img.threads);
	free(r->img.auxv);
	arena_fini(&r->img.names);
	env_fini(&r->env);
}

static bool has_diag(const struct result *r, const char *code)
{
	for (size_t i = 0; i < r->env.diags.n; i++)
		if (!strcmp(r->env.diags.list[i].code, code))
			return true;
	return false;
}

/* ---- refusals */

static void make_text(struct core *c)
{
	memcpy(c->bytes, "text", 4);
}
static void make_short(struct core *c)
{
	c->size = 63;
}
static void make_exec(struct core *c)
{
	ehdr(c)->e_type = ET_EXEC;
}
static void make_object(struct core *c)
{
	ehdr(c)->e_type = ET_REL;
}
static void make_32(struct core *c)
{
	c->bytes[EI_CLASS] = ELFCLASS32;
	ehdr(c)->e_machine = EM_386;
}
static void make_riscv(struct core *c)
{
	ehdr(c)->e_machine = EM_RISCV;
}
static void make_phentsize(struct core *c)
{
	ehdr(c)->e_phentsize = 32;
}
static void make_phoff(struct core *c)
{
	ehdr(c)->e_phoff = UINT64_MAX - 31;
}
static void make_big(struct core *c)
{
	c->bytes[EI_DATA] = ELFDATA2MSB;
	ehdr(c)->e_type = __builtin_bswap16(ET_CORE);
	ehdr(c)->e_machine = __builtin_bswap16(EM_PPC64);
}

static void test_refused(void **state)
{
	static const struct {
		void (*make)(struct core *c);
		enum err_kind kind;
		const char *says;
	} rows[] = {
		{ make_text, ERR_FORMAT, "not an ELF" },
		{ make_short, ERR_FORMAT, "not an ELF" },
		{ make_exec, ERR_FORMAT, "this is an executable, not a core" },
		{ make_object, ERR_FORMAT, "object file" },
		{ make_32, ERR_UNSUPPORTED, "32-bit core (i386" },
		{ make_big, ERR_UNSUPPORTED, "big-endian core (ppc64" },
		{ make_riscv, ERR_UNSUPPORTED, "machine 243 (riscv)" },
		{ make_phentsize, ERR_FORMAT, "program headers of 32 bytes" },
		{ make_phoff, ERR_FORMAT, "outside the file" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct core c;
		struct result r;
		struct err *err;

		core_init(&c);
		rows[i].make(&c);
		err = read_core(&c, &r);
		assert_non_null(err);
		assert_int_equal(err->kind, rows[i].kind);
		assert_non_null(strstr(err->message, rows[i].says));
		err_free(err);
		result_fini(&r);
	}
}

/* ---- program headers */

static void test_sound(void **state)
{
	struct core c;
	struct result r;

	(void)state;
	core_init(&c);
	assert_null(read_core(&c, &r));
	assert_true(r.img.complete);
	assert_int_equal(r.dump.n_loads, 1);
	assert_int_equal(r.dump.loads[0].start, DATA_ADDR);
	assert_int_equal(r.dump.loads[0].n_bytes, 0x1000);
	result_fini(&r);
}

static void test_extended_count(void **state)
{
	struct core c;
	struct result r;
	Elf64_Shdr section = { .sh_info = 2 };

	(void)state;
	core_init(&c);
	ehdr(&c)->e_phnum = PN_XNUM;
	ehdr(&c)->e_shoff = 0x200;
	memcpy(c.bytes + 0x200, &section, sizeof(section));
	assert_null(read_core(&c, &r));
	assert_true(r.img.complete);
	assert_int_equal(r.dump.n_loads, 1);
	result_fini(&r);

	ehdr(&c)->e_shoff = c.size; /* lost with the end of the file */
	assert_null(read_core(&c, &r));
	assert_false(r.img.complete);
	assert_true(has_diag(&r, "core/headers"));
	assert_int_equal(r.dump.n_loads, 1);
	result_fini(&r);
}

/* Each lie about the one segment, and what is left of it. */
static void test_lies(void **state)
{
	static const struct {
		uint64_t offset, vaddr, filesz, memsz;
		uint64_t want_end, want_bytes;
		const char *code;
	} rows[] = {
		{ DATA_AT, DATA_ADDR, 0x1000, 0x3000, DATA_ADDR + 0x3000, 0x1000, NULL },
		{ DATA_AT, DATA_ADDR, 0x1000, 0x40, DATA_ADDR + 0x40, 0x40, "core/segment" },
		{ DATA_AT, DATA_ADDR, 0x1800, 0x1800, DATA_ADDR + 0x1800, 0x1000,
		  "core/truncated" },
		{ FILE_SIZE, DATA_ADDR, 0x10, 0x10, DATA_ADDR + 0x10, 0, "core/truncated" },
		{ UINT64_MAX - 15, DATA_ADDR, 0x10, 0x10, DATA_ADDR + 0x10, 0, "core/truncated" },
		{ UINT64_MAX - 15, DATA_ADDR, 0x100, 0x100, DATA_ADDR + 0x100, 0, "core/segment" },
		{ DATA_AT, UINT64_MAX - 0xfff, 0x40, 0x2000, UINT64_MAX, 0x40, "core/segment" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct core c;
		struct result r;

		core_init(&c);
		phdr(&c, 1)->p_offset = rows[i].offset;
		phdr(&c, 1)->p_vaddr = rows[i].vaddr;
		phdr(&c, 1)->p_filesz = rows[i].filesz;
		phdr(&c, 1)->p_memsz = rows[i].memsz;
		assert_null(read_core(&c, &r));
		assert_int_equal(r.dump.n_loads, 1);
		assert_int_equal(r.dump.loads[0].end, rows[i].want_end);
		assert_int_equal(r.dump.loads[0].n_bytes, rows[i].want_bytes);
		if (rows[i].code)
			assert_true(has_diag(&r, rows[i].code));
		assert_int_equal(has_diag(&r, "core/truncated"), !r.img.complete);
		result_fini(&r);
	}
}

/* ---- notes */

static void add_prstatus(struct core *c, uint32_t tid, uint16_t signal, uint64_t sp,
			 uint64_t fs_base, uint32_t n)
{
	uint8_t desc[336] = {};

	memcpy(desc + 12, &signal, 2);
	memcpy(desc + 32, &tid, 4);
	memcpy(desc + 112 + 19 * 8, &sp, 8);
	memcpy(desc + 112 + 21 * 8, &fs_base, 8);
	add_note(c, "CORE", NT_PRSTATUS, desc, n);
}

static void test_notes(void **state)
{
	uint8_t info[136] = {};
	uint64_t auxv[] = { AT_PAGESZ, 4096, AT_NULL, 0 };
	uint64_t files[] = { 2, 4096, 0x1000, 0x2000, 0, 0x2000, 0x4000, 3, 0x6c2f /* "/l" */ };
	struct core c;
	struct result r;

	(void)state;
	core_init(&c);
	memcpy(info + 24, &(uint32_t){ 7 }, 4);
	memcpy(info + 40, "sixteen-letters!", 16); /* not terminated */
	memcpy(info + 56, "prog arg ", 9);
	add_prstatus(&c, 7, 11, 0x7fff0000, 0x7f01, 336);
	add_note(&c, "CORE", NT_PRPSINFO, info, sizeof(info));
	add_note(&c, "CORE", NT_AUXV, auxv, sizeof(auxv));
	memcpy((uint8_t *)&files[8], "/l\0/m\0", 6);
	add_note(&c, "CORE", NT_FILE, files, 8 * 8 + 6);
	add_prstatus(&c, 9, 0, 0, 0, 40);
	assert_null(read_core(&c, &r));
	assert_int_equal(r.img.n_threads, 2);
	assert_int_equal(r.img.threads[0].tid, 7);
	assert_int_equal(r.img.threads[0].signal, 11);
	assert_int_equal(r.img.threads[0].sp, 0x7fff0000);
	assert_int_equal(r.img.threads[0].tp, 0x7f01);
	assert_true(r.img.threads[0].has_regs);
	assert_false(r.img.threads[1].has_regs);
	assert_true(has_diag(&r, "core/note"));
	assert_int_equal(r.img.pid, 7);
	assert_string_equal(r.img.command, "sixteen-letters!");
	assert_string_equal(r.img.args, "prog arg");
	assert_int_equal(r.img.n_auxv, 1);
	assert_int_equal(r.img.auxv[0].value, 4096);
	assert_int_equal(r.dump.n_files, 2);
	assert_string_equal(r.dump.files[1].path, "/m");
	assert_int_equal(r.dump.files[1].offset, 3 * 4096);
	result_fini(&r);
}

static void test_aarch64_tls(void **state)
{
	uint8_t desc[392] = {};
	struct core c;
	struct result r;

	(void)state;
	core_init(&c);
	ehdr(&c)->e_machine = EM_AARCH64;
	memcpy(desc + 32, &(uint32_t){ 5 }, 4);
	memcpy(desc + 112 + 31 * 8, &(uint64_t){ 0x1230 }, 8);
	memcpy(desc + 112 + 32 * 8, &(uint64_t){ 0x4560 }, 8);
	add_note(&c, "CORE", NT_PRSTATUS, desc, sizeof(desc));
	add_note(&c, "LINUX", NT_ARM_TLS, &(uint64_t){ 0x7890 }, 8);
	assert_null(read_core(&c, &r));
	assert_int_equal(r.img.n_threads, 1);
	assert_int_equal(r.img.threads[0].sp, 0x1230);
	assert_int_equal(r.img.threads[0].pc, 0x4560);
	assert_int_equal(r.img.threads[0].tp, 0x7890);
	result_fini(&r);
}

/* Each belongs to the thread before it; the layout stands behind all of them. */
static void test_vectors(void **state)
{
	static const uint32_t layout[] = { 2, 256, 640, 0 };
	uint8_t area[1024] = {}, fx[512] = {};
	struct core c;
	struct result r;

	(void)state;
	core_init(&c);
	memcpy(area + 464, &(uint64_t){ 7 }, 8);
	memcpy(area + 512, &(uint64_t){ 7 }, 8);
	memcpy(area + 640, &(uint64_t){ 0xabc0 }, 8);
	memcpy(fx + 160, &(uint64_t){ 0xdef0 }, 8);
	add_note(&c, "LINUX", NT_X86_XSTATE, area, sizeof(area)); /* of no thread */
	add_prstatus(&c, 7, 0, 0x1000, 0, 336);
	add_note(&c, "CORE", NT_FPREGSET, fx, sizeof(fx));
	add_prstatus(&c, 8, 0, 0x1000, 0, 336);
	add_note(&c, "LINUX", NT_X86_XSTATE, area, 832);
	add_note(&c, "LINUX", 0x205, layout, sizeof(layout));
	assert_null(read_core(&c, &r));
	assert_int_equal(r.img.n_threads, 2);
	assert_int_equal(r.img.threads[0].n_vectors, 1);
	assert_int_equal(r.img.threads[0].vectors[0].value, 0xdef0);
	assert_int_equal(r.img.threads[1].n_vectors, 0); /* 832 bytes end within that layout's AVX */
	assert_true(has_diag(&r, "core/note"));
	result_fini(&r);

	core_init(&c);
	add_prstatus(&c, 8, 0, 0x1000, 0, 336);
	add_note(&c, "LINUX", NT_X86_XSTATE, area, sizeof(area));
	add_note(&c, "LINUX", 0x205, layout, sizeof(layout));
	assert_null(read_core(&c, &r));
	assert_int_equal(r.img.threads[0].n_vectors, 1);
	assert_int_equal(r.img.threads[0].vectors[0].value, 0xabc0);
	assert_false(has_diag(&r, "core/note"));
	result_fini(&r);
}

/* A note whose sizes run past the end: those before it stand. */
static void test_lying_note(void **state)
{
	static const uint32_t heads[][3] = {
		{ UINT32_MAX, 0, NT_AUXV },
		{ 5, UINT32_MAX - 3, NT_AUXV },
		{ 5, UINT32_MAX, NT_AUXV },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(heads); i++) {
		struct core c;
		struct result r;

		core_init(&c);
		add_prstatus(&c, 7, 0, 0x1000, 0, 336);
		memcpy(c.bytes + NOTES_AT + c.n_notes, heads[i], 12);
		phdr(&c, 0)->p_filesz += 20;
		assert_null(read_core(&c, &r));
		assert_int_equal(r.img.n_threads, 1);
		assert_true(has_diag(&r, "core/note"));
		result_fini(&r);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_refused),	       cmocka_unit_test(test_sound),
		cmocka_unit_test(test_extended_count), cmocka_unit_test(test_lies),
		cmocka_unit_test(test_notes),	       cmocka_unit_test(test_aarch64_tls),
		cmocka_unit_test(test_lying_note),     cmocka_unit_test(test_vectors),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
