#!/usr/bin/env bash
# Says whether a run is wanted, and of which tier: `wanted` and `tier` in $GITHUB_OUTPUT.
# A pull request is measured if it has the label `perf`, or changes a pin: perf.toml names the image, the models and the gate.
set -euo pipefail

wanted=true
case "$EVENT" in
  schedule) tier="nightly" ;;
  workflow_dispatch) tier=${ASKED_TIER:-pr} ;;
  *)
    tier="pr"
    if [[ ${ACTION:-} == labeled && ${LABEL:-} != perf ]]; then
      # Another label changes nothing; what it labels was measured when it was pushed.
      wanted=false
    elif [[ $HAS_LABEL != true ]]; then
      changed=$(gh api --paginate "repos/$REPOSITORY/pulls/$NUMBER/files" --jq '.[].filename')
      grep --quiet --line-regexp --fixed-strings perf.toml <<< "$changed" || wanted=false
    fi
    ;;
esac
case "$tier" in
  pr | nightly | full) ;;
  *) echo "error: there is no tier \`$tier\`" >&2; exit 2 ;;
esac
printf 'wanted=%s\ntier=%s\n' "$wanted" "$tier" >> "$GITHUB_OUTPUT"
