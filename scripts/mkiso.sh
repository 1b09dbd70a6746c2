#!/usr/bin/env bash
# mkiso.sh OUT KERNEL [COMMAND-LINE [MODULE]]: makes a bootable image.
#
# One hybrid image: a CD, or written to a USB stick with dd, on BIOS and UEFI.
# GRUB loads the kernel by multiboot2. $GRUB_BEFORE: its commands before that, for tests.
set -eu
out=$1 kernel=$2 line=${3:-} module=${4:-}
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
{
	echo 'set timeout=0'
	echo 'terminal_output console'
	echo 'menuentry "Muster" {'
	[ -z "${GRUB_BEFORE:-}" ] || printf '\t%s\n' "$GRUB_BEFORE"
	printf '\tmultiboot2 /boot/kernel.elf%s\n' "$quoted"
	if [ -n "$module" ]; then
		cp -- "$module" "$tree/files/boot/module"
		echo '	module2 /boot/module'
	fi
	echo '}'
} >"$tree/files/boot/grub/grub.cfg"
# Write to another name first: a running QEMU may use the old image.
if ! grub-mkrescue -o "$tree/iso" "$tree/files" >"$tree/log" 2>&1; then
	cat "$tree/log" >&2
	exit 1
fi
mv "$tree/iso" "$out"
