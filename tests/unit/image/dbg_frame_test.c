/*
 * dbg_frame.c on DWARF written out by hand: variables in parts, and what a caller gave; call sites that
 * are for another function, and functions that tail calls may lead back to.
 */
#include <dwarf.h>
#include <elf.h>
#include <stdlib.h>
#include <string.h>

#include "base/guard.h"
#include "fake_elf.h"
#include "image/dbg.h"
#include "image/dbg_frame.h"
#include "image/parts.h"
#include "unit_env.h"

enum {
	END = 0x6000, BIAS = 0x10000000, CFA = 0x7000, SP = 0x6f00,
	INNER = 0x1000, OUTER = 0x1100, OTHER = 0x1200, LOOPS = 0x1300, BACK = 0x1400, AWAY = 0x1500, /* functions */
	CALL = 0x20, /* in each: what it returns to */
	RBX = 3, RDI = 5, RSP = 7, R12 = 12,
};

enum abbrev { UNIT = 1, BASE_TYPE, STRUCT, FUNCTION, VARIABLE, SITE, TAIL, OPEN_TAIL, GIVEN };

static void put_abbrevs(struct bytes *b)
{
	static const struct {
		uint8_t tag, children;
		uint16_t attrs[12];
	} rows[] = {
		{ DW_TAG_compile_unit, 1, { DW_AT_name, DW_FORM_string, DW_AT_language, DW_FORM_data1 } },
		{ DW_TAG_base_type, 0, { DW_AT_name, DW_FORM_string, DW_AT_byte_size, DW_FORM_data1, DW_AT_encoding, DW_FORM_data1 } },
		{ DW_TAG_structure_type, 0, { DW_AT_name, DW_FORM_string, DW_AT_byte_size, DW_FORM_data1 } },
		{ DW_TAG_subprogram, 1, { DW_AT_name, DW_FORM_string, DW_AT_low_pc, DW_FORM_addr, DW_AT_high_pc, DW_FORM_data4,
					  DW_AT_frame_base, DW_FORM_exprloc, DW_AT_call_all_calls, DW_FORM_flag_present } },
		{ DW_TAG_formal_parameter, 0, { DW_AT_name, DW_FORM_string, DW_AT_type, DW_FORM_ref4, DW_AT_location, DW_FORM_exprloc } },
		{ DW_TAG_call_site, 1, { DW_AT_call_return_pc, DW_FORM_addr, DW_AT_call_origin, DW_FORM_ref4 } },
		{ DW_TAG_call_site, 0, { DW_AT_call_tail_call, DW_FORM_flag_present, DW_AT_call_origin, DW_FORM_ref4 } },
		{ DW_TAG_call_site, 0, { DW_AT_call_tail_call, DW_FORM_flag_present } },
		{ DW_TAG_call_site_parameter, 0, { DW_AT_location, DW_FORM_exprloc, DW_AT_call_value, DW_FORM_exprloc } },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		put_u8(b, (unsigned)i + 1);
		put_u8(b, rows[i].tag);
		put_u8(b, rows[i].children);
		for (size_t k = 0; k < 12 && rows[i].attrs[k]; k++) {
			if (rows[i].attrs[k] >= 0x80) { /* ULEB128 */
				put_u8(b, (rows[i].attrs[k] & 0x7f) | 0x80);
				put_u8(b, rows[i].attrs[k] >> 7);
			} else {
				put_u8(b, rows[i].attrs[k]);
			}
		}
		put_u16(b, 0);
	}
	put_u8(b, 0);
}

#define EXPR(...) (const uint8_t[]){ sizeof((const uint8_t[]){ __VA_ARGS__ }), __VA_ARGS__ }

static void put_expr(struct bytes *b, const uint8_t *expr)
{
	put_n(b, expr, expr[0] + 1u);
}

static uint32_t put_function(struct bytes *b, const char *name, uint64_t low)
{
	uint32_t at = (uint32_t)b->n;

	put_u8(b, FUNCTION);
	put_str(b, name);
	put_u64(b, low);
	put_u32(b, 0x80);
	put_expr(b, EXPR(DW_OP_call_frame_cfa));
	return at;
}

static void put_var(struct bytes *b, const char *name, uint32_t type, const uint8_t *expr)
{
	put_u8(b, VARIABLE);
	put_str(b, name);
	put_u32(b, type);
	put_expr(b, expr);
}

/* A call of `to` that gives it something in rdi. */
static void put_call(struct bytes *b, uint64_t returns, uint32_t to, const uint8_t *value)
{
	put_u8(b, SITE);
	put_u64(b, returns);
	put_u32(b, to);
	put_u8(b, GIVEN);
	put_expr(b, EXPR(DW_OP_reg5));
	put_expr(b, value);
	put_u8(b, 0);
}

static void put_tail(struct bytes *b, uint32_t to)
{
	put_u8(b, TAIL);
	put_u32(b, to);
}

static const uint8_t *const at_entry = (const uint8_t[]){ 4, DW_OP_entry_value, 1, DW_OP_reg5, DW_OP_stack_value };

static void put_inner(struct bytes *b, uint32_t number, uint32_t pair)
{
	put_var(b, "given", number, at_entry);
	put_var(b, "next", number, EXPR(DW_OP_entry_value, 1, DW_OP_reg5, DW_OP_plus_uconst, 8, DW_OP_stack_value));
	put_var(b, "there", number, EXPR(DW_OP_entry_value, 1, DW_OP_reg5)); /* at an address of then */
	put_var(b, "both", pair, EXPR(DW_OP_reg3, DW_OP_piece, 8, DW_OP_fbreg, 0x70, DW_OP_piece, 8));
	put_var(b, "second", pair, EXPR(DW_OP_piece, 8, DW_OP_reg12, DW_OP_piece, 8));
	put_var(b, "mixed", pair, EXPR(DW_OP_lit5, DW_OP_stack_value, DW_OP_piece, 8, DW_OP_reg1, DW_OP_piece, 8));
	put_var(b, "large", pair, EXPR(DW_OP_reg3)); /* more than a register has */
	put_var(b, "beyond", pair, EXPR(DW_OP_reg3, DW_OP_piece, 8, DW_OP_reg12, DW_OP_piece, 16));
	put_var(b, "nothing", pair, EXPR(DW_OP_piece, 16));
	put_var(b, "empty", pair, EXPR(DW_OP_piece, 0, DW_OP_piece, 0));
	put_var(b, "under", number, EXPR(DW_OP_plus, DW_OP_stack_value));
	put_var(b, "jumps", number, EXPR(DW_OP_lit1, DW_OP_skip, 0xfc, 0xff));
	put_var(b, "wild", number, EXPR(DW_OP_lit0, DW_OP_deref, DW_OP_stack_value));
	put_var(b, "deep", number,
		EXPR(DW_OP_lit1, DW_OP_lit1, DW_OP_lit1, DW_OP_lit1, DW_OP_lit1, DW_OP_lit1, DW_OP_lit1, DW_OP_lit1,
		     DW_OP_lit1, DW_OP_lit1, DW_OP_lit1, DW_OP_lit1, DW_OP_lit1, DW_OP_lit1, DW_OP_lit1, DW_OP_lit1,
		     DW_OP_lit1, DW_OP_lit1, DW_OP_stack_value));
	put_u8(b, 0);
}

static void put_all(struct bytes *b)
{
	uint32_t number, pair, inner, outer, loops;

	put_u32(b, 0);
	put_u16(b, 5);
	put_u8(b, DW_UT_compile);
	put_u8(b, 8);
	put_u32(b, 0);
	put_u8(b, UNIT);
	put_str(b, "prog");
	put_u8(b, DW_LANG_C99);
	number = (uint32_t)b->n;
	put_u8(b, BASE_TYPE);
	put_str(b, "long");
	put_u8(b, 8);
	put_u8(b, DW_ATE_signed);
	pair = (uint32_t)b->n;
	put_u8(b, STRUCT);
	put_str(b, "pair");
	put_u8(b, 16);
	inner = put_function(b, "inner", INNER);
	put_inner(b, number, pair);
	outer = put_function(b, "outer", OUTER);
	put_call(b, OUTER + CALL, inner, EXPR(DW_OP_breg3, 0));
	put_call(b, OUTER + CALL + 1, inner, EXPR(DW_OP_breg3, 16));
	put_call(b, OUTER + CALL + 2, inner, EXPR(DW_OP_fbreg, 0x60, DW_OP_deref));
	put_call(b, OUTER + CALL + 3, inner, EXPR(DW_OP_breg5, 0)); /* that is not the caller's any more */
	put_call(b, OUTER + CALL + 4, inner, EXPR(DW_OP_addr, 0, 0x50, 0, 0, 0, 0, 0, 0, DW_OP_deref)); /* changed since */
	put_call(b, OUTER + CALL + 5, outer, EXPR(DW_OP_breg3, 0)); /* for another function */
	put_call(b, OUTER + CALL + 6, inner, EXPR(DW_OP_entry_value, 1, DW_OP_reg5));
	put_u8(b, 0);
	loops = put_function(b, "loops", LOOPS);
	put_var(b, "given", number, at_entry);
	put_tail(b, (uint32_t)b->n + 64); /* nothing lies there */
	put_u8(b, 0);
	put_function(b, "back", BACK);
	put_var(b, "given", number, at_entry);
	put_tail(b, loops);
	put_u8(b, 0);
	put_function(b, "away", AWAY);
	put_var(b, "given", number, at_entry);
	put_u8(b, OPEN_TAIL);
	put_u8(b, 0);
	inner = put_function(b, "other", OTHER); /* one that goes through itself */
	put_var(b, "given", number, at_entry);
	put_tail(b, inner);
	put_u8(b, 0);
	put_u8(b, 0);
	set_u32(b, 0, (uint32_t)b->n - 4);
}

struct world {
	struct image img;
	struct module module;
	struct segment memory[2]; /* the stack, data */
	struct dbg_types *types;
	struct bytes info, abbrev;
	struct fake_elf file;
	uint64_t words[(CFA - SP) / 8];
	uint64_t regs[17];
	taddr saved[17];
	/* The call that the frame at hand came by: where it returns to; 0: nobody is known. */
	uint64_t returns, steps_left;
	unsigned asked;
	/* What was told of the variable that is looked for. */
	const char *name;
	struct dbg_local_var told;
};

static struct world *world_new(void)
{
	struct world *w = calloc(1, sizeof(*w));
	struct dbg *d = calloc(1, sizeof(*d));
	const struct fake_section sections[] = { { ".debug_info", 0, &w->info }, { ".debug_abbrev", 0, &w->abbrev }, {} };

	assert_true(w && d);
	put_abbrevs(&w->abbrev);
	put_all(&w->info);
	fake_elf_init(&w->file, ET_EXEC, END, 0, sections);
	pthread_mutex_init(&d->lock, NULL);
	assert_null(elf_file_open_bytes("prog", w->file.v, w->file.n, &d->own));
	d->file = d->own;
	w->module = (struct module){ .path = "prog", .dbg = d, .bias = BIAS };
	w->memory[0] = (struct segment){ .start = SP, .end = CFA, .bytes = (uint8_t *)w->words, .flags = SEG_R | SEG_W, .module = -1 };
	w->memory[1] = (struct segment){ .start = BIAS + 0x5000, .end = BIAS + 0x5100, .bytes = w->file.v, .flags = SEG_R | SEG_W };
	w->img = (struct image){
		.env = &env, .modules = &w->module, .n_modules = 1, .segments = w->memory, .n_segments = 2, .target = target_by_machine(EM_X86_64),
	};
	w->steps_left = 10000;
	for (unsigned i = 0; i < 17; i++)
		w->regs[i] = 0x1000 * (i + 1);
	w->saved[RBX] = SP + 8;
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

static bool entry(void *arg, const struct dbg_callee *callee, unsigned reg, struct dbg_word *ret);

static struct dbg_frame frame_at(struct world *w, uint64_t pc)
{
	return (struct dbg_frame){
		.pc = pc, .is_caller = true, .cfa = CFA, .sp = SP, .sp_reg = RSP, .regs = w->regs, .saved = w->saved,
		.known = 1 << RBX | 1 << R12, .n_regs = 17, .entry = entry, .arg = w, .steps_left = &w->steps_left,
	};
}

/* As many callers as are asked for: one that calls itself is asked again and again. */
static bool entry(void *arg, const struct dbg_callee *callee, unsigned reg, struct dbg_word *ret)
{
	struct world *w = arg;
	struct dbg_frame f = frame_at(w, w->returns - 1);

	return ++w->asked < 10 && w->returns && dbg_call_value(w->types, &f, callee, reg, ret);
}

static void on_var(void *arg, const struct dbg_local_var *v)
{
	struct world *w = arg;

	assert_in_range(v->n, 1, DBG_PLACES_MAX);
	if (!strcmp(v->name, w->name))
		w->told = *v;
}

/* How many parts of the variable are known. */
static unsigned ask(struct world *w, uint64_t function, const char *name, uint64_t returns)
{
	struct dbg_frame f = frame_at(w, function + 4);

	w->returns = returns;
	w->name = name;
	w->asked = 0;
	w->told.n = 0;
	dbg_frame_vars(w->types, &f, on_var, w);
	return w->told.n;
}

static void parts_are_told_that_are_known(void **state)
{
	static const char *const unknown[] = { "large", "nothing", "empty", "under", "jumps", "wild", "deep", "there" };
	struct world *w = world_new();
	const struct dbg_place *p = w->told.places;

	(void)state;
	assert_int_equal(ask(w, INNER, "both", 0), 2);
	assert_true(p[0].reg == RBX && !p[0].is_value && p[0].offset == 0 && p[0].size == 8);
	assert_true(p[1].reg == UINT32_MAX && p[1].at == CFA - 16 && p[1].offset == 8 && p[1].size == 8);
	assert_int_equal(ask(w, INNER, "second", 0), 1);
	assert_true(p[0].reg == R12 && p[0].offset == 8);
	assert_int_equal(ask(w, INNER, "mixed", 0), 1); /* rdx is not known */
	assert_true(p[0].is_value && p[0].value == 5 && !p[0].at && p[0].reg == UINT32_MAX);
	assert_int_equal(ask(w, INNER, "beyond", 0), 1);
	assert_true(p[0].offset == 0 && p[0].size == 8);
	for (size_t i = 0; i < ARRAY_SIZE(unknown); i++)
		assert_int_equal(ask(w, INNER, unknown[i], OUTER + CALL), 0);
	world_free(w);
}

static void what_the_caller_gave_is_known(void **state)
{
	struct world *w = world_new();
	const struct dbg_place *p = w->told.places;

	(void)state;
	w->words[(CFA - 0x20 - SP) / 8] = 0x4711;
	assert_int_equal(ask(w, INNER, "given", OUTER + CALL), 1);
	assert_true(p->is_value && p->is_entry && p->value == w->regs[RBX] && p->at == w->saved[RBX] && p->size == 8);
	assert_int_equal(ask(w, INNER, "next", OUTER + CALL), 1);
	assert_true(p->value == w->regs[RBX] + 8 && !p->at && p->reg == UINT32_MAX);
	assert_int_equal(ask(w, INNER, "given", OUTER + CALL + 1), 1);
	assert_true(p->value == w->regs[RBX] + 16 && !p->at);
	assert_int_equal(ask(w, INNER, "given", OUTER + CALL + 2), 1);
	assert_true(p->value == 0x4711 && p->at == CFA - 0x20);
	w->saved[RBX] = 0;
	assert_int_equal(ask(w, INNER, "given", OUTER + CALL), 1);
	assert_true(p->reg == RBX && !p->at);
	world_free(w);
}

static void what_is_not_sure_is_not_told(void **state)
{
	struct world *w = world_new();

	(void)state;
	for (unsigned i = 3; i < 8; i++) /* 6 asks the same call again and again; none returns to 7 */
		assert_int_equal(ask(w, INNER, "given", OUTER + CALL + i), 0);
	assert_int_equal(ask(w, INNER, "given", 0), 0);
	w->steps_left = 3;
	assert_int_equal(ask(w, INNER, "given", OUTER + CALL), 0);
	assert_int_equal(w->steps_left, 0);
	world_free(w);
}

/* Tail calls to itself, by way of others, and to what is not told. */
static void a_function_that_may_call_itself_has_no_entry_values(void **state)
{
	static const uint64_t functions[] = { OTHER, LOOPS, BACK, AWAY };
	struct world *w = world_new();

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(functions); i++) {
		assert_int_equal(ask(w, functions[i], "given", OUTER + CALL), 0);
		assert_int_equal(w->asked, 0);
	}
	world_free(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(parts_are_told_that_are_known, set_up, tear_down),
		cmocka_unit_test_setup_teardown(what_the_caller_gave_is_known, set_up, tear_down),
		cmocka_unit_test_setup_teardown(what_is_not_sure_is_not_told, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_function_that_may_call_itself_has_no_entry_values, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
