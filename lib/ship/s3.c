/* ship/s3.c - an upload: small at once, larger in parts; each request tried again while it may help. */
#include "ship/s3.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/full_io.h"
#include "base/guard.h"
#include "base/vec.h"
#include "base/digest.h"
#include "ship/retry.h"
#include "ship/s3_auth.h"
#include "ship/sigv4.h"

enum { ABORT_S = 10 };

struct s3 {
	struct s3_config c;
	struct http *http;
	struct s3_auth auth;
	char *base; /* "https://bucket.s3.region.amazonaws.com" */
	char *host; /* of it, as the header says it */
	bool in_path; /* the bucket is the first part of the path */
};

struct part {
	char etag[256], checksum[DIGEST_BASE64];
	struct digest digest;
};

struct parts {
	struct part *v;
	size_t n, cap;
};

uint64_t s3_part_size(unsigned i)
{
	return (uint64_t)S3_PART << i / S3_PARTS_PER_SIZE;
}

/* ---- XML */

static void add_entity(char **to, const char **from)
{
	static const struct {
		const char *name;
		char c;
	} known[] = { { "&amp;", '&' }, { "&lt;", '<' }, { "&gt;", '>' }, { "&quot;", '"' },
		      { "&apos;", '\'' }, { "&#34;", '"' }, { "&#39;", '\'' } };

	for (size_t i = 0; i < ARRAY_SIZE(known); i++) {
		size_t n = strlen(known[i].name);

		if (!strncmp(*from, known[i].name, n)) {
			*(*to)++ = known[i].c;
			*from += n;
			return;
		}
	}
	*(*to)++ = *(*from)++;
}

char *s3_xml_text(const char *xml, const char *name)
{
	_free_ char *open = text_format("<%s>", name), *close = text_format("</%s>", name);
	const char *from = open ? strstr(xml, open) : NULL, *end;
	char *ret, *to;

	from = from ? from + strlen(open) : NULL;
	end = from && close ? strstr(from, close) : NULL;
	to = ret = end ? malloc((size_t)(end - from) + 1) : NULL;
	if (!ret)
		return NULL;
	while (from < end)
		add_entity(&to, &from);
	*to = 0;
	return ret;
}

/* ---- requests */

struct call {
	const char *method, *name;
	struct sigv4_pair query[2], headers[3];
	size_t n_query, n_headers;
	const void *body;
	uint64_t n;
	const char *checksum; /* of the body as the store is to confirm it, or NULL */
	uint64_t give_up_s; /* not 0: it is made even when a signal says to end */
};

static void add_header(struct sigv4_request *r, const char *name, const char *value)
{
	r->headers[r->n_headers++] = (struct sigv4_pair){ name, value };
}

static struct err *send_signed(struct s3 *s, const struct sigv4_request *r, const struct call *call,
			       struct http_reply *reply)
{
	const bool given = s->c.id != NULL;
	const struct sigv4_keys keys = { given ? s->c.id : s->auth.id,
					 given ? s->c.secret : s->auth.secret };
	struct text url = TEXT_INIT, authorization = TEXT_INIT;
	struct http_request http = {
		.method = r->method, .body = call->body ? call->body : "", .n = call->n,
		.anyway = call->give_up_s != 0,
	};
	char *lines[HTTP_HEADERS_MAX] = {};
	struct err *err = NULL;

	text_add(&url, s->base);
	sigv4_target(&url, r);
	text_add(&authorization, "authorization: ");
	sigv4_authorize(&authorization, r, &keys);
	for (size_t i = 0; i < r->n_headers; i++) {
		lines[i] = text_format("%s: %s", r->headers[i].name, r->headers[i].value);
		http.headers[http.n_headers++] = lines[i];
		if (!lines[i])
			err = &err_nomem;
	}
	http.headers[http.n_headers++] = text_str(&authorization);
	http.url = text_str(&url);
	if (!err)
		err = url.bad || authorization.bad ? &err_nomem :
						     http_send(s->http, &http, reply);
	for (size_t i = 0; i < r->n_headers; i++)
		free(lines[i]);
	text_fini(&url);
	text_fini(&authorization);
	return err;
}

static struct err *send_once(struct s3 *s, const struct call *call, struct http_reply *reply)
{
	_free_ char *path = text_format("%s%s/%s%s%s", s->in_path ? "/" : "",
					s->in_path ? s->c.bucket : "", s->c.prefix ? s->c.prefix : "",
					s->c.prefix && *s->c.prefix ? "/" : "", call->name);
	struct digest d = digest_of(call->body ? call->body : "", (size_t)call->n);
	char payload[DIGEST_HEX], when[32];
	time_t now = time(NULL);
	struct tm tm;
	struct sigv4_request r = {
		.method = call->method, .path = path, .n_query = call->n_query,
		.payload = payload, .region = s->c.region, .service = "s3", .when = when,
	};
	struct err *err = path ? s3_auth_renew(&s->auth, s->http) : &err_nomem;
	const char *token = s->c.id ? s->c.token : s->auth.token;

	if (err)
		return err;
	digest_hex(&d, payload);
	gmtime_r(&now, &tm);
	strftime(when, sizeof(when), "%Y%m%dT%H%M%SZ", &tm);
	memcpy(r.query, call->query, sizeof(call->query));
	add_header(&r, "host", s->host);
	add_header(&r, "x-amz-content-sha256", payload);
	add_header(&r, "x-amz-date", when);
	if (token)
		add_header(&r, "x-amz-security-token", token);
	if (call->checksum)
		add_header(&r, "x-amz-checksum-sha256", call->checksum);
	for (size_t i = 0; i < call->n_headers; i++)
		add_header(&r, call->headers[i].name, call->headers[i].value);
	return send_signed(s, &r, call, reply);
}

static bool code_is(const char *code, const char *const *codes, size_t n)
{
	for (size_t i = 0; code && i < n; i++)
		if (!strcmp(code, codes[i]))
			return true;
	return false;
}

/* "Error responses" of the reference: those that say "try again", or that a byte went wrong. */
static bool may_pass(const struct http_reply *r, const char *code)
{
	static const char *const passing[] = {
		"RequestTimeout", "BadDigest", "XAmzContentSHA256Mismatch", "IncompleteBody",
		"SlowDown", "InternalError", "ServiceUnavailable", "ConditionalRequestConflict",
		"OperationAborted",
	};

	return r->status >= 500 || r->status == 408 || r->status == 429 || !r->status ||
	       code_is(code, passing, ARRAY_SIZE(passing));
}

static bool is_stale(const struct http_reply *r, const char *code)
{
	static const char *const stale[] = { "ExpiredToken", "InvalidToken", "TokenRefreshRequired" };

	/* the answer to a HEAD has no room for a code */
	return (r->status == 400 || r->status == 403) &&
	       (!code || code_is(code, stale, ARRAY_SIZE(stale)));
}

static struct err *refused(const struct http_reply *r, const char *code)
{
	return r->status == 200 ? err_os(EIO, "the store answers %s", code) :
		err_new(r->status >= 500 ? ERR_OS : ERR_USAGE, "the store answers %ld%s%s", r->status,
			code ? " " : "", code ? code : "");
}

/*
 * Until it is answered by something that another try would not change.  NULL: by 2xx, or by a
 * status of `fine` (0: none); which one is in the reply.
 */
static struct err *send_call(struct s3 *s, const struct call *call, long fine, long fine_too,
			     struct http_reply *reply)
{
	struct retry retry = retry_begin(call->give_up_s ? call->give_up_s : s->c.give_up_s,
					 call->give_up_s ? NULL : s->c.stop);

	for (bool renewed = false;;) {
		struct err *err = send_once(s, call, reply);
		_free_ char *code = err ? NULL : s3_xml_text(text_str(&reply->body), "Code");
		bool bad_sum = !err && call->checksum && *reply->checksum &&
			       strcmp(reply->checksum, call->checksum) && reply->status / 100 == 2;

		if (!err && !bad_sum && !code && reply->status / 100 == 2)
			return NULL;
		if (!err && reply->status && (reply->status == fine || reply->status == fine_too))
			return NULL;
		if (err && err->kind != ERR_OS)
			return err;
		if (!err && !renewed && is_stale(reply, code) && s3_auth_forget(&s->auth)) {
			renewed = true;
			continue;
		}
		if ((err || bad_sum || may_pass(reply, code)) &&
		    retry_wait(&retry, reply->retry_after_s)) {
			err_free(err);
			continue;
		}
		return err     ? err :
		       bad_sum ? err_os(EIO, "the store says another checksum than ours") :
				 refused(reply, code);
	}
}

/* ---- what is there */

static void composite(const struct parts *parts, char *ret, size_t size)
{
	_free_ uint8_t *all = malloc(parts->n * DIGEST_SIZE + 1);
	char text[DIGEST_BASE64] = "";
	struct digest d;

	for (size_t i = 0; all && i < parts->n; i++)
		memcpy(all + i * DIGEST_SIZE, parts->v[i].digest.v, DIGEST_SIZE);
	if (all) {
		d = digest_of(all, parts->n * DIGEST_SIZE);
		digest_base64(&d, text);
	}
	snprintf(ret, size, "%s-%zu", text, parts->n);
}

/* `checksum`: of the whole. A store that tells none is held to the size. */
static struct err *check_there(struct s3 *s, const char *name, uint64_t size, const char *checksum,
			       bool *ret_there)
{
	struct http_reply reply = { .body = TEXT_INIT };
	const struct call head = {
		.method = "HEAD", .name = name, .n_headers = 1,
		.headers = { { "x-amz-checksum-mode", "ENABLED" } },
	};
	struct err *err = send_call(s, &head, 404, 0, &reply);

	if (!err) {
		*ret_there = reply.status != 404;
		if (*ret_there && reply.size != size)
			err = err_new(ERR_USAGE, "an object of that name and another size is there, "
						 "and is not written over");
		else if (*ret_there && *reply.checksum && strcmp(reply.checksum, checksum))
			err = err_new(ERR_USAGE, "an object of that name and another checksum is "
						 "there, and is not written over");
	}
	http_reply_fini(&reply);
	return err;
}

static struct err *confirm(struct s3 *s, struct s3_object *o, const char *checksum)
{
	bool there = false;
	struct err *err = check_there(s, o->name, o->sent, checksum, &there);

	return err || there ? err : err_os(EIO, "the store took it and does not have it");
}

/* ---- reading */

/* As much as there is, up to `n`. */
static struct err *read_part(int fd, uint8_t *v, uint64_t n, uint64_t *ret)
{
	ssize_t got = read_full(fd, v, (size_t)n);

	if (got < 0)
		return err_os(errno, "reading what is to be sent");
	*ret = (uint64_t)got;
	return NULL;
}

/* ---- at once */

static struct err *put_small(struct s3 *s, struct s3_object *o, const uint8_t *v, uint64_t n)
{
	struct http_reply reply = { .body = TEXT_INIT };
	struct digest d = digest_of(v, (size_t)n);
	char checksum[DIGEST_BASE64];
	struct call put = {
		.method = "PUT", .name = o->name, .body = v, .n = n, .checksum = checksum,
		.headers = { { "if-none-match", "*" } }, .n_headers = 1,
	};
	struct err *err;

	digest_base64(&d, checksum);
	err = send_call(s, &put, 412, 0, &reply);
	if (!err) {
		o->sent = n;
		o->was_there = reply.status == 412;
		err = confirm(s, o, checksum);
	}
	http_reply_fini(&reply);
	return err;
}

/* ---- in parts */

struct upload {
	struct s3 *s;
	struct s3_object *o;
	char *id;
	struct parts parts;
};

static struct err *begin(struct upload *u)
{
	struct http_reply reply = { .body = TEXT_INIT };
	const struct call create = {
		.method = "POST", .name = u->o->name, .query = { { "uploads", "" } }, .n_query = 1,
		.headers = { { "x-amz-checksum-algorithm", "SHA256" } }, .n_headers = 1,
	};
	struct err *err = send_call(u->s, &create, 0, 0, &reply);

	if (!err) {
		u->id = s3_xml_text(text_str(&reply.body), "UploadId");
		if (!u->id)
			err = err_new(ERR_FORMAT, "the store begins an upload and gives no number");
	}
	if (!err && u->o->note_upload)
		err = u->o->note_upload(u->o->arg, u->id);
	http_reply_fini(&reply);
	return err;
}

static struct err *send_part(struct upload *u, const uint8_t *v, uint64_t n)
{
	struct http_reply reply = { .body = TEXT_INIT };
	struct part part = { .digest = digest_of(v, (size_t)n) };
	char number[16];
	struct call put = {
		.method = "PUT", .name = u->o->name, .body = v, .n = n, .checksum = part.checksum,
		.query = { { "partNumber", number }, { "uploadId", u->id } }, .n_query = 2,
	};
	struct err *err;

	digest_base64(&part.digest, part.checksum);
	snprintf(number, sizeof(number), "%zu", u->parts.n + 1);
	err = send_call(u->s, &put, 0, 0, &reply);
	if (!err) {
		memcpy(part.etag, reply.etag, sizeof(part.etag));
		if (strpbrk(part.etag, "<>&"))
			err = err_new(ERR_FORMAT, "the store gives a part a mark that is none");
		else if (!vec_push(&u->parts, &part))
			err = &err_nomem;
		else
			u->o->sent += n;
	}
	http_reply_fini(&reply);
	return err ? err_wrap(err, "part %s", number) : NULL;
}

/* The one behind those in the list, into `v`, which grows with the parts. */
static struct err *next_part(struct upload *u, uint8_t **v, uint64_t *ret)
{
	unsigned next = (unsigned)u->parts.n;
	uint64_t want = s3_part_size(next);

	if (next >= S3_PARTS_MAX)
		return err_new(ERR_LIMIT, "it is more than S3's 10000 parts");
	if (want > s3_part_size(next - 1)) {
		uint8_t *larger = realloc(*v, (size_t)want);

		if (!larger)
			return &err_nomem;
		*v = larger;
	}
	return read_part(u->o->fd, *v, want, ret);
}

/* `v` has the first part, `n` bytes; it is used for the others, too. */
static struct err *send_parts(struct upload *u, uint8_t **v, uint64_t n)
{
	struct err *err = NULL;

	while (!err && n) {
		err = send_part(u, *v, n);
		if (err || n < s3_part_size((unsigned)u->parts.n - 1))
			break;
		err = next_part(u, v, &n);
	}
	return err;
}

static struct err *complete(struct upload *u)
{
	struct http_reply reply = { .body = TEXT_INIT };
	struct text xml = { .max = 8 << 20 };
	char checksum[DIGEST_BASE64 + 8];
	struct call call = {
		.method = "POST", .name = u->o->name, .query = { { "uploadId", u->id } },
		.n_query = 1, .headers = { { "if-none-match", "*" } }, .n_headers = 1,
	};
	struct err *err;

	text_add(&xml, "<CompleteMultipartUpload>");
	for (size_t i = 0; i < u->parts.n; i++)
		text_printf(&xml,
			    "<Part><PartNumber>%zu</PartNumber><ETag>%s</ETag>"
			    "<ChecksumSHA256>%s</ChecksumSHA256></Part>",
			    i + 1, u->parts.v[i].etag, u->parts.v[i].checksum);
	text_add(&xml, "</CompleteMultipartUpload>");
	call.body = text_str(&xml);
	call.n = xml.n;
	/* an answer that was lost: the second try finds no upload, or the object */
	err = xml.bad ? &err_nomem : send_call(u->s, &call, 412, 404, &reply);
	if (!err) {
		u->o->was_there = reply.status == 412;
		composite(&u->parts, checksum, sizeof(checksum));
		err = confirm(u->s, u->o, checksum);
		if (!err && reply.status != 412) { /* else the parts are still there */
			free(u->id);
			u->id = NULL;
		}
	}
	text_fini(&xml);
	http_reply_fini(&reply);
	return err;
}

struct err *s3_abort(struct s3 *s, const char *name, const char *id)
{
	struct http_reply reply = { .body = TEXT_INIT };
	const struct call call = {
		.method = "DELETE", .name = name, .query = { { "uploadId", id } }, .n_query = 1,
		.give_up_s = ABORT_S < s->c.give_up_s ? ABORT_S : s->c.give_up_s,
	};
	struct err *err = send_call(s, &call, 404, 0, &reply);

	http_reply_fini(&reply);
	return err;
}

/* What the parts of a file would be, its first `n` bytes given; where it is read from is put back. */
static struct err *sum_up(struct upload *u, uint8_t **v, uint64_t n, uint64_t *ret_size)
{
	off_t at = lseek(u->o->fd, 0, SEEK_CUR);
	struct err *err = NULL;
	uint64_t size = 0;

	while (!err && n) {
		struct part part = { .digest = digest_of(*v, (size_t)n) };

		size += n;
		if (!vec_push(&u->parts, &part))
			return &err_nomem;
		if (n < s3_part_size((unsigned)u->parts.n - 1))
			break;
		err = next_part(u, v, &n);
	}
	*ret_size = size;
	return err || lseek(u->o->fd, at, SEEK_SET) < 0 ? err ? err : err_os(errno, "seeking") : NULL;
}

/*
 * An earlier try may have sent it all and not have lived to be told: gigabytes are not sent a second
 * time to find that out.  What is read from a pipe has no earlier try.
 */
static struct err *is_there(struct upload *u, uint8_t **v, uint64_t n, bool *ret)
{
	struct http_reply reply = { .body = TEXT_INIT };
	const struct call head = { .method = "HEAD", .name = u->o->name };
	struct err *err = NULL;
	char checksum[DIGEST_BASE64 + 8];
	uint64_t size;

	*ret = false;
	if (lseek(u->o->fd, 0, SEEK_CUR) < 0)
		return NULL;
	err = send_call(u->s, &head, 404, 0, &reply);
	*ret = !err && reply.status != 404;
	http_reply_fini(&reply);
	if (err || !*ret)
		return err;
	err = sum_up(u, v, n, &size);
	if (err)
		return err;
	composite(&u->parts, checksum, sizeof(checksum));
	u->o->sent = size;
	u->o->was_there = true;
	return confirm(u->s, u->o, checksum);
}

static struct err *put_large(struct s3 *s, struct s3_object *o, uint8_t **v, uint64_t n)
{
	struct upload u = { .s = s, .o = o };
	bool there;
	struct err *err = is_there(&u, v, n, &there), *left;

	if (err || there) {
		free(u.parts.v);
		return err;
	}
	err = begin(&u);
	if (!err)
		err = send_parts(&u, v, n);
	if (!err)
		err = complete(&u);
	left = u.id ? s3_abort(s, o->name, u.id) : NULL;
	if (!left && o->note_upload)
		left = o->note_upload(o->arg, NULL);
	/* what could not be ended stays noted; the object's own fate is what is told */
	err_free(left);
	free(u.id);
	free(u.parts.v);
	return err;
}

struct err *s3_put(struct s3 *s, struct s3_object *o)
{
	_free_ uint8_t *v = malloc(S3_PART);
	uint64_t n = 0;
	struct err *err = v ? read_part(o->fd, v, S3_PART, &n) : &err_nomem;

	o->sent = 0;
	o->was_there = false;
	if (!err)
		err = n < S3_PART ? put_small(s, o, v, n) : put_large(s, o, &v, n);
	return err ? err_wrap(err, "s3://%s/%s%s%s", s->c.bucket, s->c.prefix ? s->c.prefix : "",
			      s->c.prefix && *s->c.prefix ? "/" : "", o->name) :
		     NULL;
}

/* ---- where it is */

/* A bucket whose name a certificate's wildcard covers is part of the host at Amazon. */
static bool is_host_name(const char *bucket)
{
	return bucket[strspn(bucket, "abcdefghijklmnopqrstuvwxyz0123456789-")] == 0;
}

static struct err *find_place(struct s3 *s)
{
	const struct s3_config *c = &s->c;
	const char *host;

	s->in_path = c->endpoint || !is_host_name(c->bucket);
	s->base = c->endpoint  ? strdup(c->endpoint) :
		  s->in_path   ? text_format("https://s3.%s.amazonaws.com", c->region) :
				 text_format("https://%s.s3.%s.amazonaws.com", c->bucket, c->region);
	if (!s->base)
		return &err_nomem;
	for (size_t n = strlen(s->base); n && s->base[n - 1] == '/'; n--)
		s->base[n - 1] = 0;
	host = strstr(s->base, "://");
	if (!host || strchr(host + 3, '/') || !host[3])
		return err_new(ERR_USAGE, "%s is not like https://host:port", s->base);
	s->host = strdup(host + 3);
	return s->host ? NULL : &err_nomem;
}

struct err *s3_open(const struct s3_config *c, struct http *http, struct s3 **ret)
{
	struct s3 *s = calloc(1, sizeof(*s));
	struct err *err;

	if (!s)
		return &err_nomem;
	s->c = *c;
	s->http = http;
	s->auth.config = &s->c;
	if ((!c->id || !c->secret) && (!c->role || !c->token_file))
		err = err_new(ERR_USAGE, "neither AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY nor "
					 "AWS_ROLE_ARN and AWS_WEB_IDENTITY_TOKEN_FILE are set");
	else
		err = find_place(s);
	if (err)
		s3_close(s);
	else
		*ret = s;
	return err;
}

void s3_close(struct s3 *s)
{
	if (!s)
		return;
	s3_auth_fini(&s->auth);
	free(s->base);
	free(s->host);
	free(s);
}
