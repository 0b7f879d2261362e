/* base/err.c - errors as small heap objects that own their text and their cause. */
#include "base/err.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct err err_nomem = {
	.kind = ERR_NOMEM,
	.where = ERR_NOWHERE,
	.message = (char *)"out of memory",
};

/* Takes ownership of message. */
static struct err *make(enum err_kind kind, int os_errno, uint64_t where, char *message,
			struct err *cause)
{
	struct err *err = message ? malloc(sizeof(*err)) : NULL;

	if (!err) {
		free(message);
		err_free(cause);
		return &err_nomem;
	}
	*err = (struct err){
		.kind = kind,
		.os_errno = os_errno,
		.where = where,
		.message = message,
		.cause = cause,
	};
	return err;
}

static char *format(const char *fmt, va_list args)
{
	char *s;

	return vasprintf(&s, fmt, args) < 0 ? NULL : s;
}

struct err *err_new(enum err_kind kind, const char *fmt, ...)
{
	va_list args;
	char *s;

	va_start(args, fmt);
	s = format(fmt, args);
	va_end(args);
	return make(kind, 0, ERR_NOWHERE, s, NULL);
}

struct err *err_os(int os_errno, const char *fmt, ...)
{
	va_list args;
	char *s, *whole = NULL;

	va_start(args, fmt);
	s = format(fmt, args);
	va_end(args);
	if (s && asprintf(&whole, "%s: %s", s, strerror(os_errno)) < 0)
		whole = NULL;
	free(s);
	return make(ERR_OS, os_errno, ERR_NOWHERE, whole, NULL);
}

struct err *err_at(enum err_kind kind, const char *object, uint64_t where, const char *fmt, ...)
{
	va_list args;
	char *s, *whole = NULL;

	va_start(args, fmt);
	s = format(fmt, args);
	va_end(args);
	if (s && object) {
		if (asprintf(&whole, "%s: %s", object, s) < 0)
			whole = NULL;
		free(s);
		s = whole;
	}
	return make(kind, 0, where, s, NULL);
}

struct err *err_wrap(struct err *cause, const char *fmt, ...)
{
	va_list args;
	char *s, *whole = NULL;

	va_start(args, fmt);
	s = format(fmt, args);
	va_end(args);
	if (s && asprintf(&whole, "%s: %s", s, cause->message) < 0)
		whole = NULL;
	free(s);
	return make(cause->kind, cause->os_errno, cause->where, whole, cause);
}

void err_free(struct err *err)
{
	while (err && err != &err_nomem) {
		struct err *cause = err->cause;

		free(err->message);
		free(err);
		err = cause;
	}
}
