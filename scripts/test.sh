#!/usr/bin/env bash
# test.sh: all suites, one after the other, with the seconds that each takes.
set -u
cd "$(dirname "${BASH_SOURCE[0]}")/.."
began=$SECONDS
failed=()

suite() { # name, command...
	local name=$1 start=$SECONDS
	shift
	echo "== $name"
	if "$@"; then
		echo "== $name: ok, $((SECONDS - start)) s"
	else
		echo "== $name: FAILED, $((SECONDS - start)) s"
		failed+=("$name")
	fi
}

formatted() {
	local list
	list=$(gofmt -l $(git ls-files '*.go' 2>/dev/null || find . -name '*.go'))
	[[ -z $list ]] || { echo "gofmt would change: $list"; return 1; }
}
generated() {
	local fresh
	fresh=$(mktemp)
	go run ./tools/genvectors -o "$fresh" && cmp "$fresh" kernel/trap/stubs_gen_amd64.s
	local r=$?
	rm -f "$fresh"
	go run ./tools/gencalls -check && return $r
}
hosted() { go test -count=1 ./...; }
# checkptr=0: these packages reach memory by address, as the kernel does. The suite
# needs the race detector, not the pointer checks that -race turns on as well.
raced() { CGO_ENABLED=1 go test -count=1 -race -gcflags=all=-d=checkptr=0 ./kernel/lock ./kernel/percpu ./kernel/trace ./kernel/sched ./kernel/shell; }
# -unsafeptr=false: the kernel uses addresses of memory outside Go objects
# throughout.
vetted() { go vet -unsafeptr=false ./... && go vet -unsafeptr=false -tags 'qemu soak' ./test/... && go vet -unsafeptr=false -tags explore ./kernel/... && go vet -unsafeptr=false -tags 'explore soak' ./kernel/explore; }
# What each search went through is in the log, with its bounds.
explored() {
	local log r
	log=$(mktemp)
	go test -count=1 -v -tags explore ./kernel/explore ./kernel/lock ./kernel/ipi ./kernel/sched ./kernel/mem ./kernel/cross ./kernel/smp >"$log" 2>&1
	r=$?
	if [[ $r -eq 0 ]]; then grep -E '^(ok|--- )| programs, ' "$log"; else cat "$log"; fi
	rm -f "$log"
	return $r
}

suite format formatted
suite vet vetted
suite generated generated
suite cpus go run ./tools/cpucheck ./...
suite host hosted
suite race raced
suite ranks go test -count=1 -tags debug ./kernel/lock ./kernel/sched
suite explore explored
suite build make --no-print-directory build debug iso
suite docs go run ./tools/checkdocs
suite english go run ./tools/checkenglish
if [[ " ${failed[*]-} " != *" build "* ]]; then
	suite qemu go test -tags qemu -count=1 -timeout 14m -v ./test/
fi

echo "== total: $((SECONDS - began)) s"
if [[ ${#failed[@]} -gt 0 ]]; then
	echo "== FAILED: ${failed[*]}"
	exit 1
fi
echo "== all passed"
