#!/usr/bin/env bash
# Builds the commands and the scenarios once, and gives each scenario to a machine. Leaves them in $OUT with `split.json`, and
# `parts` in $GITHUB_OUTPUT: the machines that have something to measure, as a JSON list.
set -euo pipefail

rm -rf "$OUT"
mkdir -p "$OUT"
# Words of a filter; a name that begins with a dash would be an option.
read -r -a filters <<< "${FILTERS:-}"
for filter in ${filters[@]+"${filters[@]}"}; do
  [[ $filter =~ ^[A-Za-z0-9_][A-Za-z0-9_:.-]*$ ]] || { echo "error: \`$filter\` is no name of a scenario" >&2; exit 2; }
done
arguments=(--tier "$TIER" --build "$OUT/scenarios" --output "$OUT/split.json")
machines=$(jq --raw-output '.[]' <<< "$MACHINES")
while read -r machine; do
  [[ -z $machine ]] || arguments+=(--machine "$machine")
done <<< "$machines"

cargo xtask perf split ${filters[@]+"${filters[@]}"} "${arguments[@]}"
cp "${CARGO_TARGET_DIR:-target}/debug/xtask" "$OUT/xtask"
printf 'parts=%s\n' "$(jq --compact-output '[.parts[].name]' "$OUT/split.json")" >> "$GITHUB_OUTPUT"
