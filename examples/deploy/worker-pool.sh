#!/bin/sh
# Several workers at once, in the folder that holds worker.py: worker-pool.sh COUNT [OPTION...]
#
#     sh worker-pool.sh 4 --handlers handlers.py
#     sh worker-pool.sh 4 --handlers handlers.py --until-empty
#
# SIGTERM and Ctrl-C let each worker finish its tasks. It ends when all have ended, with the highest
# of their exit codes. PYTHON names the Python to use. The workers' ids are HOST-1, HOST-2, and on.

set -u

count=${1:-}
case $count in
    '' | *[!0-9]* | 0)
        echo "usage: worker-pool.sh COUNT [OPTION OF worker.py...]" >&2
        exit 2
        ;;
esac
shift

pids=''
number=1
while [ "$number" -le "$count" ]; do
    "${PYTHON:-python3}" worker.py "$@" --worker-id "$(uname -n)-$number" &
    pids="$pids $!"
    number=$((number + 1))
done

# shellcheck disable=SC2086 # one word a process
trap 'kill -TERM $pids 2>/dev/null' TERM
# Ctrl-C reaches the workers by itself, and a second signal would end them at once.
trap : INT

highest=0
for pid in $pids; do
    # A signal ends `wait` before the worker has ended.
    while kill -0 "$pid" 2>/dev/null; do
        wait "$pid"
        code=$?
    done
    [ "$code" -le "$highest" ] || highest=$code
done
exit "$highest"
