/*
 * ship/sigv4.h - AWS Signature Version 4 of one request, and the URL that goes with it.
 *
 * Amazon S3 API Reference, "Signature Calculations for the Authorization Header".  libcurl's own
 * signer is not used: 7.88 (Debian 12) signs a path as it stands instead of encoded by the rules
 * (a key with '+', '=' or ':' is refused), does not sort a query, and leaves x-amz-content-sha256
 * out.  Here path and query are encoded once, for the URL and for the signature alike.
 */
#ifndef HEAPFX_SHIP_SIGV4_H
#define HEAPFX_SHIP_SIGV4_H

#include "base/text.h"

enum { SIGV4_PAIRS_MAX = 16 };

struct sigv4_pair {
	const char *name, *value; /* headers: the name in small letters, the value without blanks around */
};

struct sigv4_keys {
	const char *id, *secret;
};

struct sigv4_request {
	const char *method, *path;  /* the path as it is meant, not encoded */
	struct sigv4_pair query[SIGV4_PAIRS_MAX], headers[SIGV4_PAIRS_MAX]; /* in any order */
	size_t n_query, n_headers;  /* host and x-amz-date are among the headers */
	const char *payload;	    /* its SHA-256 in hex, or "UNSIGNED-PAYLOAD" */
	const char *region, *service;
	const char *when; /* "20130524T000000Z" */
};

/* All but letters, digits, "-._~" and, with `slashes`, '/' as %XX. */
void sigv4_encode(struct text *to, const char *s, bool slashes);
/* "/key%2B1?part=1&x=": what the URL has behind the host. */
void sigv4_target(struct text *to, const struct sigv4_request *r);
/* The value of the header Authorization. */
void sigv4_authorize(struct text *to, const struct sigv4_request *r, const struct sigv4_keys *keys);

#endif
