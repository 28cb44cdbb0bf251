#!/bin/sh
# Builds and runs the targets named, or all, for FUZZ_SECONDS each, and says how often each ran. `make fuzz` calls it.
set -eu
cd "$(dirname "$0")"
export RUSTC_BOOTSTRAP=1 CARGO_TARGET_DIR="$PWD/target"
seconds=${FUZZ_SECONDS:-60}
[ $# -gt 0 ] || set -- $(cargo fuzz list)
log=$(mktemp)
trap 'rm -f "$log"' EXIT
cargo fuzz build --sanitizer none
for target; do
  mkdir -p "corpus-live/$target" "artifacts/$target"
  # New inputs go to the first directory; the committed seeds are only read.
  if cargo fuzz run --sanitizer none "$target" "corpus-live/$target" "corpus/$target" -- \
    -max_total_time="$seconds" -max_len=4096 -timeout=60 -rss_limit_mb=2048 >"$log" 2>&1; then
    echo "$target: $(sed -n 's/^Done \([0-9]*\) runs in \([0-9]*\) second.*/\1 executions in \2 s/p' "$log")"
  else
    cat "$log" >&2
    echo "$target: failed" >&2
    exit 1
  fi
done
