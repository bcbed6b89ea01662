#!/bin/sh
# A worker for TaskManager in POSIX shell with curl and jq (1.6 or newer), short enough to read
# before you change it. Put your own handlers below, under "Handlers", and run
#
#     TASKMANAGER_API_URL=https://example.com/api TASKMANAGER_API_KEY=… sh worker.sh
#
# Options, with their environment variables and defaults; the command line wins:
#
#     --api-url URL          TASKMANAGER_API_URL  http://127.0.0.1:8000/api
#     --api-key KEY          TASKMANAGER_API_KEY  (better in the environment: `ps` shows options)
#     --worker-id NAME       WORKER_ID            host-process-random
#     --type-pattern LIKE    TASK_TYPE_PATTERN    as in 'example.%'
#     --task-types A,B       TASK_TYPES           all that have a handler
#     --poll-interval SEC    POLL_INTERVAL        10
#     --max-runs N           MAX_RUNS             0 (no end)
#     --debug                DEBUG                log each task
#     --until-empty                               end when nothing is left
#
# Without a key, the password in the address is the key: https://x:KEY@example.com/api.
#
# From cron, every minute, until there is nothing left to do (with the address and the key above
# the line, as crontab allows):
#
#     * * * * * sh $HOME/queue/worker.sh --until-empty 2>>$HOME/queue/worker.log
#
# Exit codes: 0 done or stopped by SIGTERM or SIGINT (which let the task at hand finish), 1 gave up
# after five network or server errors in a row, 2 wrong usage, 3 refused by the server (wrong key).

set -u

failures_in_a_row=5 # then the worker gives up
longest_pause=60    # seconds
longest_interval=60     # seconds between two heartbeats, however long the lease
call_timeout=30     # seconds

# --- Handlers: add yours here --------------------------------------------------------------------
#
# A handler reads the task's params as JSON from its standard input and prints the result as JSON.
# When a command of it fails, the task is tried again later, or never if the handler ended with
# `never_again`; what it prints on standard error becomes the error's text. `progress PERCENT TEXT`
# tells how far it is, and `is_cancelled` whether it should stop.

handled_types='example.echo,example.uppercase,example.math.add,example.sleep,example.error'

handle() {
    case $1 in
        example.echo) jq '{echoed: .message} + if has("timestamp") then {timestamp} else {} end' ;;
        example.uppercase) jq '.text | ascii_upcase | {result: ., length: length}' ;;
        example.math.add) jq '{sum: (.a + .b)}' ;;
        example.sleep) example_sleep ;;
        example.error) example_error ;;
    esac
}

example_sleep() {
    seconds=$(jq .seconds)
    slept=0
    while less "$slept" "$seconds"; do
        if is_cancelled; then
            echo "cancelled after $slept of $seconds s" >&2
            return 1
        fi
        progress "$(jq -n "100 * $slept / $seconds")" "slept $slept of $seconds s"
        sleep "$(jq -n "[1, $seconds - $slept] | min")"
        slept=$((slept + 1))
    done
    jq -n "{slept: $seconds}"
}

example_error() {
    params=$(cat)
    printf '%s' "$params" | jq -j '.message // "this task always fails"' >&2
    if printf '%s' "$params" | jq -e .permanent >/dev/null; then
        never_again
    fi
    return 1
}

less() {
    jq -en "$1 < $2" >/dev/null
}

# --- What handlers use ---------------------------------------------------------------------------

never_again() {
    exit 100
}

progress() {
    jq -n --argjson identity "$identity" --argjson progress "$1" --arg message "$2" \
        '$identity + {$progress, $message}' >"$work/progress"
    send_heartbeat progress "$work/progress"
}

is_cancelled() {
    [ -e "$work/cancelled" ] || [ -e "$work/lost" ]
}

# --- The API -------------------------------------------------------------------------------------

# call METHOD PATH [BODY_FILE [ANSWER_FILE]]: one call. Ends with 0; with 1 when the same call may
# succeed later; with 2 when the server said no. Sets `status` and `problem`.
call() {
    method=$1 path=$2 body=${3:-} answer=${4:-$work/answer}
    set -- --silent --show-error --request "$method" --max-time "$call_timeout" \
        --header "@$work/headers" --output "$answer" --write-out '%{http_code}'
    [ -z "$body" ] || set -- "$@" --data-binary "@$body"
    : >"$answer"
    # Ctrl-C and service managers signal every process there is; the call is to end all the same.
    if ! status=$(trap '' INT TERM && curl "$@" "$api_url$path" 2>"$answer.error"); then
        problem="no answer from $api_url: $(cat "$answer.error")"
        return 1
    fi
    if ! problem=$(jq -er 'if .success then "" else .error end' "$answer" 2>/dev/null); then
        problem="$api_url answered HTTP $status, not as TaskManager does"
        return 1
    fi
    case $status in
        2??) return 0 ;;
        429 | 5??) problem="HTTP $status: $problem" && return 1 ;;
        *) return 2 ;;
    esac
}

# insist METHOD PATH [BODY_FILE]: a call, made until it is answered. Ends with 0 or 2 as `call`, and
# with 1 after five failures in a row.
insist() {
    while :; do
        call "$@"
        outcome=$?
        if [ "$outcome" -ne 1 ]; then
            failures=0
            return "$outcome"
        fi
        ride_out || return 1
    done
}

# ride_out: pauses after a failure, or ends with 1 when there were too many.
ride_out() {
    failures=$((failures + 1))
    [ "$failures" -lt "$failures_in_a_row" ] || return 1
    pause_now=$(jq -n "[$poll_interval * ([range(1; $failures)] | length | exp2), $longest_pause] |
        min")
    unit=seconds
    [ "$pause_now" != 1 ] || unit=second
    log "$problem; trying again in $pause_now $unit"
    pause "$pause_now"
}

# pause SECONDS: waits. A signal to stop ends the wait, and makes later ones short.
pause() {
    seconds=$1
    [ -z "$stopping" ] || seconds=$(jq -n "[$seconds, 1] | min")
    sleep "$seconds" >/dev/null 2>&1 &
    # Unlike a program in the foreground, `wait` is ended by a signal.
    wait $!
    [ -z "$stopping" ] || kill $! 2>/dev/null
    return 0
}

# --- A claimed task ------------------------------------------------------------------------------

# send_heartbeat heartbeat|progress BODY_FILE: extends the lease, and notes whether to stop.
send_heartbeat() {
    outcome=0
    # Its own answer's file: this runs beside the handler.
    call POST "/tasks/$task_id/$1" "$2" "$2.answer" || outcome=$?
    case $outcome in
        0) if jq -e .data.cancel_requested "$2.answer" >/dev/null; then : >"$work/cancelled"; fi ;;
        2) : >"$work/lost" && log "task $task_id: lease lost: $problem" ;;
        *) log "task $task_id: lease not extended: $problem" ;;
    esac
}

# keep_lease: a background loop that extends the lease until it is ended by `stop_keeping`.
keep_lease() {
    printf '%s' "$identity" >"$work/heartbeat"
    (
        trap '' INT TERM
        nap=''
        trap 'kill $nap 2>/dev/null; exit' USR1
        while [ ! -e "$work/lost" ]; do
            sleep "$heartbeat_interval" >/dev/null 2>&1 &
            nap=$!
            wait "$nap"
            send_heartbeat heartbeat "$work/heartbeat"
        done
    ) &
    renewer=$!
}

stop_keeping() {
    kill -USR1 "$renewer" 2>/dev/null
    # A signal to stop ends `wait` too early.
    while kill -0 "$renewer" 2>/dev/null; do
        wait "$renewer"
    done
}

# run_handler: runs it and leaves the report in $work/report and the kind of it in `ending`.
run_handler() {
    rm -f "$work/lost" "$work/cancelled"
    keep_lease
    (
        trap '' INT TERM
        set -e
        handle "$type"
    ) <"$work/params" >"$work/result" 2>"$work/error"
    code=$?
    stop_keeping
    if [ "$code" -ne 0 ]; then
        report_failure "$code"
    elif ! report_result; then
        echo "the handler printed something that is not one JSON value" >"$work/error"
        report_failure 100
    fi
}

report_result() {
    ending=complete
    jq -n --argjson identity "$identity" --slurpfile result "$work/result" \
        'if ($result | length) > 1 then error else $identity + {result: $result[0]} end' \
        >"$work/report" 2>/dev/null
}

report_failure() {
    ending=fail
    jq -n --argjson identity "$identity" --rawfile error "$work/error" --argjson code "$1" \
        --arg trace "handle $type ended with $1" \
        '$identity + {error: ($error | rtrimstr("\n")), $trace, retry: ($code != 100)}' \
        >"$work/report"
}

# --- The worker ----------------------------------------------------------------------------------

# run_worker: works until there is a reason to end. Ends as `insist` does.
run_worker() {
    insist GET /health || return
    log "worker $worker_id waits for $claim_options"
    claim || return
    while goes_on && { [ -n "$task" ] || [ -z "$until_empty" ]; }; do
        # No `||` after `work`: inside of it, `set -e` would mean nothing to a handler.
        if [ -n "$task" ]; then
            work
        else
            pause "$poll_interval" && claim
        fi
        outcome=$?
        [ "$outcome" -eq 0 ] || return "$outcome"
    done
    [ -z "$task" ] || release
}

goes_on() {
    [ -z "$stopping" ] && { [ "$max_runs" -eq 0 ] || [ "$claimed" -lt "$max_runs" ]; }
}

# claim: leaves the next task in `task`; nothing when there is none or the worker is to end.
claim() {
    task=''
    jq -n --arg worker_id "$worker_id" --argjson options "$claim_options" \
        '{$worker_id} + $options' >"$work/claim"
    while goes_on; do
        call POST /tasks/claim "$work/claim"
        case $? in
            0) failures=0 && task=$(jq -c .data "$work/answer") && return ;;
            1) ride_out || return 1 ;;
            *)
                failures=0
                is_refused_with no_tasks || return 2
                return 0
                ;;
        esac
    done
}

is_refused_with() {
    [ "$(jq -r .code "$work/answer")" = "$1" ]
}

# work: runs the task's handler and settles it.
work() {
    claimed=$((claimed + 1))
    read_task
    debug "task $task_id: $type"
    run_handler
    if [ -e "$work/lost" ]; then
        lost=$((lost + 1))
        claim
    else
        settle
    fi
}

# read_task: sets what is needed of the task: its id, type, params and identity.
read_task() {
    printf '%s' "$task" | jq -c .params >"$work/params"
    # One program started in place of four; no type's name has a line break.
    printf '%s' "$task" | jq -cr --arg worker_id "$worker_id" \
        ".id, .type, ([.lease / 3, $longest_interval] | min), {\$worker_id, attempt: .attempts}" \
        >"$work/fields"
    {
        IFS= read -r task_id
        IFS= read -r type
        IFS= read -r heartbeat_interval
        IFS= read -r identity
    } <"$work/fields"
}

# settle: reports the outcome, and claims the next task with the same call.
settle() {
    if goes_on; then
        jq --argjson claim "$claim_options" '. + {$claim}' "$work/report" >"$work/settle"
    else
        cp "$work/report" "$work/settle"
    fi
    # Sent again after trouble: settling the same attempt twice changes nothing more.
    insist POST "/tasks/$task_id/$ending" "$work/settle"
    case $? in
        0) settled ;;
        1) return 1 ;;
        *) not_settled ;;
    esac
}

settled() {
    task=$(jq -c '.data.tasks[0]? // empty' "$work/answer")
    if [ "$ending" = complete ]; then
        completed=$((completed + 1))
        log "task $task_id: Completed successfully"
        if jq -e '.result | objects | .success == false' "$work/report" >/dev/null; then
            log "WARNING task $task_id: the handler returned success: false; to fail, exit with 1"
        fi
    else
        failed=$((failed + 1))
        log "ERROR task $task_id: Failed: $(jq -r .error "$work/report")"
    fi
}

not_settled() {
    case $status in
        401) return 2 ;;
        403 | 404 | 409) is_lost=yes ;;
        *) if [ "$ending" = fail ]; then is_lost=yes; else is_lost=; fi ;;
    esac
    if [ -n "$is_lost" ]; then
        log "task $task_id: not settled: $problem"
        lost=$((lost + 1))
        claim
    else
        # For example a result that is too large: another attempt would end the same way.
        printf '%s' "result refused: $problem" >"$work/error"
        report_failure 100
        settle
    fi
}

# release: gives back what was claimed while the signal to stop came in.
release() {
    read_task
    printf '%s' "$identity" >"$work/release"
    call POST "/tasks/$task_id/release" "$work/release" ||
        log "task $task_id: not released, its lease will expire: $problem"
}

log() {
    printf '%s %s\n' "$(date -u +%Y-%m-%dT%H:%M:%SZ)" "$*" >&2
}

debug() {
    [ -z "$debugging" ] || log "$@"
}

# --- The command line ----------------------------------------------------------------------------

read_options() {
    api_url=${TASKMANAGER_API_URL:-http://127.0.0.1:8000/api}
    api_key=${TASKMANAGER_API_KEY:-}
    worker_id=${WORKER_ID:-}
    type_pattern=${TASK_TYPE_PATTERN:-}
    task_types=${TASK_TYPES:-}
    poll_interval=${POLL_INTERVAL:-10}
    max_runs=${MAX_RUNS:-0}
    until_empty=''
    case ${DEBUG:-} in 1 | true | yes | on) debugging=yes ;; *) debugging='' ;; esac
    while [ $# -gt 0 ]; do
        case $1 in
            --debug) debugging=yes ;;
            --until-empty) until_empty=yes ;;
            --help) help && exit ;;
            --*=*) set_option "${1%%=*}" "${1#*=}" ;;
            *) [ $# -ge 2 ] || usage "$1 is no option, or its value is missing; see --help"
                set_option "$1" "$2" && shift ;;
        esac
        shift
    done
}

set_option() {
    case $1 in
        --api-url) api_url=$2 ;;
        --api-key) api_key=$2 ;;
        --worker-id) worker_id=$2 ;;
        --type-pattern) type_pattern=$2 ;;
        --task-types) task_types=$2 ;;
        --poll-interval) poll_interval=$2 ;;
        --max-runs) max_runs=$2 ;;
        *) usage "there is no option $1; see --help" ;;
    esac
}

check_options() {
    case $api_url in
        http://* | https://*) api_url=${api_url%/} && take_password ;;
        *) usage "--api-url must begin with http:// or https://, and is $api_url" ;;
    esac
    case $poll_interval in
        '' | *[!0-9.]* | *.*.* | .) usage "--poll-interval must be a number of seconds" ;;
    esac
    if ! less 0 "$poll_interval" || less 86400 "$poll_interval"; then
        usage "--poll-interval must be more than 0 and at most a day"
    fi
    case $max_runs in
        '' | *[!0-9]*) usage "--max-runs must be a whole number, 0 or more" ;;
    esac
    claim_options=$(claim_options) || usage "there is no handler for one of $task_types: add it"
}

# take_password: without a key, the password in the address is the key; nothing there is logged.
take_password() {
    rest=${api_url#*://}
    case ${rest%%/*} in
        *@*) ;;
        *) return ;;
    esac
    credentials=${rest%%/*} credentials=${credentials%@*}
    api_url=${api_url%%://*}://${rest#"$credentials@"}
    case $credentials in
        *:*) api_key=${api_key:-${credentials#*:}} ;;
    esac
}

# claim_options: prints which tasks to claim; ends with 1 when a type has no handler.
claim_options() {
    jq -cen --arg types "$task_types" --arg all "$handled_types" --arg pattern "$type_pattern" '
        def names: split(",") | map(gsub("^ +| +$"; "")) | map(select(. != ""));
        ($all | names) as $all | ($types | names) as $types |
        if $types - $all != [] then empty else
            {task_types: (if $types == [] then $all else $types end)}
            + if $pattern == "" then {} else {type_pattern: $pattern} end
        end'
}

help() {
    sed -n '2,/^$/s/^# \{0,1\}//p' "$0"
}

usage() {
    log "$@"
    exit 2
}

for program in curl jq; do
    command -v "$program" >/dev/null || usage "this worker needs $program: install it"
done
read_options "$@"
check_options
random=$(od -An -N3 -tx1 /dev/urandom | tr -d ' \n')
worker_id=${worker_id:-$(uname -n)-$$-$random}

umask 077
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
stopping=''
trap 'stopping=yes' INT TERM
# In a file, because `ps` shows what is on a command line. Some hosts drop the header Authorization.
printf 'X-API-Key: %s\nContent-Type: application/json\nExpect:\n' "$api_key" >"$work/headers"

claimed=0 completed=0 failed=0 lost=0 failures=0
run_worker
case $? in
    0) code=0 ;;
    1) code=1 && log "$problem" ;;
    *) code=3 && log "$problem" ;;
esac
log "claimed $claimed, completed $completed, failed $failed, lost $lost"
exit "$code"
