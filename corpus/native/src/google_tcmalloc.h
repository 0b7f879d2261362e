/* google_tcmalloc.h - what is asked of google/tcmalloc, if the program has it, at run time alone. */
#ifndef GOOGLE_TCMALLOC_H
#define GOOGLE_TCMALLOC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

/* absl::Duration, 0: how long it waits for memory to be in demand again before it gives it back. */
struct no_time {
	uint32_t parts[3];
};
void TCMalloc_Internal_SetHugePageFillerSkipSubreleaseShortInterval(struct no_time) __attribute__((weak));
void TCMalloc_Internal_SetHugePageFillerSkipSubreleaseLongInterval(struct no_time) __attribute__((weak));
void MallocExtension_Internal_ReleaseMemoryToSystem(size_t) __attribute__((weak));

void TCMalloc_Internal_SetProfileSamplingInterval(int64_t) __attribute__((weak));

static inline bool has_google_tcmalloc(void)
{
	return MallocExtension_Internal_ReleaseMemoryToSystem;
}

/* One allocation in so many bytes is sampled; unless told, in 2 MiB. */
static inline void google_tcmalloc_sample(void)
{
	const char *bytes = getenv("SAMPLING_INTERVAL");

	if (bytes && TCMalloc_Internal_SetProfileSamplingInterval)
		TCMalloc_Internal_SetProfileSamplingInterval(atoll(bytes));
}

/* At once. */
static inline void google_tcmalloc_release(size_t bytes)
{
	TCMalloc_Internal_SetHugePageFillerSkipSubreleaseShortInterval((struct no_time){ 0 });
	TCMalloc_Internal_SetHugePageFillerSkipSubreleaseLongInterval((struct no_time){ 0 });
	MallocExtension_Internal_ReleaseMemoryToSystem(bytes);
}

#endif
