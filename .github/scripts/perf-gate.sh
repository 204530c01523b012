#!/usr/bin/env bash
# Measures this machine's part with what perf-split.sh left in $BUILT. Leaves in $OUT: the run with its records and reports, and
# pending snapshots. The verdict is that of the whole, which perf-merge.sh gives: here the step fails only where no run was left.
set -euo pipefail

rm -rf "$OUT"
mkdir -p "$OUT"
# An artifact keeps no permissions.
chmod +x "$BUILT/xtask" "$BUILT"/scenarios/*
arguments=(--split "$BUILT/split.json" --part "$MACHINE" --built "$BUILT/scenarios" --require gpu)
[[ -z ${IMAGE:-} ]] || arguments+=(--image "$IMAGE")

code=0
CARGO_MANIFEST_DIR="$PWD/xtask" PERF_RUNS_DIR="$PWD/$OUT/runs" "$BUILT/xtask" perf "${arguments[@]}" || code=$?
find baselines \( -name '*.snap.new' -o -name '*.starts.json.new' \) -exec cp --parents {} "$OUT" \; 2>/dev/null || true

mkdir -p "$OUT/runs"
run=$(find "$OUT/runs" -mindepth 2 -maxdepth 2 -name run.json | sort | tail -n 1)
report=${run:+$(dirname "$run")/report.md}
{
  printf '### %s\n\n' "$MACHINE"
  if [[ -f $report ]]; then
    cat "$report"
  else
    echo "**no report**: \`cargo xtask perf\` ended with exit code $code; see the log of the job"
  fi
} >> "${GITHUB_STEP_SUMMARY:-/dev/null}"
if [[ -z $run ]]; then
  echo "error: part $MACHINE left no run (exit code $code)" >&2
  exit $((code == 0 ? 1 : code))
fi
echo "part $MACHINE ended with exit code $code; the merged run has the verdict"
