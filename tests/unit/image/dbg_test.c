/* dbg.c: fields of structs, lines of code and variables, from DWARF written out by hand. */
#include <dwarf.h>
#include <elf.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/guard.h"
#include "fake_elf.h"
#include "image/dbg.h"
#include "image/parts.h"

enum {
	BASE = 0x500000, /* of the module */
	CODE = 0x1000,
	DATA = 0x4000,
	END = 0x6000,
	ALT_ID = 0xa1,
};

/* Abbreviations, in the order of their numbers. */
enum abbrev {
	UNIT = 1,
	STRUCT,
	MEMBER,
	BASE_TYPE,
	TYPEDEF,
	VARIABLE,
	UNION,
	UNNAMED,
	BITS,
	DECLARED,
	GO_UNIT,
	GO_STRUCT,
	GO_MEMBER,
	GO_ARRAY,
	GO_CONSTANT,
	ALT_STRUCT
};

static void put_abbrevs(struct bytes *b)
{
	static const struct {
		uint8_t tag, children, attrs[12];
	} rows[] = {
		{ DW_TAG_compile_unit,
		  1,
		  { DW_AT_name, DW_FORM_string, DW_AT_stmt_list, DW_FORM_sec_offset, DW_AT_low_pc,
		    DW_FORM_addr, DW_AT_high_pc, DW_FORM_data4 } },
		{ DW_TAG_structure_type,
		  1,
		  { DW_AT_name, DW_FORM_string, DW_AT_byte_size, DW_FORM_data1 } },
		{ DW_TAG_member,
		  0,
		  { DW_AT_name, DW_FORM_string, DW_AT_type, DW_FORM_ref4,
		    DW_AT_data_member_location, DW_FORM_data1 } },
		{ DW_TAG_base_type,
		  0,
		  { DW_AT_name, DW_FORM_string, DW_AT_byte_size, DW_FORM_data1, DW_AT_encoding,
		    DW_FORM_data1 } },
		{ DW_TAG_typedef, 0, { DW_AT_name, DW_FORM_string, DW_AT_type, DW_FORM_ref4 } },
		{ DW_TAG_variable,
		  0,
		  { DW_AT_name, DW_FORM_string, DW_AT_type, DW_FORM_ref4, DW_AT_decl_file,
		    DW_FORM_data1, DW_AT_decl_line, DW_FORM_data1, DW_AT_location,
		    DW_FORM_exprloc } },
		{ DW_TAG_union_type, 1, { DW_AT_byte_size, DW_FORM_data1 } },
		{ DW_TAG_member,
		  0,
		  { DW_AT_type, DW_FORM_ref4, DW_AT_data_member_location, DW_FORM_data1 } },
		{ DW_TAG_member,
		  0,
		  { DW_AT_name, DW_FORM_string, DW_AT_type, DW_FORM_ref4, DW_AT_data_bit_offset,
		    DW_FORM_data1, DW_AT_bit_size, DW_FORM_data1 } },
		{ DW_TAG_structure_type,
		  0,
		  { DW_AT_name, DW_FORM_string, DW_AT_declaration, DW_FORM_flag_present } },
		{ DW_TAG_compile_unit,
		  1,
		  { DW_AT_name, DW_FORM_string, DW_AT_language, DW_FORM_data1 } },
		{ DW_TAG_structure_type,
		  1,
		  { DW_AT_name, DW_FORM_string, DW_AT_byte_size, DW_FORM_udata } },
		{ DW_TAG_member,
		  0,
		  { DW_AT_name, DW_FORM_string, DW_AT_data_member_location, DW_FORM_udata, DW_AT_type,
		    DW_FORM_ref4 } },
		{ DW_TAG_array_type,
		  0,
		  { DW_AT_name, DW_FORM_string, DW_AT_byte_size, DW_FORM_udata, DW_AT_type,
		    DW_FORM_ref4 } },
		{ DW_TAG_constant,
		  0,
		  { DW_AT_name, DW_FORM_string, DW_AT_const_value, DW_FORM_sdata } },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		put_u8(b, (unsigned)i + 1);
		put_u8(b, rows[i].tag);
		put_u8(b, rows[i].children);
		put_n(b, rows[i].attrs, strlen((const char *)rows[i].attrs));
		put_u16(b, 0);
	}
	put_u8(b, ALT_STRUCT);
	put_u8(b, DW_TAG_structure_type);
	put_u8(b, 1);
	put_u8(b, DW_AT_name);
	put_u16(b, 0x3ea1); /* uleb of DW_FORM_GNU_strp_alt, 0x1f21 */
	put_u8(b, DW_AT_byte_size);
	put_u8(b, DW_FORM_data1);
	put_u16(b, 0);
	put_u8(b, 0);
}

static void put_member(struct bytes *b, const char *name, uint32_t type, unsigned at)
{
	put_u8(b, MEMBER);
	put_str(b, name);
	put_u32(b, type);
	put_u8(b, at);
}

static void put_variable(struct bytes *b, const char *name, uint32_t type, unsigned line,
			 uint64_t at)
{
	put_u8(b, VARIABLE);
	put_str(b, name);
	put_u32(b, type);
	put_u8(b, 1); /* file */
	put_u8(b, line);
	put_u8(b, 9);
	put_u8(b, DW_OP_addr);
	put_u64(b, at);
}

static uint32_t put_base(struct bytes *b, const char *name, unsigned size)
{
	uint32_t at = (uint32_t)b->n;

	put_u8(b, BASE_TYPE);
	put_str(b, name);
	put_u8(b, size);
	put_u8(b, DW_ATE_unsigned);
	return at;
}

static uint32_t put_node(struct bytes *b, uint32_t word)
{
	uint32_t either, node;

	either = (uint32_t)b->n;
	put_u8(b, UNION);
	put_u8(b, 8);
	put_member(b, "inner", word, 0);
	put_u8(b, 0);
	node = (uint32_t)b->n;
	put_u8(b, STRUCT);
	put_str(b, "node");
	put_u8(b, 40);
	put_member(b, "next", word, 0);
	put_member(b, "data", word, 8);
	put_u8(b, UNNAMED);
	put_u32(b, either);
	put_u8(b, 16);
	put_u8(b, BITS);
	put_str(b, "bits");
	put_u32(b, word);
	put_u8(b, 5);
	put_u8(b, 3);
	put_u8(b, 0);
	return node;
}

static void put_typedef(struct bytes *b, const char *name, uint32_t type)
{
	put_u8(b, TYPEDEF);
	put_str(b, name);
	put_u32(b, type);
}

static void put_info(struct bytes *b, bool with_alt)
{
	uint32_t word, node;

	put_u32(b, 0); /* its length */
	put_u16(b, 4);
	put_u32(b, 0);
	put_u8(b, 8);
	put_u8(b, UNIT);
	put_str(b, "prog.c");
	put_u32(b, 0);
	put_u64(b, CODE);
	put_u32(b, 0x100);
	word = put_base(b, "word", 8);
	put_u8(b, DECLARED);
	put_str(b, "node");
	put_u8(b, DECLARED);
	put_str(b, "opaque");
	node = put_node(b, word);
	put_typedef(b, "node_t", node);
	put_typedef(b, "node_alias", (uint32_t)b->n - (uint32_t)strlen("node_t") - 6);
	put_typedef(b, "loop", (uint32_t)b->n); /* of itself */
	put_typedef(b, "wild", 0x7fffffff);
	put_variable(b, "second", node, 22, DATA + 0x100);
	put_variable(b, "first", word, 21, DATA);
	if (with_alt) {
		put_u8(b, ALT_STRUCT);
		put_u32(b, 1);
		put_u8(b, 8);
		put_member(b, "moved", word, 4);
		put_u8(b, 0);
	}
	put_u8(b, 0);
	set_u32(b, 0, (uint32_t)b->n - 4);
}

static void put_go_member(struct bytes *b, const char *name, unsigned at, uint32_t type)
{
	put_u8(b, GO_MEMBER);
	put_str(b, name);
	put_u8(b, at);
	put_u32(b, type);
}

static uint32_t put_go_struct(struct bytes *b, const char *name, unsigned size)
{
	uint32_t at = (uint32_t)b->n;

	put_u8(b, GO_STRUCT);
	put_str(b, name);
	put_u8(b, size);
	return at;
}

/* A unit of Go as its linker writes them; one of the assembler's has no types. */
static void put_go_unit(struct bytes *b, unsigned language, bool types)
{
	uint32_t unit = (uint32_t)b->n, word, gobuf, array, loop;

	put_u32(b, 0); /* its length */
	put_u16(b, 4);
	put_u32(b, 0);
	put_u8(b, 8);
	put_u8(b, GO_UNIT);
	put_str(b, "runtime");
	put_u8(b, language);
	word = put_base(b, "uintptr", 8) - unit;
	if (types) {
		gobuf = put_go_struct(b, "runtime.gobuf", 16) - unit;
		put_go_member(b, "sp", 0, word);
		put_go_member(b, "pc", 8, word);
		put_u8(b, 0);
		array = (uint32_t)b->n - unit;
		put_u8(b, GO_ARRAY);
		put_str(b, "[3]runtime.gobuf");
		put_u8(b, 48);
		put_u32(b, gobuf);
		loop = put_go_struct(b, "runtime.g", 96) - unit;
		put_go_member(b, "sched", 40, gobuf);
		put_go_member(b, "bufs", 56, array);
		put_go_member(b, "self", 8, loop); /* no struct has itself in it */
		put_go_member(b, "wild", 16, 0x7fffffff);
		put_u8(b, 0);
		put_u8(b, GO_CONSTANT);
		put_str(b, "runtime._KindSpecialFinalizer");
		put_u8(b, 2);
	}
	put_u8(b, 0);
	set_u32(b, unit, (uint32_t)b->n - unit - 4);
}

/* Two rows: CODE is line 10, CODE + 16 line 12, to CODE + 32. */
static void put_lines(struct bytes *b)
{
	static const uint8_t lengths[] = { 0, 1, 1, 1, 1, 0, 0, 0, 1, 0, 0, 1 };
	size_t header;

	put_u32(b, 0);
	put_u16(b, 4);
	header = b->n;
	put_u32(b, 0);
	put_n(b, (uint8_t[]){ 1, 1, 1, 0xfb, 14, 13 }, 6);
	put_n(b, lengths, sizeof(lengths));
	put_u8(b, 0); /* no directories */
	put_str(b, "prog.c");
	put_n(b, (uint8_t[]){ 0, 0, 0, 0 }, 4);
	set_u32(b, header, (uint32_t)(b->n - header - 4));
	put_n(b, (uint8_t[]){ 0, 9, DW_LNE_set_address }, 3);
	put_u64(b, CODE);
	put_n(b,
	      (uint8_t[]){ DW_LNS_advance_line, 9, DW_LNS_copy, DW_LNS_advance_pc, 16,
			   DW_LNS_advance_line, 2, DW_LNS_copy, DW_LNS_advance_pc, 16, 0, 1,
			   DW_LNE_end_sequence },
	      13);
	set_u32(b, 0, (uint32_t)b->n - 4);
}

struct world {
	struct env env;
	struct image img;
	struct module module;
	struct segment segments[2];
	struct input input;
	struct member members[2];
	struct bytes info, abbrev, line, alt_link, alt_info, alt_str;
	struct fake_elf file, alt;
};

static void make_alt(struct world *w, uint8_t id)
{
	const struct fake_section sections[] = {
		{ ".debug_info", 0, &w->alt_info },
		{ ".debug_abbrev", 0, &w->abbrev },
		{ ".debug_str", 0, &w->alt_str },
		{},
	};
	uint8_t link[20];

	memset(link, ALT_ID, sizeof(link));
	put_str(&w->alt_link, "common.debug");
	put_n(&w->alt_link, link, sizeof(link));
	put_str(&w->alt_str, "");
	put_str(&w->alt_str, "shared");
	put_info(&w->alt_info, false);
	fake_elf_init(&w->alt, ET_REL, 0x1000, id, sections);
	w->members[1] =
		(struct member){ .name = "common.debug", .size = w->alt.n, .map = w->alt.v };
	w->input = (struct input){ .members = w->members, .n = 2 };
	w->img.input = &w->input;
}

/* alt_id: of the file beside it in the bundle; 0: nothing was moved out. */
static void world_open(struct world *w, uint8_t alt_id, size_t info_cut)
{
	const struct image_options opt = { .no_host_files = true };

	memset(w, 0, sizeof(*w));
	env_init(&w->env);
	put_abbrevs(&w->abbrev);
	put_info(&w->info, alt_id != 0);
	put_go_unit(&w->info, DW_LANG_Go, false);
	put_go_unit(&w->info, DW_LANG_C99, true); /* not Go's */
	put_go_unit(&w->info, DW_LANG_Go, true);
	w->info.n -= info_cut;
	put_lines(&w->line);
	if (alt_id)
		make_alt(w, alt_id);
	const struct fake_section sections[] = {
		{ ".debug_info", 0, &w->info },
		{ ".debug_abbrev", 0, &w->abbrev },
		{ ".debug_line", 0, &w->line },
		{ alt_id ? ".gnu_debugaltlink" : NULL, 0, &w->alt_link },
		{},
	};
	fake_elf_init(&w->file, ET_DYN, END, 0x11, sections);
	w->segments[0] =
		(struct segment){ BASE + CODE, BASE + CODE + 0x1000, .flags = SEG_R | SEG_X };
	w->segments[1] = (struct segment){ BASE + DATA, BASE + END, .flags = SEG_R | SEG_W };
	w->module =
		(struct module){ .path = "prog", .start = BASE, .end = BASE + END, .bias = BASE };
	assert_null(elf_file_open_bytes("prog", w->file.v, w->file.n, &w->module.elf));
	w->img.env = &w->env;
	w->img.core = &w->members[0];
	w->img.target = target_by_machine(EM_X86_64);
	w->img.segments = w->segments;
	w->img.n_segments = 2;
	w->img.modules = &w->module;
	w->img.n_modules = 1;
	assert_null(dbg_open(&w->img, &opt));
}

static void world_close(struct world *w)
{
	dbg_free(w->module.dbg);
	elf_file_free(w->module.elf);
	env_fini(&w->env);
}

static const struct field {
	const char *of, *name;
	int at; /* -1: DWARF does not say */
} fields[] = {
	{ "node", "next", 0 },	   { "node", "data", 8 },	{ "node", "inner", 16 },
	{ "node_t", "data", 8 },   { "node_alias", "data", 8 }, { "node", "bits", -1 },
	{ "node", "absent", -1 },  { "opaque", "next", -1 },	{ "loop", "next", -1 },
	{ "wild", "next", -1 },	   { "word", "next", -1 },	{ "", "", -1 },
	{ "shared", "moved", -1 },
};

static void fields_of_structs(void **state)
{
	struct world *w = test_malloc(sizeof(*w));

	(void)state;
	world_open(w, 0, 0);
	assert_int_equal(w->module.symbols, SYMBOLS_DWARF);
	for (unsigned round = 0; round < 2; round++) /* found, then remembered */
		for (size_t i = 0; i < ARRAY_SIZE(fields); i++) {
			uint64_t at = UINT64_MAX;

			assert_int_equal(image_field_offset(&w->img, &w->module, fields[i].of,
							    fields[i].name, &at),
					 fields[i].at >= 0);
			assert_int_equal(at,
					 fields[i].at < 0 ? UINT64_MAX : (uint64_t)fields[i].at);
		}
	world_close(w);
	test_free(w);
}

/* Many questions in one pass; what is not there, or leads nowhere, is not answered. */
static const struct {
	const char *of, *path;
	int value; /* -1: not told */
} answers[] = {
	{ "runtime.gobuf", "pc", 8 },	      { "runtime.gobuf", "#", 16 },
	{ "runtime.gobuf", "#pc", 8 },	      { "runtime.g", "sched.pc", 48 },
	{ "runtime.g", "sched.sp", 40 },      { "runtime.g", "#sched", 16 },
	{ "runtime.g", "#bufs", 48 },	      { "runtime.g", "#bufs.[]", 16 },
	{ "runtime.g", "bufs.[].pc", 64 },    { "runtime.g", "self.self", 16 },
	{ NULL, "runtime._KindSpecialFinalizer", 2 },
	{ NULL, "runtime._KindSpecialSecret", -1 },
	{ NULL, NULL, -1 },		      { "runtime.g", "goid", -1 },
	{ "runtime.g", "sched.[]", -1 },      { "runtime.g", "sched.pc.x", -1 },
	{ "runtime.g", "wild.x", -1 },	      { "runtime.m", "#", -1 },
	{ "node", "next", -1 }, /* of another unit */
};

static void asks_fill(struct dbg_ask *asks)
{
	for (size_t i = 0; i < ARRAY_SIZE(answers); i++)
		asks[i] = (struct dbg_ask){ .of = answers[i].of, .path = answers[i].path };
}

static void many_fields(void **state)
{
	struct world *w = test_malloc(sizeof(*w));
	struct dbg_ask asks[ARRAY_SIZE(answers)];
	size_t found = 0;

	(void)state;
	world_open(w, 0, 0);
	asks_fill(asks);
	for (size_t i = 0; i < ARRAY_SIZE(answers); i++)
		found += answers[i].value >= 0;
	assert_int_equal(dbg_ask_all(&w->img, &w->module, "runtime", asks, ARRAY_SIZE(asks)), found);
	for (size_t i = 0; i < ARRAY_SIZE(answers); i++) {
		assert_int_equal(asks[i].found, answers[i].value >= 0);
		if (asks[i].found)
			assert_int_equal(asks[i].value, answers[i].value);
	}
	asks_fill(asks);
	assert_int_equal(dbg_ask_all(&w->img, &w->module, "main", asks, ARRAY_SIZE(asks)), 0);
	world_close(w);
	test_free(w);
}

static void places(void **state)
{
	static const struct {
		uint64_t at;
		unsigned line; /* 0: unknown */
	} cases[] = {
		{ BASE + CODE, 10 },
		{ BASE + CODE + 15, 10 },
		{ BASE + CODE + 16, 12 },
		{ BASE + CODE + 31, 12 },
		{ BASE + CODE + 0x100, 0 }, /* of no unit */
		{ BASE + DATA, 21 },
		{ BASE + DATA + 7, 21 },
		{ BASE + DATA + 8, 0 },
		{ BASE + DATA + 0x100, 22 },
		{ BASE + DATA + 0x127, 22 },
		{ BASE + DATA + 0x128, 0 },
		{ BASE + 0x10, 0 }, /* mapped nowhere */
		{ 0x10, 0 },
	};
	struct world *w = test_malloc(sizeof(*w));

	(void)state;
	world_open(w, 0, 0);
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct source_place place = {};

		assert_int_equal(image_source_of(&w->img, cases[i].at, &place), cases[i].line != 0);
		assert_int_equal(place.line, cases[i].line);
		if (cases[i].line)
			assert_string_equal(place.file, "prog.c");
	}
	world_close(w);
	test_free(w);
}

/* What dwz moved out is read from a file with the right build id, and from no other. */
static void alternate_file(void **state)
{
	struct world *w = test_malloc(sizeof(*w));
	uint64_t at = UINT64_MAX;

	(void)state;
	world_open(w, ALT_ID, 0);
	assert_int_equal(w->module.symbols, SYMBOLS_DWARF);
	assert_true(image_field_offset(&w->img, &w->module, "shared", "moved", &at));
	assert_int_equal(at, 4);
	assert_true(image_field_offset(&w->img, &w->module, "node", "data", &at));
	assert_int_equal(w->env.diags.n, 0);
	world_close(w);

	world_open(w, ALT_ID + 1, 0);
	assert_int_not_equal(w->module.symbols, SYMBOLS_DWARF);
	assert_false(image_field_offset(&w->img, &w->module, "node", "data", &at));
	assert_int_equal(w->env.diags.n, 1);
	assert_string_equal(w->env.diags.list[0].code, "module/debug-info");
	assert_non_null(strstr(w->env.diags.list[0].message, "common.debug"));
	assert_non_null(strstr(w->env.diags.list[0].message, "a1a1a1a1"));
	world_close(w);
	test_free(w);
}

/* Whatever is missing, nothing is invented: an answer is the right one or none. */
static void cut_anywhere(void **state)
{
	struct world *w = test_malloc(sizeof(*w));
	struct dbg_ask asks[ARRAY_SIZE(answers)];
	size_t whole;

	(void)state;
	world_open(w, 0, 0);
	whole = w->info.n;
	world_close(w);
	for (size_t cut = 1; cut < whole; cut++) {
		world_open(w, 0, cut);
		for (size_t i = 0; i < ARRAY_SIZE(fields); i++) {
			uint64_t at;

			if (image_field_offset(&w->img, &w->module, fields[i].of, fields[i].name,
					       &at))
				assert_int_equal(at, fields[i].at);
		}
		asks_fill(asks);
		(void)dbg_ask_all(&w->img, &w->module, "runtime", asks, ARRAY_SIZE(asks)); /* how many is open */
		for (size_t i = 0; i < ARRAY_SIZE(asks); i++)
			if (asks[i].found)
				assert_int_equal(asks[i].value, answers[i].value);
		world_close(w);
	}
	test_free(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(fields_of_structs),
		cmocka_unit_test(many_fields),
		cmocka_unit_test(places),
		cmocka_unit_test(alternate_file),
		cmocka_unit_test(cut_anywhere),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
