/* Steps of instructions that an assembler wrote: cases name what each does. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "base/guard.h"
#include "fake_image.h"
#include "image/go_type.h"
#include "image/insn_step.h"
#include "image/target.h"
#include "unit_env.h"

enum { STEPS = 16 };
#define CODE 0x401000ull

struct code_case {
	const char *what; /* as the assembler read it */
	const char *bytes;
	unsigned n_bytes;
	struct insn_step steps[2]; /* `pc` is not looked at; all zero: none */
};

static const struct code_case x86_cases[] = {
	{ "lea rax, [rip+0x10]", "\x48\x8d\x05\x10\x00\x00\x00", 7,
	  { { .op = INSN_SET, .reg = 0, .base = -1, .value = CODE + 7 + 0x10, .written = 1 << 0 } } },
	{ "lea rcx, [rbx+0x8]", "\x48\x8d\x4b\x08", 4,
	  { { .op = INSN_ADD, .reg = 1, .base = 3, .value = 8, .written = 1 << 1 } } },
	{ "mov rbx, [rip+0x20]", "\x48\x8b\x1d\x20\x00\x00\x00", 7,
	  { { .op = INSN_GET, .reg = 3, .base = -1, .value = CODE + 7 + 0x20, .written = 1 << 3 } } },
	{ "mov [rip+0x20], rax", "\x48\x89\x05\x20\x00\x00\x00", 7,
	  { { .op = INSN_PUT, .reg = 0, .base = -1, .value = CODE + 7 + 0x20, .size = 8 } } },
	{ "mov rcx, rax", "\x48\x89\xc1", 3, { { .op = INSN_ADD, .reg = 1, .base = 0, .written = 1 << 1 } } },
	{ "mov [rsp+0x18], rax", "\x48\x89\x44\x24\x18", 5,
	  { { .op = INSN_PUT, .reg = 0, .base = 4, .value = 0x18, .size = 8 } } },
	{ "mov rsi, [rsp+0x18]", "\x48\x8b\x74\x24\x18", 5,
	  { { .op = INSN_GET, .reg = 6, .base = 4, .value = 0x18, .written = 1 << 6 } } },
	{ "movups [rsp+0x10], xmm15: nobody knows what", "\x44\x0f\x11\x7c\x24\x10", 6,
	  { { .op = INSN_PUT, .reg = -1, .base = 4, .value = 0x10, .size = 16 } } },
	{ "mov rax, [rbx+rcx*8]: no place of one register", "\x48\x8b\x04\xcb", 4,
	  { { .op = INSN_OTHER, .written = 1 << 0 } } },
	{ "mov rax, fs:[0xfffffffffffffff8]", "\x64\x48\x8b\x04\x25\xf8\xff\xff\xff", 9,
	  { { .op = INSN_OTHER, .written = 1 << 0 } } },
	{ "xor eax, eax", "\x31\xc0", 2, { { .op = INSN_OTHER, .written = 1 << 0 } } },
	{ "test rax, rax: changes nothing", "\x48\x85\xc0", 3, { { .op = INSN_OTHER } } },
	{ "cmp [rip+0x20], rax: neither", "\x48\x39\x05\x20\x00\x00\x00", 7, { { .op = INSN_OTHER } } },
	{ "jne .+4", "\x75\x02", 2, { { .op = INSN_BRANCH, .value = CODE + 4 } } },
	{ "call .+0x105", "\xe8\x00\x01\x00\x00", 5, { { .op = INSN_STEP_CALL, .value = CODE + 0x105 } } },
	{ "call rdx: nobody knows what", "\xff\xd2", 2, { { .op = INSN_STEP_CALL } } },
	{ "jmp .+2", "\xeb\x00", 2, { { .op = INSN_JUMP, .value = CODE + 2 } } },
	{ "jmp rdx: nobody knows where", "\xff\xe2", 2, { { .op = INSN_JUMP } } },
	{ "ret", "\xc3", 1, { { .op = INSN_RETURN } } },
	{ "no instruction", "\x06", 1, {} },
};

static const struct code_case arm_cases[] = {
	{ "adrp x27, .", "\x1b\x00\x00\x90", 4,
	  { { .op = INSN_SET, .reg = 27, .base = -1, .value = CODE & ~0xfffull, .written = 1 << 27 } } },
	{ "add x0, x27, #0x18", "\x60\x63\x00\x91", 4,
	  { { .op = INSN_ADD, .reg = 0, .base = 27, .value = 0x18, .written = 1 << 0 } } },
	{ "ldr x1, [x27, #32]", "\x61\x13\x40\xf9", 4,
	  { { .op = INSN_GET, .reg = 1, .base = 27, .value = 32, .written = 1 << 1 } } },
	{ "ldp x2, x3, [x27, #48]", "\x62\x0f\x43\xa9", 4,
	  { { .op = INSN_GET, .reg = 2, .base = 27, .value = 48, .written = 1 << 2 },
	    { .op = INSN_GET, .reg = 3, .base = 27, .value = 56, .written = 1 << 2 | 1 << 3 } } },
	{ "str x0, [sp, #24]", "\xe0\x0f\x00\xf9", 4,
	  { { .op = INSN_PUT, .reg = 0, .base = 31, .value = 24, .size = 8 } } },
	{ "mov x4, x0", "\xe4\x03\x00\xaa", 4, { { .op = INSN_ADD, .reg = 4, .base = 0, .written = 1 << 4 } } },
	{ "ldr w5, [x27]: half a word", "\x65\x03\x40\xb9", 4, { { .op = INSN_OTHER, .written = 1 << 5 } } },
	{ "b.eq .+8", "\x40\x00\x00\x54", 4, { { .op = INSN_BRANCH, .value = CODE + 8 } } },
	{ "cbz x1, .+16", "\x81\x00\x00\xb4", 4, { { .op = INSN_BRANCH, .value = CODE + 16 } } },
	{ "bl .+0x40", "\x10\x00\x00\x94", 4, { { .op = INSN_STEP_CALL, .value = CODE + 0x40 } } },
	{ "b .+8", "\x02\x00\x00\x14", 4, { { .op = INSN_JUMP, .value = CODE + 8 } } },
	{ "ret", "\xc0\x03\x5f\xd6", 4, { { .op = INSN_RETURN } } },
	{ "no instruction", "\x00\x00\x00\x00", 4, { { .op = INSN_JUMP } } },
};

struct seen {
	struct insn_step v[STEPS];
	unsigned n;
};

static void see(void *arg, const struct insn_step *s)
{
	struct seen *seen = arg;

	assert_true(seen->n < STEPS);
	seen->v[seen->n++] = *s;
}

static bool has_place(const struct insn_step *s)
{
	return s->op == INSN_SET || s->op == INSN_ADD || s->op == INSN_GET || s->op == INSN_PUT;
}

static void check(const struct code_case *cases, size_t n, enum target_id target)
{
	static const struct fake_mapping mappings[] = { { CODE, 0x1000, SEG_R | SEG_X, 1, false }, {} };
	static const struct fake_word words[] = { {} };
	struct fake_image *f;
	struct insn_reader *r;

	f = fake_image_new(&env, mappings, words);
	f->target.id = target;
	assert_null(insn_reader_open(&f->img, &r));
	assert_non_null(r);
	for (size_t i = 0; i < n; i++) {
		const struct code_case *c = &cases[i];
		struct seen seen = {};
		unsigned want = 0;

		while (want < 2 && (c->steps[want].op || c->steps[want].written || (!want && c->what[0] != 'n')))
			want++;
		memcpy(fake_image_bytes(f, CODE), c->bytes, c->n_bytes);
		insn_steps(r, CODE, c->n_bytes, see, &seen);
		if (seen.n != want)
			fail_msg("%s: %u steps, not %u", c->what, seen.n, want);
		for (unsigned k = 0; k < want; k++) {
			const struct insn_step *s = &seen.v[k], *w = &c->steps[k];
			bool place = has_place(w);

			if (s->pc != CODE || s->op != w->op || (s->op != INSN_STEP_CALL && s->written != w->written) ||
			    (place && (s->value != w->value || s->reg != w->reg || s->base != w->base)) ||
			    (!place && s->op != INSN_OTHER && s->value != w->value) ||
			    (s->op == INSN_PUT && s->size != w->size))
				fail_msg("%s: step %u is op %u reg %d base %d value 0x%lx size %u written 0x%x", c->what, k,
					 s->op, s->reg, s->base, s->value, s->size, s->written);
		}
	}
	insn_reader_close(r);
	fake_image_free(f);
}

static void test_x86(void **state)
{
	(void)state;
	check(x86_cases, ARRAY_SIZE(x86_cases), TARGET_X86_64);
}

static void test_aarch64(void **state)
{
	(void)state;
	check(arm_cases, ARRAY_SIZE(arm_cases), TARGET_AARCH64);
}

/* Names of functions as cmd/link writes them, and what package they are of. */
static void test_packages(void **state)
{
	static const struct {
		const char *function, *package;
	} cases[] = {
		{ "main.main", "main" },
		{ "net/http.(*conn).serve", "net/http" },
		{ "gopkg.in/yaml%2ev3.(*parser).parse.func1", "gopkg.in/yaml.v3" },
		{ "github.com/prometheus/client-go/v2.Foo[go.shape.*github.com/x/y.T]", "github.com/prometheus/client-go/v2" },
		{ "slices.SortFunc[go.shape.[]a/b.T,go.shape.c]", "slices" },
		{ "example.org/a%20b/100%25.f", "example.org/a%20b/100%" },
		{ "gosave", "" },
		{ "", "" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct text t = TEXT_INIT;

		go_path_add(&t, cases[i].function, go_package_bytes(cases[i].function));
		assert_string_equal(text_str(&t), cases[i].package);
		text_fini(&t);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_x86, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_aarch64, set_up, tear_down),
		cmocka_unit_test(test_packages),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
