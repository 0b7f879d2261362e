/* ship/http.c - libcurl's easy interface, found at run time. */
#include "ship/http.h"

#include <curl/curl.h>
#include <dlfcn.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/guard.h"
#include "base/version.h"

enum { CONNECT_S = 15, BODY_MAX = 64 << 10, ERROR_SIZE = CURL_ERROR_SIZE };

struct http {
	struct http_options o;
	void *lib;
	typeof(curl_easy_init) *easy_init;
	typeof(curl_easy_cleanup) *easy_cleanup;
	typeof(curl_easy_reset) *easy_reset;
	typeof(curl_easy_setopt) *easy_setopt;
	typeof(curl_easy_getinfo) *easy_getinfo;
	typeof(curl_easy_perform) *easy_perform;
	typeof(curl_easy_strerror) *easy_strerror;
	typeof(curl_slist_append) *slist_append;
	typeof(curl_slist_free_all) *slist_free_all;
	CURL *easy;
};

/* Where the body is read from, and the reply is put. */
struct transfer {
	const struct http_request *request;
	struct http_reply *reply;
	uint64_t at;
};

/* ---- the library */

static bool find_all(struct http *h)
{
	const struct {
		const char *name;
		void **at;
	} calls[] = {
		{ "curl_easy_init", (void **)&h->easy_init },
		{ "curl_easy_cleanup", (void **)&h->easy_cleanup },
		{ "curl_easy_reset", (void **)&h->easy_reset },
		{ "curl_easy_setopt", (void **)&h->easy_setopt },
		{ "curl_easy_getinfo", (void **)&h->easy_getinfo },
		{ "curl_easy_perform", (void **)&h->easy_perform },
		{ "curl_easy_strerror", (void **)&h->easy_strerror },
		{ "curl_slist_append", (void **)&h->slist_append },
		{ "curl_slist_free_all", (void **)&h->slist_free_all },
	};

	for (size_t i = 0; i < ARRAY_SIZE(calls); i++) {
		*calls[i].at = dlsym(h->lib, calls[i].name);
		if (!*calls[i].at)
			return false;
	}
	return true;
}

static struct err *load(struct http *h)
{
	static const char *const names[] = { "libcurl.so.4", "libcurl-gnutls.so.4" };

	for (size_t i = 0; !h->lib && i < ARRAY_SIZE(names); i++)
		h->lib = dlopen(names[i], RTLD_NOW | RTLD_LOCAL);
	if (!h->lib || !find_all(h))
		return err_new(ERR_UNSUPPORTED, "libcurl.so.4 is not there, and nothing can be sent "
						"without it");
	h->easy = h->easy_init();
	return h->easy ? NULL : &err_nomem;
}

struct err *http_open(const struct http_options *o, struct http **ret)
{
	struct http *h = calloc(1, sizeof(*h));
	struct err *err;

	if (!h)
		return &err_nomem;
	h->o = *o;
	err = load(h);
	if (err)
		http_close(h);
	else
		*ret = h;
	return err;
}

/* The library stays: what its own libraries registered could not be taken back. */
void http_close(struct http *h)
{
	if (!h)
		return;
	if (h->easy)
		h->easy_cleanup(h->easy);
	free(h);
}

void http_reply_fini(struct http_reply *r)
{
	text_fini(&r->body);
}

/* ---- what libcurl calls */

static size_t read_body(char *to, size_t size, size_t n, void *arg)
{
	struct transfer *t = arg;
	uint64_t left = t->request->n - t->at;
	size_t want = size * n < left ? size * n : (size_t)left;
	ssize_t got;

	if (t->request->body) {
		memcpy(to, (const char *)t->request->body + t->at, want);
		got = (ssize_t)want;
	} else {
		got = pread(t->request->fd, to, want, (off_t)t->at);
	}
	if (got < 0 || (want && !got)) /* shorter than it was: the length is promised already */
		return CURL_READFUNC_ABORT;
	t->at += (uint64_t)got;
	return (size_t)got;
}

static int seek_body(void *arg, curl_off_t at, int origin)
{
	struct transfer *t = arg;

	if (origin != SEEK_SET || at < 0 || (uint64_t)at > t->request->n)
		return CURL_SEEKFUNC_CANTSEEK;
	t->at = (uint64_t)at;
	return CURL_SEEKFUNC_OK;
}

static size_t take_body(char *v, size_t size, size_t n, void *arg)
{
	struct transfer *t = arg;
	struct text *to = &t->reply->body;
	size_t room = BODY_MAX - to->n;

	text_add_n(to, v, size * n < room ? size * n : room);
	return size * n;
}

/* The value of the header, without what is around it, when `line` is it. */
static bool header_value(const char *line, size_t n, const char *name, char *ret, size_t size)
{
	size_t k = strlen(name);

	if (n <= k || strncasecmp(line, name, k) || line[k] != ':')
		return false;
	line += k + 1;
	n -= k + 1;
	while (n && (*line == ' ' || *line == '\t')) {
		line++;
		n--;
	}
	while (n && strchr(" \t\r\n", line[n - 1]))
		n--;
	if (n >= size)
		return false;
	memcpy(ret, line, n);
	ret[n] = 0;
	return true;
}

static size_t take_header(char *v, size_t size, size_t n, void *arg)
{
	struct http_reply *r = ((struct transfer *)arg)->reply;
	char number[32];

	if (!header_value(v, size * n, "etag", r->etag, sizeof(r->etag)))
		header_value(v, size * n, "x-amz-checksum-sha256", r->checksum, sizeof(r->checksum));
	if (header_value(v, size * n, "retry-after", number, sizeof(number)))
		r->retry_after_s = strtoull(number, NULL, 10);
	if (header_value(v, size * n, "content-length", number, sizeof(number)))
		r->size = strtoull(number, NULL, 10);
	return size * n;
}

static int look_whether_to_stop(void *arg, curl_off_t a, curl_off_t b, curl_off_t c, curl_off_t d)
{
	const volatile sig_atomic_t *stop = arg;

	(void)a, (void)b, (void)c, (void)d;
	return *stop;
}

/* ---- a request */

#define SET(option, value) h->easy_setopt(h->easy, (option), (value))

static void set_up(struct http *h, struct transfer *t, char *why)
{
	const struct http_request *r = t->request;
	bool has_body = r->n || !strcmp(r->method, "PUT") || !strcmp(r->method, "POST");

	h->easy_reset(h->easy);
	SET(CURLOPT_URL, r->url);
	SET(CURLOPT_PATH_AS_IS, 1L); /* a key may have ".." in it; it is signed so */
	SET(CURLOPT_PROTOCOLS_STR, "http,https");
	SET(CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
	SET(CURLOPT_USERAGENT, "heapfx/" HEAPFX_VERSION);
	SET(CURLOPT_NOSIGNAL, 1L);
	SET(CURLOPT_CONNECTTIMEOUT, (long)CONNECT_S);
	SET(CURLOPT_LOW_SPEED_LIMIT, 1L);
	SET(CURLOPT_LOW_SPEED_TIME, (long)h->o.stall_s);
	SET(CURLOPT_ERRORBUFFER, why);
	SET(CURLOPT_WRITEFUNCTION, take_body);
	SET(CURLOPT_WRITEDATA, t);
	SET(CURLOPT_HEADERFUNCTION, take_header);
	SET(CURLOPT_HEADERDATA, t);
	if (h->o.stop && !r->anyway) {
		SET(CURLOPT_NOPROGRESS, 0L);
		SET(CURLOPT_XFERINFOFUNCTION, look_whether_to_stop);
		SET(CURLOPT_XFERINFODATA, h->o.stop);
	}
	if (h->o.ca_bundle)
		SET(CURLOPT_CAINFO, h->o.ca_bundle);
	if (!strcmp(r->method, "HEAD")) {
		SET(CURLOPT_NOBODY, 1L);
	} else if (has_body) {
		SET(CURLOPT_UPLOAD, 1L);
		SET(CURLOPT_READFUNCTION, read_body);
		SET(CURLOPT_READDATA, t);
		SET(CURLOPT_SEEKFUNCTION, seek_body);
		SET(CURLOPT_SEEKDATA, t);
		SET(CURLOPT_INFILESIZE_LARGE, (curl_off_t)r->n);
	}
	if (strcmp(r->method, "HEAD"))
		SET(CURLOPT_CUSTOMREQUEST, r->method);
}

static struct curl_slist *headers_of(struct http *h, const struct http_request *r)
{
	/* "Expect:" without a value: no waiting for a server's 100 that may never come */
	struct curl_slist *list = h->slist_append(NULL, "Expect:"), *next = list;

	for (size_t i = 0; next && i < r->n_headers; i++) {
		next = h->slist_append(list, r->headers[i]);
		list = next ? next : list;
	}
	if (next)
		return list;
	h->slist_free_all(list);
	return NULL;
}

/* What another try does not mend: the URL, the certificate, a host that must not be asked. */
static bool is_final(CURLcode code)
{
	return code == CURLE_UNSUPPORTED_PROTOCOL || code == CURLE_URL_MALFORMAT ||
	       code == CURLE_PEER_FAILED_VERIFICATION || code == CURLE_SSL_CACERT_BADFILE ||
	       code == CURLE_ABORTED_BY_CALLBACK;
}

struct err *http_send(struct http *h, const struct http_request *r, struct http_reply *ret)
{
	char why[ERROR_SIZE] = "";
	struct transfer t = { .request = r, .reply = ret };
	struct curl_slist *headers = headers_of(h, r);
	CURLcode code;

	text_fini(&ret->body);
	*ret = (struct http_reply){ .body = TEXT_INIT };
	if (!headers)
		return &err_nomem;
	set_up(h, &t, why);
	SET(CURLOPT_HTTPHEADER, headers);
	code = h->easy_perform(h->easy);
	h->slist_free_all(headers);
	ret->given = t.at;
	if (code == CURLE_OUT_OF_MEMORY)
		return &err_nomem;
	if (code == CURLE_ABORTED_BY_CALLBACK)
		return err_new(ERR_LIMIT, "ended by a signal");
	h->easy_getinfo(h->easy, CURLINFO_RESPONSE_CODE, &ret->status);
	/* a server that answers before it has read all, and then closes, has answered */
	if (code && ret->status < 400)
		return is_final(code) ? err_new(ERR_UNSUPPORTED, "%s", *why ? why : h->easy_strerror(code)) :
					err_os(EIO, "%s", *why ? why : h->easy_strerror(code));
	return NULL;
}
