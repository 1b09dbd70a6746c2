// A C program whose compiler keeps numbers in vector registers over system calls, as the
// ABI allows it: the sums are right only if the kernel preserves the registers.
#include <stdio.h>
#include <sys/syscall.h>

typedef double wide __attribute__((vector_size(32)));

static inline long call(long n, long a, long b) {
	long r;
	__asm__ volatile("syscall" : "=a"(r) : "a"(n), "D"(a), "S"(b) : "rcx", "r11", "memory");
	return r;
}

int main(void) {
	struct { long s, ns; } pause = {0, 100000};
	double a = 0, b = 1, c = 2, d = 3, e = 4, f = 5, g = 6, h = 7;
	wide w = {0, 0, 0, 0}, one = {1, 2, 3, 4};
	long double x = 0;
	for (int i = 0; i < 2000; i++) {
		call(i % 3 ? SYS_getpid : SYS_sched_yield, 0, 0);
		if (i % 100 == 0)
			call(SYS_nanosleep, (long)&pause, 0);
		a += 1, b += 1, c += 1, d += 1, e += 1, f += 1, g += 1, h += 1, x += 0.5L;
		w += one;
	}
	printf("hold: %g %g %g %g %g %g %g %g %Lg %g %g %g %g\n", a, b, c, d, e, f, g, h, x, w[0], w[1], w[2], w[3]);
	return 0;
}
