#!/usr/bin/env bash
# Commits the baselines in $BASELINES and pushes them to $BRANCH. It runs in a checkout of the branch and runs no code of it.
# What a runner left is not trusted: only plain files of baselines are taken.
set -euo pipefail

message=$(mktemp)
printf 'Refresh the baselines\n\nMeasured by %s\n' "$RUN_URL" > "$message"
for run in "$BASELINES" "$BASELINES"/perf-baselines-*; do
  [[ -f $run/message ]] || continue
  [[ -z $(find "$run" -type l) ]] || { echo "error: $run holds a link" >&2; exit 1; }
  printf '\n' >> "$message"
  tr -d '\000-\010\013-\037' < "$run/message" | head -c 20000 >> "$message"
  [[ -d $run/baselines ]] || continue
  while IFS= read -r -d '' file; do
    name=${file#"$run"/}
    if [[ ! $name =~ ^baselines(/[A-Za-z0-9_][A-Za-z0-9_.-]*)+\.(snap|anchor\.yaml|starts\.json)$ ]]; then
      echo "error: \`$name\` is no baseline" >&2
      exit 1
    fi
    # A link in the checkout must not lead out of it.
    folder=$(dirname "$name")
    mkdir -p "$folder"
    [[ $(realpath "$folder") == "$(realpath .)/$folder" ]] || { echo "error: $folder is a link" >&2; exit 1; }
    rm -f "$name"
    cp "$file" "$name"
  done < <(find "$run/baselines" -type f -print0)
done

git add --all -- baselines
if git diff --cached --quiet; then
  echo 'the baselines did not change; nothing is pushed'
  exit 0
fi
git -c user.name='github-actions[bot]' -c user.email='41898282+github-actions[bot]@users.noreply.github.com' \
  commit --quiet --no-verify --file "$message" --cleanup=verbatim
# The token goes to this push only; it is not kept in the configuration. A branch that moved on is not overwritten.
[[ $(git rev-parse HEAD^) == "$COMMIT" ]]
credentials=$(printf 'x-access-token:%s' "$GH_TOKEN" | base64 --wrap 0)
git -c "http.extraheader=AUTHORIZATION: basic $credentials" push --quiet "$REMOTE" "HEAD:refs/heads/$BRANCH"
git log -1 --format='pushed %h to '"$BRANCH"
