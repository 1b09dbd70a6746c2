#!/usr/bin/env bash
# mkiso.sh [--menu] OUT KERNEL [COMMAND-LINE [MODULE]]: makes a bootable image.
#
# One hybrid image: a CD, or written to a USB stick, on BIOS and UEFI. GRUB loads the
# kernel by multiboot2: at once, or with --menu after a menu of 3 s.
# $GRUB_BEFORE: its commands before that, for tests; $GRUB_MODE: the screen's mode
# instead of the firmware's preferred one, as GRUB's gfxpayload.
# $PROGRAMS: static programs for the image, separated by spaces. With --menu the image has
# a FAT partition for the user's own.
#
# The same kernel and the same date give the same bytes. The date is $SOURCE_DATE_EPOCH,
# and without it the last commit's.
set -eu
menu=
[[ $1 != --menu ]] || { menu=1; shift; }
out=$1 kernel=$2 line=${3:-} module=${4:-}
export LC_ALL=C TZ=UTC SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git -C "$(dirname "$0")" log -1 --format=%ct 2>/dev/null)}
: "${SOURCE_DATE_EPOCH:=315532800}" # not a repository: the first day that FAT can express, in 1980
date=$(date -d "@$SOURCE_DATE_EPOCH" +%Y%m%d%H%M%S00)
tree=$(mktemp -d)
trap 'rm -rf "$tree"' EXIT
mkdir -p "$tree/files/boot/grub"
objcopy --strip-debug -- "$kernel" "$tree/files/boot/kernel.elf"
# split LINE: sets words, by the rules of kernel/cmdline: quotes keep spaces, a
# backslash keeps the next character.
split() {
	local s=$1 word= quote= open= c i
	words=()
	for ((i = 0; i < ${#s}; i++)); do
		c=${s:i:1}
		if [[ $c == \\ && $((i + 1)) -lt ${#s} ]]; then
			i=$((i + 1))
			word+=${s:i:1} open=1
		elif [[ $quote && $c == "$quote" ]]; then
			quote=
		elif [[ ! $quote && ($c == \" || $c == \') ]]; then
			quote=$c open=1
		elif [[ ! $quote && $c == [[:space:]] ]]; then
			[[ $open ]] && words+=("$word")
			word= open=
		else
			word+=$c open=1
		fi
	done
	[[ $open ]] && words+=("$word")
	return 0
}
split "$line"
# In GRUB's language a word in single quotes is taken literally; GRUB itself adds
# the backslashes that the kernel's rules need.
quoted=
for word in ${words[@]+"${words[@]}"}; do
	quoted+=" '${word//\'/\'\\\'\'}'"
done
# Programs for the shell's command run. Two with one name would hide one of them.
for program in ${PROGRAMS:-}; do
	mkdir -p "$tree/files/boot/programs"
	[[ ! -e $tree/files/boot/programs/$(basename -- "$program") ]] || { echo "mkiso.sh: PROGRAMS: two have the name $(basename -- "$program")" >&2; exit 1; }
	cp -- "$program" "$tree/files/boot/programs/"
done
# The function is global, so a user who edits an entry of the menu adds words after it.
function_muster() {
	echo 'function muster {'
	# Without these modules GRUB can set no mode with pixels, and on UEFI none at all. all_video would load its
	# drivers for certain devices too, which do not know the mode that the firmware prefers.
	printf '\tif [ "$grub_platform" = efi ]; then\n\t\tinsmod efi_gop\n\t\tinsmod efi_uga\n\telse\n\t\tinsmod vbe\n\tfi\n'
	[ -z "${GRUB_BEFORE:-}" ] || printf '\t%s\n' "$GRUB_BEFORE"
	printf '\tmultiboot2 /boot/kernel.elf%s "$@"\n' "$quoted"
	if [ -n "$module" ]; then
		cp -- "$module" "$tree/files/boot/module"
		echo '	module2 /boot/module'
	fi
	[[ -z $menu && -z ${PROGRAMS:-} ]] || echo '	programs'
	# The kernel's header makes GRUB set gfxpayload to auto; what is set after it counts.
	[ -z "${GRUB_MODE:-}" ] || printf '\tset gfxpayload=%s\n' "$GRUB_MODE"
	echo '}'
}
# function_programs writes the GRUB function that loads the programs of the image, and the
# programs and muster.cfg of the partition MUSTER on the same disk, as modules. The kernel
# reads muster.cfg: as a part of GRUB's configuration it could do anything. The partition
# is looked for by its label. Hidden files, such as those of macOS, do not match *.
function_programs() {
	cat <<'CFG'
insmod regexp
insmod part_gpt
insmod fat
function programs {
	for f in ($root)/boot/programs/*; do
		if [ -f "$f" ]; then
			regexp --set=1:name '([^/]*)$' "$f"
			module2 "$f" program "$name"
		fi
	done
	regexp --set=1:disk '^([^,]*)' "$root"
	if search --no-floppy --set=stick --label MUSTER --hint "$disk,gpt4"; then
		if [ -f "($stick)/muster.cfg" ]; then
			module2 "($stick)/muster.cfg" config
		fi
		for f in ($stick)/programs/*; do
			if [ -f "$f" ]; then
				regexp --set=1:name '([^/]*)$' "$f"
				module2 "$f" program "$name"
			fi
		done
	fi
}
CFG
}
# The menu and its keys are on the screen, and on the first serial port if there is one. UEFI
# firmware may read that port too, and takes some of the bytes: it hands printable ones on to
# GRUB and no control characters, and it cuts arrow keys apart. So each entry has a digit.
terminals() {
	cat <<'CFG'
set timeout=3
terminal_output console
if serial --unit=0 --speed=115200; then
	terminal_input --append serial
	terminal_output --append serial
fi
CFG
}
entries() {
	cat <<'CFG'
menuentry --hotkey=1 '1. Muster' { muster }
menuentry --hotkey=2 '2. Muster on one CPU (nosmp)' { muster nosmp }
menuentry --hotkey=3 '3. Muster, CPUs started one after the other (smp=serial)' { muster smp=serial }
menuentry --hotkey=4 '4. Muster, verbose (loglevel=8)' { muster loglevel=8 }
CFG
}
{
	if [[ $menu ]]; then
		terminals
	else
		echo 'set timeout=0'
		echo 'terminal_output console'
	fi
	[[ -z $menu && -z ${PROGRAMS:-} ]] || function_programs
	function_muster
	if [[ $menu ]]; then
		entries
	else
		echo "menuentry 'Muster' { muster }"
	fi
} >"$tree/files/boot/grub/grub.cfg"
# A FAT partition of 64 MiB after the image, for programs and muster.cfg.
serial=$(printf %08x $((SOURCE_DATE_EPOCH & 0xffffffff)))
partition=()
if [[ $menu ]]; then
	mformat -C -i "$tree/stick" -T $((64 << 11)) -h 64 -s 32 -v MUSTER -N "$serial" ::
	mmd -i "$tree/stick" ::programs
	sed 's/$/\r/' >"$tree/README.TXT" <<'TXT'
Programs for Muster: copy static Linux programs for x86-64 into the folder
"programs". "run NAME ARGUMENTS" in Muster's shell starts one.

Options: write them into a file "muster.cfg" beside this one, as words of the
kernel's command line, on one line or on several, 4096 bytes at most. A line
that begins with # is a remark. The words of the boot menu come after them.
TXT
	mcopy -i "$tree/stick" "$tree/README.TXT" ::README.TXT
	partition=(-append_partition 4 EBD0A0A2-B9E5-4433-87C0-68B6B72699C7 "$tree/stick" -appended_part_as_gpt)
fi
# mformat takes the serial number of a file system from the clock, and grub-mkrescue calls it.
mkdir "$tree/bin"
printf '#!/bin/sh\nexec %q -N %s "$@"\n' "$(command -v mformat)" "$serial" >"$tree/bin/mformat"
chmod +x "$tree/bin/mformat"
# Write to another name first: a running QEMU may use the old image.
if ! PATH=$tree/bin:$PATH grub-mkrescue -o "$tree/iso" "$tree/files" \
	--modification-date="$date" --set_all_file_dates "$date" ${partition[@]+"${partition[@]}"} >"$tree/log" 2>&1; then
	cat "$tree/log" >&2
	exit 1
fi
mv "$tree/iso" "$out"
