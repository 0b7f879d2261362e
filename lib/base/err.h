/*
 * base/err.h - what went wrong, where, while doing what.
 *
 * A function that can fail returns `struct err *`; NULL is success.  Results
 * come back through the last parameter(s), written only on success.  Hot loops
 * (millions of target reads) use enum mem_status instead, which never
 * allocates; see image/image.h.  The shape is drgn's.
 */
#ifndef HEAPFX_BASE_ERR_H
#define HEAPFX_BASE_ERR_H

#include <stdint.h>

#define PRINTF(fmt, args) __attribute__((format(printf, fmt, args)))
#define MUST_CHECK __attribute__((warn_unused_result))

enum err_kind {
	ERR_NOMEM,	 /* static object: reporting it never allocates */
	ERR_OS,		 /* a system call failed; os_errno is set */
	ERR_FORMAT,	 /* the input breaks its own format, at `where` */
	ERR_TRUNCATED,	 /* the input ends early; what came before is usable */
	ERR_UNSUPPORTED, /* well-formed, but a version or feature we do not read */
	ERR_LIMIT,	 /* a declared limit was hit; the message names the option that raises it */
	ERR_USAGE,	 /* the caller or the user asked for something impossible */
};

#define ERR_NOWHERE UINT64_MAX

struct err {
	enum err_kind kind;
	int os_errno;
	uint64_t where;	   /* file offset or target address, ERR_NOWHERE if none */
	char *message;	   /* "object: sentence", no newline, no trailing period */
	struct err *cause; /* outer context first, root cause last; owned */
};

extern struct err err_nomem; /* immortal: err_free() ignores it */

struct err *err_new(enum err_kind kind, const char *fmt, ...) PRINTF(2, 3) MUST_CHECK;
/* The failing call's errno; the message gains ": strerror". */
struct err *err_os(int os_errno, const char *fmt, ...) PRINTF(2, 3) MUST_CHECK;
/*
 * `object` (a file or module name, may be NULL) leads the message; `where` is an offset or address.
 */
struct err *err_at(enum err_kind kind, const char *object, uint64_t where, const char *fmt, ...)
	PRINTF(4, 5) MUST_CHECK;
/* Takes ownership of `cause`; the new error has its kind and place. */
struct err *err_wrap(struct err *cause, const char *fmt, ...) PRINTF(2, 3) MUST_CHECK;
void err_free(struct err *err); /* NULL is fine, as for free() */

#endif
