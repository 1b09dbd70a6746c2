# Muster. The two commands for a new machine: make run, make test.

GO     := CGO_ENABLED=0 GOOS=linux GOARCH=amd64 go
BUILD  := build
PKG    := ./kernel
ENTRY  := muster/boot.entry32

# Core packages, by what their comments say: compiled without write barriers,
# and with the compiler's rules for the runtime, which forbid implicit escapes.
CORE := $(sort $(dir $(shell grep -ls '^// Layer: core' boot/*.go trampoline/*.go kernel/*/*.go)))
COREFLAGS := $(foreach p,$(CORE),-gcflags='muster/$(p:/=)=-+ -wb=false')

.PHONY: help run build debug iso test lint soak bench trace setup checkdocs clean FORCE
.SECONDARY:
.DELETE_ON_ERROR:

help:
	@echo 'make run        boot the image in QEMU, with a shell on this terminal'
	@echo 'make test       all tests that fit 15 minutes on two cores'
	@echo 'make lint       staticcheck, functions that nothing calls, waits, commit subjects'
	@echo 'make build      $(BUILD)/kernel.elf'
	@echo 'make iso        $(BUILD)/muster.iso, for CD and USB stick, BIOS and UEFI'
	@echo 'make debug      $(BUILD)/kernel-debug.elf: lock order and other checks on'
	@echo 'make bench      measure, and write docs/measurements.md'
	@echo 'make trace      draw how the CPUs are started: docs/bringup.svg'
	@echo 'make soak       the long tests'
	@echo 'make setup      install what is missing on this machine'
	@echo 'make checkdocs  look up every name in the docs and in comments'
	@echo 'make clean      remove $(BUILD)/'

run: setup iso
	scripts/qemu-run.sh --timeout 0

build: $(BUILD)/kernel.elf
debug: $(BUILD)/kernel-debug.elf
iso: $(BUILD)/muster.iso

# One relocatable object from the stock toolchain, in external link mode. Go's build
# cache decides whether anything is compiled. It does not cover the linker script,
# so there are two rules.
$(BUILD)/kernel.o: FORCE
	@mkdir -p $(BUILD)
	@GO_EXTLINK_ENABLED=1 $(GO) build -trimpath $(COREFLAGS) \
	  -ldflags '-extld=gcc "-extldflags=-r -nostdlib" -compressdwarf=false' -o $@.new $(PKG) 2>$@.log || { cat $@.log >&2; exit 1; }
	@cmp -s $@.new $@ && rm $@.new || mv $@.new $@
$(BUILD)/kernel-debug.o: FORCE
	@mkdir -p $(BUILD)
	@GO_EXTLINK_ENABLED=1 $(GO) build -tags debug -trimpath $(COREFLAGS) \
	  -ldflags '-extld=gcc "-extldflags=-r -nostdlib" -compressdwarf=false' -o $@.new $(PKG) 2>$@.log || { cat $@.log >&2; exit 1; }
	@cmp -s $@.new $@ && rm $@.new || mv $@.new $@

$(BUILD)/%.elf: $(BUILD)/%.o linker.ld
	objcopy --globalize-symbol=$(ENTRY) $< $<.global
	ld -nostdlib -static -z noexecstack --orphan-handling=error --build-id=none -T linker.ld -Map $(BUILD)/$*.map -o $@.new $<.global
	rm $<.global
	go run ./tools/layers -elf $@.new
	mv $@.new $@

$(BUILD)/muster.iso: $(BUILD)/kernel.elf scripts/mkiso.sh
	scripts/mkiso.sh $@ $<

setup:
	@scripts/setup.sh

test:
	@scripts/setup.sh test
	@scripts/test.sh

lint:
	@scripts/lint.sh

soak: setup build debug
	CGO_ENABLED=1 go test -race -tags 'qemu soak' -count=1 -timeout 0 -v -run 'Soak' ./test/
	go test -tags soak -count=1 -timeout 0 -v -run 'Soak' ./test/mutants
	go test -tags 'explore soak' -count=1 -timeout 0 -v ./kernel/explore ./kernel/lock ./kernel/sched ./kernel/mem ./kernel/cross ./kernel/smp

bench: setup build
	go run ./tools/bench -o docs/measurements.md

trace: setup build
	go run ./tools/trace -o docs/bringup.svg

checkdocs:
	go run ./tools/checkdocs

clean:
	rm -rf $(BUILD)
