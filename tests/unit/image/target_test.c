/* The register tables, against the ABI documents and the kernel's own header. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <elf.h>
#if defined(__x86_64__)
#include <sys/user.h>
#endif

#include <cmocka.h>

#include "base/guard.h"
#include "image/target.h"

static void test_lookup(void **state)
{
	(void)state;
	assert_string_equal(target_by_machine(EM_X86_64)->name, "x86_64");
	assert_string_equal(target_by_machine(EM_AARCH64)->name, "aarch64");
	assert_null(target_by_machine(EM_386));
	assert_null(target_by_machine(EM_RISCV));
}

static void test_bounds(void **state)
{
	(void)state;
	for (const struct target *const *t = targets; *t; t++) {
		assert_true((*t)->n_regs <= TARGET_MAX_REGS);
		assert_true((*t)->sp < (*t)->n_regs && (*t)->pc < (*t)->n_regs);
		for (unsigned i = 0; i < (*t)->n_regs; i++) {
			assert_non_null((*t)->reg_names[i]);
			assert_true((*t)->gregset[i] < (int)(*t)->n_gregset);
			for (unsigned j = 0; j < i; j++)
				assert_int_not_equal((*t)->gregset[i], (*t)->gregset[j]);
		}
	}
}

#if defined(__x86_64__)
#define WORD(field)                                                  \
	{                                                            \
#field, offsetof(struct user_regs_struct, field) / 8 \
	}

static void test_x86_64(void **state)
{
	static const struct {
		const char *name;
		int word;
	} regs[] = {
		WORD(rax), WORD(rdx), WORD(rcx), WORD(rbx), WORD(rsi), WORD(rdi),
		WORD(rbp), WORD(rsp), WORD(r8),	 WORD(r9),  WORD(r10), WORD(r11),
		WORD(r12), WORD(r13), WORD(r14), WORD(r15), WORD(rip),
	};
	const struct target *t = target_by_machine(EM_X86_64);

	(void)state;
	assert_int_equal(t->n_regs, ARRAY_SIZE(regs));
	assert_int_equal(t->n_gregset, sizeof(struct user_regs_struct) / 8);
	assert_int_equal(t->gregset_tp, offsetof(struct user_regs_struct, fs_base) / 8);
	for (unsigned i = 0; i < t->n_regs; i++) {
		assert_string_equal(t->reg_names[i], regs[i].name);
		assert_int_equal(t->gregset[i], regs[i].word);
	}
	assert_string_equal(t->reg_names[t->sp], "rsp");
	assert_string_equal(t->reg_names[t->pc], "rip");
}
#endif

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_lookup),
		cmocka_unit_test(test_bounds),
#if defined(__x86_64__)
		cmocka_unit_test(test_x86_64),
#endif
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
