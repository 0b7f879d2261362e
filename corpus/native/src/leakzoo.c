/*
 * leakzoo.c - known leaks of every kind that valgrind has, and known things that are no leaks.
 *
 *	leakzoo TRUTH wait	writes the truth, prints "ready PID", waits to be dumped
 *	leakzoo TRUTH exit	the same, but exits: for valgrind and LeakSanitizer
 *
 * 2,192 blocks.  Every maker runs in a frame of its own, and the stack is wiped after it, so that
 * a dropped block is really dropped.  What each kind means: corpus/README.md.
 */
#define _GNU_SOURCE
#include "truth.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

struct node {
	struct node *next, *prev;
	uint64_t magic;
	char payload[40];
};

struct node *volatile g_list;
void *volatile g_interior[50];
void **volatile g_mapping;
volatile uintptr_t g_inverted[10];
volatile struct __attribute__((packed)) {
	char shift;
	void *block[10];
} g_unaligned;
static __thread struct node *volatile t_list;
static pthread_key_t specific_key;
static pthread_barrier_t all_in_place;

static struct node *new_node(enum truth_kind kind)
{
	return noted_alloc(sizeof(struct node), kind);
}

/* A list of n nodes after its head; only the head is of kind `first`. */
static struct node *new_list(int n, enum truth_kind first, enum truth_kind rest)
{
	struct node *head = new_node(first), *tail = head;

	for (int i = 1; i < n; i++)
		tail = tail->next = new_node(rest);
	return head;
}

static NOINLINE void drop_blocks(void)
{
	for (int i = 0; i < 100; i++)
		*(volatile char *)noted_alloc(48 + i, DEF) = 'D';
}

static NOINLINE void drop_lists(void)
{
	for (int i = 0; i < 20; i++)
		new_list(11, DEF, IND)->magic = 1;
}

static NOINLINE void hold_by_interior_pointers(void)
{
	for (int i = 0; i < 50; i++)
		g_interior[i] = (char *)noted_alloc(200, POSS) + 24;
}

static NOINLINE void drop_pairs(void)
{
	for (int i = 0; i < 30; i++) {
		struct node *a = new_node(CYC2), *b = new_node(CYC2);

		a->next = b;
		b->next = a;
	}
}

static NOINLINE void drop_ring(void)
{
	struct node *first = new_list(1000, RING, RING), *last = first;

	for (; last->next; last = last->next)
		last->next->prev = last;
	last->next = first;
	first->prev = last;
}

static NOINLINE void hold_list(void)
{
	g_list = new_list(500, REACH, REACH);
}

/* The holder is freed, but past what free() overwrites its pointers are still there. */
static NOINLINE void hold_by_freed_block(void)
{
	for (int i = 0; i < 40; i++) {
		size_t size = 600 + 16 * i;
		void **holder = malloc(size);

		memset(holder, 0, size);
		for (int k = 0; k < 3; k++)
			holder[10 + k] = noted_alloc(72, FREED);
		free(holder);
	}
}

static NOINLINE void hold_inverted(void)
{
	for (int i = 0; i < 10; i++)
		g_inverted[i] = ~(uintptr_t)noted_alloc(96, XOR);
}

static NOINLINE void hold_in_mapping(void)
{
	g_mapping = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	for (int i = 0; i < 25; i++)
		g_mapping[i] = noted_alloc(80, MMAPROOT);
}

static NOINLINE void hold_unaligned(void)
{
	for (int i = 0; i < 10; i++)
		g_unaligned.block[i] = noted_alloc(88, UNALIGNED);
}

static uintptr_t dead_masked[12];

static NOINLINE void make_dead(void)
{
	for (int i = 0; i < 12; i++)
		dead_masked[i] = (uintptr_t)noted_alloc(104, DEADSTACK) ^ TRUTH_MASK;
}

/* Leaves the pointers some 8 KiB below the stack pointer: a frame that has returned. */
static NOINLINE void leave_on_dead_stack(void)
{
	volatile char depth[8192];
	void *volatile slots[12];

	depth[0] = depth[8191] = 0;
	for (int i = 0; i < 12; i++)
		slots[i] = (void *)(dead_masked[i] ^ TRUTH_MASK);
	(void)slots;
}

static void *wait_in_place(void)
{
	wipe_stack();
	pthread_barrier_wait(&all_in_place);
	for (;;)
		pause();
	return NULL;
}

static NOINLINE void fill_tls(void)
{
	t_list = new_list(50, TLSROOT, TLSROOT);
}

static void *tls_thread(void *unused)
{
	(void)unused;
	fill_tls();
	return wait_in_place();
}

static NOINLINE void fill_specific(void)
{
	pthread_setspecific(specific_key, noted_alloc(120, PTHSPEC));
}

static void *specific_thread(void *unused)
{
	(void)unused;
	fill_specific();
	return wait_in_place();
}

static void *stack_thread(void *unused)
{
	void *volatile slots[30];

	(void)unused;
	for (int i = 0; i < 30; i++)
		slots[i] = noted_alloc(136, STACKROOT);
	wait_in_place();
	return slots[0];
}

static uintptr_t register_masked[4];
static volatile int registers_loaded;

static NOINLINE void make_register_blocks(void)
{
	for (int i = 0; i < 4; i++)
		register_masked[i] = (uintptr_t)noted_alloc(152, REGROOT) ^ TRUTH_MASK;
}

/* Unmasks four pointers in registers and spins without ever storing them. */
static NOINLINE void spin_with_registers(const uintptr_t *masked)
{
#if defined(__x86_64__)
	__asm__ volatile("mov (%0), %%r12\n\t"
			 "mov 8(%0), %%r13\n\t"
			 "mov 16(%0), %%r14\n\t"
			 "mov 24(%0), %%r15\n\t"
			 "xor %1, %%r12\n\t"
			 "xor %1, %%r13\n\t"
			 "xor %1, %%r14\n\t"
			 "xor %1, %%r15\n\t"
			 "movl $1, %2\n"
			 "1:\tpause\n\t"
			 "jmp 1b\n"
			 :
			 : "r"(masked), "r"(TRUTH_MASK), "m"(registers_loaded)
			 : "r12", "r13", "r14", "r15", "memory");
#elif defined(__aarch64__)
	__asm__ volatile("ldp x19, x20, [%0]\n\t"
			 "ldp x21, x22, [%0, #16]\n\t"
			 "eor x19, x19, %1\n\t"
			 "eor x20, x20, %1\n\t"
			 "eor x21, x21, %1\n\t"
			 "eor x22, x22, %1\n\t"
			 "str %w2, [%3]\n"
			 "1:\tyield\n\t"
			 "b 1b\n"
			 :
			 : "r"(masked), "r"(TRUTH_MASK), "r"(1), "r"(&registers_loaded)
			 : "x19", "x20", "x21", "x22", "memory");
#else
#error "no registers known for this machine"
#endif
}

static void *register_thread(void *unused)
{
	(void)unused;
	make_register_blocks();
	wipe_stack();
	spin_with_registers(register_masked);
	return NULL;
}

static void make_lost_and_held(void)
{
	static void (*const makers[])(void) = {
		hold_list, drop_blocks, drop_lists, hold_by_interior_pointers, drop_pairs,
		drop_ring, hold_by_freed_block, hold_inverted, hold_in_mapping, hold_unaligned,
		make_dead,
	};

	for (size_t i = 0; i < sizeof makers / sizeof *makers; i++) {
		makers[i]();
		wipe_stack();
	}
}

static NOINLINE void start_threads(bool with_registers)
{
	pthread_t thread;

	pthread_create(&thread, NULL, tls_thread, NULL);
	pthread_create(&thread, NULL, specific_thread, NULL);
	pthread_create(&thread, NULL, stack_thread, NULL);
	if (with_registers) {
		pthread_create(&thread, NULL, register_thread, NULL);
		while (!registers_loaded)
			usleep(1000);
	}
	pthread_barrier_wait(&all_in_place);
	usleep(50000);		/* until they have all reached pause() */
}

int main(int argc, char **argv)
{
	bool exits = argc == 3 && !strcmp(argv[2], "exit");

	if (argc != 3) {
		fprintf(stderr, "usage: leakzoo TRUTH wait|exit\n");
		return 2;
	}
	puts("leakzoo");	/* makes libc allocate its buffer now */
	truth_open(argv[1], 4096);
	pthread_key_create(&specific_key, NULL);
	pthread_barrier_init(&all_in_place, NULL, 4);
	make_lost_and_held();
	start_threads(!exits);	/* a spinning thread cannot outlive main */
	truth_total("rings", 30 + 1);
	truth_close();
	leave_on_dead_stack();
	if (exits)
		return 0;
	ready_and_wait();
}
