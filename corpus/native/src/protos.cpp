/*
 * protos.cpp - protobuf's arenas: what each thread took of one, as its own hooks count.
 *
 *	protos TRUTH		writes the truth, prints "ready PID", waits to be dumped
 */
#include "pool_truth.h"

#include <cstdlib>
#include <google/protobuf/arena.h>
#include <thread>

static thread_local uint64_t taken, blocks;
static thread_local char *first_block;

static void *take_block(size_t n)
{
	void *block = malloc(n);

	if (!blocks++)
		first_block = static_cast<char *>(block);
	taken += n;
	return block;
}

static void give_block(void *block, size_t)
{
	free(block);
}

google::protobuf::Arena *g_arena, *g_small;

static google::protobuf::Arena *make_arena()
{
	google::protobuf::ArenaOptions options;

	taken = blocks = 0; /* its maker's first block comes at once */
	options.block_alloc = take_block;
	options.block_dealloc = give_block;
	return new google::protobuf::Arena(options);
}

/* The head lies behind the header of the first block of its thread: 3 words. */
static NOINLINE void fill(google::protobuf::Arena *arena, const char *name, size_t n, size_t size)
{
	for (size_t i = 0; i < n; i++)
		google::protobuf::Arena::CreateArray<char>(arena, size);
	note_pool(name, first_block + 3 * sizeof(void *), nullptr, taken, blocks, FREE_UNKNOWN);
}

int main(int, char **argv)
{
	truth_open(argv[1], 1000);
	g_arena = make_arena();
	fill(g_arena, "main", 500, 120);
	g_small = make_arena();
	fill(g_small, "small", 1, 8);
	std::thread([] { fill(g_arena, "thread", 40, 3000); }).join();
	truth_total("arena.allocated", g_arena->SpaceAllocated());
	wipe_stack();
	truth_close();
	ready_and_wait();
}
