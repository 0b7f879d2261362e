/*
 * tallocs.c - trees of talloc's, with what talloc itself says of them.
 *
 *	tallocs TRUTH		writes the truth, prints "ready PID", waits to be dumped
 *
 * A server with sessions, each with a buffer and a string that is a secret; a talloc_pool() with things cut
 * from it; and one session that was stolen and dropped.  talloc gives out addresses 96 bytes into
 * malloc's blocks (128 in a pool's), and keeps everything by the tree: nothing else holds the blocks.
 */
#include "truth.h"

#include <talloc.h>

enum { SESSIONS = 20, CUT = 10, HEADER = 96, POOL_HEADER = 32 };

struct session {
	long number[10];
};

void *volatile g_server;

static void note(void *chunk, enum truth_kind kind)
{
	truth_note((char *)chunk - HEADER, talloc_get_size(chunk) + HEADER, kind);
}

static void make_session(void *parent, int i, enum truth_kind kind, enum truth_kind below)
{
	struct session *s = talloc_zero(parent, struct session);

	note(s, kind);
	note(talloc_zero_array(s, char, 500 + i), below);
	note(talloc_strdup(s, "what nobody is to see"), below);
}

static NOINLINE void make_server(void)
{
	void *server = talloc_named_const(NULL, 16, "server"), *pool;

	note(server, REACH);
	for (int i = 0; i < SESSIONS; i++)
		make_session(server, i, REACH, REACH);
	pool = talloc_pool(server, 4096);
	truth_note((char *)pool - HEADER - POOL_HEADER, 4096 + HEADER + POOL_HEADER, REACH);
	for (int i = 0; i < CUT; i++)
		(void)talloc_zero_array(pool, char, 40);
	make_session(NULL, 0, DEF, IND);
	truth_total("talloc.total_size", talloc_total_size(server));
	truth_total("talloc.total_blocks", talloc_total_blocks(server));
	truth_total("talloc.cut", CUT);
	truth_total("talloc.sessions", SESSIONS);
	g_server = server;
}

int main(int argc, char **argv)
{
	(void)argc;
	truth_open(argv[1], 1000);
	make_server();
	wipe_stack();
	truth_close();
	ready_and_wait();
}
