/* Which packing is found from bytes, members used where they lie, unpacking in memory. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/guard.h"
#include "input/input.h"

static const struct input_ops *best(const void *head, size_t n)
{
	const struct input_ops *found = NULL;
	unsigned bid = 0;

	for (const struct input_ops *const *ops = input_registry; *ops; ops++)
		if ((*ops)->bid(head, n) > bid) {
			found = *ops;
			bid = (*ops)->bid(head, n);
		}
	return found;
}

static void test_bids(void **state)
{
	static const struct {
		const char *head;
		size_t n;
		const char *name;
	} rows[] = {
		{ "\x28\xb5\x2f\xfd", 4, "archive" },
		{ "\x28\xb5\x2f", 3, "plain" },
		{ "\xfd\x37zXZ\0", 6, "archive" },
		{ "\x1f\x8b\x08\0", 4, "archive" },
		{ "BZh91AY", 7, "archive" },
		{ "\x04\x22\x4d\x18", 4, "archive" },
		{ "PK\3\4", 4, "archive" },
		{ "\x50\x2a\x4d\x18", 4, "archive" },
		{ "\177ELF", 4, "plain" },
		{ "text", 4, "plain" },
		{ "JAVA PROFILE 1.0.2", 18, "plain" },
		{ "x", 1, "plain" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		assert_string_equal(best(rows[i].head, rows[i].n)->name, rows[i].name);
}

/* A POSIX.1-1988 tar header. */
static void tar_header(char *at, const char *name, unsigned size)
{
	unsigned sum = 0;

	memset(at, 0, 512);
	snprintf(at, 100, "%s", name);
	snprintf(at + 100, 8, "0000644");
	snprintf(at + 124, 12, "%011o", size);
	snprintf(at + 136, 12, "%011o", 0);
	memset(at + 148, ' ', 8);
	at[156] = '0';
	memcpy(at + 257,
	       "ustar\0"
	       "00",
	       8);
	for (int i = 0; i < 512; i++)
		sum += (unsigned char)at[i];
	snprintf(at + 148, 8, "%06o", sum);
}

static void open_tar(const char *tar, size_t n, struct env *env, struct input *in)
{
	const struct input_ops *ops = best(tar, n);
	struct input_source src = { .fd = -1,
				    .map = (const uint8_t *)tar,
				    .size = n,
				    .head = (const uint8_t *)tar,
				    .n_head = n };

	assert_string_equal(ops->name, "archive");
	env_init(env);
	*in = (struct input){ .env = env, .path = "test.tar", .map = src.map, .map_size = n };
	assert_null(ops->open(env, in, &src));
}

static void close_tar(struct env *env, struct input *in)
{
	assert_int_equal(env->disk_used, 0);
	for (size_t i = 0; i < in->n; i++)
		free((char *)in->members[i].name);
	free(in->members);
	env_fini(env);
}

/* Stored members lie in the archive itself; a cut one keeps what there is. */
static void test_tar(void **state)
{
	_Alignas(16) static char tar[512 * 8];
	struct env env;
	struct input in;

	(void)state;
	tar_header(tar, "a/core", 600);
	memset(tar + 512, 'c', 600);
	tar_header(tar + 1536, "lib", 3);
	memcpy(tar + 2048, "lib", 3);
	open_tar(tar, sizeof(tar), &env, &in);
	assert_int_equal(in.n, 2);
	assert_string_equal(in.members[0].name, "a/core");
	assert_int_equal(in.members[0].size, 600);
	assert_ptr_equal(in.members[0].map, tar + 512);
	assert_int_equal(in.members[1].size, 3);
	assert_memory_equal(in.members[1].map, "lib", 3);
	assert_int_equal(env.diags.n, 0);
	close_tar(&env, &in);

	open_tar(tar, 512 + 512, &env, &in);
	assert_int_equal(in.n, 1);
	assert_int_equal(in.members[0].size, 512);
	assert_int_equal(env.diags.n, 1);
	assert_string_equal(env.diags.list[0].code, "input/damaged");
	close_tar(&env, &in);
}

/* printf 'mini debug info\n' | xz */
static const uint8_t packed[] = { 0xfd, 0x37, 0x7a, 0x58, 0x5a, 0x00, 0x00, 0x04, 0xe6, 0xd6, 0xb4,
				  0x46, 0x02, 0x00, 0x21, 0x01, 0x16, 0x00, 0x00, 0x00, 0x74, 0x2f,
				  0xe5, 0xa3, 0x01, 0x00, 0x0f, 0x6d, 0x69, 0x6e, 0x69, 0x20, 0x64,
				  0x65, 0x62, 0x75, 0x67, 0x20, 0x69, 0x6e, 0x66, 0x6f, 0x0a, 0x00,
				  0x36, 0x39, 0xf0, 0x44, 0xb2, 0xa6, 0xb1, 0x04, 0x00, 0x01, 0x28,
				  0x10, 0xe5, 0x0b, 0x6c, 0x60, 0x1f, 0xb6, 0xf3, 0x7d, 0x01, 0x00,
				  0x00, 0x00, 0x00, 0x04, 0x59, 0x5a };

static void test_unpack(void **state)
{
	struct env env;
	uint8_t *bytes;
	uint64_t n;
	struct err *err;

	(void)state;
	env_init(&env);
	assert_null(input_unpack_bytes(&env, packed, sizeof(packed), 16, &bytes, &n));
	assert_int_equal(n, 16);
	assert_memory_equal(bytes, "mini debug info\n", 16);
	free(bytes);

	err = input_unpack_bytes(&env, packed, sizeof(packed), 15, &bytes, &n);
	assert_non_null(err);
	assert_int_equal(err->kind, ERR_LIMIT);
	err_free(err);

	for (size_t cut = 0; cut < sizeof(packed) - 12;
	     cut++) { /* 12: the footer, which nothing needs */
		err = input_unpack_bytes(&env, packed, cut, 16, &bytes, &n);
		if (!err)
			free(bytes);
		assert_true(err || n <= 16);
		err_free(err);
	}
	env_fini(&env);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_bids),
		cmocka_unit_test(test_tar),
		cmocka_unit_test(test_unpack),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
