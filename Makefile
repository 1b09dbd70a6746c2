GO      := CGO_ENABLED=0 GOOS=linux GOARCH=amd64 go
CORE    := $(addprefix muster/kernel/,layout cpu mmio atom abi clock cmdline percpu up lock trace symtab standin console tree crash trap mem apic sched linux start) muster/boot muster/trampoline
COREFLAGS := $(foreach p,$(CORE),-gcflags='$(p)=-+ -wb=false')

build/%.o: FORCE | build
	GO_EXTLINK_ENABLED=1 $(GO) build -trimpath $(TAGS) $(COREFLAGS) \
	  -ldflags '-extld=gcc "-extldflags=-r -nostdlib" -compressdwarf=false' -o $@ ./kernel
build/kernel-debug.o: TAGS=-tags debug
build/%.elf: build/%.o linker.ld
	objcopy --globalize-symbol=muster/boot.entry32 $< $<.g
	ld -nostdlib -static -z noexecstack --orphan-handling=error --build-id=none -T linker.ld -Map build/$*.map -o $@ $<.g
	grub-file --is-x86-multiboot2 $@
build:
	mkdir -p $@
.PHONY: FORCE
.SECONDARY:
FORCE:
