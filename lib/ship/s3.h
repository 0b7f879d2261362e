/*
 * ship/s3.h - one object into an S3 bucket, whole or not at all, and never over another one.
 *
 * Amazon S3 API Reference: PutObject, CreateMultipartUpload, UploadPart, CompleteMultipartUpload,
 * AbortMultipartUpload, HeadObject; "Checking object integrity" (composite SHA-256 checksums);
 * "Conditional writes" (If-None-Match: *).  AWS STS API Reference: AssumeRoleWithWebIdentity.
 *
 * What is sent is read once, front to back, and may be a pipe: parts of 8 MiB are held until the
 * store has confirmed their SHA-256; from the 1000th part on they are 16 MiB, from the 2000th 32,
 * and so on, so that 10000 parts are enough for any object that S3 takes.
 *
 * Nothing twice: when an object of that name is there already (an earlier try whose answer was
 * lost, say), it is compared by size and checksum; the same is success, another is an error.
 * Nothing lost: success means that the store has answered a HEAD with that size and checksum.
 */
#ifndef HEAPFX_SHIP_S3_H
#define HEAPFX_SHIP_S3_H

#include "ship/http.h"

enum { S3_PART = 8 << 20, S3_PARTS_PER_SIZE = 1000, S3_PARTS_MAX = 10000 };

/* As the standard variables say it (AWS_...); borrowed, and NULL where there is none. */
struct s3_config {
	const char *endpoint; /* "http://127.0.0.1:9000"; NULL: Amazon's of the region */
	const char *sts_endpoint;
	const char *region;
	const char *bucket, *prefix; /* the prefix without '/' at its end */
	const char *id, *secret, *token;
	/* instead of keys: who holds the token may take the role */
	const char *role, *token_file, *session;
	uint64_t give_up_s; /* so long each request is tried again */
	const volatile sig_atomic_t *stop; /* may be NULL */
};

struct s3;

struct err *s3_open(const struct s3_config *c, struct http *http, struct s3 **ret) MUST_CHECK;
void s3_close(struct s3 *s); /* NULL is fine */

struct s3_object {
	const char *name; /* behind the prefix */
	int fd;		  /* read from where it stands to its end */
	/*
	 * Told when an upload in parts begins, and with NULL when there is none any more: who writes
	 * it down can end one that a killed sender left (s3_abort). May be NULL.
	 */
	struct err *(*note_upload)(void *arg, const char *id);
	void *arg;
	/* out */
	uint64_t sent;
	bool was_there;
};

/* A failure leaves no part at the store, if the store can still be told. */
struct err *s3_put(struct s3 *s, struct s3_object *o) MUST_CHECK;
/* An upload that is not there (any more) is no error. */
struct err *s3_abort(struct s3 *s, const char *name, const char *id) MUST_CHECK;

/* How large part `i`, from 0 on, is. */
uint64_t s3_part_size(unsigned i);
/*
 * The text of the first element <name> in an answer, its entities resolved; malloc'd, NULL when
 * there is none.  The answers that are read have a handful of elements of known names, none nested
 * in one of its own name, no CDATA.
 */
char *s3_xml_text(const char *xml, const char *name);

#endif
