#!/usr/bin/env bash
# Opens a page in a browser without a screen. It must say nothing on the console and ask for nothing from a network. In both
# themes, on a phone and on a wide screen: no chart is empty, everything has an accessible name, text has the contrast of WCAG
# AA, and nothing is wider than the window. usage: page-check.sh report.html [chromium]
set -euo pipefail

page=$(realpath "$1")
browser=${2:-chromium}
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

# Prints the document that a browser makes of an address. No name is resolved.
open() {
  local name=$1 address=$2
  shift 2
  timeout 60 "$browser" --headless=new --no-sandbox --disable-gpu --user-data-dir="$folder/profile-$name" \
    --disable-background-networking --disable-component-update --disable-sync --no-first-run --enable-logging=stderr --v=0 \
    --host-resolver-rules='MAP * ~NOTFOUND' --log-net-log="$folder/$name.net" --virtual-time-budget=5000 "$@" \
    --dump-dom "$address" 2> "$folder/$name.log"
}

open page "file://$page" > "$folder/dom"
if grep --extended-regexp 'CONSOLE' "$folder/page.log"; then
  echo "error: the page wrote to the console" >&2
  exit 1
fi
# The browser's own services are not counted.
own='//(clients[0-9]*\.google\.com|update\.googleapis\.com|accounts\.google\.com|redirector\.gvt1\.com)/'
asked=$(grep --only-matching --extended-regexp '"url":"(https?|wss?|ftp):[^"]*"' "$folder/page.net" \
  | grep --invert-match --extended-regexp "$own" | sort -u || true)
if [[ -n $asked ]]; then
  echo "error: the page asked for $asked" >&2
  exit 1
fi

cp "$here/page-check.js" "$folder/"
cp "$page" "$folder/page.html"
for width in 390 1600; do
  printf '<iframe src="page.html" width="%s" height="900"></iframe>\n' "$width"
done > "$folder/frames"
printf '<!doctype html><meta charset="utf-8"><script src="page-check.js"></script><pre id="result"></pre>%s' \
  "$(cat "$folder/frames")" > "$folder/look.html"
for theme in light dark; do
  flag=()
  [[ $theme == light ]] || flag=(--force-dark-mode)
  open "$theme" "file://$folder/look.html" --allow-file-access-from-files "${flag[@]}" > "$folder/$theme.dom"
  sed --silent --regexp-extended 's/^(<.*>)?(FAULT|LOOKED) /\2 /p' "$folder/$theme.dom" > "$folder/$theme.found"
  # Both frames were looked at, in this theme, or nothing was.
  if [[ $(grep --count "^LOOKED $theme, " "$folder/$theme.found") != 2 ]]; then
    cat "$folder/$theme.found"
    echo "error: the page could not be looked at in the $theme theme" >&2
    exit 1
  fi
done
if grep --no-filename '^FAULT' "$folder"/*.found; then
  echo "error: the page has the faults above" >&2
  exit 1
fi
sed 's/^LOOKED //' "$folder"/light.found "$folder"/dark.found
echo "nothing on the console, nothing asked from a network, no fault"
