/*
 * own_blocks.cpp - protobuf's arenas whose first block is the program's own: a variable, part of the stack,
 * what it asked malloc for, and one that needs no other.
 *
 *	own_blocks TRUTH	writes the truth, prints "ready PID", waits to be dumped
 */
#include "pool_truth.h"

#include <cstdlib>
#include <google/protobuf/arena.h>

static uint64_t taken, blocks;

static void *take_block(size_t n)
{
	taken += n;
	blocks++;
	return malloc(n);
}

static void give_block(void *block, size_t)
{
	free(block);
}

/* As long as there is one: its head is in its first block, behind that one's header of three words. */
static google::protobuf::Arena *make_arena(const char *name, void *first, size_t size, size_t n)
{
	google::protobuf::ArenaOptions options;
	google::protobuf::Arena *arena;

	taken = size;
	blocks = 1;
	options.initial_block = static_cast<char *>(first);
	options.initial_block_size = size;
	options.block_alloc = take_block;
	options.block_dealloc = give_block;
	arena = new google::protobuf::Arena(options);
	for (size_t i = 0; i < n; i++)
		google::protobuf::Arena::CreateArray<char>(arena, 100);
	note_pool(name, static_cast<char *>(first) + 3 * sizeof(void *), nullptr, taken, blocks, FREE_UNKNOWN);
	return arena;
}

alignas(16) static char g_variable[8192] = { 1 }, g_zeros[8192], g_alone[1024];
google::protobuf::Arena *g_arenas[5];
void *g_buffer;

int main(int, char **argv)
{
	alignas(16) char local[2048];

	truth_open(argv[1], 1000);
	g_buffer = malloc(2000);
	g_arenas[0] = make_arena("variable", g_variable, sizeof(g_variable), 500);
	g_arenas[1] = make_arena("zeros", g_zeros, sizeof(g_zeros), 500);
	g_arenas[2] = make_arena("alone", g_alone, sizeof(g_alone), 5);
	g_arenas[3] = make_arena("buffer", g_buffer, 2000, 300);
	g_arenas[4] = make_arena("local", local, sizeof(local), 200);
	truth_close();
	ready_and_wait();
}
