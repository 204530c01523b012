#!/usr/bin/env bash
# Says which commit of which branch is measured, and where: `commit`, `branch`, `filters` and `machines` in $GITHUB_OUTPUT. Fails
# unless the actor may write to the repository, and for a pull request of a fork.
set -euo pipefail

[[ $NUMBER =~ ^[0-9]+$ ]] || { echo "error: \`$NUMBER\` is no number of a pull request" >&2; exit 2; }
permission=$(gh api "repos/$REPOSITORY/collaborators/$ACTOR/permission" --jq .permission)
case "$permission" in
  admin | maintain | write) ;;
  *) echo "error: $ACTOR may not write to $REPOSITORY (permission: $permission)" >&2; exit 1 ;;
esac

head=$(gh api "repos/$REPOSITORY/pulls/$NUMBER" --jq '[.head.repo.full_name, .head.sha, .head.ref] | join(" ")')
read -r from commit branch <<< "$head"
[[ $from == "$REPOSITORY" ]] || { echo "error: pull request $NUMBER is of $from; push it to a branch of $REPOSITORY first" >&2; exit 1; }
[[ $commit =~ ^[0-9a-f]{40}$ && $branch =~ ^[A-Za-z0-9_][A-Za-z0-9_./-]*$ ]] \
  || { echo "error: commit \`$commit\` or branch \`$branch\` has an unusual name" >&2; exit 1; }

filters=${ASKED_FILTERS:-}
if [[ $EVENT == issue_comment ]]; then
  first=${COMMENT%%$'\n'*}
  filters=${first#/perf refresh}
fi
filters=$(tr -d '\r' <<< "$filters")
[[ $filters =~ ^[A-Za-z0-9_:.\ -]*$ ]] || { echo "error: \`$filters\` are no names of scenarios" >&2; exit 2; }
# The labels of the runners, without the numbers of their GPUs.
machines=$(jq --compact-output 'map(split("=")[0])' <<< "$MACHINES")
printf 'commit=%s\nbranch=%s\nfilters=%s\nmachines=%s\n' "$commit" "$branch" "$filters" "$machines" >> "$GITHUB_OUTPUT"
