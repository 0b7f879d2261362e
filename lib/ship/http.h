/*
 * ship/http.h - one HTTP request and its answer, by libcurl.
 *
 * libcurl is loaded when the first request is made and not before: it brings some thirty libraries,
 * and a watcher of 5 MiB, or an analysis, needs none of them.  Connections are kept between
 * requests.  No redirection is followed: a signature is for one host.
 */
#ifndef HEAPFX_SHIP_HTTP_H
#define HEAPFX_SHIP_HTTP_H

#include <signal.h>

#include "base/text.h"

enum { HTTP_HEADERS_MAX = 20 };

struct http_options {
	const char *ca_bundle;	/* a file; NULL: the system's */
	uint64_t stall_s;	/* no byte for so long is a failure */
	const volatile sig_atomic_t *stop; /* once it is set, transfers end; may be NULL */
};

struct http_request {
	const char *method, *url;
	const char *headers[HTTP_HEADERS_MAX]; /* "name: value" */
	size_t n_headers;
	const void *body; /* NULL: from `fd`, from its start on, `n` bytes */
	int fd;
	uint64_t n;
	bool anyway; /* even when `stop` is set: what has to be taken back */
};

struct http_reply {
	long status;
	char etag[256], checksum[128]; /* x-amz-checksum-sha256; "" when not sent */
	uint64_t size, retry_after_s;
	uint64_t given; /* bytes of the body that went out, with a failure, too */
	struct text body; /* its first 64 KiB */
};

struct http;

struct err *http_open(const struct http_options *o, struct http **ret) MUST_CHECK;
void http_close(struct http *h); /* NULL is fine */
/*
 * ERR_OS: no answer came, and another try may help; other kinds: it will not.  Every status is an
 * answer.  `ret` is reset first, and ended by http_reply_fini().
 */
struct err *http_send(struct http *h, const struct http_request *r,
		      struct http_reply *ret) MUST_CHECK;
void http_reply_fini(struct http_reply *r);

#endif
