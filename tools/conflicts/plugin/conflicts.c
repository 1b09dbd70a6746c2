/*
 * conflicts.c is a TCG plugin for QEMU. It records which cache lines the kernel touches while
 * it works for a program's marked operations, and which locked instructions it executes.
 * tools/conflicts builds it, starts QEMU with it, and reads its file.
 *
 * A mark is a NOP of 8 bytes, 0F 1F 84 00 and 4 bytes of displacement (NOP DWORD [RAX+RAX+n]),
 * which a CPU executes as nothing. The displacement is MARK << 16 and one of the codes below.
 * A worker is one of the program's threads that are compared; its number is in the code. The
 * worker's operation belongs to the CPU that executed the mark of its beginning, up to the mark
 * of its end. What another CPU does for the worker meanwhile does not count.
 *
 * Counted are instructions in the upper half of the addresses, which are the kernel's. A line
 * counts once for an operation, however often the operation touches it. With code=on the plugin also
 * counts each instruction by its address, those of the program too; the machine has one CPU then, as the
 * counters have no lock.
 *
 * Each CPU's thread writes its own table, without a lock. A table belongs to a window; its CPU
 * empties it at its first access in a new one. The file gets the tables at a window's end, when
 * all workers have ended their operations.
 *
 * The file has one item in a line, numbers in decimal, addresses in hexadecimal:
 *
 *	worker W operations N moved M instructions I
 *	                                 M operations ended on another CPU than they began on
 *	lock W PC N                      N times a locked instruction
 *	code W PC N                      N times an instruction; only with the option code=on
 *	line ADDRESS W C wrote N touched M stores PC,... loads PC,...
 *	                                 operations of worker W, on CPU C
 *	window N lost L                  the end of a window; L accesses had no place in a table
 */
#include <inttypes.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "qemu.h"

#define EXPORT __attribute__((visibility("default")))

EXPORT int qemu_plugin_version = PLUGIN_API;

enum {
	MARK = 0x4d75,
	WINDOW_BEGIN = 1,
	WINDOW_END = 2,
	OPERATION_BEGIN = 0x100, /* and the worker's number */
	OPERATION_END = 0x200,

	WORKERS = 8,
	NOBODY = WORKERS, /* on a CPU without an operation */
	LINE_BITS = 6,
	SLOT_BITS = 15,
	SLOTS = 1 << SLOT_BITS,
	LOCK_SLOTS = 1 << 10,
	PLACES = 6, /* of a line's accesses that are kept */
};

/* touched is what a worker did to a line on one CPU; in an empty slot used is false. */
struct touched {
	uint64_t line;
	uint64_t last_touch, last_write; /* numbers of operations */
	uint32_t worker, touches, writes;
	bool used;
	uint64_t stores[PLACES], loads[PLACES];
};

/* locked counts the executions of one locked instruction. */
struct locked {
	uint64_t pc, times;
	uint32_t worker;
};

/* block is a translated block of instructions. */
struct block {
	struct block *next;
	uint64_t times[WORKERS]; /* executions in this window */
	size_t n;
	uint64_t pcs[];
};

struct cpu {
	_Atomic uint32_t worker;
	_Atomic uint64_t operation; /* the worker's, counted from 1 */
	int window;                 /* whose tables these are */
	uint64_t instructions[WORKERS], lost;
	struct touched *lines;
	struct locked *locks;
};

static struct cpu *cpus;
static unsigned cpu_count;
static _Atomic int window = -1; /* the one that is open, or -1 */
static int windows;             /* how many were opened */
static _Atomic uint64_t operations[WORKERS], moved[WORKERS];
static FILE *out;
static bool code;            /* count each instruction */
static struct block *blocks; /* all of them, with code */

/* working returns the CPU's block if its accesses count now, with the tables of this window. */
static struct cpu *working(unsigned id)
{
	int now = atomic_load_explicit(&window, memory_order_relaxed);
	struct cpu *c = &cpus[id];

	if (now < 0 || atomic_load_explicit(&c->worker, memory_order_relaxed) == NOBODY)
		return NULL;
	if (c->window != now) {
		c->window = now;
		c->lost = 0;
		memset(c->instructions, 0, sizeof c->instructions);
		memset(c->lines, 0, SLOTS * sizeof *c->lines);
		memset(c->locks, 0, LOCK_SLOTS * sizeof *c->locks);
	}
	return c;
}

static unsigned hash(uint64_t n) { return (n * 0x9e3779b97f4a7c15u) >> (64 - SLOT_BITS); }

/* keep adds a place to a short list. */
static void keep(uint64_t *list, uint64_t pc)
{
	for (int i = 0; i < PLACES && list[i] != pc; i++)
		if (list[i] == 0) {
			list[i] = pc;
			return;
		}
}

static void on_access(unsigned id, qemu_plugin_meminfo_t info, uint64_t address, void *pc)
{
	struct cpu *c = working(id);
	if (!c)
		return;
	struct qemu_plugin_hwaddr *where = qemu_plugin_get_hwaddr(info, address);
	if (!where || qemu_plugin_hwaddr_is_io(where))
		return;
	uint32_t worker = atomic_load_explicit(&c->worker, memory_order_relaxed);
	if (worker == NOBODY) /* since working: another CPU ended the operation */
		return;
	uint64_t line = qemu_plugin_hwaddr_phys_addr(where) >> LINE_BITS;
	uint64_t operation = atomic_load_explicit(&c->operation, memory_order_relaxed);
	unsigned slot = hash(line * WORKERS + worker);
	for (int tries = 0; tries < SLOTS / 2; tries++, slot = (slot + 1) % SLOTS) {
		struct touched *t = &c->lines[slot];
		if (!t->used) {
			t->used = true;
			t->line = line;
			t->worker = worker;
		} else if (t->line != line || t->worker != worker)
			continue;
		if (t->last_touch != operation) {
			t->last_touch = operation;
			t->touches++;
		}
		if (!qemu_plugin_mem_is_store(info)) {
			keep(t->loads, (uintptr_t)pc);
			return;
		}
		keep(t->stores, (uintptr_t)pc);
		if (t->last_write != operation) {
			t->last_write = operation;
			t->writes++;
		}
		return;
	}
	c->lost++;
}

static void on_locked(unsigned id, void *pc)
{
	struct cpu *c = working(id);
	if (!c)
		return;
	uint32_t worker = atomic_load_explicit(&c->worker, memory_order_relaxed);
	if (worker == NOBODY) /* since working: another CPU ended the operation */
		return;
	unsigned slot = hash((uintptr_t)pc * WORKERS + worker) % LOCK_SLOTS;
	for (int tries = 0; tries < LOCK_SLOTS; tries++, slot = (slot + 1) % LOCK_SLOTS) {
		struct locked *l = &c->locks[slot];
		if (l->pc == 0) {
			l->pc = (uintptr_t)pc;
			l->worker = worker;
		}
		if (l->pc == (uintptr_t)pc && l->worker == worker) {
			l->times++;
			return;
		}
	}
	c->lost++;
}

/* on_block counts a block of instructions. One that an exception leaves early counts whole. */
static void on_block(unsigned id, void *length)
{
	struct cpu *c = working(id);
	uint32_t worker = c ? atomic_load_explicit(&c->worker, memory_order_relaxed) : NOBODY;
	if (worker != NOBODY)
		c->instructions[worker] += (uintptr_t)length;
}

/* on_code is on_block with a count of its own for the block. */
static void on_code(unsigned id, void *data)
{
	struct block *b = data;
	struct cpu *c = working(id);
	uint32_t worker = c ? atomic_load_explicit(&c->worker, memory_order_relaxed) : NOBODY;
	if (worker == NOBODY)
		return;
	if (b->pcs[0] >> 63)
		c->instructions[worker] += b->n;
	b->times[worker]++;
}

/* new_block returns the block of a translation whose instructions on_translation notes. */
static struct block *new_block(size_t n)
{
	struct block *b = calloc(1, sizeof *b + n * sizeof b->pcs[0]);
	if (!b)
		abort();
	b->n = n;
	b->next = blocks;
	blocks = b;
	return b;
}

/* print_code prints the counts of all instructions, and empties them. */
static void print_code(void)
{
	for (struct block *b = blocks; b; b = b->next)
		for (int w = 0; w < WORKERS; w++) {
			for (size_t i = 0; i < b->n && b->times[w]; i++)
				fprintf(out, "code %d %" PRIx64 " %" PRIu64 "\n", w, b->pcs[i], b->times[w]);
			b->times[w] = 0;
		}
}

static void print_places(const char *name, const uint64_t *list)
{
	fprintf(out, " %s ", name);
	for (int i = 0; i < PLACES && list[i]; i++)
		fprintf(out, "%s%" PRIx64, i ? "," : "", list[i]);
	if (!list[0])
		fputc('-', out);
}

static void print_window(int number)
{
	uint64_t instructions[WORKERS] = {0}, lost = 0;

	for (unsigned id = 0; id < cpu_count; id++) {
		struct cpu *c = &cpus[id];
		if (c->window != number)
			continue;
		lost += c->lost;
		for (int w = 0; w < WORKERS; w++)
			instructions[w] += c->instructions[w];
		for (int i = 0; i < LOCK_SLOTS; i++)
			if (c->locks[i].pc)
				fprintf(out, "lock %" PRIu32 " %" PRIx64 " %" PRIu64 "\n", c->locks[i].worker, c->locks[i].pc, c->locks[i].times);
		for (int i = 0; i < SLOTS; i++) {
			struct touched *t = &c->lines[i];
			if (!t->used)
				continue;
			fprintf(out, "line %" PRIx64 " %" PRIu32 " %u wrote %" PRIu32 " touched %" PRIu32, t->line << LINE_BITS, t->worker, id, t->writes, t->touches);
			print_places("stores", t->stores);
			print_places("loads", t->loads);
			fputc('\n', out);
		}
	}
	for (int w = 0; w < WORKERS; w++)
		if (operations[w])
			fprintf(out, "worker %d operations %" PRIu64 " moved %" PRIu64 " instructions %" PRIu64 "\n",
				w, (uint64_t)operations[w], (uint64_t)moved[w], instructions[w]);
	print_code();
	fprintf(out, "window %d lost %" PRIu64 "\n", number, lost);
	fflush(out);
}

static void on_mark(unsigned id, void *data)
{
	unsigned code = (uintptr_t)data, worker = code % OPERATION_BEGIN;

	if (code == WINDOW_BEGIN) {
		for (int w = 0; w < WORKERS; w++)
			operations[w] = moved[w] = 0;
		window = windows++;
	} else if (code == WINDOW_END && window >= 0) {
		int number = window;
		window = -1;
		print_window(number);
	} else if (worker < WORKERS && code - worker == OPERATION_BEGIN) {
		cpus[id].operation = ++operations[worker];
		cpus[id].worker = worker;
	} else if (worker < WORKERS && code - worker == OPERATION_END) {
		if (cpus[id].worker != worker)
			moved[worker]++;
		for (unsigned other = 0; other < cpu_count; other++) {
			uint32_t expected = worker;
			atomic_compare_exchange_strong(&cpus[other].worker, &expected, NOBODY);
		}
	}
}

/* mark returns the code of an instruction that is a mark, and 0 for any other. */
static unsigned mark(const uint8_t *code, size_t length)
{
	static const uint8_t nop[4] = {0x0f, 0x1f, 0x84, 0x00};
	uint32_t displacement;

	if (length != 8 || memcmp(code, nop, sizeof nop))
		return 0;
	memcpy(&displacement, code + sizeof nop, sizeof displacement);
	return displacement >> 16 == MARK ? displacement & 0xffff : 0;
}

/*
 * is_locked says whether an instruction locks its memory operand: by the prefix LOCK, or as XCHG
 * with memory (Intel SDM vol. 2, "XCHG": the locking protocol is implemented with or without the
 * prefix). LOCK with a load of CR8 is AMD's and not used here.
 */
static bool is_locked(const uint8_t *code, size_t length)
{
	size_t i = 0;

	for (; i < length; i++)
		switch (code[i]) {
		case 0xf0:
			return true;
		case 0x26: case 0x2e: case 0x36: case 0x3e: case 0x64: case 0x65: case 0x66: case 0x67: case 0xf2: case 0xf3:
			continue;
		default:
			if ((code[i] & 0xf0) == 0x40) /* REX */
				continue;
			return i + 1 < length && (code[i] == 0x86 || code[i] == 0x87) && code[i + 1] >> 6 != 3;
		}
	return false;
}

static void on_translation(qemu_plugin_id_t id __attribute__((unused)), struct qemu_plugin_tb *tb)
{
	size_t n = qemu_plugin_tb_n_insns(tb);
	struct block *b = NULL;

	for (size_t i = 0; i < n; i++) {
		struct qemu_plugin_insn *insn = qemu_plugin_tb_get_insn(tb, i);
		uint64_t pc = qemu_plugin_insn_vaddr(insn);
		uint8_t bytes[15];
		size_t length = qemu_plugin_insn_data(insn, bytes, sizeof bytes);

		if (i == 0 && code) {
			b = new_block(n);
			qemu_plugin_register_vcpu_tb_exec_cb(tb, on_code, QEMU_PLUGIN_CB_NO_REGS, b);
		} else if (i == 0 && pc >> 63)
			qemu_plugin_register_vcpu_tb_exec_cb(tb, on_block, QEMU_PLUGIN_CB_NO_REGS, (void *)n);
		if (b)
			b->pcs[i] = pc;
		if (pc >> 63 == 0) {
			unsigned m = mark(bytes, length);
			if (m)
				qemu_plugin_register_vcpu_insn_exec_cb(insn, on_mark, QEMU_PLUGIN_CB_NO_REGS, (void *)(uintptr_t)m);
			continue;
		}
		if (is_locked(bytes, length))
			qemu_plugin_register_vcpu_insn_exec_cb(insn, on_locked, QEMU_PLUGIN_CB_NO_REGS, (void *)pc);
		qemu_plugin_register_vcpu_mem_cb(insn, on_access, QEMU_PLUGIN_CB_NO_REGS, QEMU_PLUGIN_MEM_RW, (void *)pc);
	}
}

EXPORT int qemu_plugin_install(qemu_plugin_id_t id, const qemu_info_t *info, int argc, char **argv)
{
	const char *name = NULL;

	for (int i = 0; i < argc; i++)
		if (strncmp(argv[i], "out=", 4) == 0)
			name = argv[i] + 4;
		else if (strcmp(argv[i], "code=on") == 0)
			code = true;
	if (!name || !info->system_emulation) {
		fprintf(stderr, "conflicts: usage: -plugin conflicts.so,out=FILE[,code=on], with an emulated system\n");
		return 1;
	}
	out = fopen(name, "w");
	if (!out) {
		perror(name);
		return 1;
	}
	cpu_count = info->system.max_vcpus;
	cpus = calloc(cpu_count, sizeof *cpus);
	if (!cpus)
		return 1;
	for (unsigned i = 0; i < cpu_count; i++) {
		cpus[i].worker = NOBODY;
		cpus[i].window = -1;
		cpus[i].lines = calloc(SLOTS, sizeof *cpus[i].lines);
		cpus[i].locks = calloc(LOCK_SLOTS, sizeof *cpus[i].locks);
		if (!cpus[i].lines || !cpus[i].locks)
			return 1;
	}
	qemu_plugin_register_vcpu_tb_trans_cb(id, on_translation);
	return 0;
}
