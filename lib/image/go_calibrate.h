/*
 * image/go_calibrate.h - fields that moved since the tables were made, found again by what they hold.
 */
#ifndef HEAPFX_IMAGE_GO_CALIBRATE_H
#define HEAPFX_IMAGE_GO_CALIBRATE_H

#include "image/go.h"

/*
 * Each takes a place where the variable may be, changes go->layout so that the check of go_check.h
 * holds there, and answers true; else leaves everything as it was.
 */
bool go_calibrate_mheap(struct go *go, taddr mheap); /* allspans, arenas and what lies beside them */
bool go_calibrate_allgs(struct go *go, taddr slice); /* status, id and what follows them in a g */
bool go_calibrate_allm(struct go *go, taddr var);    /* m.alllink */
/*
 * What gobuf's size moves: g.sched.bp and g.syscallsp by what goroutines outside of system calls must
 * not have, m.procid and m.curg by the threads of the image; true if they are (now) right.
 */
bool go_calibrate_syscall(struct go *go);
bool go_calibrate_m(struct go *go);
/* g.startpc by where goroutines hold entries of functions; true if it is (now) right. */
bool go_calibrate_startpc(struct go *go);
/* p.mcache by what it leads to: spans; true if it is (now) right. */
bool go_calibrate_mcache(struct go *go);

#endif
