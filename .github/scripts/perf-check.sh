#!/usr/bin/env bash
# Makes one check of the merged run in $RUN. Exit codes become conclusions: inconclusive is neutral, and so is a merge that left
# nothing, because nothing is known; what improved is a success that says so.
set -euo pipefail

code=none
if [[ -f $RUN/code ]]; then code=$(head -c 4 "$RUN/code" | tr -dc '0-9'); fi
case "$code" in
  0) conclusion=success ;;
  3) conclusion=neutral ;;
  none) conclusion=neutral ;;
  130) conclusion=cancelled ;;
  *) conclusion=failure ;;
esac
if [[ $code == none ]]; then
  title="no result: nothing was merged"
  summary=$(mktemp)
  echo "The parts were not merged: see the jobs of the run. Nothing is known; run the workflow again." > "$summary"
else
  summary="$RUN/report.md"
  title=$(head -n 1 "$summary" | tr -d '*`' | cut -c 1-120)
fi
gh api --method POST "repos/$REPOSITORY/check-runs" --silent \
  -f name=perf -f head_sha="$COMMIT" -f status=completed -f conclusion="$conclusion" \
  -f details_url="$RUN_URL" -f "output[title]=$title" -F "output[summary]=@$summary"
echo "exit code $code, $conclusion"
