/* captured.h - when a dump was made, where who made it says so. */
#ifndef HEAPFX_CMD_CAPTURED_H
#define HEAPFX_CMD_CAPTURED_H

#include "pipeline.h"

/* Nanoseconds since 1970; 0: nobody says. Needs the image. */
int64_t captured_time(struct run *run);

#endif
