#!/usr/bin/env bash
# Boots Muster in QEMU. What the guest prints on its serial port is printed here,
# verbatim; what is typed here goes to the guest. With --app, standard input and output
# are those of the program in the guest.
set -u

usage() {
	cat <<'TEXT'
usage: qemu-run.sh [OPTIONS] [--app FILE [ARGS...]]

  --cpus N          CPUs (4)
  --mem MB          RAM (256), at least 64
  --boot HOW        bios or uefi: GRUB from the ISO image; pvh: QEMU's -kernel (bios)
  --media KIND      what the ISO image is on: cd, usb (USB 3), usb2, ahci, nvme or virtio (cd)
  --menu            GRUB shows its menu for 3 s before it boots; otherwise it boots at once
  --image FILE      boot this image, which mkiso.sh made; its command line is its own
  --console PORT    the serial port of the console: com1 to com4, or none (com1)
  --accel A         tcg, kvm, or auto: KVM if a boot under it has worked here (auto)
  --machine M       QEMU's machine (q35)
  --cpu MODEL       QEMU's CPU model (max; host under KVM)
  --kernel FILE     another kernel (build/kernel.elf)
  --append STR      more words for the kernel command line; may be repeated
  --run 'CMD; CMD'  shell commands to run unattended; then the machine goes off
  --timeout S       seconds until the machine is taken for stuck, 0 for no limit (60)
  --icount          count instructions: one CPU, one nanosecond an instruction
  --gdb             wait for gdb on port 1234 before the first instruction
  --gdb-run         gdb may connect to port 1234 at any time; make gdb does
  --env K=V         a variable for the program; may be repeated
  --qemu 'ARGS'     more arguments for QEMU; may be repeated
  --log FILE        with --app: the kernel's log goes to FILE
  --app FILE ARGS   run a static Linux program in ring 3; all that follows FILE is its

With --app, standard output is what the program writes to descriptor 1, byte by byte, and
the program reads standard input, to its end: in a loop such as 'while read' give the script
</dev/null, or it takes the input of the loop. Standard error is the kernel's log with what
the program writes to descriptor 2; with --log it is the program's alone. Control-C, or
SIGINT to this script, is SIGINT to the program, and the second one ends the machine.
Before the program runs, the first one ends the machine. Control-backslash is SIGQUIT in the same way.
When the reader of standard output has gone, the program gets SIGPIPE.

Exit status: the program's own, or 127 if FILE is not a program that can run here, and
the error message says why; with --run 0 if all commands succeeded and 1 if one failed;
124 if the time ran out; 125 if the kernel panicked or did not boot; 130 after Ctrl-C
in an unattended run; 2 for a wrong option.

$QEMU names another QEMU, $OVMF another UEFI firmware, $KVM another device than /dev/kvm; $MUSTER_SLOW, a whole number,
multiplies the limits, for a host that is so many times slow.
TEXT
}

# The longest kernel command line: QEMU's loader for -kernel has 4,096 bytes for it, with a zero at its end. GRUB
# takes more, but its time grows with the square of the length, and 12,000 bytes take minutes.
pvhlimit=4095 grublimit=8191

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
fail() { echo "qemu-run.sh: $*" >&2; exit 2; }
unfit() { echo "qemu-run.sh: --app $app not started: $*" >&2; exit 127; }
broken() { echo "qemu-run.sh: $*" >&2; exit 125; }

cpus=4 mem=256 boot=bios media=cd menu= image= console=com1 accel=auto machine=q35 cpu= kernel=$root/build/kernel.elf
append= run= hasrun= timeout=60 icount= gdb= app= cpusgiven= log=
env=() extra=() appargs=()

number() { [[ $2 =~ ^(0|[1-9][0-9]{0,8})$ ]] && (($2 >= $3 && $2 <= $4)) || fail "$1 $2: not a number from $3 to $4"; }
oneof() { # option, value, allowed...
	local o=$1 v=$2 w
	shift 2
	for w in "$@"; do [[ $v == "$w" ]] && return; done
	fail "$o $v: not one of: $*"
}

# A closed stream would be taken by the next file that is opened here.
[[ -e /dev/fd/0 ]] || exec </dev/null
[[ -e /dev/fd/1 ]] || exec >/dev/null
[[ -e /dev/fd/2 ]] || exec 2>/dev/null

while (($#)); do
	option=$1
	case $option in
	--icount) icount=1; shift; continue ;;
	--menu) menu=--menu; shift; continue ;;
	--gdb) gdb='-s -S'; shift; continue ;;
	--gdb-run) gdb=-s; shift; continue ;;
	-h | --help) usage; exit 0 ;;
	--cpus | --smp | --mem | --boot | --media | --image | --console | --accel | --machine | --cpu | --kernel | --append | --run | --timeout | --env | --qemu | --log | --app)
		(($# >= 2)) || fail "$option needs a value; --help explains" ;;
	*) fail "unknown option $option; --help lists them" ;;
	esac
	value=$2
	shift 2
	case $option in
	--cpus | --smp) number --cpus "$value" 1 4096; cpus=$value cpusgiven=1 ;;
	--mem) number --mem "$value" 64 4194304; mem=$value ;;
	--boot) oneof --boot "$value" bios uefi pvh; boot=$value ;;
	--media) oneof --media "$value" cd usb usb2 ahci nvme virtio; media=$value ;;
	--image) [[ -f $value ]] || fail "--image $value: no such file"; image=$value ;;
	--console) oneof --console "$value" com1 com2 com3 com4 none; console=$value ;;
	--accel) oneof --accel "$value" auto tcg kvm; accel=$value ;;
	--machine) machine=$value ;;
	--cpu) cpu=$value ;;
	--kernel) kernel=$value ;;
	--append) append+=" $value" ;;
	--run) run=$value hasrun=1 ;;
	--timeout) number --timeout "$value" 0 1000000; timeout=$value ;;
	--env) [[ $value == ?*=* ]] || fail "--env $value: not NAME=value"; env+=("$value") ;;
	--log) [[ $value ]] || fail "--log: the name of the file is empty"; log=$value ;;
	--qemu) read -ra words <<<"$value"; extra+=("${words[@]}") ;;
	--app) [[ $value ]] || fail "--app: the name of the file is empty"; app=$value; appargs=("$@"); break ;;
	esac
done

slow=${MUSTER_SLOW:-1}
number MUSTER_SLOW "$slow" 1 1000
timeout=$((timeout * slow))
qemu=${QEMU:-qemu-system-x86_64}
command -v "$qemu" >/dev/null || broken "$qemu is not installed; make setup installs it"
[[ -f $kernel ]] || broken "$kernel does not exist; make build makes build/kernel.elf"
[[ -z $menu || $boot != pvh ]] || fail "--menu is GRUB's: --boot bios or uefi"
[[ -z $image || $boot != pvh ]] || fail "--image needs GRUB: --boot bios or uefi"
[[ -z $image || -z $append$app$menu && -z $hasrun ]] || fail "--image excludes --append, --run, --app and --menu: it has its own command line"
[[ $console == com1 || -z $app ]] || fail "--console and --app exclude each other: the program has ports of its own"
[[ -z $app || -e $app ]] || fail "--app $app: no such file"
[[ -z $app || ! -d $app ]] || fail "--app $app: a directory, not a program"
[[ -z $app || -f $app && -r $app ]] || fail "--app $app: not a file that can be read"
((${#env[@]} == 0)) || [[ $app ]] || fail "--env needs --app: without a program nothing reads it"
[[ -z $log || $app ]] || fail "--log needs --app: without a program the console is standard output"
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
tty= machinepid= feeder= helpers=()
[[ -t 0 ]] && tty=$(stty -g)
cleanup() {
	[[ $machinepid ]] && kill "$machinepid" 2>/dev/null && wait "$machinepid"
	[[ $feeder ]] && kill "$feeder" ${helpers[@]+"${helpers[@]}"} 2>/dev/null
	rm -rf "$tmp"
	[[ $tty ]] && stty "$tty" 2>/dev/null
}
trap cleanup EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

kvm=${KVM:-/dev/kvm}
opens() { [[ -e $1 ]] && { : <>"$1"; } 2>/dev/null; } # without -e, the shell would make the file
if [[ $accel == kvm ]] && ! opens "$kvm"; then
	[[ -e $kvm ]] && why="cannot be opened; a user of group kvm can, if the module is loaded" || why="does not exist: the host's CPU or firmware has virtualization off, or the module kvm_intel or kvm_amd is not loaded"
	fail "--accel kvm: $kvm $why; --accel tcg works everywhere"
fi

# KVM may exist and still be unable to run a kernel. It is used after a real boot
# under it has succeeded, once for this kernel of the host and this QEMU.
kvm_works() {
	opens "$kvm" || return 1
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
	# The ports are not at the addresses of COM1 and COM2, because some firmware prints there.
	line+=" stdio=0x3e8/3 control=0x2e8/7 crlf=off"
	[[ $log ]] && line+=' stderr=control'
fi
line=${line# }
# checkline: what is too long is named here, because the loaders are silent: QEMU's writes over its own memory, and GRUB
# takes minutes.
checkline() {
	local LC_ALL=C limit=$grublimit w most=0 what=
	[[ $boot == pvh ]] && limit=$pvhlimit
	((${#line} > limit)) || return
	for w in ${env[@]+"${env[@]}"}; do ((${#w} > most)) && most=${#w} what="--env ${w%%=*}"; done
	for w in ${appargs[@]+"${appargs[@]}"}; do ((${#w} > most)) && most=${#w} what="one argument of the program"; done
	append=${append# }
	((${#append} > most)) && most=${#append} what=--append
	((${#run} > most)) && most=${#run} what=--run
	fail "the kernel command line has ${#line} bytes, and --boot $boot passes on at most $limit; $what alone has $most"
}
checkline
if [[ $app ]]; then
	exec {logfd}>&2
	[[ -z $log ]] || { exec {logfd}>"$log"; } 2>/dev/null || fail "--log $log: cannot be written"
fi

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
	if [[ $image ]]; then
		iso=$image
	elif [[ $app ]]; then
		iso=$tmp/run.iso
		"$root/scripts/mkiso.sh" "$iso" "$kernel" "$line" "$app" || broken "the ISO image could not be made"
	elif [[ -z $menu || $line || ${GRUB_BEFORE:-}${GRUB_MODE:-} || $kernel != "$root/build/kernel.elf" ]]; then
		# The last few images are kept: the same kernel with the same line comes again.
		images=$root/build/images
		mkdir -p "$images" || exit 125
		iso=$images/$({ stat -c '%n %Y %s' "$kernel" "$root/scripts/mkiso.sh"; printf '%s\n' "$menu" "$line" "${GRUB_BEFORE:-}" "${GRUB_MODE:-}"; } | cksum | tr ' ' -).iso
		if ! touch -c "$iso" || [[ ! -f $iso ]]; then # the newest is the last that another run deletes
			"$root/scripts/mkiso.sh" $menu "$tmp/run.iso" "$kernel" "$line" || broken "the ISO image could not be made"
			mv "$tmp/run.iso" "$iso"
			find "$images" -name '*.iso' -printf '%T@ %p\n' | sort -rn | tail -n +13 | cut -d' ' -f2- | tr '\n' '\0' | xargs -0 -r rm -f
		fi
	fi
	[[ -f $iso ]] || broken "$iso does not exist; make iso makes it"
	# snapshot: the kernel does not write to the image, and nothing else may.
	[[ $media == cd ]] || args+=(-drive "if=none,id=stick,format=raw,file=${iso//,/,,},snapshot=on")
	case $media in
	cd) args+=(-cdrom "$iso") ;;
	usb) args+=(-device qemu-xhci -device usb-storage,drive=stick,bootindex=0) ;;
	usb2) args+=(-device usb-ehci,id=ehci -device usb-storage,bus=ehci.0,drive=stick,bootindex=0) ;;
	ahci) args+=(-device ahci,id=ahci -device ide-hd,bus=ahci.0,drive=stick,bootindex=0) ;;
	nvme) args+=(-device nvme,serial=muster,drive=stick,bootindex=0) ;;
	virtio) args+=(-device virtio-blk-pci,drive=stick,bootindex=0) ;;
	esac
	if [[ $boot == uefi ]]; then
		firmware=${OVMF:-}
		for f in /usr/share/ovmf/OVMF.fd /usr/share/qemu/OVMF.fd /usr/share/edk2/x64/OVMF.4m.fd; do
			[[ $firmware ]] || { [[ -f $f ]] && firmware=$f; }
		done
		[[ $firmware ]] || broken "no UEFI firmware found; make setup installs package ovmf, or set OVMF"
		args+=(-bios "$firmware")
	fi
fi

# wire starts the processes between the guest's ports and the streams of this script.
# QEMU opens both ends of each pipe, so it never sees the end of one. The end of standard
# input is a word on the control port, with the number of bytes before it.
wire() {
	mkfifo "$tmp"/{console,stdio,control}.{in,out} "$tmp/go" || exit 125
	exec {a}<>"$tmp/console.out" {b}<>"$tmp/stdio.out" {c}<>"$tmp/control.out" {e}<>"$tmp/go"
	exec {d}<&0 # a command in the background has another standard input
	helper console.out cat >&"$1" &
	helpers+=($!)
	helper stdio.out output &
	helpers+=($!)
	helper control.out errors >&2 &
	helpers+=($!)
	helper go input >/dev/null 3<&"$d" &
	feeder=$!
	exec {d}<&-
}
# helper PIPE COMMAND runs a command that reads a pipe. It does not keep the pipes open, and
# the terminal's signals do not end it.
helper() {
	trap '' INT QUIT
	exec <"$tmp/$1" {a}>&- {b}>&- {c}>&- {e}>&- {d}<&-
	"$2"
}
# output prints what the program writes, and says when nothing reads that any more.
output() { cat || { word closed; exec cat >/dev/null; }; }
# errors waits until the kernel reads its ports, and prints what the program writes to
# descriptor 2.
errors() {
	read -r _ && echo >"$tmp/go"
	exec cat
}
# input feeds the program from descriptor 3.
input() {
	read -r _ || return
	: >"$tmp/ready"
	LC_ALL=C dd bs=65536 <&3 >"$tmp/stdio.in" 2>"$tmp/fed" &
	trap "kill $!" TERM
	wait $!
	local bytes
	{
		bytes=$(sed -n 's/^\([0-9]*\) bytes.*/\1/p' "$tmp/fed")
		[[ -p $tmp/control.in ]] && word "eof ${bytes:-0}"
	} 2>/dev/null # the machine may end at any moment, and the pipes with it
}
# word TEXT says something on the control port.
word() { printf '%s\n' "$1" 1<>"$tmp/control.in"; }

# onsignal WORD STATUS passes a signal on to the program, or ends the machine.
signals=0
onsignal() {
	((signals++ == 0)) && [[ -e $tmp/ready ]] && word "$1" && return
	exit "$2"
}

# chardev NAME is the option for a pipe of wire.
chardev() { args+=(-chardev "pipe,id=$1,path=${tmp//,/,,}/$1"); }

# consoleport connects the console's serial port.
consoleport() {
	local n=${console#com}
	args+=(-device "isa-serial,chardev=console,index=$((n - 1))")
}

# At a terminal QEMU's own keys work too: Ctrl-A X ends the machine. There Ctrl-C goes
# to the guest. In an unattended run no program in the guest reads it, and it ends QEMU.
if [[ $app ]]; then
	chardev console
	chardev stdio
	chardev control
	args+=(-serial chardev:console -device isa-serial,chardev=stdio,iobase=0x3e8,irq=3
		-device isa-serial,chardev=control,iobase=0x2e8,irq=7)
elif [[ $console == none ]]; then
	args+=(-serial none)
elif [[ -t 0 && ! $hasrun ]]; then
	args+=(-chardev stdio,id=console,mux=on,signal=off -mon console)
	consoleport
elif [[ -t 0 ]]; then
	args+=(-chardev stdio,id=console,signal=on)
	consoleport
else
	args+=(-chardev stdio,id=console,signal=off)
	consoleport
fi
# Unattended, a reset is an end: a kernel that cannot boot would restart again and again.
[[ $hasrun || $app || ! -t 0 ]] && args+=(-no-reboot)
if [[ $gdb ]]; then
	read -ra words <<<"$gdb"
	args+=("${words[@]}")
	[[ $gdb == -s ]] || echo "qemu-run.sh: waiting for: make gdb, or gdb $kernel -ex 'target remote :1234'" >&2
fi

if [[ ! -t 0 && ! $hasrun && ! $app && $timeout == 0 ]]; then
	echo "qemu-run.sh: standard input is not a terminal: the shell reads commands from it and then runs on; --run ends by itself" >&2
fi

# In the background, so that a signal to this script is acted on at once. With --app in a
# session of its own, so that the terminal's signals are this script's to pass on.
machine=(timeout --foreground -k $((5 * slow)) "$timeout" "$qemu" "${args[@]}" ${extra[@]+"${extra[@]}"})
if [[ $app ]]; then
	wire "$logfd"
	trap 'onsignal int 130' INT
	trap 'onsignal quit 131' QUIT
	setsid "${machine[@]}" </dev/null >&2 {a}>&- {b}>&- {c}>&- {e}>&- &
else
	"${machine[@]}" <&0 &
fi
machinepid=$!
before=-1
while ((before != signals)); do # a signal ends wait
	before=$signals
	wait "$machinepid"
	code=$?
done
machinepid=
if [[ $app ]]; then
	exec {a}>&- {b}>&- {c}>&- {e}>&-
	wait "${helpers[@]}" # until all is printed
	helpers=()
fi
status=$(tail -n 1 "$tmp/status" 2>/dev/null)
# finish ends with the guest's status. Why a program was not started is said here too, if
# the log goes to a file.
finish() {
	[[ $status == 127 && -f $log ]] && sed -n 's/^\[.*app: \(.* not started: .*\)/qemu-run.sh: \1/p' -- "$log" >&2
	exit "$status"
}
case $code in
33) [[ $status =~ ^[0-9]+$ ]] && finish ;;
124 | 137)
	echo "qemu-run.sh: no end within $timeout s" >&2
	exit 124
	;;
0) # the guest went off, the user ended QEMU, or the guest reset
	[[ $status =~ ^[0-9]+$ ]] && finish
	[[ $hasrun || $app ]] || exit 0
	echo "qemu-run.sh: the guest reset without a status" >&2
	;;
125) ;;
*)
	hint=
	[[ $accel == kvm ]] && hint="; it used KVM, and --accel tcg works everywhere"
	echo "qemu-run.sh: QEMU ended with status $code$hint" >&2
	;;
esac
[[ -z $log ]] || echo "qemu-run.sh: the kernel's log is in $log" >&2
exit 125
