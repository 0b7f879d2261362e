/*
 * ship/ship.h - a finished file, or a stream, to where it is kept: under its name, whole, once.
 *
 *	file:DIR		another directory (a volume that outlives the machine)
 *	s3://BUCKET/PREFIX	an object store (ship/s3.h)
 *	a presigned URL		one PUT of a file; no keys are needed where it is sent from
 *
 * What is there under the name already and is the same is success; what differs is an error and
 * stays as it is.
 */
#ifndef HEAPFX_SHIP_SHIP_H
#define HEAPFX_SHIP_SHIP_H

#include "ship/s3.h"

enum ship_kind { SHIP_FILE, SHIP_S3, SHIP_URL };

struct ship_config {
	const char *to;	     /* "file:..." or "s3://..."; borrowed, as all here; NULL with `url` */
	const char *url;     /* presigned: a secret */
	struct s3_config s3; /* its bucket and prefix come from `to` */
	const char *ca_bundle;
	uint64_t give_up_s, stall_s;
	const volatile sig_atomic_t *stop;
};

struct ship {
	struct ship_config c;
	enum ship_kind kind;
	char *bucket; /* and the prefix behind it; owned */
	struct http *http;
	struct s3 *s3;
};

struct err *ship_open(const struct ship_config *c, struct ship *ret) MUST_CHECK;
void ship_close(struct ship *s);
/*
 * `o->name` is made of letters, digits and "._-" (ERR_USAGE otherwise).  SHIP_URL wants a file, and
 * its length.
 */
struct err *ship_put(struct ship *s, struct s3_object *o) MUST_CHECK;
const char *ship_directory(const struct ship *s); /* of SHIP_FILE */
/* For messages: what the place is called, without what is secret; malloc'd, NULL: out of memory */
char *ship_place(const struct ship *s, const char *name);

#endif
