#!/usr/bin/env bash
# test.sh: all suites, one after the other, with the seconds that each takes. The last
# lines list what was skipped and what failed, and count; tools/tally says how.
set -u
cd "$(dirname "${BASH_SOURCE[0]}")/.." || exit 1
began=$SECONDS
limit=$((80 * 60)) # of the suites that run tests, together, in seconds
failed=()
tmp=$(mktemp -d) || exit 1
trap 'rm -rf "$tmp"' EXIT
record=$tmp/record
touch "$record"
go build -o "$tmp/" ./tools/tally ./tools/tagsets || exit 1
PATH=$tmp:$PATH

# An interrupt ends the suite that runs, all its processes included. The summary comes all the same.
interrupted= job= unrun=()
trap 'interrupted=yes; [[ ! $job ]] || kill -TERM -- -"$job"' INT TERM HUP QUIT

suite() { # name, command...
	[[ ! $interrupted ]] || { unrun+=("$1"); return 0; }
	local name=$1 start=$SECONDS lines status how=ok i
	lines=$(wc -l <"$record")
	shift
	echo "== $name"
	set -m # it has a process group
	"$@" </dev/null &
	job=$!
	set +m
	{ wait "$job"; } 2>/dev/null # bash would print the command that a signal ended
	status=$?
	for ((i = 0; i < 600; i++)); do # interrupted: tally still notes what ended
		kill -0 -- -"$job" 2>/dev/null || break
		sleep 0.1
	done
	((i < 600)) || { echo "== $name: it left processes, which are ended now"; kill -KILL -- -"$job"; }
	job=
	[[ $status == 0 ]] || { how=FAILED; failed+=("$name"); }
	echo "== $name: $how, $((SECONDS - start)) s"
	tally suite "$record" "$name" $status "$lines" || exit 1
}

formatted() {
	local list
	list=$(gofmt -l $(git ls-files '*.go' 2>/dev/null || find . -name '*.go'))
	[[ -z $list ]] || { echo "gofmt would change: $list"; return 1; }
}
# -unsafeptr=false: the kernel uses addresses of memory outside Go objects throughout.
vetted() { tagsets go vet -unsafeptr=false; }
generated() {
	local fresh
	fresh=$(mktemp)
	go run ./tools/genvectors -o "$fresh" && cmp "$fresh" kernel/trap/stubs_gen_amd64.s
	local r=$?
	rm -f "$fresh"
	go run ./tools/gencalls -check && return $r
}
gotest=(tally test "$record" -count=1 -vet=off) # suite vet covers them all
# left prints what is left of the limit, as go test's option; 0 would be none.
left() {
	local n=$((limit - (SECONDS - began)))
	echo "-timeout=$((n > 60 ? n : 60))s"
}
# The race detector covers the packages whose tests have several goroutines, under every set of tags but these; suite
# host has the others, in which it would find nothing. Each of the tests in alone works in child processes, or in one
# thread of a library.
alone=(muster/test/models muster/test/lint muster/tools/{unreached,cpucheck,checkenglish})
# each runs the host tests, except those in alone, that the options of tagsets choose, with options of go test.
each() { # options of tagsets -- options of go test
	local skips=() p how=()
	for p in "${alone[@]}"; do skips+=(-skip "$p:suite host runs it, once"); done
	while [[ $1 != -- ]]; do how+=("$1"); shift; done
	shift
	CGO_ENABLED=1 tagsets -tests "${how[@]}" "${skips[@]}" \
		-skip muster/test:'it needs the tag qemu' \
		-skip qemu:'suite qemu has -race' \
		-skip soak:'make soak runs these' \
		-skip explore:'its atomic words are ordinary variables, for one CPU at a time' \
		"${gotest[@]}" "$(left)" "$@"
}
hosted() {
	"${gotest[@]}" "$(left)" "${alone[@]}"
	local r=$?
	each -goroutines no -- && return $r
}
# checkptr=0: these packages reach memory by address, as the kernel does. The suite
# needs the race detector, not the pointer checks that -race turns on as well.
raced() { each -goroutines yes -- -race -gcflags=all=-d=checkptr=0; }
# What each search went through is in its log, with its bounds.
explored() { tagsets -tests -only explore tally test -show ' programs[ ,]' "${gotest[@]:2}" "$(left)"; }
# Two machines at a time, whatever the host: each may have 4 CPUs and 1 GiB.
machines() { CGO_ENABLED=1 tally test -v "${gotest[@]:2}" "$(left)" -parallel 2 -race -tags qemu ./test; }

suite format formatted
suite vet vetted
suite lint scripts/lint.sh
suite generated generated
suite cpus go run ./tools/cpucheck ./...
suite host hosted
suite race raced
suite explore explored
suite build make --no-print-directory build debug iso
suite docs go run ./tools/checkdocs
suite english go run ./tools/checkenglish
if [[ " ${failed[*]-} " != *" build "* ]]; then
	suite qemu machines
fi

echo "== total: $((SECONDS - began)) s"
[[ ${#failed[@]} == 0 ]] || echo "== FAILED suites: ${failed[*]}"
[[ ! $interrupted ]] || echo "== interrupted; suites that were not run: ${unrun[*]:-none}"
tally report "$record"
status=$?
[[ ! $interrupted ]] || status=130
exit $status
