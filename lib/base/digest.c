/* base/digest.c - by nettle, which libarchive has brought along already. */
#include "base/digest.h"

#include <nettle/base16.h>
#include <nettle/base64.h>
#include <nettle/hmac.h>
#include <nettle/sha2.h>

_Static_assert(DIGEST_SIZE == SHA256_DIGEST_SIZE, "a digest");
_Static_assert(DIGEST_BASE64 == BASE64_ENCODE_RAW_LENGTH(DIGEST_SIZE) + 1, "and its text");

struct digest digest_of(const void *v, size_t n)
{
	struct sha256_ctx c;
	struct digest d;

	sha256_init(&c);
	sha256_update(&c, n, v);
	sha256_digest(&c, DIGEST_SIZE, d.v);
	return d;
}

struct digest digest_hmac(const void *key, size_t n_key, const void *v, size_t n)
{
	struct hmac_sha256_ctx c;
	struct digest d;

	hmac_sha256_set_key(&c, n_key, key);
	hmac_sha256_update(&c, n, v);
	hmac_sha256_digest(&c, DIGEST_SIZE, d.v);
	return d;
}

void digest_hex(const struct digest *d, char ret[DIGEST_HEX])
{
	base16_encode_update(ret, DIGEST_SIZE, d->v);
	ret[DIGEST_HEX - 1] = 0;
}

void digest_base64(const struct digest *d, char ret[DIGEST_BASE64])
{
	base64_encode_raw(ret, DIGEST_SIZE, d->v);
	ret[DIGEST_BASE64 - 1] = 0;
}
