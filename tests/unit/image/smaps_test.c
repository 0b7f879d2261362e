/* A saved /proc/PID/smaps: what is read, what is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "image/smaps.h"

static const char two[] = "00400000-00402000 r-xp 00000000 fe:00 1084                 /tmp/a b\n"
			  "Size:                  8 kB\n"
			  "Rss:                   4 kB\n"
			  "Swap:                  0 kB\n"
			  "VmFlags: rd ex mr mw me \n"
			  "7f0000000000-7f0000100000 rw-p 00000000 00:00 0 \n"
			  "Rss:                1000 kB\n"
			  "Swap:                 24 kB\n";

static void test_two(void **state)
{
	struct smaps s;

	(void)state;
	assert_null(smaps_parse(two, sizeof(two) - 1, &s));
	assert_int_equal(s.n, 2);
	assert_int_equal(s.v[0].start, 0x400000);
	assert_int_equal(s.v[0].end, 0x402000);
	assert_int_equal(s.v[0].rss, 4096);
	assert_true(s.v[0].is_file);
	assert_false(s.v[0].writable);
	assert_int_equal(s.v[1].rss, 1000 << 10);
	assert_false(s.v[1].is_file);
	assert_true(s.v[1].writable);
	assert_int_equal(s.rss, 1004 << 10);
	smaps_fini(&s);
}

static void test_refused(void **state)
{
	static const char *const bad[] = {
		"",
		"root:x:0:0:root:/root:/bin/bash\n",
		"Rss: 4 kB\n", /* of no mapping */
		"00400000-00401000 r-xp 0 0:0 0\nRss: 8 kB\n", /* more than it has */
		"00400000-00402000 r-xp 0 0:0 0\nRss: 4 kB\n00401000-00403000 r-xp 0 0:0 0\nRss: 4 kB\n",
		"00402000-00403000 r-xp 0 0:0 0\nRss: 4 kB\n00400000-00401000 r-xp 0 0:0 0\nRss: 4 kB\n",
		"00400000-00401000 r-xp 0 0:0 0\nRss: 0 kB\n",
		"00401000-00400000 r-xp 0 0:0 0\nRss: 4 kB\n",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct smaps s;
		struct err *err = smaps_parse(bad[i], strlen(bad[i]), &s);

		if (!err)
			fail_msg("case %zu was taken", i);
		err_free(err);
	}
}

/* Cut anywhere: taken or refused, never read past. */
static void test_prefixes(void **state)
{
	(void)state;
	for (size_t n = 0; n < sizeof(two); n++) {
		char copy[sizeof(two)];
		struct smaps s;
		struct err *err;

		memcpy(copy, two, n);
		err = smaps_parse(copy, n, &s);
		if (err)
			err_free(err);
		else
			smaps_fini(&s);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_two), cmocka_unit_test(test_refused), cmocka_unit_test(test_prefixes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
