#!/bin/bash
# demo.sh HEAPFX DEMO - start the leaking service DEMO, dump it with gcore while it runs, explain it.
#
# Leaves nothing behind: the service is killed and the core removed however this ends.
set -euo pipefail

heapfx=$(realpath "$1")
demo=$(realpath "$2")
folder=$(mktemp -d "${TMPDIR:-/tmp}/heapfx-demo.XXXXXX")
pid=

clean_up() {
	[ -z "$pid" ] || { kill "$pid" && wait "$pid"; } 2>/dev/null || true
	rm -rf "$folder"
}
trap clean_up EXIT

"$demo" >"$folder/out" &
pid=$!
for _ in $(seq 200); do
	! grep -q '^ready ' "$folder/out" || break
	kill -0 "$pid" || { echo "demo.sh: the service ended early" >&2; exit 1; }
	sleep 0.1
done

echo "\$ gcore $pid"
if ! gcore -o "$folder/core" "$pid" >"$folder/gcore.log" 2>&1; then
	cat "$folder/gcore.log" >&2
	echo "demo.sh: gcore failed: may this user trace processes? (kernel.yama.ptrace_scope)" >&2
	exit 1
fi
echo "\$ heapfx analyze core.$pid"
cd "$folder"
"$heapfx" analyze "core.$pid"
