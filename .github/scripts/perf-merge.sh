#!/usr/bin/env bash
# Merges the runs of all parts in $RUNS with what perf-split.sh left in $BUILT. Leaves in $OUT: the merged run, `report.md`, and
# `code`, the exit code. The step fails as `cargo xtask perf merge` does, but not for *inconclusive*: perf-check.sh makes that neutral.
set -euo pipefail

rm -rf "$OUT"
mkdir -p "$OUT" "$RUNS"
chmod +x "$BUILT/xtask"
# With one artifact the action may not make a folder for it. A part that left nothing is missing by name.
runs=()
while IFS= read -r -d '' file; do
  runs+=("$(dirname "$file")")
done < <(find "$RUNS" -path '*/runs/*/run.json' -type f -print0 | sort --zero-terminated)

code=0
CARGO_MANIFEST_DIR="$PWD/xtask" "$BUILT/xtask" perf merge ${runs[@]+"${runs[@]}"} \
  --split "$BUILT/split.json" --out "$OUT/run" || code=$?
echo "$code" > "$OUT/code"
summary="$OUT/report.md"
if [[ -f $OUT/run/report.md ]]; then
  cp "$OUT/run/report.md" "$summary"
else
  echo "**no report**: \`cargo xtask perf merge\` ended with exit code $code; see the log of the job" > "$summary"
fi
cat "$summary" >> "${GITHUB_STEP_SUMMARY:-/dev/null}"

if [[ $code == 3 ]]; then
  echo "::warning::inconclusive: a part is missing, too noisy to tell, or too few engine starts"
  exit 0
fi
exit "$code"
