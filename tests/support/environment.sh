# What tests/run and tests/check share; sourced by them in the project's folder.

venv=.venv-tests
export PATH="$PATH:/usr/local/sbin:/usr/sbin:/sbin" PIP_DISABLE_PIP_VERSION_CHECK=1

fail() {
    printf '%s: %s\n' "${0##*/}" "$*" >&2
    exit 1
}

# need_packages PACKAGE...: installs Debian packages, or says which are missing.
need_packages() {
    [ $# -gt 0 ] || return 0
    local root=()
    if [ "$(id -u)" -ne 0 ]; then
        root=(sudo -n)
        "${root[@]}" true 2>/dev/null || fail "missing, and neither root nor password-less sudo" \
            "to install it: $*. Install it with: sudo apt-get install $*"
    fi
    command -v apt-get >/dev/null || fail "missing, and there is no apt-get to install it: $*"
    echo "Installing $*"
    quietly "${root[@]}" apt-get update
    quietly "${root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install --yes \
        --no-install-recommends -o DPkg::Lock::Timeout=300 "$@"
}

# quietly COMMAND...: runs it and shows what it printed only if it fails.
quietly() {
    local output
    output=$("$@" </dev/null 2>&1) || fail "this failed: $*"$'\n'"$output"
}

# packages_for COMMAND=PACKAGE...: prints the packages of the commands, or files, that are not there.
packages_for() {
    local pair
    for pair in "$@"; do
        command -v "${pair%%=*}" >/dev/null || [ -e "${pair%%=*}" ] || echo "${pair#*=}"
    done
}

# need_python: sets `python` to one that can make virtual environments.
need_python() {
    python=${PYTHON:-python3}
    if ! "$python" -c 'import ensurepip, venv' 2>/dev/null; then
        [ -z "${PYTHON:-}" ] || fail "PYTHON=$PYTHON cannot be run, or lacks the module venv"
        need_packages python3 python3-venv
    fi
    "$python" -c 'import sys; sys.exit(sys.version_info < (3, 9))' ||
        fail "Python 3.9 or newer is needed, and $python is $("$python" --version)"
}

# need_venv EXTRA: the virtual environment with what setup.cfg asks for and this extra of it.
need_venv() {
    local extra=$1 stamp=$venv/.installed-$1 identity wanted
    identity='import pip, sys; print(sys.base_prefix, sys.version)'
    if [ "$("$venv/bin/python" -c "$identity" 2>&1)" != "$("$python" -c "${identity/pip, /}")" ]; then
        quietly "$python" -m venv --clear "$venv"
    fi
    wanted=$(requirements "$extra")
    if [ "$(cat "$stamp" 2>/dev/null)" != "$wanted" ]; then
        echo "Installing the Python packages of the extra '$extra' into $venv"
        printf '%s\n' "$wanted" >"$venv/requirements.txt"
        quietly "$venv/bin/python" -m pip install --requirement "$venv/requirements.txt"
        printf '%s\n' "$wanted" >"$stamp"
    fi
}

# requirements EXTRA: prints the project's requirements and the extra's, one on a line.
requirements() {
    "$venv/bin/python" - "$1" <<'END'
import configparser
import sys

config = configparser.ConfigParser(interpolation=None)
config.read("setup.cfg", encoding="utf-8")
lines = [config["options"]["install_requires"], config["options.extras_require"][sys.argv[1]]]
print("\n".join(line for line in "\n".join(lines).splitlines() if line))
END
}
