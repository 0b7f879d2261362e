/*
 * capture/varlink.h - the service that systemd-oomd calls before it kills a cgroup.
 *
 * oomd.conf(5) of systemd 260, "Prekill event": each socket in /run/systemd/oomd.prekill.hook/ is
 * sent io.systemd.oom.Prekill.Notify(cgroup: string), and the cgroup lives until all have answered
 * or PrekillHookTimeoutSec= is over.  Interface: systemd src/shared/varlink-io.systemd.oom.Prekill.c;
 * wire: varlink.org/Method-Call, JSON objects that a NUL ends, one answer for each call in turn.
 */
#ifndef HEAPFX_CAPTURE_VARLINK_H
#define HEAPFX_CAPTURE_VARLINK_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"

enum { VARLINK_MESSAGE_MAX = 8192, VARLINK_FIRST_FD = 3 };

enum varlink_method {
	VARLINK_NOTIFY,
	VARLINK_GET_INFO,     /* org.varlink.service, which each service has */
	VARLINK_GET_INTERFACE,
	VARLINK_UNKNOWN,
};

struct varlink_call {
	enum varlink_method method;
	bool oneway;	    /* no answer is wanted */
	const char *cgroup; /* of VARLINK_NOTIFY: "/system.slice/shop.service"; in `memory` */
	const char *interface;
	char name[256];	    /* of the method */
	void *memory;
};

/* A path of cgroups as a service manager writes it: from "/" on, without "." and "..". */
bool varlink_is_cgroup(const char *s);
/*
 * ERR_FORMAT: no call. A call without what its method needs has NULL there.  `ret` is ended by
 * varlink_call_fini().
 */
struct err *varlink_parse(const char *message, struct varlink_call *ret) MUST_CHECK;
void varlink_call_fini(struct varlink_call *c);

/*
 * A socket at `path` of mode 0600: who may connect may write to it (oomd has CAP_DAC_OVERRIDE).  One
 * that nobody listens at any more is replaced; what is no socket stays.
 */
struct err *varlink_listen(const char *path, int *ret) MUST_CHECK;

/* What a call brings about, before it is answered. */
typedef void varlink_notify(void *arg, const char *cgroup);
/*
 * One peer's calls, until it closes or is silent for `silent_ms` before a whole message.  What it
 * does wrong is answered as the protocol has it, and never an error of ours.
 */
void varlink_serve(int fd, unsigned silent_ms, varlink_notify *notify, void *arg);

#endif
