/* base/digest.h - SHA-256 and its HMAC (FIPS 180-4, RFC 2104). */
#ifndef HEAPFX_BASE_DIGEST_H
#define HEAPFX_BASE_DIGEST_H

#include <stddef.h>
#include <stdint.h>

enum { DIGEST_SIZE = 32, DIGEST_HEX = 2 * DIGEST_SIZE + 1, DIGEST_BASE64 = 45 };

struct digest {
	uint8_t v[DIGEST_SIZE];
};

struct digest digest_of(const void *v, size_t n);
struct digest digest_hmac(const void *key, size_t n_key, const void *v, size_t n);
/* Both terminated. */
void digest_hex(const struct digest *d, char ret[DIGEST_HEX]);
void digest_base64(const struct digest *d, char ret[DIGEST_BASE64]);

#endif
