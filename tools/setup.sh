#!/usr/bin/env bash
# Set up this checkout in .venv.
#
#   bash tools/setup.sh          the package and its command, nistats-nipype
#   bash tools/setup.sh test     the same, with what the tests need
#   bash tools/setup.sh doc      the same, with what the documentation needs
#
# Needs Python 3.11 or newer: python3, or the one that PYTHON names. A second
# run does nothing unless the metadata of the package have changed.
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/.."

say() { printf 'setup: %s\n' "$*"; }
fail() { printf 'setup: error: %s\n' "$1" >&2; shift; for line; do printf '  %s\n' "$line" >&2; done; exit 1; }

case "${1-}" in
    '') target='.' ;;
    test | doc) target=".[$1]" ;;
    *) fail "unknown argument '$1'" 'expected: no argument, test or doc' ;;
esac

is_new_enough() { "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; }

find_python() {
    local candidate
    if [[ -n "${PYTHON-}" ]]; then
        is_new_enough "$PYTHON" || fail "PYTHON=$PYTHON cannot be used" \
            'expected: an interpreter of version 3.11 or newer'
        python=$PYTHON
        return
    fi
    for candidate in python3 python3.11 python3.12 python3.13; do
        if is_new_enough "$candidate"; then
            python=$candidate
            return
        fi
    done
    fail 'no Python 3.11 or newer was found' \
        "found:    $(python3 --version 2>/dev/null || echo 'no python3')" \
        'to do:    install one and name it: PYTHON=/path/to/python3.11 bash tools/setup.sh'
}

# Debian splits ensurepip, which makes a new environment usable, from python3.
require_ensurepip() {
    "$python" -c 'import ensurepip, venv' >/dev/null 2>&1 && return
    local version package
    version=$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
    package="python$version-venv"
    if [[ $(id -u) -ne 0 ]] || ! command -v apt-get >/dev/null; then
        fail "$python cannot create virtual environments (no ensurepip)" \
            "to do:    an administrator runs: apt-get install $package"
    fi
    say "installing $package"
    export DEBIAN_FRONTEND=noninteractive
    apt-get install -qq -y "$package" >>"$log" 2>&1 ||
        { apt-get update -qq && apt-get install -qq -y "$package"; } >>"$log" 2>&1 ||
        fail "apt-get could not install $package" "$(tail -n 5 "$log")"
}

# What was installed: changes with the metadata, the interpreter and the place.
fingerprint() {
    { printf '%s\n' "$1" "$PWD"; .venv/bin/python -VV; cat setup.cfg pyproject.toml; } | cksum
}

log=$(mktemp "${TMPDIR:-/tmp}/setup-log.XXXXXX")
trap 'rm -f "$log"' EXIT

# A checkout that has moved, or a Python that is gone, leaves an environment that cannot run.
if [[ -e .venv ]] && ! is_new_enough .venv/bin/python; then
    say 'removing .venv, whose Python does not run'
    rm -rf .venv
fi
if [[ ! -x .venv/bin/pip ]]; then
    find_python
    require_ensurepip
    say "creating .venv with $("$python" --version)"
    "$python" -m venv --clear .venv >>"$log" 2>&1 || fail 'venv failed' "$(tail -n 5 "$log")"
fi

# An environment with more serves without the argument as well.
serving=("$target")
[[ $target == . ]] && serving+=('.[test]' '.[doc]')
for installed in "${serving[@]}"; do
    if [[ "$(cat ".venv/.setup-$installed" 2>/dev/null)" == "$(fingerprint "$installed")" ]]; then
        say '.venv is up to date'
        exit 0
    fi
done

say "installing $target and its dependencies (a minute or two)"
if ! .venv/bin/python -m pip install --quiet --disable-pip-version-check \
    --editable "$target" >>"$log" 2>&1 </dev/null; then
    fail 'pip failed' "$(tail -n 20 "$log")" 'to do:    check the network, then run this again'
fi
fingerprint "$target" >".venv/.setup-$target"
say '.venv is ready'
