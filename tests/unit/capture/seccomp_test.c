/* seccomp: what the kernel's classic BPF answers, instruction by instruction. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/guard.h"
#include "capture/seccomp.h"

enum { KILL = (int)SECCOMP_RET_KILL_PROCESS, LEN = 64 /* of struct seccomp_data */ };

#define LD(at) BPF_STMT(BPF_LD | BPF_W | BPF_ABS, at)
#define SET(n) BPF_STMT(BPF_LD | BPF_IMM, n)
#define SETX(n) BPF_STMT(BPF_LDX | BPF_IMM, n)
#define ALU(op, n) BPF_STMT(BPF_ALU | BPF_##op | BPF_K, n)
#define ALUX(op) BPF_STMT(BPF_ALU | BPF_##op | BPF_X, 0)
#define IF(op, n, t, f) BPF_JUMP(BPF_JMP | BPF_##op | BPF_K, n, t, f)
#define IFX(op, t, f) BPF_JUMP(BPF_JMP | BPF_##op | BPF_X, 0, t, f)
#define RET(n) BPF_STMT(BPF_RET | BPF_K, n)
#define RETA BPF_STMT(BPF_RET | BPF_A, 0)

/* Of a call 56 of architecture 0xc000003e at 0x7fff00001002 with 0x1122334455667788 and 1 to 5. */
static const struct seccomp_data data = {
	.nr = 56,
	.arch = 0xc000003e,
	.instruction_pointer = 0x7fff00001002,
	.args = { 0x1122334455667788, 1, 2, 3, 4, 5 },
};

static const struct {
	const char *what;
	struct sock_filter v[8];
	uint32_t n, answer;
} cases[] = {
	{ "number", { LD(0), RETA }, 2, 56 },
	{ "architecture", { LD(4), RETA }, 2, 0xc000003e },
	{ "where", { LD(8), RETA }, 2, 0x00001002 },
	{ "where, above", { LD(12), RETA }, 2, 0x7fff },
	{ "argument", { LD(16), RETA }, 2, 0x55667788 },
	{ "argument, above", { LD(20), RETA }, 2, 0x11223344 },
	{ "last argument", { LD(56), RETA }, 2, 5 },
	{ "not a word of it", { LD(2), RETA }, 2, KILL },
	{ "behind it", { LD(64), RETA }, 2, KILL },
	{ "far behind it", { LD(0xfffffffc), RETA }, 2, KILL },
	{ "a byte", { BPF_STMT(BPF_LD | BPF_B | BPF_ABS, 0), RETA }, 2, KILL },
	{ "length", { BPF_STMT(BPF_LD | BPF_W | BPF_LEN, 0), RETA }, 2, LEN },
	{ "length in X", { BPF_STMT(BPF_LDX | BPF_W | BPF_LEN, 0), BPF_STMT(BPF_MISC | BPF_TXA, 0), RETA }, 3,
	  LEN },
	{ "+", { SET(7), ALU(ADD, 0xfffffffe), RETA }, 3, 5 },
	{ "-", { SET(7), SETX(9), ALUX(SUB), RETA }, 4, 0xfffffffe },
	{ "*", { SET(7), ALU(MUL, 6), RETA }, 3, 42 },
	{ "/", { SET(7), SETX(2), ALUX(DIV), RETA }, 4, 3 },
	{ "/ 0", { SET(7), ALUX(DIV), RET(1) }, 3, 0 },
	{ "&", { SET(0xff), ALU(AND, 0x7e020070), RETA }, 3, 0x70 },
	{ "|", { SET(1), ALU(OR, 6), RETA }, 3, 7 },
	{ "^", { SET(5), SETX(6), ALUX(XOR), RETA }, 4, 3 },
	{ "<<", { SET(1), ALU(LSH, 31), RETA }, 3, 0x80000000 },
	{ ">>", { SET(0x80000000), ALU(RSH, 4), RETA }, 3, 0x08000000 },
	{ "neg", { SET(1), BPF_STMT(BPF_ALU | BPF_NEG, 0), RETA }, 3, 0xffffffff },
	{ "%", { SET(1), BPF_STMT(BPF_ALU | BPF_MOD | BPF_K, 2), RETA }, 3, KILL },
	{ "=", { SET(1), IF(JEQ, 1, 0, 1), RET(1), RET(2) }, 4, 1 },
	{ "not =", { SET(2), IF(JEQ, 1, 0, 1), RET(1), RET(2) }, 4, 2 },
	{ ">", { SET(2), SETX(2), IFX(JGT, 0, 1), RET(1), RET(2) }, 5, 2 },
	{ ">, no sign", { SET(0x80000000), IF(JGT, 1, 0, 1), RET(1), RET(2) }, 4, 1 },
	{ ">=", { SET(2), SETX(2), IFX(JGE, 0, 1), RET(1), RET(2) }, 5, 1 },
	{ "a bit", { SET(6), IF(JSET, 4, 0, 1), RET(1), RET(2) }, 4, 1 },
	{ "no bit", { SET(6), IF(JSET, 8, 0, 1), RET(1), RET(2) }, 4, 2 },
	{ "over two", { BPF_STMT(BPF_JMP | BPF_JA, 2), RET(1), RET(2), RET(3) }, 4, 3 },
	{ "over the end", { BPF_STMT(BPF_JMP | BPF_JA, 3), RET(1), RET(2), RET(3) }, 4, KILL },
	{ "far over it", { BPF_STMT(BPF_JMP | BPF_JA, 0xffffffff), RET(1) }, 2, KILL },
	{ "memory",
	  { SET(9), BPF_STMT(BPF_ST, 15), SET(0), BPF_STMT(BPF_LDX | BPF_MEM, 15),
	    BPF_STMT(BPF_STX, 0), BPF_STMT(BPF_LD | BPF_MEM, 0), RETA },
	  7,
	  9 },
	{ "no memory", { BPF_STMT(BPF_ST, 16), RET(1) }, 2, KILL },
	{ "no memory to read", { BPF_STMT(BPF_LD | BPF_MEM, 16), RET(1) }, 2, KILL },
	{ "A to X", { SET(3), BPF_STMT(BPF_MISC | BPF_TAX, 0), ALUX(ADD), RETA }, 4, 6 },
	{ "no answer", { SET(3) }, 1, KILL },
	{ "nothing", {}, 0, KILL },
};

static void test_answers(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		uint32_t says = seccomp_run(cases[i].v, cases[i].n, &data);

		if (says != cases[i].answer)
			fail_msg("%s: 0x%x, not 0x%x", cases[i].what, says, cases[i].answer);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_answers) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
