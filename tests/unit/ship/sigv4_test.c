/* sigv4: the examples of the S3 API Reference, "Authorization Header", and what S3 answers with. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/guard.h"
#include "base/digest.h"
#include "ship/s3.h"
#include "ship/sigv4.h"

#define NOTHING "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
#define WELCOME "44ce7dd67c959e0d3524ffac1771dfbba87d2b6b4b4e99e42034a8b803f8b072"
#define HOST { "host", "examplebucket.s3.amazonaws.com" }
#define DATE { "x-amz-date", "20130524T000000Z" }

static const struct sigv4_keys keys = { "AKIAIOSFODNN7EXAMPLE",
					"wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY" };

static const struct {
	struct sigv4_request r;
	const char *target, *names, *signature;
} examples[] = {
	{ { .method = "GET", .path = "/test.txt", .payload = NOTHING, .n_headers = 4,
	    .headers = { HOST, { "range", "bytes=0-9" }, { "x-amz-content-sha256", NOTHING }, DATE } },
	  "/test.txt", "host;range;x-amz-content-sha256;x-amz-date",
	  "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41" },
	{ { .method = "PUT", .path = "/test$file.text", .payload = WELCOME, .n_headers = 5,
	    .headers = { DATE, { "x-amz-storage-class", "REDUCED_REDUNDANCY" },
			 { "date", "Fri, 24 May 2013 00:00:00 GMT" },
			 { "x-amz-content-sha256", WELCOME }, HOST } },
	  "/test%24file.text", "date;host;x-amz-content-sha256;x-amz-date;x-amz-storage-class",
	  "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd" },
	{ { .method = "GET", .path = "/", .payload = NOTHING, .n_headers = 3,
	    .headers = { HOST, { "x-amz-content-sha256", NOTHING }, DATE },
	    .query = { { "lifecycle", "" } }, .n_query = 1 },
	  "/?lifecycle=", "host;x-amz-content-sha256;x-amz-date",
	  "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543" },
	{ { .method = "GET", .path = "/", .payload = NOTHING, .n_headers = 3,
	    .headers = { HOST, { "x-amz-content-sha256", NOTHING }, DATE },
	    .query = { { "prefix", "J" }, { "max-keys", "2" } }, .n_query = 2 },
	  "/?max-keys=2&prefix=J", "host;x-amz-content-sha256;x-amz-date",
	  "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7" },
};

static void test_examples(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(examples); i++) {
		struct sigv4_request r = examples[i].r;
		struct text got = TEXT_INIT, target = TEXT_INIT;
		char want[512];

		r.region = "us-east-1";
		r.service = "s3";
		r.when = "20130524T000000Z";
		sigv4_authorize(&got, &r, &keys);
		sigv4_target(&target, &r);
		snprintf(want, sizeof(want),
			 "AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/"
			 "aws4_request,SignedHeaders=%s,Signature=%s",
			 examples[i].names, examples[i].signature);
		assert_string_equal(text_str(&got), want);
		assert_string_equal(text_str(&target), examples[i].target);
		text_fini(&got);
		text_fini(&target);
	}
}

static void test_digests(void **state)
{
	struct digest d = digest_of("abc", 3); /* FIPS 180-4 */
	char hex[DIGEST_HEX], base64[DIGEST_BASE64];

	(void)state;
	digest_hex(&d, hex);
	assert_string_equal(hex, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
	digest_base64(&d, base64);
	assert_string_equal(base64, "ungWv48Bz+pBQUDeXa4iI7ADYaOWF3qctBD/YfIAFa0=");
	d = digest_hmac("Jefe", 4, "what do ya want for nothing?", 28); /* RFC 4231, 2 */
	digest_hex(&d, hex);
	assert_string_equal(hex, "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
}

static void test_xml(void **state)
{
	static const struct {
		const char *xml, *text;
	} cases[] = {
		{ "<R><Id>a</Id><Id>b</Id></R>", "a" },
		{ "<R><Id>&lt;&amp;lt;&quot;&#34;</Id></R>", "<&lt;\"\"" },
		{ "<R><Id>&unknown; &</Id></R>", "&unknown; &" },
		{ "<R><Id></Id></R>", "" },
		{ "<R><Id>cut", NULL },
		{ "<R><Ident>x</Ident></R>", NULL },
		{ "", NULL },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_free_ char *got = s3_xml_text(cases[i].xml, "Id");

		assert_int_equal(!got, !cases[i].text);
		if (got)
			assert_string_equal(got, cases[i].text);
	}
}

/* 10000 parts are enough for 5 TiB, none is over 5 GiB, and only the last is under 5 MiB. */
static void test_part_sizes(void **state)
{
	uint64_t sum = 0;

	(void)state;
	for (unsigned i = 0; i < S3_PARTS_MAX; i++) {
		assert_true(s3_part_size(i) >= UINT64_C(5) << 20);
		assert_true(s3_part_size(i) <= UINT64_C(5) << 30);
		assert_true(!i || s3_part_size(i) >= s3_part_size(i - 1));
		sum += s3_part_size(i);
	}
	assert_true(sum >= UINT64_C(5) << 40);
	assert_int_equal(s3_part_size(999), S3_PART);
	assert_int_equal(s3_part_size(1000), 2 * S3_PART);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_examples),
		cmocka_unit_test(test_digests),
		cmocka_unit_test(test_xml),
		cmocka_unit_test(test_part_sizes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
