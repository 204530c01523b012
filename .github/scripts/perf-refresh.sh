#!/usr/bin/env bash
# Measures fresh baselines on this machine. Leaves in $OUT: the baselines that changed, and `message`, which says what was measured.
set -euo pipefail

rm -rf "$OUT"
mkdir -p "$OUT"
read -r -a filters <<< "${FILTERS:-}"
for filter in ${filters[@]+"${filters[@]}"}; do
  [[ $filter =~ ^[A-Za-z0-9_][A-Za-z0-9_:.-]*$ ]] || { echo "error: \`$filter\` is no name of a scenario" >&2; exit 2; }
done

said=$(mktemp)
cargo xtask perf refresh ${filters[@]+"${filters[@]}"} --require gpu | tee "$said"
changed=$(git status --porcelain --untracked-files=all -- baselines | cut -c 4-)
while read -r file; do
  [[ -n $file && -f $file && $file != *.new ]] || continue
  cp --parents "$file" "$OUT"
done <<< "$changed"
{ printf '%s: %s\n\n' "$MACHINE" "${FILTERS:-all scenarios of tier pr}"; head -c 20000 "$said"; } > "$OUT/message"
