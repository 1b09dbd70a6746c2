// A handler changes the alternate stack, or the one in its frame. The program prints the
// alternate stack after the handler has returned: the frame's, unless the handler itself ran
// on the alternate stack.
#define _GNU_SOURCE
#include <signal.h>
#include <stdio.h>
#include <ucontext.h>

static char first[65536], second[65536];
static int act;

static void handler(int sig, siginfo_t *info, void *context) {
	stack_t *frame = &((ucontext_t *)context)->uc_stack;
	stack_t other = {.ss_sp = second, .ss_size = sizeof second};
	switch (act) {
	case 0: sigaltstack(&other, 0); break;
	case 1: frame->ss_sp = second; frame->ss_size = 4096; break;
	case 2: frame->ss_size = 100; break;
	case 3: frame->ss_flags = SS_DISABLE; break;
	case 4: frame->ss_sp = second; frame->ss_flags = 77; break;
	}
}

int main(void) {
	for (int on = 0; on < 2; on++) {
		struct sigaction sa = {.sa_sigaction = handler, .sa_flags = SA_SIGINFO | (on ? SA_ONSTACK : 0)};
		sigaction(SIGUSR1, &sa, 0);
		for (act = 0; act < 5; act++) {
			stack_t s = {.ss_sp = first, .ss_size = sizeof first};
			sigaltstack(&s, 0);
			raise(SIGUSR1);
			sigaltstack(0, &s);
			printf("altstack %d, handler on it %d: %s, %zu bytes, flags %d\n", act, on, s.ss_sp == first ? "first" : s.ss_sp == second ? "second" : "none", s.ss_size, s.ss_flags);
		}
	}
	// The end of this stack is beyond the last address.
	stack_t s = {.ss_sp = (void *)4096, .ss_size = -1};
	printf("altstack of all memory: %d", sigaltstack(&s, 0));
	printf(", again: %d", sigaltstack(&s, 0));
	sigaltstack(0, &s);
	printf(", flags %d\n", s.ss_flags);
	return 0;
}
