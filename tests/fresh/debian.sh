#!/usr/bin/env bash
# README's first commands on a fresh Debian: its smallest root folder, with nothing in it but what README names. What is
# made there must be what the demo made in this checkout, whatever Python that ran with.
#   tests/fresh/debian.sh SUITE        SUITE: bookworm (12) or trixie (13)
# Needs root, debootstrap, git and a finished demo. The last commit is tested, not what is uncommitted.
set -euo pipefail
cd "$(dirname "$0")/../.."
suite=$1
reader=reader # types the commands, without root
root=$(mktemp -d) && chmod 755 "$root"
home=/home/$reader
trap 'rm -rf --one-file-system "$root"' EXIT

section() {
  printf -- '-- %s, second %d: %s\n' "$suite" $SECONDS "$1"
}

fail() {
  echo "error: $suite: $1" >&2
  exit 1
}

# inside USER COMMAND: run in the root folder, with this machine's environment for the network's sake. What is mounted for
# it nobody else sees, and it is gone with the command.
inside() {
  unshare --mount sh -ec '
    mount -t proc proc "$0/proc"
    mount --rbind /dev "$0/dev"
    exec chroot --userspec="$2" "$0" env --chdir="$1" HOME="$1" TMPDIR=/tmp PATH=/usr/sbin:/usr/bin sh -ec "$3"
  ' "$root" "$home" "$@"
}

install_packages() {
  inside root "DEBIAN_FRONTEND=noninteractive apt-get install --quiet --quiet --yes --no-install-recommends $1 >/dev/null"
}

# make must end with this line, and install nothing before.
expect_complaint() {
  said=$(inside $reader 'make --directory=shelfmark demo 2>&1 >/dev/null | grep ^error:') || true
  [ "$said" = "error: missing here: $1" ] || fail "make demo says '$said', not '$1'"
  [ ! -e "$root$home/shelfmark/.venv" ] || fail "make demo installs before it checks"
  echo "$said"
}

section "smallest root folder"
# Debian from where this machine has it, by this machine's way to it.
archive=$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' 'Label: Debian' | sort --unique | head -n 1)
debootstrap --variant=minbase --include=ca-certificates "$suite" "$root" "$archive" >"$root/debootstrap.txt" 2>&1 ||
  fail "debootstrap: $(tail -n 3 "$root/debootstrap.txt")"
apt-config dump Acquire >"$root/etc/apt/apt.conf.d/99machine"
mkdir "$root$home"
inside root "useradd --home-dir $home $reader"
for file in /etc/resolv.conf /etc/hosts /etc/ssl/certs/ca-certificates.crt /etc/pip.conf ~/.config/pip/pip.conf; do
  [ ! -e "$file" ] || install -D --mode=644 "$file" "$root${file/#~/$home}"
done
git clone --quiet --no-hardlinks . "$root$home/shelfmark"
inside root "chown --recursive $reader ."

section "what is missing is said"
install_packages make
expect_complaint "Python; on Debian: apt-get install python3-venv libgomp1 libquadmath0"
install_packages python3
expect_complaint "Python's venv module, libgomp.so.1, libquadmath.so.0; on Debian: apt-get install python3-venv libgomp1 libquadmath0"

section "README's packages"
packages=$(sed -n 's/^    apt-get install //p' README.md)
[ "$packages" = "make ${said##*apt-get install }" ] || fail "README says 'apt-get install $packages', make: '$said'"
install_packages "$packages"

section "make demo"
started=$EPOCHSECONDS
inside $reader "make --directory=shelfmark demo" >"$root/demo.txt" 2>&1 || fail "make demo: $(tail -n 30 "$root/demo.txt")"
tail -n 12 "$root/demo.txt"
installed=$(stat --format=%Y "$root$home/shelfmark/.venv/.installed")
echo "seconds: $((installed - started)) to set up, $((EPOCHSECONDS - installed)) for the demo"

section "the same bytes as on this machine"
(cd results && find demo -name '*.params' -o -name '*.states' -o -name '*.npy' -o -name '*.csv.gz' | sort | xargs sha256sum) >"$root/sums"
(cd "$root$home/shelfmark/results" && sha256sum --check --quiet "$root/sums")
made_by=$(inside $reader "shelfmark/.venv/bin/python --version")
echo "$(wc -l <"$root/sums") files of parameters, states, probabilities and submissions, by $made_by"

# The demo has run the workflow: here it is about the programs under this Debian's Python.
section "make test without runs of the workflow"
inside $reader "make --directory=shelfmark test TESTS=--ignore=tests/runs"

section "passed"
