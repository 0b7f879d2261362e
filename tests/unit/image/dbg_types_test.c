/*
 * dbg_types.c and dbg_index.c on DWARF written out by hand: structs that only typedefs name, the class
 * of a function and its constants, and entries that lie.
 */
#include <dwarf.h>
#include <elf.h>
#include <stdlib.h>
#include <string.h>

#include "base/guard.h"
#include "fake_elf.h"
#include "image/dbg.h"
#include "image/dbg_types.h"
#include "image/parts.h"
#include "unit_env.h"

enum { CODE = 0x1000, DATA = 0x4000, END = 0x6000, WILD = 0x7fffffff };

/* Abbreviations, in the order of their numbers. */
enum abbrev { UNIT = 1, STRUCT, UNNAMED, MEMBER, BASE_TYPE, TYPEDEF, POINTER, VARIABLE, DEFINED, DECLARED, PARAM, CONSTANT };

static void put_abbrevs(struct bytes *b)
{
	static const struct {
		uint8_t tag, children, attrs[8];
	} rows[] = {
		{ DW_TAG_compile_unit, 1, { DW_AT_name, DW_FORM_string, DW_AT_language, DW_FORM_data1 } },
		{ DW_TAG_structure_type, 1, { DW_AT_name, DW_FORM_string, DW_AT_byte_size, DW_FORM_data1 } },
		{ DW_TAG_structure_type, 1, { DW_AT_byte_size, DW_FORM_data1 } },
		{ DW_TAG_member, 0, { DW_AT_name, DW_FORM_string, DW_AT_type, DW_FORM_ref4, DW_AT_data_member_location,
				      DW_FORM_data1 } },
		{ DW_TAG_base_type, 0, { DW_AT_name, DW_FORM_string, DW_AT_byte_size, DW_FORM_data1, DW_AT_encoding,
					 DW_FORM_data1 } },
		{ DW_TAG_typedef, 0, { DW_AT_name, DW_FORM_string, DW_AT_type, DW_FORM_ref4 } },
		{ DW_TAG_pointer_type, 0, { DW_AT_type, DW_FORM_ref4, DW_AT_byte_size, DW_FORM_data1 } },
		{ DW_TAG_variable, 0, { DW_AT_name, DW_FORM_string, DW_AT_type, DW_FORM_ref4, DW_AT_location,
					DW_FORM_exprloc } },
		{ DW_TAG_subprogram, 0, { DW_AT_specification, DW_FORM_ref4, DW_AT_low_pc, DW_FORM_addr, DW_AT_high_pc,
					  DW_FORM_data4 } },
		{ DW_TAG_subprogram, 0, { DW_AT_name, DW_FORM_string, DW_AT_declaration, DW_FORM_flag_present } },
		{ DW_TAG_template_type_parameter, 0, { DW_AT_name, DW_FORM_string, DW_AT_type, DW_FORM_ref4 } },
		{ DW_TAG_member, 0, { DW_AT_name, DW_FORM_string, DW_AT_const_value, DW_FORM_data1 } },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		put_u8(b, (unsigned)i + 1);
		put_u8(b, rows[i].tag);
		put_u8(b, rows[i].children);
		put_n(b, rows[i].attrs, strnlen((const char *)rows[i].attrs, sizeof(rows[i].attrs)));
		put_u16(b, 0);
	}
	put_u8(b, 0);
}

/* An entry with a name and a reference; where it is. */
static uint32_t put_named(struct bytes *b, enum abbrev abbrev, const char *name, uint32_t type)
{
	uint32_t at = (uint32_t)b->n;

	put_u8(b, abbrev);
	put_str(b, name);
	put_u32(b, type);
	return at;
}

static void put_member(struct bytes *b, const char *name, uint32_t type, unsigned at)
{
	put_named(b, MEMBER, name, type);
	put_u8(b, at);
}

static void put_variable(struct bytes *b, const char *name, uint32_t type, uint64_t at)
{
	put_named(b, VARIABLE, name, type);
	put_u8(b, 9);
	put_u8(b, DW_OP_addr);
	put_u64(b, at);
}

static uint32_t begin_unit(struct bytes *b, unsigned language)
{
	uint32_t at = (uint32_t)b->n;

	put_u32(b, 0); /* its length */
	put_u16(b, 4);
	put_u32(b, 0);
	put_u8(b, 8);
	put_u8(b, UNIT);
	put_str(b, "prog");
	put_u8(b, language);
	return at;
}

static void end_unit(struct bytes *b, uint32_t unit)
{
	put_u8(b, 0);
	set_u32(b, unit, (uint32_t)b->n - unit - 4);
}

static uint32_t put_long(struct bytes *b)
{
	uint32_t at = (uint32_t)b->n;

	put_u8(b, BASE_TYPE);
	put_str(b, "long");
	put_u8(b, 8);
	put_u8(b, DW_ATE_signed);
	return at;
}

static void put_c(struct bytes *b)
{
	uint32_t unit = begin_unit(b, DW_LANG_C99), number = put_long(b) - unit, pair = (uint32_t)b->n - unit, list, self;

	put_u8(b, UNNAMED);
	put_u8(b, 16);
	put_member(b, "a", number, 0);
	put_member(b, "b", number, 8);
	put_u8(b, 0);
	put_named(b, TYPEDEF, "pair", pair);
	put_named(b, TYPEDEF, "also_pair", pair);
	put_variable(b, "first", pair, DATA);
	list = (uint32_t)b->n - unit;
	put_u8(b, STRUCT);
	put_str(b, "list");
	put_u8(b, 24);
	put_member(b, "next", 0, 0); /* set below */
	self = (uint32_t)b->n;
	put_member(b, "value", number, 8);
	put_member(b, "wild", WILD, 16);
	put_u8(b, 0);
	set_u32(b, self - 5, (uint32_t)b->n - unit);
	put_u8(b, POINTER);
	put_u32(b, list);
	put_u8(b, 8);
	put_variable(b, "lists", list, DATA + 64);
	self = (uint32_t)b->n - unit;
	put_named(b, TYPEDEF, "itself", self);
	put_variable(b, "endless", self, DATA + 128);
	put_variable(b, "nowhere", WILD, DATA + 192);
	end_unit(b, unit);
}

static void put_cxx(struct bytes *b)
{
	uint32_t unit = begin_unit(b, DW_LANG_C_plus_plus_14), number = put_long(b) - unit, declared;

	put_u8(b, STRUCT);
	put_str(b, "manager<long>");
	put_u8(b, 1);
	put_named(b, PARAM, "T", number);
	put_u8(b, CONSTANT);
	put_str(b, "is_local");
	put_u8(b, 1);
	declared = (uint32_t)b->n - unit;
	put_u8(b, DECLARED);
	put_str(b, "manage");
	put_u8(b, 0);
	put_u8(b, DEFINED);
	put_u32(b, declared);
	put_u64(b, CODE);
	put_u32(b, 32);
	put_u8(b, DEFINED);
	put_u32(b, WILD);
	put_u64(b, CODE + 64);
	put_u32(b, 32);
	end_unit(b, unit);
}

struct world {
	struct image img;
	struct module module;
	struct dbg_types *types;
	struct bytes info, abbrev;
	struct fake_elf file;
};

static struct world *world_new(void)
{
	struct world *w = calloc(1, sizeof(*w));
	struct dbg *d = calloc(1, sizeof(*d));
	const struct fake_section sections[] = { { ".debug_info", 0, &w->info }, { ".debug_abbrev", 0, &w->abbrev }, {} };

	assert_true(w && d);
	put_abbrevs(&w->abbrev);
	put_c(&w->info);
	put_cxx(&w->info);
	fake_elf_init(&w->file, ET_EXEC, END, 0, sections);
	pthread_mutex_init(&d->lock, NULL);
	assert_null(elf_file_open_bytes("prog", w->file.v, w->file.n, &d->own));
	d->file = d->own;
	w->module = (struct module){ .path = "prog", .dbg = d };
	w->img = (struct image){ .env = &env, .modules = &w->module, .n_modules = 1 };
	assert_null(dbg_types_open(&env, &w->img, &w->module, &w->types));
	assert_non_null(w->types);
	return w;
}

static void world_free(struct world *w)
{
	dbg_types_close(w->types);
	dbg_free(w->module.dbg);
	free(w);
}

static struct dbg_type *named(struct world *w, const char *name)
{
	struct dbg_type *type = dbg_types_named(w->types, dbg_name_hash(name), NULL);

	if (type)
		dbg_type_load(type);
	return type;
}

static const struct dbg_type *type_at(struct world *w, uint64_t addr)
{
	const struct dbg_var *v = dbg_var_at(w->types, false, addr);

	assert_non_null(v);
	return dbg_var_type(w->types, v);
}

/* Of two typedefs the first by name; whoever asks has the same type. */
static void a_typedef_names_what_has_no_name(void **state)
{
	struct world *w = world_new();
	struct dbg_type *pair = named(w, "also_pair");

	(void)state;
	assert_non_null(pair);
	assert_string_equal(pair->name, "also_pair");
	assert_int_equal(pair->size, 16);
	assert_int_equal(pair->n_members, 2);
	assert_ptr_equal(type_at(w, DATA), pair);
	assert_null(named(w, "pair"));
	world_free(w);
}

static void entries_that_lie_cost_a_name(void **state)
{
	struct world *w = world_new();
	struct dbg_type *list = named(w, "list");

	(void)state;
	assert_string_equal(list->name, "struct list");
	assert_int_equal(list->n_members, 3);
	dbg_type_load((struct dbg_type *)list->members[0].type);
	assert_ptr_equal(list->members[0].type->to, list);
	assert_int_equal(list->members[2].type->kind, DBG_KIND_NONE);
	assert_ptr_equal(type_at(w, DATA + 64), list);
	assert_int_equal(type_at(w, DATA + 128)->kind, DBG_KIND_NONE); /* a typedef of itself */
	assert_int_equal(type_at(w, DATA + 192)->kind, DBG_KIND_NONE);
	world_free(w);
}

static void a_member_function_has_a_class(void **state)
{
	struct world *w = world_new();
	const struct dbg_type *class = dbg_func_class(w->types, CODE);
	uint64_t value = 0;

	(void)state;
	assert_non_null(class);
	dbg_type_load((struct dbg_type *)class);
	assert_string_equal(class->name, "manager<long>");
	assert_int_equal(class->n_params, 1);
	assert_string_equal(class->params[0].type->name, "long");
	assert_true(dbg_class_constant(class, "is_local", &value) && value == 1);
	assert_false(dbg_class_constant(class, "manage", &value));
	assert_null(dbg_func_class(w->types, CODE + 1));
	assert_null(dbg_func_class(w->types, CODE + 64)); /* its declaration is nowhere */
	world_free(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_typedef_names_what_has_no_name, set_up, tear_down),
		cmocka_unit_test_setup_teardown(entries_that_lie_cost_a_name, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_member_function_has_a_class, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
