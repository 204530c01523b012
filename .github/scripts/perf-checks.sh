#!/usr/bin/env bash
# Makes a check for each machine from the run that it left in $RUNS. Exit codes become conclusions: inconclusive is neutral, and
# so is a runner that died, because nothing is known; what improved is a success that says so.
set -euo pipefail

names=$(tr -d '[]" ' <<< "$MACHINES" | tr ',' '\n')
while read -r machine; do
  [[ -n $machine ]] || continue
  run="$RUNS/perf-$machine"
  # With one artifact the action may not make a folder for it.
  [[ -d $run || ! -f $RUNS/code ]] || run=$RUNS
  code=none
  if [[ -f $run/code ]]; then code=$(head -c 4 "$run/code" | tr -dc '0-9'); fi
  case "$code" in
    0) conclusion=success ;;
    3) conclusion=neutral ;;
    none) conclusion=neutral ;;
    130) conclusion=cancelled ;;
    *) conclusion=failure ;;
  esac
  if [[ $code == none ]]; then
    title="no result: the runner left nothing"
    summary=$(mktemp)
    echo "The runner of \`$machine\` left no run: it died, or never began. Nothing is known of this machine; run the workflow again." > "$summary"
  else
    summary="$run/report.md"
    title=$(head -n 1 "$summary" | tr -d '*`' | cut -c 1-120)
  fi
  gh api --method POST "repos/$REPOSITORY/check-runs" --silent \
    -f name="perf: $machine" -f head_sha="$COMMIT" -f status=completed -f conclusion="$conclusion" \
    -f details_url="$RUN_URL" -f "output[title]=$title" -F "output[summary]=@$summary"
  echo "$machine: exit code $code, $conclusion"
done <<< "$names"
