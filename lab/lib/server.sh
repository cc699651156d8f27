# shellcheck shell=bash
# pxed in the node srv: start, stop, and what its log says.

FILES_URL=http://$SERVER:8067/files
LOG=$CELL/server.log

# serve [OPTION...]: start pxed as an operator would, and return when it listens.
# May be called again after stop_server: the state folder stays, the log goes on.
serve() {
    start_server -i eth0 --mode full --range "$RANGE" --http-port 8067 --state-dir "$CELL/state" "$@"
}

# serve_with_files COUNT [OPTION...]: the same, and it may have so many files open, from its start on
serve_with_files() {
    need prlimit util-linux
    printf '#!/bin/bash\nexec prlimit --nofile=%d:%d %q "$@"\n' "$1" "$1" "$PXED" >"$CELL/pxed"
    chmod +x "$CELL/pxed"
    PXED=$CELL/pxed serve "${@:2}"
}

# serve_file FILE: the same, as the configuration file says, which has HTTP on port 8067
serve_file() { start_server --config "$1"; }

start_server() {
    [[ -x $PXED ]] || fail "pxed is not built (cargo build --release, or set PXED)"
    job srv "$PXED" serve "$@" 2>>"$LOG" &
    SERVER_PID=$!
    wait_for 10 listening_or_gone
    running "$SERVER_PID" || fail "pxed ended at start: $(tail -1 "$LOG")"
    listening || fail "pxed does not listen on 67 and 8067 after 10 s"
}
listening() { bound udp 67 && bound tcp 8067; }
bound() { [[ -n $(on srv ss -Hln "--$1" "sport = :$2") ]]; }
listening_or_gone() { listening || not running "$SERVER_PID"; }

# refuses_to_start COMMAND...: it must end by itself, with 1; the text is left in refusal.log
refuses_to_start() {
    local status=0
    timeout -k 2 10 ip netns exec srv "$@" 2>"$CELL/refusal.log" || status=$?
    same "exit code ($(tail -1 "$CELL/refusal.log"))" 1 "$status"
}
refusal_says() {
    grep -qE -- "$1" "$CELL/refusal.log" || fail "the refusal does not say '$1'"
}

# stop_server SIGNAL: sets SERVER_STATUS
stop_server() {
    SERVER_STATUS=0
    kill -"$1" "$SERVER_PID"
    wait_gone 10 "$SERVER_PID" || fail "pxed runs on, 10 s after SIG$1"
    wait "$SERVER_PID" || SERVER_STATUS=$?
}

# log_mark, then log_since REGEX: is there such a line, after the mark?
log_mark() { LOG_MARK=$(wc -l <"$LOG"); }
# (No pipe into grep -q, which ends before what it reads: of a long log that would be a failure.)
log_since() { grep -qE -- "$1" <(tail -n +$((LOG_MARK + 1)) "$LOG"); }
LOG_MARK=0

# said WORD MAC: a line of the log, after the mark, that has both
said() { grep -qiF -- "$2" <(tail -n +$((LOG_MARK + 1)) "$LOG" | grep -F -- "$1"); }
must_say() { wait_for 3 said "$1" "$2" || fail "the server's log has no $1 for $2"; }

# resident: the server's memory, in kB
resident() { sed -n 's/^VmRSS:[^0-9]*\([0-9]*\).*/\1/p' "/proc/$SERVER_PID/status"; }
