/*
 * image/go_anchors.h - where the runtime's variables are.
 */
#ifndef HEAPFX_IMAGE_GO_ANCHORS_H
#define HEAPFX_IMAGE_GO_ANCHORS_H

#include "image/go.h"

/* Fills go->at, go->how and the counts of checks. */
struct err *go_anchors_find(struct go *go) MUST_CHECK;

#endif
