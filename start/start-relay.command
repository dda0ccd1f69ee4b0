#!/bin/sh
# Starts PyChat's relay by a double click, on macOS and Linux. All but finding Node is done by start.cjs.
set -u
here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd) || exit 1
if ! command -v node >/dev/null 2>&1; then
  echo 'PyChat needs Node.js, which is not installed here.'
  echo 'Get the LTS version from https://nodejs.org, install it, and start this again.'
  if [ -t 0 ]; then
    printf 'Press Enter to close this window.'
    read -r _
  fi
  exit 1
fi
exec node "$here/start.cjs" relay "$@"
