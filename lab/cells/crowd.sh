# shellcheck shell=bash
# Clients that hold connections and want nothing, and whether the others are served.

open_files() { find "/proc/$SERVER_PID/fd" -mindepth 1 2>/dev/null | wc -l; }

# crowd_addresses: the twenty that a crowd comes from
crowd_addresses() {
    local address
    CROWD_ADDRESSES=(192.168.77.{21..40})
    for address in "${CROWD_ADDRESSES[@]}"; do on c1 ip addr add "$address/24" dev c1; done
}

# crowded CONNECTIONS [TIMES]: opens them, when as many have come and gone so many times; end_crowd ends them
crowded() {
    mkfifo "$CELL/crowd.in"
    on c1 "$LAB/crowd" "$SERVER" 8067 "$1" "${2:-0}" "${CROWD_ADDRESSES[@]}" <"$CELL/crowd.in" >"$CELL/crowd.log" 2>&1 &
    CROWD_PID=$!
    exec {CROWD_IN}>"$CELL/crowd.in"
    wait_for 60 grep -q "^open $1" "$CELL/crowd.log" || fail "no crowd: $(tail -1 "$CELL/crowd.log")"
}
end_crowd() {
    exec {CROWD_IN}>&-
    wait "$CROWD_PID" || fail "the crowd ended: $(tail -1 "$CELL/crowd.log")"
    rm "$CELL/crowd.in"
}

# others_are_served TIMES: sets SLOWEST, in ms
others_are_served() {
    local begun took
    SLOWEST=0
    for ((i = 0; i < $1; i++)); do
        begun=$(now_ms)
        on c2 curl -sS -f --max-time 10 -o "$GOT/file" "$FILES_URL/noise" || fail "not served beside the crowd"
        took=$(($(now_ms) - begun))
        ((took <= SLOWEST)) || SLOWEST=$took
        same_file noise
    done
}

cell_http_crowd() {
    need curl curl
    network 2
    address_c1
    crowd_addresses
    on c2 ip addr add 192.168.77.12/24 dev c2
    files
    serve --boot-dir "$FILES"
    others_are_served 3
    local files crowd before after slowest
    files=$(open_files)
    no_more() { (($(open_files) <= files + 5)); }
    crowd_is_gone() {
        end_crowd
        wait_for 90 no_more || fail "$(open_files) files are open, and $files were"
    }
    # What is bounded (the history of events, what is told of whom) has to be full first. Few at once, since what
    # 5000 leave behind in the allocator's hands would hide a leak.
    step "20,000 connections, 500 at once"
    crowded 500 40
    crowd_is_gone
    before=$(resident)
    step "40,000 more"
    crowded 500 80
    crowd_is_gone
    after=$(resident)
    ((after < before + 2048)) || fail "memory grows: $before kB, and $after kB after 40,000 connections more"
    step "5000 connections"
    crowded 5000
    crowd=$(resident)
    others_are_served 20
    slowest=$SLOWEST
    crowd_is_gone
    others_are_served 3
    fact "resident $before kB, $after kB after 40,000 connections more, $crowd kB beside 5000; slowest of 20 there: $slowest ms"
}

# a server that may open few files
cell_http_few_files() {
    need curl curl
    network 2
    address_c1
    crowd_addresses
    on c2 ip addr add 192.168.77.12/24 dev c2
    files
    serve_with_files 160 --boot-dir "$FILES"
    local before after
    step "6000 connections, 600 at once: most of them give way or find no place"
    crowded 600 10
    end_crowd
    before=$(resident)
    step "24,000 more"
    crowded 600 40
    end_crowd
    after=$(resident)
    ((after < before + 2048)) || fail "memory grows: $before kB, and $after kB after 24,000 connections more"
    step "600 that stay"
    crowded 600
    # who reads nothing gives way after 5 s
    wait_for 15 on c2 curl -sS -f --max-time 3 -o "$GOT/file" "$FILES_URL/even" || fail "not served beside the crowd"
    others_are_served 10
    end_crowd
    fact "160 files, 600 connections: slowest of 10 after $SLOWEST ms; resident $before kB, $after kB after 24,000 more"
}

# downloads that end in the middle, and go on
cell_http_resumed() {
    need curl curl
    network 1
    address_c1
    files
    truncate -s 256M "$FILES/large" # more than the sockets of both sides hold
    serve --boot-dir "$FILES"
    step "broken off"
    local clients=()
    for ((i = 0; i < 60; i++)); do
        on c1 timeout 0.2 curl -sS --limit-rate 100k -o "$GOT/part$i" "$FILES_URL/large" 2>/dev/null &
        clients+=($!)
        # Ten at a time, or curl would take longer to start than it has.
        ((i % 10 < 9)) || { wait "${clients[@]}" || true; clients=(); }
    done
    ended() { (($(grep -c 'GET /files/large .* broken off: the client has gone' "$LOG") >= 40)); }
    wait_for 10 ended || fail "not every download that ended is told"
    step "resumed"
    head -c 1000000 "$FILES/noise" >"$GOT/file"
    fetch -f -C - -o "$GOT/file" "$FILES_URL/noise"
    same_file noise
    fact "40 broken off, each told; one resumed"
}

cell http-crowd check 300 cell_http_crowd
cell http-few-files check 90 cell_http_few_files
cell http-resumed check 60 cell_http_resumed
waits http-few-files http-resumed
