#!/usr/bin/env bash
# Opens gdb on a kernel in QEMU, with the commands of scripts/gdb/muster.py.
set -u

usage() {
	cat <<'TEXT'
usage: gdb.sh [--target ADDRESS] [--kernel FILE] [--start OPTIONS] [GDB-ARGUMENTS...]

  --target ADDRESS  of QEMU's gdb server (:1234)
  --kernel FILE     the kernel that runs (build/kernel.elf)
  --start OPTIONS   start a machine with these options of qemu-run.sh, and end it with gdb

scripts/qemu-run.sh --gdb, or --gdb-run, starts a machine that gdb connects to. If none
listens at the address, a machine is started that waits before its first instruction.
Its console goes to build/gdb.log.

In gdb:  muster cpus, muster threads, muster goroutines, muster bt GOROUTINE
TEXT
}

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
target=:1234 kernel=$root/build/kernel.elf start= options=
fail() { echo "gdb.sh: $*" >&2; exit 2; }
while (($#)); do
	case $1 in
	-h | --help) usage; exit 0 ;;
	--target | --kernel | --start)
		(($# >= 2)) || fail "$1 needs a value; --help explains"
		case $1 in
		--target) target=$2 ;;
		--kernel) kernel=$2 ;;
		--start) start=1 options=$2 ;;
		esac
		shift 2
		;;
	*) break ;;
	esac
done
command -v gdb >/dev/null || fail "gdb is not installed; scripts/setup.sh test installs it"
[[ -f $kernel ]] || fail "$kernel does not exist; make build, or make debug, makes it"

# listening reports whether something listens at the target.
listening() {
	if [[ $target == /* ]]; then
		[[ -S $target ]]
		return
	fi
	local host=${target%:*}
	(exec 3<>"/dev/tcp/${host:-localhost}/${target##*:}") 2>/dev/null
}

machine=
cleanup() { [[ $machine ]] && kill "$machine" 2>/dev/null && wait "$machine"; }
trap cleanup EXIT
if [[ $start ]] || ! listening; then
	[[ $target == :1234 ]] || fail "nothing listens at $target"
	[[ $start ]] && listening && fail "something listens at $target already"
	read -ra words <<<"$options"
	# In a session of its own: control-C at the terminal is for gdb, and would end QEMU.
	setsid "$root/scripts/qemu-run.sh" --boot pvh --timeout 0 --kernel "$kernel" --gdb ${words[@]+"${words[@]}"} </dev/null >"$root/build/gdb.log" 2>&1 &
	machine=$!
	echo "gdb.sh: the machine waits before its first instruction; its console is in build/gdb.log" >&2
elif [[ $target != /* ]]; then
	echo "gdb.sh: connecting to the machine that listens at $target; it serves one gdb at a time, so another one must end first" >&2
fi

# The scripts that the debug information names, Go's own among them, are for ordinary
# programs. Source files have names such as muster/kernel/main.go.
gdb -nx -iex 'set auto-load python-scripts off' -iex 'set auto-load safe-path /dev/null' \
	-ex 'set tcp connect-timeout 30' -ex "set substitute-path muster $root" -ex "source $root/scripts/gdb/muster.py" \
	-ex "target remote $target" "$@" "$kernel"
