#!/usr/bin/env bash
# Opens a page in a browser without a screen: it must say nothing on the console, ask for nothing from a network, and hold its
# charts. usage: page-check.sh report.html [chromium]
set -euo pipefail

page=$(realpath "$1")
browser=${2:-chromium}
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

# No name is resolved, and the browser's own services are not counted.
own='//(clients[0-9]*\.google\.com|update\.googleapis\.com|accounts\.google\.com|redirector\.gvt1\.com)/'
"$browser" --headless=new --no-sandbox --disable-gpu --user-data-dir="$folder/profile" --disable-background-networking \
  --disable-component-update --disable-sync --no-first-run --enable-logging=stderr --v=0 \
  --host-resolver-rules='MAP * ~NOTFOUND' --log-net-log="$folder/net.json" --virtual-time-budget=5000 --dump-dom "file://$page" > "$folder/dom" 2> "$folder/log"

if grep --extended-regexp 'CONSOLE' "$folder/log"; then
  echo "error: the page wrote to the console" >&2
  exit 1
fi
asked=$(grep --only-matching --extended-regexp '"url":"(https?|wss?|ftp):[^"]*"' "$folder/net.json" \
  | grep --invert-match --extended-regexp "$own" | sort -u || true)
if [[ -n $asked ]]; then
  echo "error: the page asked for $asked" >&2
  exit 1
fi
charts=$(grep --only-matching '<figure class="chart">' "$folder/dom" | wc -l)
(( charts > 0 )) || { echo 'error: the page holds no chart' >&2; exit 1; }
echo "$charts charts, nothing on the console, nothing asked from a network"
