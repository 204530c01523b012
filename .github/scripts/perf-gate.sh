#!/usr/bin/env bash
# Measures on this machine and judges. Leaves in $OUT: the run with its records and reports, pending snapshots, and `code`, the
# exit code. The step fails as `cargo xtask perf` does, but not for *inconclusive*: perf-checks.sh makes that neutral.
set -euo pipefail

rm -rf "$OUT"
mkdir -p "$OUT"
arguments=(--require gpu --tier "$TIER")
# Words of a filter; a name that begins with a dash would be an option.
read -r -a filters <<< "${FILTERS:-}"
for filter in ${filters[@]+"${filters[@]}"}; do
  [[ $filter =~ ^[A-Za-z0-9_][A-Za-z0-9_:.-]*$ ]] || { echo "error: \`$filter\` is no name of a scenario" >&2; exit 2; }
done
[[ -z ${IMAGE:-} ]] || arguments+=(--image "$IMAGE")

code=0
PERF_RUNS_DIR="$PWD/$OUT/runs" cargo xtask perf ${filters[@]+"${filters[@]}"} "${arguments[@]}" || code=$?
echo "$code" > "$OUT/code"
find baselines \( -name '*.snap.new' -o -name '*.starts.json.new' \) -exec cp --parents {} "$OUT" \; 2>/dev/null || true

summary="$OUT/report.md"
report=$(find "$OUT/runs" -mindepth 2 -maxdepth 2 -name report.md 2>/dev/null | sort | tail -n 1)
if [[ -n $report ]]; then
  cp "$report" "$summary"
else
  echo "**no report**: \`cargo xtask perf\` ended with exit code $code; see the log of the job" > "$summary"
fi
{ printf '### %s\n\n' "$MACHINE"; cat "$summary"; } >> "${GITHUB_STEP_SUMMARY:-/dev/null}"

if [[ $code == 3 ]]; then
  echo "::warning::inconclusive on $MACHINE: too noisy to tell, or too few engine starts"
  exit 0
fi
exit "$code"
