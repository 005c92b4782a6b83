# Sourced by the scripts beside it.
say() { echo "$(basename "$0" .sh): $*" >&2; }
die() { say "$*"; exit 1; }
quiet() {  # runs a command, shows its output only when it fails
  local log
  log=$(mktemp)
  "$@" >"$log" 2>&1 || { cat "$log" >&2; rm -f "$log"; die "failed: $*"; }
  rm -f "$log"
}

install_packages() {  # those of Debian that are not there
  local missing=() package
  for package in "$@"; do
    dpkg-query -W -f='${Status}' "$package" 2>/dev/null | grep -q 'ok installed' || missing+=("$package")
  done
  [ ${#missing[@]} -eq 0 ] && return
  local sudo=()
  if [ "$(id -u)" -ne 0 ]; then
    command -v sudo >/dev/null || die "needs root or sudo to install: ${missing[*]} (setup.sh --no-apt does without)"
    sudo=(sudo)
  fi
  say "installing ${missing[*]}"
  quiet "${sudo[@]}" apt-get update -q
  quiet "${sudo[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends "${missing[@]}"
}
