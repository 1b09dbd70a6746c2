#!/usr/bin/env bash
# setup.sh: installs the packages that building and booting need, after it has
# printed which and why. With the word test it also installs tools of single tests;
# without those the tests are skipped, and say so. On Debian and Ubuntu; elsewhere
# it prints what to install.
set -u

need=() # packages
say() { echo "setup: $*"; }
want() { # command or file, package, reason
	if [[ $1 == /* ]]; then [[ -e $1 ]] && return; else command -v "$1" >/dev/null && return; fi
	say "$2 is missing: $3"
	need+=("$2")
}

command -v go >/dev/null || { say "Go 1.26 or newer must be on the PATH: https://go.dev/dl" >&2; exit 1; }

codename=$(. /etc/os-release 2>/dev/null && printf "%s\n" "${VERSION_CODENAME:-}")
want ld binutils "links the kernel"
want gcc gcc "Go's linker calls it to make one object of the kernel"
want grub-mkrescue grub-common "makes the bootable image"
want /usr/lib/grub/i386-pc grub-pc-bin "boots it on BIOS"
want /usr/lib/grub/x86_64-efi grub-efi-amd64-bin "boots it on UEFI"
want xorriso xorriso "writes the image"
want mformat mtools "writes the image's EFI partition"
[[ -e /usr/share/qemu/OVMF.fd ]] || want /usr/share/ovmf/OVMF.fd ovmf "UEFI firmware for QEMU"

# QEMU 7.2 of Debian 12 does not emulate x2APIC; its backports have a newer one.
qemu=$(qemu-system-x86_64 --version 2>/dev/null | sed -n 's/.*version \([0-9]*\)\..*/\1/p')
backports=
if [[ -z $qemu ]]; then
	say "qemu-system-x86 is missing: runs the kernel"
	[[ $codename == bookworm ]] && backports=1 || need+=(qemu-system-x86)
elif ((qemu < 9)) && [[ $codename == bookworm ]]; then
	say "QEMU $qemu emulates no x2APIC; QEMU 10 from bookworm-backports does"
	backports=1
fi

# install gets the packages in need, and QEMU from backports if that is necessary.
install() {
	[[ ${#need[@]} == 0 && -z $backports ]] && return
	if ! command -v apt-get >/dev/null; then
		say "install these with your package manager: ${need[*]} ${backports:+qemu}" >&2
		return 1
	fi
	if [[ $(id -u) != 0 ]]; then
		say "to install all of this, type: sudo $0 ${1-}" >&2
		return 1
	fi

	apt() { DEBIAN_FRONTEND=noninteractive apt-get -qq -y -o Dpkg::Use-Pty=0 "$@" >"$log" 2>&1 || { cat "$log" >&2; say "apt-get $* failed" >&2; return 1; }; }
	local added=
	log=$(mktemp)
	trap 'rm -f "$log"' EXIT

	if [[ $backports ]]; then
		# The mirror and the key are those of the machine's own entry for bookworm.
		# The key's file is taken from that entry, in either of the two formats.
		# Without a key, or with one that is written out in the entry, apt uses the
		# keys that it trusts.
		entry=$(apt-get indextargets --format '$(REPO_URI) $(RELEASE) $(SOURCESENTRY)' 'Created-By: Packages' 2>/dev/null | awk '$2 == "bookworm" {print; exit}')
		read -r uri _ file <<<"$entry"
		key=$(sed -nE 's|^Signed-By: *(/[^ ]+) *$|\1|p; s|^deb .*signed-by=(/[^] ]+).*|\1|p' "${file%:*}" 2>/dev/null | head -n 1)
		if [[ -z $uri ]]; then
			say "no entry for bookworm in apt's sources; QEMU from the main suite will do, without x2APIC"
			[[ $qemu ]] || need+=(qemu-system-x86)
			backports=
		elif ! apt-get indextargets --format '$(RELEASE)' 2>/dev/null | grep -q bookworm-backports; then
			say "adding suite bookworm-backports of the mirror that apt already uses"
			added=/etc/apt/sources.list.d/muster-backports.list
			echo "deb ${key:+[signed-by=$key] }$uri bookworm-backports main" >$added
		fi
	fi
	say "apt-get update"
	if ! apt update; then # leave apt as it was
		[[ -z $added ]] || rm -f "$added"
		return 1
	fi
	if [[ ${#need[@]} -gt 0 ]]; then
		say "apt-get install ${need[*]}"
		apt install --no-install-recommends "${need[@]}" || return 1
	fi
	if [[ $backports ]]; then
		say "apt-get install -t bookworm-backports qemu-system-x86"
		apt install --no-install-recommends -t bookworm-backports qemu-system-x86 || return 1
	fi
	say "done"
}

install "$@" || exit 1
need=() backports=
if [[ ${1-} == test ]]; then
	want gdb gdb "the tests attach it to the kernel"
	want iasl acpica-tools "the reference decoder of firmware tables"
	want bochs bochs "a second, stricter PC to boot"
	want /usr/share/bochs/BIOS-bochs-latest bochsbios "its firmware"
	want /usr/share/bochs/VGABIOS-lgpl-latest vgabios "its video firmware"
	want /usr/lib/x86_64-linux-gnu/bochs/plugins/libbx_term_gui.so.0.0.0 bochs-term "its screen, as text"
	want script bsdutils "its terminal"
	want /usr/include/stdio.h libc6-dev "a plugin for QEMU is compiled with it"
	want spin spin "the model checker of two protocols"
	install "$@" || say "going on without: the tests that need these are skipped"
fi
exit 0
