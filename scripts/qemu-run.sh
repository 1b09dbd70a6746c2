#!/usr/bin/env bash
# Boots Muster in QEMU. What the guest prints on its serial port is printed here,
# verbatim; what is typed here goes to the guest.
set -u

usage() {
	cat <<'TEXT'
usage: qemu-run.sh [OPTIONS] [--app FILE [ARGS...]]

  --cpus N          CPUs (4)
  --mem MB          RAM (256)
  --boot HOW        bios or uefi: GRUB from the ISO image; pvh: QEMU's -kernel (bios)
  --media KIND      cd or usb: what the ISO image is written to (cd)
  --accel A         tcg, kvm, or auto: KVM if a boot under it has worked here (auto)
  --machine M       QEMU's machine (q35)
  --cpu MODEL       QEMU's CPU model (max; host under KVM)
  --kernel FILE     another kernel (build/kernel.elf)
  --append STR      more words for the kernel command line; may be repeated
  --run 'CMD; CMD'  shell commands to run unattended; then the machine goes off
  --timeout S       seconds until the machine is taken for stuck, 0 for no limit (60)
  --icount          count instructions: one CPU, one nanosecond an instruction
  --gdb             wait for gdb on port 1234 before the first instruction
  --env K=V         a variable for the program; may be repeated
  --qemu 'ARGS'     more arguments for QEMU; may be repeated
  --app FILE ARGS   run a static Linux program in ring 3; all that follows FILE is its

Exit status: the program's own, or 127 if FILE is not a program that can run here, and
the error message says why; with --run 0 if all commands succeeded and 1 if one failed;
124 if the time ran out; 125 if the kernel panicked or did not boot; 130 after Ctrl-C
in an unattended run; 2 for a wrong option.

$QEMU names another QEMU, $OVMF another UEFI firmware; $MUSTER_SLOW, a whole number,
multiplies the limits, for a host that is so many times slow.
TEXT
}

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
fail() { echo "qemu-run.sh: $*" >&2; exit 2; }
unfit() { echo "qemu-run.sh: --app $app not started: $*" >&2; exit 127; }
broken() { echo "qemu-run.sh: $*" >&2; exit 125; }

cpus=4 mem=256 boot=bios media=cd accel=auto machine=q35 cpu= kernel=$root/build/kernel.elf
append= run= hasrun= timeout=60 icount= gdb= app= cpusgiven=
env=() extra=() appargs=()

number() { [[ $2 =~ ^(0|[1-9][0-9]{0,8})$ ]] && (($2 >= $3 && $2 <= $4)) || fail "$1 $2: not a number from $3 to $4"; }
oneof() { # option, value, allowed...
	local o=$1 v=$2 w
	shift 2
	for w in "$@"; do [[ $v == "$w" ]] && return; done
	fail "$o $v: not one of: $*"
}

while (($#)); do
	option=$1
	case $option in
	--icount) icount=1; shift; continue ;;
	--gdb) gdb=1; shift; continue ;;
	-h | --help) usage; exit 0 ;;
	--cpus | --smp | --mem | --boot | --media | --accel | --machine | --cpu | --kernel | --append | --run | --timeout | --env | --qemu | --app)
		(($# >= 2)) || fail "$option needs a value; --help explains" ;;
	*) fail "unknown option $option; --help lists them" ;;
	esac
	value=$2
	shift 2
	case $option in
	--cpus | --smp) number --cpus "$value" 1 4096; cpus=$value cpusgiven=1 ;;
	--mem) number --mem "$value" 1 4194304; mem=$value ;;
	--boot) oneof --boot "$value" bios uefi pvh; boot=$value ;;
	--media) oneof --media "$value" cd usb; media=$value ;;
	--accel) oneof --accel "$value" auto tcg kvm; accel=$value ;;
	--machine) machine=$value ;;
	--cpu) cpu=$value ;;
	--kernel) kernel=$value ;;
	--append) append+=" $value" ;;
	--run) run=$value hasrun=1 ;;
	--timeout) number --timeout "$value" 0 1000000; timeout=$value ;;
	--env) [[ $value == ?*=* ]] || fail "--env $value: not NAME=value"; env+=("$value") ;;
	--qemu) read -ra words <<<"$value"; extra+=("${words[@]}") ;;
	--app) [[ $value ]] || fail "--app: the name of the file is empty"; app=$value; appargs=("$@"); break ;;
	esac
done

slow=${MUSTER_SLOW:-1}
number MUSTER_SLOW "$slow" 1 1000
timeout=$((timeout * slow))
qemu=${QEMU:-qemu-system-x86_64}
command -v "$qemu" >/dev/null || broken "$qemu is not installed; make setup installs it"
[[ -f $kernel ]] || broken "$kernel does not exist; make build makes it"
[[ -z $app || -e $app ]] || fail "--app $app: no such file"
[[ -z $app || -f $app && -r $app ]] || fail "--app $app: not a file that can be read"
[[ -z $app || -z $hasrun ]] || fail "--app and --run exclude each other"
if [[ $app ]]; then # the cases in which no kernel runs to report them; it reports all others
	bytes=$(stat -Lc %s -- "$app")
	((bytes > 0)) || unfit "the file is empty; give a static Linux program for x86-64"
	((bytes < mem << 20)) || unfit "the file has $(((bytes + (1 << 20) - 1) >> 20)) MiB and the machine $mem MiB of memory; --mem gives it more"
fi
if [[ $icount ]]; then
	[[ -z $cpusgiven || $cpus == 1 ]] || fail "--icount counts one CPU's instructions: --cpus 1"
	[[ $accel != kvm ]] || fail "--icount needs an emulated CPU: --accel tcg"
	cpus=1 accel=tcg slow=1 # the guest's clock counts instructions, on any host
fi

tmp=$(mktemp -d) || exit 125
tty= machinepid=
[[ -t 0 ]] && tty=$(stty -g)
cleanup() {
	[[ $machinepid ]] && kill "$machinepid" 2>/dev/null && wait "$machinepid"
	rm -rf "$tmp"
	[[ $tty ]] && stty "$tty" 2>/dev/null
}
trap cleanup EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

# KVM may exist and still be unable to run a kernel. It is used after a real boot
# under it has succeeded, once for this kernel of the host and this QEMU.
kvm_works() {
	[[ -r /dev/kvm && -w /dev/kvm ]] || return 1
	local cache=${XDG_CACHE_HOME:-${HOME:-/tmp}/.cache}/muster key answer=no
	key=$cache/kvm-$( (uname -srv; "$qemu" --version; grep -m1 'model name' /proc/cpuinfo) 2>/dev/null | cksum | tr ' ' -)
	if [[ ! -s $key ]]; then
		echo "qemu-run.sh: trying KVM once, at most $((10 * slow)) s" >&2
		{
			timeout -k 1 $((10 * slow)) "$qemu" -accel kvm -cpu host -m 128 -smp 1 -nodefaults -display none -serial none -no-reboot \
				-device isa-debug-exit,iobase=0xf4,iosize=4 -debugcon "file:$tmp/kvm" -kernel "$kernel" -append 'run=uptime' </dev/null
		} >/dev/null 2>&1
		[[ $? == 33 && $(cat "$tmp/kvm" 2>/dev/null) == 0 ]] && answer=yes
		mkdir -p "$cache" && printf '%s\n' "$answer" >"$key"
	fi
	[[ $(cat "$key" 2>/dev/null || printf '%s\n' "$answer") == yes ]]
}
if [[ $accel == auto ]]; then
	accel=tcg
	kvm_works && accel=kvm
fi

# percent VALUE: encodes what a word of the kernel command line cannot hold.
percent() {
	local LC_ALL=C s=$1 out= c i
	for ((i = 0; i < ${#s}; i++)); do
		c=${s:i:1}
		case $c in
		[a-zA-Z0-9_./:,+=@^\$\|\(\)*?-]) out+=$c ;;
		*) printf -v c %%%02X "'$c"; out+=${c/%FFFFFFFFFFFFFF/%} ;;
		esac
	done
	printf '%s\n' "$out" # echo would take -n, -e and -E for its own options
}

line=${append# }
hostcpus=$(getconf _NPROCESSORS_ONLN)
scale=$(((cpus + hostcpus - 1) / hostcpus * slow))
[[ $accel == tcg && $scale -gt 1 && " $line" != *" deadline-scale="* ]] && line+=" deadline-scale=$scale"
[[ $icount ]] && line+=' icount'
if [[ $hasrun ]]; then
	quoted=${run//\\/\\\\}
	line+=" run=\"${quoted//\"/\\\"}\""
fi
if [[ $app ]]; then
	line+=" app=$(percent "$(basename -- "$app")")"
	for a in ${appargs[@]+"${appargs[@]}"}; do line+=" arg=$(percent "$a")"; done
	for e in ${env[@]+"${env[@]}"}; do line+=" env=$(percent "$e")"; done
fi
line=${line# }

args=(-m "$mem" -smp "$cpus" -machine "$machine" -nodefaults -display none
	-device isa-debug-exit,iobase=0xf4,iosize=4 -debugcon "file:$tmp/status")
if [[ $accel == kvm ]]; then
	args+=(-accel kvm -cpu "${cpu:-host}")
elif [[ $icount ]]; then
	# QEMU 10 cannot count across an access to an x2APIC's timer ("Bad icount read").
	args+=(-accel tcg -icount shift=0,sleep=off -cpu "${cpu:-max,-x2apic}")
else
	args+=(-accel tcg,thread=multi -cpu "${cpu:-max}")
fi

if [[ $boot == pvh ]]; then
	args+=(-kernel "$kernel" -append "$line")
	[[ $app ]] && args+=(-initrd "$app")
else
	iso=$root/build/muster.iso
	if [[ $app ]]; then
		iso=$tmp/run.iso
		"$root/scripts/mkiso.sh" "$iso" "$kernel" "$line" "$app" || broken "the ISO image could not be made"
	elif [[ $line || ${GRUB_BEFORE:-} || $kernel != "$root/build/kernel.elf" ]]; then
		# The last few images are kept: the same kernel with the same line comes again.
		images=$root/build/images
		mkdir -p "$images" || exit 125
		iso=$images/$({ stat -c '%n %Y %s' "$kernel" "$root/scripts/mkiso.sh"; printf '%s\n' "$line" "${GRUB_BEFORE:-}"; } | cksum | tr ' ' -).iso
		if [[ ! -f $iso ]]; then
			"$root/scripts/mkiso.sh" "$tmp/run.iso" "$kernel" "$line" || broken "the ISO image could not be made"
			mv "$tmp/run.iso" "$iso"
			find "$images" -name '*.iso' -printf '%T@ %p\n' | sort -rn | tail -n +9 | cut -d' ' -f2- | tr '\n' '\0' | xargs -0 -r rm -f
		fi
	fi
	[[ -f $iso ]] || broken "$iso does not exist; make iso makes it"
	if [[ $media == usb ]]; then
		args+=(-device qemu-xhci -drive "if=none,id=stick,format=raw,file=${iso//,/,,},snapshot=on" -device usb-storage,drive=stick,bootindex=0)
	else
		args+=(-cdrom "$iso")
	fi
	if [[ $boot == uefi ]]; then
		firmware=${OVMF:-}
		for f in /usr/share/ovmf/OVMF.fd /usr/share/qemu/OVMF.fd /usr/share/edk2/x64/OVMF.4m.fd; do
			[[ $firmware ]] || { [[ -f $f ]] && firmware=$f; }
		done
		[[ $firmware ]] || broken "no UEFI firmware found; make setup installs package ovmf, or set OVMF"
		args+=(-bios "$firmware")
	fi
fi

# At a terminal QEMU's own keys work too: Ctrl-A X ends the machine. There Ctrl-C goes
# to the guest. In an unattended run no program in the guest reads it, and it ends QEMU.
if [[ -t 0 && ! $hasrun && ! $app ]]; then
	args+=(-serial mon:stdio)
elif [[ -t 0 ]]; then
	args+=(-chardev stdio,id=console,signal=on -serial chardev:console)
else
	args+=(-chardev stdio,id=console,signal=off -serial chardev:console)
fi
# Unattended, a reset is an end: a kernel that cannot boot would restart again and again.
[[ $hasrun || $app || ! -t 0 ]] && args+=(-no-reboot)
if [[ $gdb ]]; then
	args+=(-s -S)
	echo "qemu-run.sh: waiting for: gdb $kernel -ex 'target remote :1234'" >&2
fi

if [[ ! -t 0 && ! $hasrun && ! $app && $timeout == 0 ]]; then
	echo "qemu-run.sh: standard input is not a terminal: the shell reads commands from it and then runs on; --run ends by itself" >&2
fi

# In the background, so that a signal to this script is acted on at once.
timeout --foreground -k $((5 * slow)) "$timeout" "$qemu" "${args[@]}" ${extra[@]+"${extra[@]}"} <&0 &
machinepid=$!
wait "$machinepid"
code=$?
machinepid=
status=$(tail -n 1 "$tmp/status" 2>/dev/null)
case $code in
33) [[ $status =~ ^[0-9]+$ ]] && exit "$status" ;;
124 | 137)
	echo "qemu-run.sh: no end within $timeout s" >&2
	exit 124
	;;
0) # the guest went off, the user ended QEMU, or the guest reset
	[[ $status =~ ^[0-9]+$ ]] && exit "$status"
	[[ $hasrun || $app ]] || exit 0
	echo "qemu-run.sh: the guest reset without a status" >&2
	;;
125) ;;
*) echo "qemu-run.sh: QEMU ended with status $code" >&2 ;;
esac
exit 125
