# Sourced by the launch scripts: the repository's root, and an up-to-date .venv in it.
# shellcheck shell=bash

root=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.." && pwd)
venv=$root/.venv
environment_python=$venv/bin/python

# Without byte code each process compiles the thousand modules that it imports. The first one writes
# it: that is less work than --compile for all that pip installs.
unset PYTHONDONTWRITEBYTECODE

fail() {
    printf 'error: %s\n' "$*" >&2
    exit 1
}

# A wrong command line.
misuse() {
    printf 'error: %s\n' "$*" >&2
    exit 2
}

# The head of a script, for its --help.
show_head() {
    sed -n '2,/^[^#]/s/^# \{0,1\}//p' "$0"
}

# A command in a form that can be pasted.
pasted() {
    local words
    printf -v words '%q ' "$@"
    printf '%s\n' "${words% }"
}

supported() {
    "$1" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' >/dev/null 2>&1
}

find_python() {
    local candidate
    for candidate in ${PYTHON:-python3 python3.13 python3.12 python3.11}; do
        if supported "$candidate"; then
            printf '%s\n' "$candidate"
            return
        fi
    done
    fail "Python 3.11, 3.12 or 3.13 is needed, and ${PYTHON:-python3} is" \
        "$("${PYTHON:-python3}" --version 2>/dev/null || echo missing);" \
        "name one: PYTHON=/path/to/python3.11 $0"
}

# What an installation depends on; a change of any of it installs again.
fingerprint() {
    { printf '%s\n' "$root" "$1" && cat setup.cfg pyproject.toml constraints.txt; } | cksum
}

# prepare_environment [EXTRA]: the package, editable, with the tested versions.
prepare_environment() {
    local extra=${1:-} python stamp
    stamp=$venv/installed${extra:+-$extra}
    cd "$root" || exit
    if supported "$environment_python" && [[ $(cat "$stamp" 2>/dev/null) == "$(fingerprint "$extra")" ]]; then
        printf 'environment: reusing %s\n' "$venv"
        return
    fi
    SECONDS=0
    if ! supported "$environment_python"; then
        python=$(find_python)
        printf 'environment: making %s\n' "$venv"
        "$python" -m venv --clear "$venv" || fail "$python cannot make $venv; is its venv module installed?"
    fi
    printf 'environment: installing the tested versions (constraints.txt)\n'
    "$environment_python" -m pip install -qq --no-input --no-compile --disable-pip-version-check \
        -c constraints.txt -e ".${extra:+[$extra]}" ||
        fail "the installation into $venv failed, for the reason above;" \
            "it needs a package registry and about 3 GB of disk"
    fingerprint "$extra" >"$stamp"
    printf 'environment: ready, install took %d seconds\n' "$SECONDS"
}
