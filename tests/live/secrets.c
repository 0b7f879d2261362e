/*
 * secrets.c - a process with secrets in every kind of place, for test_shrink.py.
 *
 *	secrets FILE MADE DATA
 *
 * FILE has a secret a line.  MADE gets those that are made here, in hexadecimal: eight bytes that
 * look like pointers.  DATA is mapped and written to, by nobody else to be seen.  Then it says
 * `ready LOST`, how many blocks it dropped, and waits to be killed.
 */
#include <fcntl.h>
#include <malloc.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <unistd.h>

enum { LINE = 128, MOST = 20000, PLACES = 15, AREA = 256 << 10, NAMES = 20 };

struct mixed { /* a secret that begins nowhere in particular, between pointers */
	struct mixed *next;
	char odd[LINE + 5];
	void *held;
};

static char in_data[AREA] = "x", in_bss[AREA];
static __thread char in_tls[AREA / 4];
static char *held[MOST];
static uint64_t *like_pointers[MOST];
static struct mixed *mixed;
static char *area, *data_area, *large;
static size_t at_data, at_bss, at_tls, at_area, at_file, at_large, n_held, n_like, n_lost;
static uint64_t seed = 0x9e3779b97f4a7c15;
static char names[NAMES][16];
static size_t n_names;
static atomic_int n_waiting;

static uint64_t random_word(void)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return seed;
}

/* Behind what lies there, at any alignment. */
static void put(char *to, size_t *at, size_t room, const char *s, size_t n)
{
	if (room - *at <= n + 8)
		return;
	memcpy(to + *at, s, n);
	*at += n + 1 + random_word() % 7;
}

static void drop_freed(const char *s, size_t n, size_t size)
{
	char *a = malloc(size), *b = malloc(size);

	memcpy(a + size - n - 9, s, n);
	memcpy(b + 17, s, n);
	held[n_held++] = malloc(24); /* so that they stay apart */
	free(a);
	free(b);
}

static __attribute__((noinline)) void drop_on_stack(const char *s, size_t n, unsigned depth)
{
	volatile char deep[512];

	for (size_t i = 0; i < n; i++)
		deep[100 + i] = s[i];
	if (depth)
		drop_on_stack(s, n, depth - 1);
	deep[0] = deep[100];
}

static void look_like_pointer(FILE *made)
{
	uint64_t *p = malloc(40), inside = (uintptr_t)held[random_word() % n_held];

	/* into the middle of a block (a shrunk copy tells of it by its eighth byte), or where libraries and stacks use to be */
	p[1] = random_word() % 2 ? inside + 8 + random_word() % 16 : 0x7f0000000000 | random_word() >> 24;
	p[3] = 0x550000000000 | random_word() >> 25;
	like_pointers[n_like++] = p;
	fprintf(made, "%016lx\n%016lx\n", p[1], p[3]);
}

static void plant(size_t no, const char *s, size_t n, FILE *made)
{
	struct mixed *m;
	char *p;

	switch (no % PLACES) {
	case 0:
		held[n_held++] = strdup(s);
		break;
	case 1: /* in a block that nobody holds */
		p = malloc(100);
		memcpy(p + 3, s, n);
		n_lost++;
		break;
	case 2:
		drop_freed(s, n, 100 + no % 64);
		break;
	case 3:
		drop_freed(s, n, 1500 + no % 4096);
		break;
	case 4: /* where malloc rounded up */
		p = calloc(1, n + 24 + no % 16);
		memcpy(p + malloc_usable_size(p) - n, s, n);
		held[n_held++] = p;
		break;
	case 5:
		put(in_data, &at_data, sizeof(in_data), s, n);
		break;
	case 6:
		put(in_bss, &at_bss, sizeof(in_bss), s, n);
		break;
	case 7:
		put(in_tls, &at_tls, sizeof(in_tls), s, n);
		break;
	case 8:
		drop_on_stack(s, n, no % 16);
		break;
	case 9:
		put(area, &at_area, AREA, s, n);
		break;
	case 10:
		put(large, &at_large, 4 * AREA, s, n);
		break;
	case 11:
		put(data_area, &at_file, AREA, s, n);
		break;
	case 12:
		m = malloc(sizeof(*m));
		memcpy(m->odd + no % 5, s, n);
		m->next = mixed;
		m->held = held;
		mixed = m;
		break;
	case 13:
		look_like_pointer(made);
		break;
	case 14:
		if (n_names < NAMES)
			memcpy(names[n_names++], s, 15);
		else
			held[n_held++] = strdup(s);
		break;
	}
}

/* Its name, its stack, its own TLS, and registers while it spins. */
static void *wait_thread(void *arg)
{
	char on_stack[3 * LINE];
	const char *name = arg;

	prctl(PR_SET_NAME, name);
	for (unsigned i = 0; i < sizeof(on_stack); i++)
		on_stack[i] = name[i % 15];
	memcpy(in_tls + 77, on_stack, sizeof(on_stack));
	atomic_fetch_add(&n_waiting, 1);
#ifdef __x86_64__
	__asm__ volatile("movq (%0), %%rbx\n\tmovq 7(%0), %%r12\n\tmovq 3(%0), %%r13\n\t"
			 "movq 5(%0), %%r14\n\tmovq 1(%0), %%r15\n\t"
			 "movdqu (%1), %%xmm0\n\tmovdqu 16(%1), %%xmm9\n\tmovdqu 5(%1), %%xmm15\n"
			 "1:\tpause\n\tjmp 1b"
			 :
			 : "r"(name), "r"(on_stack)
			 : "rbx", "r12", "r13", "r14", "r15", "xmm0", "xmm9", "xmm15", "memory");
#else
	pause();
#endif
	return (void *)(uintptr_t)on_stack[0];
}

/* Where an allocator's own segment might begin: what looks for those looks here. */
static char *map_aligned(int fd)
{
	enum { ALIGNMENT = 64 << 20 };
	int flags = MAP_PRIVATE | (fd < 0 ? MAP_ANONYMOUS : 0);
	char *room = mmap(NULL, 2 * ALIGNMENT, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0), *at;

	if (room == MAP_FAILED)
		return MAP_FAILED;
	at = (char *)(((uintptr_t)room + ALIGNMENT - 1) & ~(uintptr_t)(ALIGNMENT - 1));
	munmap(room, 2 * ALIGNMENT);
	return mmap(at, AREA, PROT_READ | PROT_WRITE, flags | MAP_FIXED, fd, 0);
}

int main(int argc, char **argv)
{
	volatile char here[LINE];
	char line[LINE];
	size_t no = 0;
	FILE *in, *made;
	int fd;

	if (argc < 4 || !(in = fopen(argv[1], "r")) || !(made = fopen(argv[2], "w")))
		return 1;
	fd = open(argv[3], O_RDWR);
	data_area = map_aligned(fd);
	area = map_aligned(-1);
	large = malloc(4 * AREA);
	held[n_held++] = strdup("the first of all");
	if (data_area == MAP_FAILED || area == MAP_FAILED)
		return 1;
	while (fgets(line, sizeof(line), in)) {
		line[strcspn(line, "\n")] = 0;
		plant(no++, line, strlen(line), made);
		if (no < LINE)
			here[no] = line[0];
	}
	memcpy((char *)here, line, sizeof(line));
	fclose(made);
	for (unsigned i = 0; i < 4 && i < n_names; i++) {
		pthread_t thread;

		if (pthread_create(&thread, NULL, wait_thread, names[i]))
			return 1;
	}
	while (atomic_load(&n_waiting) < 4)
		usleep(1000);
	printf("ready %zu\n", n_lost);
	fflush(stdout);
	for (;;)
		pause();
	return here[3];
}
