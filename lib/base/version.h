/* base/version.h - the version that reports and --version print. */
#ifndef HEAPFX_BASE_VERSION_H
#define HEAPFX_BASE_VERSION_H

#define HEAPFX_VERSION "0.1.0"

#endif
