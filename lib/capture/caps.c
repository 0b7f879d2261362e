/* capture/caps.c - capset(2) without a library: one call, one structure. */
#include "capture/caps.h"

#include <linux/capability.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

bool caps_have(uint32_t mask)
{
	struct __user_cap_header_struct head = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct now[2];

	return !syscall(SYS_capget, &head, now) && (now[0].effective & mask) == mask;
}

void caps_keep(uint32_t mask)
{
	struct __user_cap_header_struct head = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct now[2], wanted[2];

	prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	if (syscall(SYS_capget, &head, now))
		return;
	for (unsigned i = 0; i < 2; i++) {
		uint32_t left = now[i].permitted & (i ? 0 : mask);

		wanted[i] = (struct __user_cap_data_struct){ left, left, 0 };
	}
	if (syscall(SYS_capset, &head, wanted))
		return; /* then it had none to give up */
}
