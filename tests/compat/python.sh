#!/usr/bin/env bash
# Runs clients.py, peer.py or consumer_groups.py in a Python environment with the clients of requirements.txt, which is
# made when first needed.
#
#   python.sh ready             makes the environment if need be
#   python.sh run ARGUMENT...   runs clients.py
#   python.sh peer ADDRESS      runs peer.py
#   python.sh groups ADDRESS    runs consumer_groups.py
#   python.sh file ARGUMENT...  runs another program that uses those clients
#
# The environment is kept below target/peers of the repository. MILLSTREAM_PYTHON names a Python that has the clients
# already. Needs Python 3.10 or newer with its module venv, and a package index for the first run.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
home=$here/../../target/peers/python-$(cksum <"$here/requirements.txt" | cut -d' ' -f1)

fail() {
    echo "$1" >&2
    exit 1
}

ready() {
    [ -n "${MILLSTREAM_PYTHON:-}" ] && return
    [ -e "$home/.complete" ] && return
    command -v python3 >/dev/null || fail "Python is not installed"
    mkdir -p "$home"
    # Tests that start together must not fill the same folder at once.
    exec 9>"$home/.lock"
    flock 9
    if ! [ -e "$home/.complete" ]; then
        python3 -m venv "$home" >&2 || fail "Python's module venv is not installed"
        "$home/bin/pip" install -q --disable-pip-version-check -r "$here/requirements.txt" >&2 \
            || fail "Python's Kafka clients could not be fetched"
        touch "$home/.complete"
    fi
    exec 9>&-
}

case ${1:-} in
    ready)
        ready
        ;;
    run)
        ready
        shift
        exec "${MILLSTREAM_PYTHON:-$home/bin/python}" "$here/clients.py" "$@"
        ;;
    peer)
        ready
        exec "${MILLSTREAM_PYTHON:-$home/bin/python}" "$here/peer.py" "$2"
        ;;
    groups)
        ready
        shift
        exec "${MILLSTREAM_PYTHON:-$home/bin/python}" "$here/consumer_groups.py" "$@"
        ;;
    file)
        ready
        shift
        exec "${MILLSTREAM_PYTHON:-$home/bin/python}" "$@"
        ;;
    *) fail "usage: $0 ready | run ARGUMENT... | peer ADDRESS | groups ADDRESS | file FILE ARGUMENT..." ;;
esac
