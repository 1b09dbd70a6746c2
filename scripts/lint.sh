#!/usr/bin/env bash
# lint.sh: what a reviewer should not have to look for. Without a word all checks, else
# those named: staticcheck, unreached, waits, python, subjects.
set -u
cd "$(dirname "${BASH_SOURCE[0]}")/.." || exit 1

# staticcheck.conf says which checks are on.
staticcheck() { go run ./tools/tagsets go tool staticcheck; }

unreached() {
	local sets
	mapfile -t sets < <(go run ./tools/tagsets -list)
	go run ./tools/unreached "${sets[@]}"
}

waits() { go run ./tools/waits; }

# gdb has the only Python of the tree. A file that does not compile is a finding; nothing is written.
python() {
	command -v python3 >/dev/null || { echo "python: python3 is not installed: nothing checked"; return; }
	python3 - <<'TEXT'
import glob, sys, warnings
warnings.simplefilter("error")
names = glob.glob("scripts/**/*.py", recursive=True)
bad = 0
for name in names:
    try:
        with open(name) as f:
            compile(f.read(), name, "exec")
    except (SyntaxError, ValueError, Warning) as e:
        print("%s:%s: %s" % (name, getattr(e, "lineno", 0), e))
        bad = 1
print("python: %d files compiled" % len(names))
sys.exit(bad)
TEXT
}

# Commits written before this second, by their author's clock, have the subjects that
# they have. A date, since a shallow clone may lack any given commit.
since=1795627251 # 2026-11-25 17:20 UTC
subjects() {
	git rev-parse --git-dir >/dev/null 2>&1 || { echo "subjects: not in a clone: no commits to check"; return; }
	local LC_ALL=C.UTF-8 written commit subject n=0 bad=0
	while read -r written commit subject; do
		((written >= since)) || continue
		((++n))
		((${#subject} <= 72)) && continue
		printf '%s: the subject has %d characters, 72 are the limit: %s\n' "$commit" ${#subject} "$subject"
		bad=1
	done < <(git log --no-merges --format='%at %h %s')
	echo "subjects: $n commits checked"
	return $bad
}

failed=()
for check in "${@:-staticcheck unreached waits python subjects}"; do
	for c in $check; do
		[[ " staticcheck unreached waits python subjects " == *" $c "* ]] || { echo "lint.sh: $c: no such check" >&2; exit 2; }
		"$c" || failed+=("$c")
	done
done
[[ ${#failed[@]} == 0 ]] || { echo "lint.sh: findings of: ${failed[*]}" >&2; exit 1; }
