/* ship/s3_auth.h - keys for a store: as given, or taken for a role with a token and renewed. */
#ifndef HEAPFX_SHIP_S3_AUTH_H
#define HEAPFX_SHIP_S3_AUTH_H

#include <time.h>

#include "ship/s3.h"

struct s3_auth {
	const struct s3_config *config;
	char *id, *secret, *token; /* of a role; owned */
	time_t expires;		   /* 0: they were given and do not */
};

/* What is to be used now; asks for new ones when the last are about to expire. */
struct err *s3_auth_renew(struct s3_auth *a, struct http *http) MUST_CHECK;
/* The store refused them: true when asking anew may help. */
bool s3_auth_forget(struct s3_auth *a);
void s3_auth_fini(struct s3_auth *a);

#endif
