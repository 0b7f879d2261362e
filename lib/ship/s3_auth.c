/*
 * ship/s3_auth.c - AssumeRoleWithWebIdentity (AWS STS API Reference), as a pod on EKS does it.
 *
 * The request is not signed: the token in it is the proof.  The token's file is read each time, for
 * whoever mounts it also renews it.
 */
#include "ship/s3_auth.h"

#include <errno.h>
#include <string.h>

#include "base/guard.h"
#include "ship/retry.h"
#include "ship/secret.h"
#include "ship/sigv4.h"

enum { TOKEN_MAX = 64 << 10, EARLY_S = 300 };

static void wipe(char **s)
{
	secret_free(*s);
	*s = NULL;
}

void s3_auth_fini(struct s3_auth *a)
{
	wipe(&a->id);
	wipe(&a->secret);
	wipe(&a->token);
}

bool s3_auth_forget(struct s3_auth *a)
{
	bool had = a->id != NULL;

	s3_auth_fini(a);
	return had;
}

static void add_pair(struct text *to, const char *name, const char *value)
{
	text_printf(to, "&%s=", name);
	sigv4_encode(to, value, false);
}

static struct err *ask(const struct s3_auth *a, struct http *http, const struct text *form,
		       struct http_reply *reply)
{
	const struct s3_config *c = a->config;
	struct retry retry = retry_begin(c->give_up_s, c->stop);
	_free_ char *own = text_format("https://sts.%s.amazonaws.com", c->region);
	struct http_request r = {
		.method = "POST",
		.url = c->sts_endpoint ? c->sts_endpoint : own,
		.headers = { "content-type: application/x-www-form-urlencoded" },
		.n_headers = 1,
		.body = text_str(form),
		.n = form->n,
	};

	if (!own || form->bad)
		return &err_nomem;
	for (;;) {
		struct err *err = http_send(http, &r, reply);

		if (!err && reply->status < 500 && reply->status != 429)
			return NULL;
		if (err && err->kind != ERR_OS)
			return err;
		if (retry_wait(&retry, reply->retry_after_s)) {
			err_free(err);
			continue;
		}
		return err ? err : err_os(EIO, "it answers %ld", reply->status);
	}
}

/* "2026-01-02T03:04:05Z" */
static time_t parse_time(const char *s)
{
	struct tm tm = {};

	return s && strptime(s, "%Y-%m-%dT%H:%M:%S", &tm) ? timegm(&tm) : 0;
}

static struct err *take_keys(struct s3_auth *a, const struct http_reply *reply)
{
	const char *xml = text_str(&reply->body);
	_free_ char *expires = s3_xml_text(xml, "Expiration");
	_free_ char *code = s3_xml_text(xml, "Code");

	if (reply->status != 200)
		return err_new(ERR_USAGE, "the role is refused: %ld %s", reply->status,
			       code ? code : "");
	s3_auth_fini(a);
	a->id = s3_xml_text(xml, "AccessKeyId");
	a->secret = s3_xml_text(xml, "SecretAccessKey");
	a->token = s3_xml_text(xml, "SessionToken");
	a->expires = parse_time(expires);
	if (!a->id || !a->secret || !a->token || !a->expires)
		return err_new(ERR_FORMAT, "the answer has no keys");
	return NULL;
}

struct err *s3_auth_renew(struct s3_auth *a, struct http *http)
{
	const struct s3_config *c = a->config;
	struct http_reply reply = { .body = TEXT_INIT };
	struct text form = TEXT_INIT;
	char *token = NULL;
	struct err *err;

	if (c->id || (a->id && time(NULL) + EARLY_S < a->expires))
		return NULL;
	err = secret_read(c->token_file, TOKEN_MAX, &token);
	if (err)
		return err_wrap(err, "the web identity token");
	text_add(&form, "Action=AssumeRoleWithWebIdentity&Version=2011-06-15");
	add_pair(&form, "RoleArn", c->role);
	add_pair(&form, "RoleSessionName", c->session ? c->session : "heapfx");
	add_pair(&form, "WebIdentityToken", token);
	err = ask(a, http, &form, &reply);
	if (!err)
		err = take_keys(a, &reply);
	secret_free(token);
	if (form.s)
		explicit_bzero(form.s, form.n);
	if (reply.body.s)
		explicit_bzero(reply.body.s, reply.body.n);
	text_fini(&form);
	http_reply_fini(&reply);
	return err ? err_wrap(err, "taking the role") : NULL;
}
