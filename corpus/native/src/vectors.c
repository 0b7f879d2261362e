/*
 * vectors.c - blocks that nothing but a vector register of a running thread holds.
 *
 *	vectors TRUTH	writes the truth, prints "ready PID", waits to be dumped
 *
 * A thread for each kind of register that the processor has: two halves of an SSE register, the
 * upper half of an AVX one, the upper half of an AVX-512 one and one of the sixteen that AVX-512
 * added (zmm6 and zmm20, which gdb 13 writes out even on AMD).  Twenty blocks are dropped, so that a reader who calls everything held is found out.
 */
#define _GNU_SOURCE
#include "truth.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { LANES = 8 };

struct job {
	uintptr_t masked[2][LANES]; /* as they go into a register: pointer or 0, masked */
	uintptr_t mask[LANES];
	volatile int loaded;
};

static void job_init(struct job *job)
{
	for (int i = 0; i < LANES; i++)
		job->masked[0][i] = job->masked[1][i] = job->mask[i] = TRUTH_MASK;
}

static NOINLINE void put(struct job *job, int reg, int lane)
{
	job->masked[reg][lane] = (uintptr_t)noted_alloc(168, VECROOT) ^ TRUTH_MASK;
}

static NOINLINE void drop_blocks(void)
{
	for (int i = 0; i < 20; i++)
		*(volatile char *)noted_alloc(184, DEF) = 'D';
}

#if defined(__x86_64__)
#define SPIN                                                                                       \
	"movl $1, %2\n"                                                                            \
	"1:\tpause\n\t"                                                                            \
	"jmp 1b\n"

/* They unmask in the register and never store; they never return, so nothing is clobbered. */
static NOINLINE void spin_sse(struct job *job)
{
	__asm__ volatile("movdqu (%0), %%xmm3\n\t"
			 "movdqu (%1), %%xmm4\n\t"
			 "pxor %%xmm4, %%xmm3\n\t" SPIN
			 :
			 : "r"(job->masked), "r"(job->mask), "m"(job->loaded)
			 : "memory");
}

static NOINLINE void spin_avx(struct job *job)
{
	__asm__ volatile("vmovdqu (%0), %%ymm5\n\t"
			 "vmovdqu (%1), %%ymm4\n\t"
			 "vxorpd %%ymm4, %%ymm5, %%ymm5\n\t" SPIN
			 :
			 : "r"(job->masked), "r"(job->mask), "m"(job->loaded)
			 : "memory");
}

static NOINLINE void spin_avx512(struct job *job)
{
	__asm__ volatile("vmovdqu64 (%0), %%zmm6\n\t"
			 "vmovdqu64 64(%0), %%zmm20\n\t"
			 "vmovdqu64 (%1), %%zmm4\n\t"
			 "vpxorq %%zmm4, %%zmm6, %%zmm6\n\t"
			 "vpxorq %%zmm4, %%zmm20, %%zmm20\n\t" SPIN
			 :
			 : "r"(job->masked), "r"(job->mask), "m"(job->loaded)
			 : "memory");
}
#else
#error "no vector registers known for this machine"
#endif

static void *sse_thread(void *arg)
{
	put(arg, 0, 0);
	put(arg, 0, 1);
	wipe_stack();
	spin_sse(arg);
	return NULL;
}

static void *avx_thread(void *arg)
{
	put(arg, 0, 2);
	put(arg, 0, 3);
	wipe_stack();
	spin_avx(arg);
	return NULL;
}

static void *avx512_thread(void *arg)
{
	put(arg, 0, 4);
	put(arg, 0, 7);
	put(arg, 1, 0);
	put(arg, 1, 7);
	wipe_stack();
	spin_avx512(arg);
	return NULL;
}

static NOINLINE void start(struct job *job, void *(*run)(void *))
{
	pthread_t thread;

	job_init(job);
	pthread_create(&thread, NULL, run, job);
	while (!job->loaded)
		usleep(1000);
}

int main(int argc, char **argv)
{
	static struct job jobs[3];

	if (argc != 2) {
		fprintf(stderr, "usage: vectors TRUTH\n");
		return 2;
	}
	puts("vectors"); /* makes libc allocate its buffer now */
	truth_open(argv[1], 64);
	drop_blocks();
	wipe_stack();
	start(&jobs[0], sse_thread);
	if (__builtin_cpu_supports("avx"))
		start(&jobs[1], avx_thread);
	if (__builtin_cpu_supports("avx512f"))
		start(&jobs[2], avx512_thread);
	truth_close();
	ready_and_wait();
}
