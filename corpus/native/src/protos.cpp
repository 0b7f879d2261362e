/*
 * protos.cpp - protobuf's arenas: what each thread took of one, as its own hooks count.
 *
 *	protos TRUTH		writes the truth, prints "ready PID", waits to be dumped
 */
#include "pool_truth.h"

#include <cstdlib>
#include <google/protobuf/arena.h>
#include <new>
#include <string>
#include <thread>

#if __has_include(<google/protobuf/string_block.h>) /* from 22 on */
#define HAS_STRING_BLOCKS 1
#endif

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

#ifdef HAS_STRING_BLOCKS
static thread_local bool is_filling;

/* What an arena takes for strings goes past its hooks. */
void *operator new(size_t n)
{
	void *block = malloc(n);

	if (is_filling) {
		taken += n;
		blocks++;
	}
	return block;
}

void operator delete(void *block) noexcept
{
	free(block);
}

void operator delete(void *block, size_t) noexcept
{
	free(block);
}
#endif

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

#ifdef HAS_STRING_BLOCKS
struct Closes { /* what an arena has to clean up */
	~Closes() { wipe_stack(); }
};

/* An Arena has its maker's part of itself inside, which it shows nobody: built with -fno-access-control. */
static const void *head_of(google::protobuf::Arena *arena)
{
	if (arena->impl_.first_owner_ == &google::protobuf::internal::ThreadSafeArena::thread_cache())
		return &arena->impl_.first_arena_;
	return first_block + google::protobuf::internal::SerialArena::kBlockHeaderSize;
}
#else
/* Behind the header of the first block of its thread: 3 words. */
static const void *head_of(google::protobuf::Arena *)
{
	return first_block + 3 * sizeof(void *);
}
#endif

static NOINLINE void fill(google::protobuf::Arena *arena, const char *name, size_t n, size_t size)
{
	for (size_t i = 0; i < n; i++)
		google::protobuf::Arena::CreateArray<char>(arena, size);
#ifdef HAS_STRING_BLOCKS
	is_filling = true;
	for (size_t i = 0; i < n / 10; i++) {
		google::protobuf::Arena::Create<std::string>(arena, 3, 'x'); /* no more than it has room for */
		google::protobuf::Arena::Create<Closes>(arena);
	}
	is_filling = false;
#endif
	note_pool(name, head_of(arena), nullptr, taken, blocks, FREE_UNKNOWN);
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
