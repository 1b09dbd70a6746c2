# Muster. The two commands for a new machine: make run, make test.

GO     := CGO_ENABLED=0 GOOS=linux GOARCH=amd64 go
BUILD  := build
PKG    := ./kernel
ENTRY  := muster/boot.entry32

# Core packages, by what their comments say: compiled without write barriers,
# and with the compiler's rules for the runtime, which forbid implicit escapes.
CORE := $(sort $(dir $(shell grep -ls '^// Layer: core' boot/*.go trampoline/*.go kernel/*/*.go)))
# The debug kernel keeps the variables of all other packages for gdb. The compiler ignores -N with -+.
READABLE := -gcflags='muster/...=-N -l'
COREFLAGS := $(foreach p,$(CORE),-gcflags='muster/$(p:/=)=-+ -wb=false')

.PHONY: help run build debug iso usb test lint soak bench conflicts trace events screenshots profile gdb setup checkdocs clean FORCE
.SECONDARY:
.DELETE_ON_ERROR:

help:
	@echo 'make run        boot the image in QEMU, with a shell on this terminal'
	@echo 'make test       all tests, some of them shortened, 20 to 30 minutes on two cores'
	@echo 'make lint       staticcheck, functions that nothing calls, waits, Python, commit subjects'
	@echo 'make build      $(BUILD)/kernel.elf'
	@echo 'make iso        $(BUILD)/muster.iso, for CD and USB stick, BIOS and UEFI'
	@echo 'make usb DEV=/dev/sdX  write it to a USB stick: requests a confirmation, writes, reads back'
	@echo 'make debug      $(BUILD)/kernel-debug.elf: lock order and other checks on'
	@echo 'make bench      measure, and write docs/measurements.md'
	@echo 'make conflicts  list the cache lines that operations share which commute; ARGS=-count: locked instructions'
	@echo 'make trace      draw how the CPUs are started: docs/bringup.svg'
	@echo 'make events     record what all CPUs do: build/trace.json, for Perfetto; RUN="test stress 5"'
	@echo 'make profile    sample what all CPUs execute: build/profile.pb.gz, for go tool pprof; RUN as for events'
	@echo 'make gdb        gdb on the debug kernel in QEMU, or on one that scripts/qemu-run.sh --gdb-run started'
	@echo 'make screenshots  make the pictures of chapter 14: docs/screens/'
	@echo 'make soak       all tests at full length, and the long ones: hours'
	@echo 'make setup      install what is missing on this machine'
	@echo 'make checkdocs  look up every name in the docs and in comments'
	@echo 'make clean      remove $(BUILD)/'

run: setup build
	scripts/qemu-run.sh --timeout 0

build: $(BUILD)/kernel.elf
debug: $(BUILD)/kernel-debug.elf
iso: $(BUILD)/muster.iso

# One relocatable object from the stock toolchain, in external link mode. Go's build
# cache decides whether anything is compiled. It does not cover the linker script,
# so there are two rules.
$(BUILD)/kernel.o: FORCE
	@mkdir -p $(BUILD)
	@GO_EXTLINK_ENABLED=1 $(GO) build -trimpath -buildvcs=false $(COREFLAGS) \
	  -ldflags '-extld=gcc "-extldflags=-r -nostdlib" -compressdwarf=false' -o $@.new $(PKG) 2>$@.log || { cat $@.log >&2; exit 1; }
	@cmp -s $@.new $@ && rm $@.new || mv $@.new $@
$(BUILD)/kernel-debug.o: FORCE
	@mkdir -p $(BUILD)
	@GO_EXTLINK_ENABLED=1 $(GO) build -tags debug -trimpath $(READABLE) $(COREFLAGS) \
	  -ldflags '-extld=gcc "-extldflags=-r -nostdlib" -compressdwarf=false' -o $@.new $(PKG) 2>$@.log || { cat $@.log >&2; exit 1; }
	@cmp -s $@.new $@ && rm $@.new || mv $@.new $@

$(BUILD)/%.elf: $(BUILD)/%.o linker.ld
	objcopy --globalize-symbol=$(ENTRY) $< $<.global
	ld -nostdlib -static -z noexecstack --orphan-handling=error --build-id=none -T linker.ld -Map $(BUILD)/$*.map -o $@.new $<.global
	rm $<.global
	go run ./tools/layers -elf $@.new
	mv $@.new $@

# make iso PROGRAMS='a b' takes static Linux programs along, for the shell's command run.
$(BUILD)/muster.iso: $(BUILD)/kernel.elf scripts/mkiso.sh $(PROGRAMS) $(BUILD)/programs
	PROGRAMS='$(PROGRAMS)' scripts/mkiso.sh --menu $@ $<

# The list changes if other programs are given than last time.
$(BUILD)/programs: FORCE
	@mkdir -p $(BUILD)
	@echo '$(PROGRAMS)' | cmp -s - $@ || echo '$(PROGRAMS)' >$@

# FORCE=fixed allows a disk that is not removable, and FORCE=file a plain file.
usb: iso
	go build -trimpath -buildvcs=false -o $(BUILD)/usb ./tools/usb
	@$(BUILD)/usb -device '$(DEV)' -force '$(FORCE)' $(BUILD)/muster.iso

setup:
	@scripts/setup.sh

test:
	@scripts/setup.sh test
	@scripts/test.sh

lint:
	@scripts/lint.sh

# Each part runs, whether or not one before it fails.
soak: setup build debug iso
	@r=0; \
	CGO_ENABLED=1 go test -race -tags 'qemu soak' -count=1 -timeout 0 -v -parallel 2 ./test/ || r=1; \
	go test -tags soak -count=1 -timeout 0 -v -run 'Soak' ./test/mutants ./test/models || r=1; \
	go run ./tools/gcstress -count 5 ./kernel/... ./boot/... || r=1; \
	go run ./tools/gcstress -tags explore ./kernel/... || r=1; \
	go test -tags 'explore soak' -count=1 -timeout 0 -v ./kernel/explore ./kernel/refs ./kernel/lock ./kernel/sched ./kernel/mem ./kernel/cross ./kernel/smp ./kernel/linux || r=1; \
	exit $$r

bench: setup build
	go run ./tools/bench -o docs/measurements.md

# ARGS are options of tools/conflicts.
conflicts: setup build
	go run ./tools/conflicts $(ARGS)

trace: setup build
	go run ./tools/trace -o docs/bringup.svg

RUN ?= test threads
events: setup build
	go run ./tools/trace -o $(BUILD)/trace.json -run '$(RUN)'

# APP is a static Linux program for the command app. RATE is samples a second and CPU.
RATE ?= 97
profile: setup build
	go run ./tools/profile -o $(BUILD)/profile.pb.gz -rate $(RATE) -app '$(APP)' -run '$(RUN)'

# KERNEL=build/kernel.elf is the one without variables that can be read.
KERNEL ?= $(BUILD)/kernel-debug.elf
gdb: setup build debug
	@scripts/gdb.sh --kernel $(KERNEL)

screenshots: setup build iso
	go test -tags 'qemu screenshots' -count=1 -timeout 0 -v -run 'TestScreenshots' ./test/

checkdocs:
	go run ./tools/checkdocs

clean:
	rm -rf $(BUILD)
