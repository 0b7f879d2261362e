/* Headers and notes of a core: numbers and modules' paths stay, arguments, names and data go. */
#include <elf.h>
#include <stdlib.h>
#include <string.h>

#include "unit_env.h"

#include "base/bits.h"
#include "base/guard.h"
#include "heap/blocks.h"
#include "image/shadow.h"
#include "shrink/shrink.h"

#define TEXT_WORD 0x7465726365537941 /* "AySecret" */

enum { NOTES_AT = 0x400, SIZE = 0x3000, DATA = 0x600000, REGS_AT = 112, RIP = 16, RSP = 19 };

struct core {
	_Alignas(16) uint8_t from[SIZE], to[SIZE];
	struct segment segment;
	struct module module;
	struct member member;
	struct shadow shadow;
	struct image img;
	struct blocks none;
	uint64_t n_notes;
};

static void begin(struct core *c)
{
	static const uint8_t ident[] = { 0x7f, 'E', 'L', 'F', ELFCLASS64, ELFDATA2LSB, EV_CURRENT };
	Elf64_Ehdr e = { .e_type = ET_CORE,
			 .e_machine = EM_X86_64,
			 .e_phoff = sizeof(e),
			 .e_shoff = 0x2000,
			 .e_phentsize = sizeof(Elf64_Phdr),
			 .e_phnum = 1,
			 .e_shnum = 3 };

	*c = (struct core){};
	memcpy(e.e_ident, ident, sizeof(ident));
	memcpy(c->from, &e, sizeof(e));
	c->segment = (struct segment){ .start = DATA, .end = DATA + 0x1000, .bytes = c->from + 0x2000,
				       .flags = SEG_R | SEG_W, .origin = SEG_CORE, .module = -1 };
	c->module = (struct module){ .path = "/usr/lib/libshop.so" };
	c->member = (struct member){ .name = "core", .map = c->from, .size = SIZE };
	c->shadow = (struct shadow){ .from = c->from, .to = c->to, .size = SIZE };
	c->img = (struct image){ .env = &env,
				 .core = &c->member,
				 .target = target_by_machine(EM_X86_64),
				 .segments = &c->segment,
				 .n_segments = 1,
				 .modules = &c->module,
				 .n_modules = 1,
				 .shadow = &c->shadow };
	assert_null(blocks_build_with(&env, &c->img, (const struct walker_ops *const[]){ NULL }, &c->none));
}

/* Where its contents begin in the file. */
static uint64_t add(struct core *c, const char *owner, uint32_t type, const void *desc, uint32_t n)
{
	uint32_t n_owner = (uint32_t)strlen(owner) + 1, head[3] = { n_owner, n, type };
	uint64_t at = NOTES_AT + c->n_notes;

	memcpy(c->from + at, head, sizeof(head));
	memcpy(c->from + at + sizeof(head), owner, n_owner);
	at += sizeof(head) + align_up(n_owner, 4);
	memcpy(c->from + at, desc, n);
	c->n_notes = at + align_up(n, 4) - NOTES_AT;
	return at;
}

static void add_psinfo(struct core *c)
{
	char psinfo[136] = "";

	strcpy(psinfo + 40, "shop");
	strcpy(psinfo + 56, "shop --password=hunter2");
	(void)add(c, "CORE", NT_PRPSINFO, psinfo, sizeof(psinfo));
}

static struct err *blank(struct core *c)
{
	Elf64_Phdr p = { .p_type = PT_NOTE, .p_offset = NOTES_AT, .p_filesz = c->n_notes };

	memcpy(c->from + sizeof(Elf64_Ehdr), &p, sizeof(p));
	return shrink_notes(&c->img, &c->none, NULL);
}

static void end(struct core *c)
{
	blocks_fini(&c->none);
}

static bool has(const struct core *c, const char *text)
{
	return memmem(c->to, SIZE, text, strlen(text));
}

static void test_names(void **state)
{
	static struct core c;

	(void)state;
	begin(&c);
	add_psinfo(&c);
	assert_null(blank(&c));
	assert_false(has(&c, "shop"));
	assert_false(has(&c, "hunter2"));
	assert_true(has(&c, BLANKED_ARGS));
	end(&c);
	begin(&c);
	c.shadow.salted = true;
	add_psinfo(&c);
	assert_null(blank(&c));
	assert_true(has(&c, HASHED_ARGS));
	end(&c);
}

/* A reader has to be able to see what it has before it. */
static void test_no_place_to_say_so(void **state)
{
	static struct core c;
	struct err *err;

	(void)state;
	begin(&c);
	err = blank(&c);
	assert_non_null(err);
	assert_int_equal(err->kind, ERR_UNSUPPORTED);
	err_free(err);
	end(&c);
}

static void test_registers(void **state)
{
	static struct core c;
	uint64_t prstatus[42] = {}, at;

	(void)state;
	begin(&c);
	add_psinfo(&c);
	prstatus[4] = 4711; /* pr_pid */
	prstatus[REGS_AT / 8] = TEXT_WORD;
	prstatus[REGS_AT / 8 + 1] = DATA + 3; /* an address, and no block */
	prstatus[REGS_AT / 8 + RIP] = 0x7f0012345678;
	prstatus[REGS_AT / 8 + RSP] = 0x7ffc12345678;
	at = add(&c, "CORE", NT_PRSTATUS, prstatus, sizeof(prstatus));
	assert_null(blank(&c));
	assert_int_equal(load_u64(c.to + at + 32), 4711);
	assert_int_equal(load_u64(c.to + at + REGS_AT), 0);
	assert_int_equal(load_u64(c.to + at + REGS_AT + 8), DATA + 3);
	assert_int_equal(load_u64(c.to + at + REGS_AT + 8 * RIP), 0x7f0012345678);
	assert_int_equal(load_u64(c.to + at + REGS_AT + 8 * RSP), 0x7ffc12345678);
	end(&c);
}

static void test_paths(void **state)
{
	static const char paths[] = "/usr/lib/libshop.so\0/home/ann/letters";
	static struct core c;
	uint8_t files[16 + 2 * 24 + sizeof(paths)] = { 2 };
	uint64_t at;

	(void)state;
	begin(&c);
	add_psinfo(&c);
	files[16] = 0x55;
	memcpy(files + 64, paths, sizeof(paths));
	at = add(&c, "CORE", NT_FILE, files, sizeof(files));
	assert_null(blank(&c));
	assert_int_equal(c.to[at + 16], 0x55);
	assert_string_equal((char *)c.to + at + 64, "/usr/lib/libshop.so");
	assert_string_equal((char *)c.to + at + 64 + 20, "/****************");
	end(&c);
}

static void test_others(void **state)
{
	static const struct {
		const char *owner;
		uint32_t type;
		bool stays; /* and so do its first 12 bytes, in any case of NT_SIGINFO */
	} notes[] = {
		{ "CORE", NT_AUXV, true },
		{ "LINUX", NT_ARM_TLS, true },
		{ "HEAPFX", 1, true },
		{ "LINUX", 0x7777, false },
		{ "FreeBSD", NT_PRSTATUS, false },
		{ "CORE", NT_PLATFORM, false },
	};
	static const char data[] = "some bytes of a note, which may say anything";
	static struct core c;
	uint64_t at;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(notes); i++) {
		begin(&c);
		add_psinfo(&c);
		at = add(&c, notes[i].owner, notes[i].type, data, sizeof(data));
		assert_null(blank(&c));
		if (has(&c, "which may say anything") != notes[i].stays)
			fail_msg("%s 0x%x", notes[i].owner, notes[i].type);
		assert_int_equal(load_u32(c.to + at - align_up(strlen(notes[i].owner) + 1, 4) - 4),
				 notes[i].type);
		end(&c);
	}
	begin(&c);
	add_psinfo(&c);
	at = add(&c, "CORE", NT_SIGINFO, data, sizeof(data));
	assert_null(blank(&c));
	assert_memory_equal(c.to + at, data, 12);
	assert_int_equal(load_u64(c.to + at + 12), 0);
	end(&c);
}

/* Sizes of notes are not believed; section headers are none of a core's. */
static void test_hostile(void **state)
{
	static struct core c;
	uint32_t huge = UINT32_MAX;
	Elf64_Ehdr e;

	(void)state;
	begin(&c);
	add_psinfo(&c);
	(void)add(&c, "CORE", NT_FILE, "\xff\xff\xff\xff\xff\xff\xff\xff", 8);
	memcpy(c.from + add(&c, "CORE", NT_AUXV, "", 0) - 16, &huge, 4);
	assert_null(blank(&c));
	memcpy(&e, c.to, sizeof(e));
	assert_int_equal(e.e_shoff, 0);
	assert_int_equal(e.e_shnum, 0);
	assert_int_equal(e.e_phnum, 1);
	end(&c);
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_names),
		TEST(test_no_place_to_say_so),
		TEST(test_registers),
		TEST(test_paths),
		TEST(test_others),
		TEST(test_hostile),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
