/*
 * properties.c - certifies the facts of a saved result (tests/lib/certify.h).
 *
 *	properties RESULT [SAMPLES]
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "certify.h"
#include "save/save.h"

static void must(struct err *err)
{
	if (!err)
		return;
	fprintf(stderr, "properties: %s\n", err->message);
	exit(1);
}

int main(int argc, char **argv)
{
	int fd = argc > 1 ? open(argv[1], O_RDONLY | O_CLOEXEC) : -1;
	uint64_t samples = argc > 2 ? strtoull(argv[2], NULL, 10) : 10, n_wrong;
	struct saved *saved;
	struct facts f;
	struct env env;
	struct stat st;
	void *bytes;

	if (fd < 0 || fstat(fd, &st)) {
		fprintf(stderr, "usage: properties RESULT [SAMPLES]\n");
		return 2;
	}
	bytes = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	if (bytes == MAP_FAILED) {
		perror(argv[1]);
		return 1;
	}
	env_init(&env);
	must(saved_open(&env, argv[1], bytes, (uint64_t)st.st_size, &saved));
	must(saved_check(saved, SAVE_ALL));
	f = saved->facts;
	must(facts_compute(&env, saved->graph, FACT_PARENT | FACT_REVERSE, &f));
	n_wrong = certify(saved->graph, &f, samples);
	if (n_wrong)
		printf("%llu wrong\n", (unsigned long long)n_wrong);
	facts_fini(&f);
	saved_close(saved);
	env_fini(&env);
	munmap(bytes, (size_t)st.st_size);
	close(fd);
	return n_wrong != 0;
}
