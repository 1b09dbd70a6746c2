/* clock reads the clock by the functions of the C library, and prints what each costs in ticks
   of the counter: under icount, instructions. A system call costs several hundred. */
#define _GNU_SOURCE
#include <sched.h>
#include <stdio.h>
#include <sys/time.h>
#include <time.h>
#include <x86intrin.h>

enum { N = 1000 };

#define COST(name, call)                                                       \
	do {                                                                   \
		call;                                                          \
		unsigned long long began = __rdtsc();                          \
		for (int i = 0; i < N; i++)                                    \
			call;                                                  \
		printf("%s: %llu\n", name, (__rdtsc() - began) / N);           \
	} while (0)

int main(void)
{
	struct timespec a, b, c;
	struct timeval v;
	COST("clock_gettime", clock_gettime(CLOCK_REALTIME, &a));
	COST("monotonic", clock_gettime(CLOCK_MONOTONIC, &a));
	COST("gettimeofday", gettimeofday(&v, NULL));
	COST("time", time(NULL));
	COST("sched_getcpu", sched_getcpu());
	clock_gettime(CLOCK_MONOTONIC, &a);
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &c);
	clock_gettime(CLOCK_MONOTONIC, &b);
	printf("in order: %d\n", a.tv_sec < b.tv_sec || (a.tv_sec == b.tv_sec && a.tv_nsec < b.tv_nsec));
	printf("of the process: %d\n", c.tv_sec > 0 || c.tv_nsec > 0);
	return 0;
}
