/* ship/sigv4.c - canonical request, string to sign, signing key: in the words of the reference. */
#include "ship/sigv4.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "base/digest.h"

enum { DAY = 8 }; /* characters of "20130524" */

void sigv4_encode(struct text *to, const char *s, bool slashes)
{
	for (; *s; s++) {
		unsigned char c = (unsigned char)*s;

		if ((isascii(c) && isalnum(c)) || strchr("-._~", c) || (slashes && c == '/'))
			text_add_n(to, s, 1);
		else
			text_printf(to, "%%%02X", c);
	}
}

/* By name, then by value: what is left of a pair's order once both are encoded. */
static int by_name(const void *a, const void *b)
{
	const struct sigv4_pair *x = a, *y = b;
	int order = strcmp(x->name, y->name);

	return order ? order : strcmp(x->value, y->value);
}

static void add_query(struct text *to, const struct sigv4_request *r)
{
	struct sigv4_pair q[SIGV4_PAIRS_MAX];

	memcpy(q, r->query, sizeof(q));
	qsort(q, r->n_query, sizeof(*q), by_name);
	for (size_t i = 0; i < r->n_query; i++) {
		text_add(to, i ? "&" : "");
		sigv4_encode(to, q[i].name, false);
		text_add(to, "=");
		sigv4_encode(to, q[i].value, false);
	}
}

void sigv4_target(struct text *to, const struct sigv4_request *r)
{
	sigv4_encode(to, r->path, true);
	if (r->n_query) {
		text_add(to, "?");
		add_query(to, r);
	}
}

static void add_signed_names(struct text *to, const struct sigv4_pair *h, size_t n)
{
	for (size_t i = 0; i < n; i++)
		text_printf(to, "%s%s", i ? ";" : "", h[i].name);
}

static void add_scope(struct text *to, const struct sigv4_request *r)
{
	text_printf(to, "%.*s/%s/%s/aws4_request", DAY, r->when, r->region, r->service);
}

static struct digest canonical_request(const struct sigv4_request *r, const struct sigv4_pair *h)
{
	struct text t = TEXT_INIT;
	struct digest d;

	text_printf(&t, "%s\n", r->method);
	sigv4_encode(&t, r->path, true);
	text_add(&t, "\n");
	add_query(&t, r);
	text_add(&t, "\n");
	for (size_t i = 0; i < r->n_headers; i++)
		text_printf(&t, "%s:%s\n", h[i].name, h[i].value);
	text_add(&t, "\n");
	add_signed_names(&t, h, r->n_headers);
	text_printf(&t, "\n%s", r->payload);
	d = digest_of(text_str(&t), t.n);
	text_fini(&t);
	return d;
}

static struct digest next_key(const struct digest *key, const char *s, size_t n)
{
	return digest_hmac(key->v, DIGEST_SIZE, s, n);
}

static struct digest signing_key(const struct sigv4_request *r, const char *secret)
{
	struct text first = TEXT_INIT;
	struct digest key;

	text_printf(&first, "AWS4%s", secret);
	key = digest_hmac(text_str(&first), first.n, r->when, DAY);
	if (first.s)
		explicit_bzero(first.s, first.n);
	text_fini(&first);
	key = next_key(&key, r->region, strlen(r->region));
	key = next_key(&key, r->service, strlen(r->service));
	return next_key(&key, "aws4_request", strlen("aws4_request"));
}

void sigv4_authorize(struct text *to, const struct sigv4_request *r, const struct sigv4_keys *keys)
{
	struct sigv4_pair h[SIGV4_PAIRS_MAX];
	struct text t = TEXT_INIT;
	struct digest d, key = signing_key(r, keys->secret);
	char hex[DIGEST_HEX];

	memcpy(h, r->headers, sizeof(h));
	qsort(h, r->n_headers, sizeof(*h), by_name);
	d = canonical_request(r, h);
	digest_hex(&d, hex);
	text_printf(&t, "AWS4-HMAC-SHA256\n%s\n", r->when);
	add_scope(&t, r);
	text_printf(&t, "\n%s", hex);
	d = next_key(&key, text_str(&t), t.n);
	digest_hex(&d, hex);
	text_printf(to, "AWS4-HMAC-SHA256 Credential=%s/", keys->id);
	add_scope(to, r);
	text_add(to, ",SignedHeaders=");
	add_signed_names(to, h, r->n_headers);
	text_printf(to, ",Signature=%s", hex);
	text_fini(&t);
}
