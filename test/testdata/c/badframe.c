// rt_sigreturn without a frame raises SIGSEGV. The handler finds the registers of the call.
#define _GNU_SOURCE
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <ucontext.h>

static char stack[65536];

static void handler(int sig, siginfo_t *info, void *context) {
	greg_t *r = ((ucontext_t *)context)->uc_mcontext.gregs;
	printf("badframe: signal %d, rbp %llx, rbx %llx, r12 %llx, rcx is rip %d, r11 is the flags %d\n", sig, r[REG_RBP], r[REG_RBX],
		r[REG_R12], r[REG_RCX] == r[REG_RIP], ((r[REG_R11] ^ r[REG_EFL]) & 0xcd5) == 0);
	exit(0);
}

int main(void) {
	stack_t s = {.ss_sp = stack, .ss_size = sizeof stack};
	struct sigaction sa = {.sa_sigaction = handler, .sa_flags = SA_SIGINFO | SA_ONSTACK};
	sigaltstack(&s, 0);
	sigaction(SIGSEGV, &sa, 0);
	__asm__ volatile("movl $0x1234567, %%ebp; movl $0x89abcde, %%ebx; movl $0xf012345, %%r12d; xorl %%esp, %%esp; stc; movl $15, %%eax; syscall; hlt" ::: "memory");
	return 1;
}
