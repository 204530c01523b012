#!/usr/bin/env bash
# Writes the report of the merged run in $RUN into one comment of the pull request; one that is there is updated in place.
set -euo pipefail

marker='<!-- vllm-perf:report -->'
most=60000
body=$(mktemp)

# What of the report is shown: `whole`, its `head` above the folded details, or its first `line`.
assemble() {
  : > "$body"
  local report="$RUN/report.md"
  if [[ -f $report ]]; then
    case "$1" in
      whole) cat "$report" ;;
      head) sed '/^<details>/,$d' "$report" ;;
      line) head -n 1 "$report" | cut -c "1-$((most / 2))" ;;
    esac >> "$body"
  else
    echo '**no result**: no part left a report' >> "$body"
  fi
  printf '\n<sub>[records and report.html](%s) · commit %s</sub>\n%s\n' "$RUN_URL" "$COMMIT" "$marker" >> "$body"
}

for part in whole head line; do
  assemble "$part"
  (( $(wc -c < "$body") > most )) || break
done

mine=".[] | select(.user.login == \"github-actions[bot]\" and (.body | contains(\"$marker\"))) | .id"
id=$(gh api --paginate "repos/$REPOSITORY/issues/$NUMBER/comments" --jq "$mine" | head -n 1)
if [[ -n $id ]]; then
  gh api --method PATCH "repos/$REPOSITORY/issues/comments/$id" --silent -F "body=@$body"
else
  gh api --method POST "repos/$REPOSITORY/issues/$NUMBER/comments" --silent -F "body=@$body"
fi
