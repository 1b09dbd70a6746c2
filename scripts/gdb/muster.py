"""Commands of gdb for a Muster kernel: CPUs, threads and goroutines.

    gdb -x scripts/gdb/muster.py build/kernel.elf

scripts/gdb.sh does that and connects. The commands read the kernel's memory by the names and
types of its debug information, so no offset stands here. Each walk over a list is bounded, and
memory that cannot be read is an error message: the kernel that is looked at may be broken.

Chapter: docs/15-debugging.md.
"""

import gdb

MOST = 4096  # steps of a walk, and rows of a listing


class Broken(Exception):
    """What a command looks for is not there, or makes no sense."""


def variable(name):
    """Returns a global variable, by its name in the debug information."""
    try:
        value = gdb.parse_and_eval("'%s'" % name)
        if value.type.code != gdb.TYPE_CODE_PTR:
            value.fetch_lazy()
        return value
    except gdb.MemoryError:
        raise Broken("no runtime yet: the kernel's memory is not mapped")
    except gdb.error as e:
        raise Broken("%s: %s" % (name, e))


def typed(name):
    """Returns a type, by its name in the debug information."""
    try:
        return gdb.lookup_type(name)
    except gdb.error as e:
        raise Broken(str(e))


def at(address, name):
    """Returns the object of a type at an address."""
    address = int(address)
    if address == 0:
        raise Broken("a %s at address 0" % name)
    value = gdb.Value(address).cast(typed(name).pointer()).dereference()
    try:
        value.fetch_lazy()
    except gdb.MemoryError:
        raise Broken("the %s at %#x cannot be read" % (name, address))
    return value


def atomic(value):
    """Returns the number in an atomic word of package atom, or of internal/runtime/atomic."""
    for field in ("v", "value"):
        if types_has(value, field):
            return int(value[field])
    return int(value)


def types_has(value, field):
    code = value.type.strip_typedefs().code
    return code == gdb.TYPE_CODE_STRUCT and any(f.name == field for f in value.type.strip_typedefs().fields())


def text(value, limit=64):
    """Returns the text in a Go string."""
    n = int(value["len"])
    if n < 0 or n > limit:
        raise Broken("a string of %d bytes" % n)
    if n == 0:
        return ""
    try:
        data = gdb.selected_inferior().read_memory(int(value["str"]), n)
    except gdb.MemoryError:
        raise Broken("a string at %#x cannot be read" % int(value["str"]))
    return bytes(data).decode("utf-8", "replace")


def array(value):
    """Returns the bytes of a Go array up to the first zero, as text."""
    low, high = value.type.range()
    raw = bytes(int(value[i]) & 0xFF for i in range(low, high + 1))
    return raw.split(b"\0")[0].decode("utf-8", "replace")


def function(pc):
    """Returns the name of the function whose text has an address, and the offset in it."""
    pc = int(pc)
    if pc == 0:
        return ""
    if pc < 1 << 63:
        return "%#x in ring 3" % pc
    words = gdb.execute("with print demangle off -- info symbol %#x" % pc, to_string=True).split(" in section")[0].strip()
    if words.startswith("No symbol"):
        return "%#x" % pc
    name, _, offset = words.partition(" + ")
    return "%s+%#x" % (name.removesuffix(".abi0"), int(offset or 0))


def callers(bp, most=24):
    """Returns the return addresses on a stack of the kernel, the innermost first.

    Each frame pointer leads to a record: the caller's frame pointer, the return address.
    """
    found = []
    word = typed("uint64").pointer()
    while len(found) < most and bp >= 1 << 63:
        try:
            record = gdb.Value(bp).cast(word)
            above, ip = int(record.dereference()), int((record + 1).dereference())
        except gdb.MemoryError:
            break
        if ip < 1 << 63:
            break
        found.append(ip)
        if above <= bp:  # a stack grows down
            break
        bp = above
    return found


def outside(addresses, *prefixes):
    """Returns the first function whose name has none of the prefixes.

    If all names have one, it is the first function whose name does not have the first prefix.
    """
    names = [function(a) for a in addresses]
    for known in (prefixes, prefixes[:1], ()):
        for name in names:
            if not name.startswith(known):
                return name
    return ""


def container(node, name, field):
    """Returns the object of a type that a node is a field of."""
    t = typed(name)
    for f in t.fields():
        if f.name == field:
            return at(int(node) - f.bitpos // 8, name)
    raise Broken("%s has no field %s" % (name, field))


def table(rows):
    """Prints rows as columns."""
    rows = [[str(x) for x in r] for r in rows]
    widths = [max(len(r[i]) for r in rows) for i in range(len(rows[0]))]
    for r in rows:
        print("  ".join(x.ljust(w) for x, w in zip(r, widths)).rstrip())


# CPUs


def blocks():
    """Returns the blocks of the CPUs that are registered, by number."""
    cpus = variable("muster/kernel/percpu.table")
    n, base = atomic(cpus["count"]), atomic(cpus["base"])
    if n == 0:
        raise Broken("no runtime yet: no CPU is registered")
    if n > MOST:
        raise Broken("%d CPUs: the table of CPUs is broken" % n)
    word = typed("uint64").pointer()
    return [at((gdb.Value(base).cast(word) + i).dereference(), "muster/kernel/percpu.CPU") for i in range(n)]


def register(name):
    try:
        return int(gdb.selected_frame().read_register(name)) & (1 << 64) - 1
    except (gdb.error, ValueError):
        return 0


class Kept:
    """Keeps the selected thread and frame of gdb."""

    def __enter__(self):
        self.thread = gdb.selected_thread()
        try:
            self.frame = gdb.selected_frame()
        except gdb.error:
            self.frame = None

    def __exit__(self, *_):
        if self.thread and self.thread.is_valid():
            self.thread.switch()
        if self.frame and self.frame.is_valid():
            self.frame.select()


def positions():
    """Returns the number of gdb's thread and the instruction of each CPU, by its block.

    GS base has the address of the block in the core, and the hidden GS base in ring 3.
    """
    found = {}
    with Kept():
        for t in gdb.selected_inferior().threads():
            t.switch()
            gdb.newest_frame().select()
            for name in ("k_gs_base", "gs_base"):
                base = register(name)
                if base >= 1 << 63:
                    found[base] = (t.num, register("rip"))
    return found


STATES = ["offline", "booting", "ready", "online"]  # kernel/percpu/handshake.go


def named(list_, n):
    return list_[n] if 0 <= n < len(list_) else "state %d" % n


def owner(c):
    """Returns what a CPU runs, in words."""
    if int(c["Current"]) == 0:
        return "none"
    t = at(c["Current"], "muster/kernel/sched.Thread")
    return "%d %s" % (int(t["ID"]), array(t["Name"]))


def cpus():
    where = positions()
    rows = [("CPU", "APIC", "STATE", "THREAD", "QUEUED", "TICKS", "SWITCHES", "INTERRUPTS", "GDB", "AT")]
    for c in blocks():
        queued, interrupts = "", ""
        if int(c["Sched"]):
            queued = atomic(at(c["Sched"], "muster/kernel/sched.runQueue")["count"])
        if int(c["Counts"]):
            counts = gdb.Value(int(c["Counts"])).cast(typed("uint64").array(255).pointer()).dereference()
            interrupts = sum(int(counts[i]) for i in range(32, 256))
        num, pc = where.get(int(c["self"]), ("", 0))
        rows.append((int(c["ID"]), int(c["Processor"]["APICID"]), named(STATES, atomic(c["State"])), owner(c), queued,
                     atomic(c["Ticks"]), atomic(c["Switches"]), interrupts, num, function(pc)))
    table(rows)


# Threads


def tree(root):
    """Returns the nodes of a tree of package tree, in order."""
    nodes, path, node = [], [], int(root)
    while path or node:
        if len(nodes) > MOST or len(path) > 64:
            raise Broken("the tree at %#x has no end" % int(root))
        if node:
            path.append(at(node, "muster/kernel/tree.Node"))
            node = int(path[-1]["Left"])
            continue
        last = path.pop()
        nodes.append(int(last.address))
        node = int(last["Right"])
    return nodes


THREAD_STATES = ["running", "parked", "ready", "dead", "new"]  # kernel/sched/thread.go


def threads():
    tasks = variable("muster/kernel/linux.tasks")
    nodes = tree(tasks["tree"]["Root"])
    if not nodes:
        raise Broken("no runtime yet: no thread has been made")
    rows = [("ID", "PROCESS", "NAME", "CPU", "STATE", "SWITCHES", "WAITS IN")]
    for n in nodes:
        task = container(n, "muster/kernel/linux.Task", "idNode")
        t = task["Thread"]
        process = at(task["proc"], "muster/kernel/linux.Process")
        state = named(THREAD_STATES, atomic(t["state"]))
        waits = ""
        if state in ("parked", "ready"):
            # kernel/sched/sched_amd64.s pushes BP below the return address before it stores SP.
            waits = outside(callers(int(t["sp"])), "muster/kernel/sched.")
        rows.append((int(t["ID"]), int(process["ID"]), array(t["Name"]), atomic(t["cpu"]), state, atomic(t["Switches"]), waits))
    table(rows)


# Goroutines

# runtime/runtime2.go, _Gidle and so on. A GC adds 0x1000.
STATUSES = ["idle", "runnable", "running", "syscall", "waiting", "", "dead", "", "copystack", "preempted", "leaked", "dead"]
SCAN = 0x1000
RUNNING, SYSCALL, DEAD = 2, 3, 6


def goroutines_of():
    """Returns the runtime's list of all goroutines."""
    allgs = variable("runtime.allgs")
    n = int(allgs["len"])
    if n == 0:
        raise Broken("no runtime yet: there is no goroutine")
    if n < 0 or n > 1 << 20:
        raise Broken("%d goroutines: runtime.allgs is broken" % n)
    for i in range(min(n, MOST)):
        try:
            address = int((allgs["array"] + i).dereference())
        except gdb.MemoryError:
            raise Broken("runtime.allgs at %#x cannot be read" % int(allgs["array"]))
        yield at(address, "runtime.g")
    if n > MOST:
        print("%d more goroutines are not shown" % (n - MOST))


def status(g):
    s = atomic(g["atomicstatus"])
    return s & ~SCAN, named(STATUSES, s & ~SCAN) + (" (scanned)" if s & SCAN else "")


def reason(g):
    n = int(g["waitreason"])
    reasons = variable("runtime.waitReasonStrings")
    low, high = reasons.type.range()
    return text(reasons[n]) if low <= n <= high else "reason %d" % n


def position(g, state):
    """Returns the saved instruction, stack and frame pointers of a goroutine that does not run."""
    if state == SYSCALL and int(g["syscallsp"]):
        return int(g["syscallpc"]), int(g["syscallsp"]), int(g["syscallbp"])
    return int(g["sched"]["pc"]), int(g["sched"]["sp"]), int(g["sched"]["bp"])


def thread_of(g):
    """Returns the number of the thread that runs a goroutine, 0 for none."""
    return int(at(g["m"], "runtime.m")["procid"]) if int(g["m"]) else 0


def goroutines():
    rows = [("G", "STATUS", "REASON", "THREAD", "AT", "STARTED AS")]
    for g in goroutines_of():
        state, words = status(g)
        if state == DEAD or words == "dead":
            continue
        where = ""
        if state != RUNNING:
            pc, _, bp = position(g, state)
            where = outside([pc] + callers(bp), "runtime.gopark", "runtime.", "internal/", "sync.", "syscall.", "time.", "os.")
        rows.append((int(g["goid"]), words, reason(g) if words.startswith("waiting") else "", thread_of(g) or "", where,
                     function(g["startpc"])))
    table(rows)


def backtrace(number):
    for g in goroutines_of():
        if int(g["goid"]) == number:
            break
    else:
        raise Broken("there is no goroutine %d" % number)
    state, words = status(g)
    if words == "dead":
        raise Broken("goroutine %d has ended" % number)
    if state == RUNNING:
        id_ = thread_of(g)
        for c in blocks():
            if int(c["ThreadID"]) == id_:
                num = positions().get(int(c["self"]), ("?", 0))[0]
                raise Broken("goroutine %d runs in thread %d on cpu %d: thread %s, then bt" % (number, id_, int(c["ID"]), num))
        raise Broken("goroutine %d was running in thread %d, which has been preempted: muster threads" % (number, id_))
    pc, sp, bp = position(g, state)
    before = {name: register(name) for name in ("rip", "rsp", "rbp")}
    with Kept():
        gdb.newest_frame().select()
        try:
            for name, value in (("rsp", sp), ("rip", pc), ("rbp", bp)):
                gdb.execute("set $%s = %#x" % (name, value), to_string=True)
            print("goroutine %d, %s%s" % (number, words, ", " + reason(g) if words.startswith("waiting") else ""))
            gdb.execute("bt 40")
        finally:
            for name in ("rsp", "rip", "rbp"):
                gdb.execute("set $%s = %#x" % (name, before[name]), to_string=True)


# The commands


class Muster(gdb.Command):
    """Commands for a Muster kernel: muster cpus, threads, goroutines, bt GOROUTINE."""

    def __init__(self):
        super().__init__("muster", gdb.COMMAND_STATUS, prefix=True)

    def invoke(self, argument, _):
        raise gdb.GdbError("muster cpus | threads | goroutines | bt GOROUTINE")


class Listing(gdb.Command):
    """A command that shows something, and says why if it cannot."""

    def __init__(self, name, about, show, numbered=False):
        self.__doc__ = about
        self.show, self.numbered, self.name = show, numbered, name
        super().__init__("muster " + name, gdb.COMMAND_STATUS)

    def invoke(self, argument, _):
        words = argument.split()
        if self.numbered != (len(words) == 1) or self.numbered and not words[0].isdigit() or len(words) > 1:
            raise gdb.GdbError("muster %s%s" % (self.name, " GOROUTINE" if self.numbered else ""))
        if not gdb.selected_thread():
            raise gdb.GdbError("no kernel: connect with target remote :1234")
        try:
            self.show(*[int(w) for w in words])
        except Broken as e:
            raise gdb.GdbError(str(e))
        except gdb.MemoryError as e:
            raise gdb.GdbError("memory cannot be read: %s" % e)


Muster()
Listing("cpus", "Each CPU: state, current thread, queue, interrupts, gdb's thread, instruction.", cpus)
Listing("threads", "All threads, and the function in which a thread waits.", threads)
Listing("goroutines", "The kernel's goroutines: status, reason, thread, place.", goroutines)
Listing("bt", "The stack of a goroutine that does not run.", backtrace, numbered=True)
