#!/usr/bin/env bash
# Finds or installs the Autobahn|Testsuite and runs it; `run.sh --help` tells how (see run.py).
#
# The suite is taken from the first of these that works:
#   1. a `wstest` on the PATH
#   2. an environment under target/autobahn (or $AUTOBAHN_HOME), built with the pinned packages of
#      requirements.txt if there is a Python 2.7 on the PATH or among pyenv's versions
#   3. its container image, if docker or podman has a running engine
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
target=${CARGO_TARGET_DIR:-$here/../../target}
mkdir -p "$target"
target=$(cd "$target" && pwd)
home=${AUTOBAHN_HOME:-$target/autobahn}
mkdir -p "$home"

find_python2() {
  local python
  for python in python2.7 python2 "$(pyenv root 2>/dev/null || echo "$HOME/.pyenv")"/versions/2.7*/bin/python; do
    if "$python" -c 'import sys, ssl, zlib; sys.exit(sys.version_info[:2] != (2, 7))' 2>/dev/null; then
      echo "$python"
      return
    fi
  done
  return 1
}

# A changed requirements.txt gets a new environment.
build_environment() {
  local python2=$1 env
  env=$home/python2-$(cksum <"$here/requirements.txt" | cut -d' ' -f1)
  if [ ! -e "$env/ready" ]; then
    echo "building the suite's environment in $env" >&2
    rm -rf "$env"
    python3 -m venv "$env/virtualenv"
    "$env/virtualenv/bin/pip" -q install virtualenv==20.21.1 >&2 # the last that can do 2.7
    "$env/virtualenv/bin/virtualenv" -q -p "$python2" "$env/suite" >&2
    "$env/suite/bin/pip" -q install --no-deps --no-python-version-warning -r "$here/requirements.txt" >&2
    "$env/suite/bin/wstest" --help >/dev/null
    touch "$env/ready"
  fi
  echo "$env/suite/bin/wstest"
}

# The folder of the reports has the same name inside.
container_wstest() {
  local engine
  for engine in docker podman; do
    if "$engine" info >/dev/null 2>&1; then
      printf '#!/bin/sh\nexec %s run --rm --init --network host -e PYTHONUNBUFFERED=1 -v "%s:%s" %s "$@"\n' \
        "$engine" "$target" "$target" 'docker.io/crossbario/autobahn-testsuite wstest' >"$home/wstest"
      chmod +x "$home/wstest"
      echo "$home/wstest"
      return
    fi
  done
  return 1
}

if [[ " $* " != *" --help "* && " $* " != *" -h "* ]]; then
  if wstest --help >/dev/null 2>&1; then
    WSTEST=wstest
  elif python2=$(find_python2); then
    WSTEST=$(build_environment "$python2")
  elif ! WSTEST=$(container_wstest); then
    echo "no Autobahn|Testsuite: put 'wstest' on the PATH, or install Python 2.7 (pyenv install 2.7.18), or start docker or podman" >&2
    exit 2
  fi
  export WSTEST
fi
AUTOBAHN_REPORTS=$target/autobahn/reports exec python3 "$here/run.py" "$@"
