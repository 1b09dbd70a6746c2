GO      := CGO_ENABLED=0 GOOS=linux GOARCH=amd64 go
CORE    := $(addprefix muster/kernel/,layout cpu mmio atom abi clock cmdline percpu up lock trace symtab standin console tree crash trap mem apic sched linux start) muster/boot muster/trampoline
COREFLAGS := $(foreach p,$(CORE),-gcflags='$(p)=-+ -wb=false')

build/kernel.o: FORCE | build
	GO_EXTLINK_ENABLED=1 $(GO) build -trimpath $(TAGS) $(COREFLAGS) \
	  -ldflags '-extld=gcc "-extldflags=-r -nostdlib" -compressdwarf=false' -o $@ ./kernel
build/kernel.elf: build/kernel.o linker.ld
	objcopy --globalize-symbol=muster/boot.entry32 $< build/kernel.g.o
	ld -nostdlib -static -z noexecstack --orphan-handling=error --build-id=none -T linker.ld -Map build/kernel.map -o $@ build/kernel.g.o
	grub-file --is-x86-multiboot2 $@
build:
	mkdir -p $@
.PHONY: FORCE
FORCE:
