#!/bin/sh
# Reads all shell of the program with shellcheck, which it installs where it may: as root on Debian.

cd "$(dirname "$0")/.." || exit 1
if ! command -v shellcheck >/dev/null && [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
  echo 'check: shellcheck is missing, and is installed with apt' >&2
  export DEBIAN_FRONTEND=noninteractive
  apt-get -qq -o DPkg::Lock::Timeout=600 update &&
    apt-get -qq -y -o DPkg::Lock::Timeout=600 --no-install-recommends install shellcheck >/dev/null
fi
if ! command -v shellcheck >/dev/null; then
  echo 'check: shellcheck is missing, so the shell was not read
hint: apt-get install shellcheck (Fedora: dnf install ShellCheck; macOS: brew install shellcheck), then npm run check' >&2
  exit 1
fi
exec shellcheck .ci/run scripts/*.sh src/*/shell/*.sh roles/*/shell/*.sh templates/*.sh.hbs
