#!/usr/bin/env bash
# Boots Muster in Bochs: a second emulator of a PC, by other authors, and a stricter
# one.
set -u

usage() {
	cat <<'TEXT'
usage: bochs-run.sh [--cpus N] [--mem MB] [--model M] [--append STR] [--run 'CMD; CMD'] [--module FILE] [--timeout S]

Boots the kernel from an ISO image, by BIOS and GRUB. What the guest prints on its
serial port is printed here when the machine has gone off. Defaults: 4 CPUs,
256 MB, corei7_skylake_x, --run uptime, 300 s. bochs --help cpu lists the models.
--module gives the kernel a program, which the shell's command app runs.

Exit status: 0 if the machine went off by itself, 124 if the time ran out, 125 if
Bochs ended otherwise or is not installed, 2 for a wrong option.
TEXT
}

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
say() { echo "bochs-run.sh: $*" >&2; }
cpus=4 mem=256 model=corei7_skylake_x append= run=uptime module= timeout=300
while (($#)); do
	case $1 in -h | --help) usage; exit 0 ;; esac
	(($# >= 2)) || { say "$1 needs a value; --help explains"; exit 2; }
	case $1 in
	--cpus) cpus=$2 ;;
	--mem) mem=$2 ;;
	--model) model=$2 ;;
	--append) append+=" $2" ;;
	--run) run=$2 ;;
	--module) module=$2 ;;
	--timeout) timeout=$2 ;;
	*) say "unknown option $1; --help lists them"; exit 2 ;;
	esac
	shift 2
done
slow=${MUSTER_SLOW:-1} # how many times slower this host is, as in qemu-run.sh
[[ $cpus:$mem:$timeout:$slow =~ ^[1-9][0-9]{0,8}(:[1-9][0-9]{0,8}){3}$ ]] || { say "--cpus, --mem, --timeout and MUSTER_SLOW take numbers from 1 on"; exit 2; }
timeout=$((timeout * slow))
for f in /usr/share/bochs/BIOS-bochs-latest /usr/share/bochs/VGABIOS-lgpl-latest; do
	[[ -f $f ]] || { say "$f is missing; scripts/setup.sh test installs Bochs"; exit 125; }
done
command -v bochs >/dev/null || { say "bochs is not installed; scripts/setup.sh test installs it"; exit 125; }

tmp=$(mktemp -d) || exit 125
trap 'rm -rf "$tmp"' EXIT
quoted=${run//\\/\\\\}
quoted=${quoted//\"/\\\"}
# Bochs runs its CPUs in turn, on one CPU of the host. Its screen on a terminal has no mode
# with pixels.
GRUB_MODE=text "$root/scripts/mkiso.sh" "$tmp/run.iso" "$root/build/kernel.elf" "deadline-scale=$((cpus * 2 * slow))$append run=\"$quoted; poweroff\"" "$module" >"$tmp/iso.log" 2>&1 ||
	{ cat "$tmp/iso.log" >&2; exit 125; }
# Bochs lacks IA32_MISC_ENABLE, IA32_DEBUGCTL and the registers of machine checks (here with no
# bank), which every Intel CPU with long mode has. Each
# line has address, type, value at reset, bits that must not change, and bits that are
# ignored; the last three are two halves each.
cat >"$tmp/msrs" <<MSRS
0x1a0 0 00000000 00000001 00000000 00000000 00000000 00000000
0x1d9 0 00000000 00000000 00000000 00000000 00000000 00000000
0x179 0 00000000 00000000 ffffffff ffffffff 00000000 00000000
0x17a 0 00000000 00000000 00000000 00000000 00000000 00000000
MSRS
cat >"$tmp/bochsrc" <<CONFIG
config_interface: textconfig
display_library: term
romimage: file=/usr/share/bochs/BIOS-bochs-latest
vgaromimage: file=/usr/share/bochs/VGABIOS-lgpl-latest
cpu: model=$model, count=$cpus, ips=50000000, reset_on_triple_fault=0, ignore_bad_msrs=0, msrs=$tmp/msrs
memory: guest=$mem, host=$mem
boot: cdrom
ata0: enabled=1, ioaddr1=0x1f0, ioaddr2=0x3f0, irq=14
ata0-master: type=cdrom, path=$tmp/run.iso, status=inserted
com1: enabled=1, mode=file, dev=$tmp/serial.log
pci: enabled=1, chipset=i440fx
clock: sync=none, time0=local
sound: waveoutdrv=dummy
log: $tmp/bochs.log
panic: action=fatal
error: action=report
info: action=ignore
debug: action=ignore
CONFIG
# Its debugger waits for the command c, and its screen needs a terminal.
echo c | TERM=xterm timeout -k 5 "$timeout" script -qec "bochs -q -f $tmp/bochsrc" /dev/null >"$tmp/screen" 2>&1
code=$?
cat "$tmp/serial.log" 2>/dev/null
[[ $code == 124 || $code == 137 ]] && { say "no end within $timeout s"; exit 124; }
grep -q 'ACPI control: soft power off' "$tmp/bochs.log" && exit 0
say "Bochs ended:"
grep -E '>>PANIC<<|ERROR' "$tmp/bochs.log" | tail -5 >&2
exit 125
