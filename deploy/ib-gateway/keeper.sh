#!/bin/bash
# Keeps IB Gateway in its container: logs in at a pace, watches its API, restarts it only when the operator's hook says so.
#
#   keeper.sh scripts/run.sh
#
# Each start is a login, and with real money each login asks a person for an approval: whatever restarts this container,
# and however often, there are at most KEEPER_LOGINS_MAX logins in KEEPER_WINDOW_SECONDS, KEEPER_PAUSE_SECONDS apart. When
# each was is in KEEPER_FOLDER, which must outlive the container. IB Gateway's own nightly restart is none of them: it
# happens inside, keeps its session, and is over long before KEEPER_SILENT_SECONDS_MAX.
set -u

folder=${KEEPER_FOLDER:-/var/lib/ib-gateway/keeper}
logins_max=${KEEPER_LOGINS_MAX:-3}
window_seconds=${KEEPER_WINDOW_SECONDS:-21600}
pause_seconds=${KEEPER_PAUSE_SECONDS:-600}
silent_seconds_max=${KEEPER_SILENT_SECONDS_MAX:-1200}
look_seconds=${KEEPER_LOOK_SECONDS:-15}
hook_seconds_max=${KEEPER_HOOK_SECONDS_MAX:-60}
hook=${KEEPER_HOOK:-}
health=${KEEPER_HEALTH:-"$(dirname "$0")/api-health.sh"}
logins="$folder/logins"

say() { echo "keeper: $*" >&2; }

wait_for_turn() {
    touch "$logins" || { say "$folder can not be written: logins could not be counted, so there is none"; exit 2; }
    # a line that is no time, or one of the future (a clock that was set back), becomes now: never a login too early
    now=$(date +%s)
    while read -r at; do
        [[ $at =~ ^[0-9]{1,12}$ ]] && (( 10#$at <= now )) || at=$now
        echo "$((10#$at))"
    done < <(tail -n 99 "$logins") > "$logins.new" && mv "$logins.new" "$logins"
    while :; do
        now=$(date +%s) count=0 last=0 first=0
        while read -r at; do
            (( at > now - window_seconds )) || continue
            (( first )) || first=$at
            last=$at count=$((count + 1))
        done < "$logins"
        wait_seconds=0
        (( last && last + pause_seconds > now )) && wait_seconds=$((last + pause_seconds - now))
        if (( count >= logins_max )); then
            until_room=$((first + window_seconds - now))
            (( until_room > wait_seconds )) && wait_seconds=$until_room
        fi
        (( wait_seconds > 0 )) || break
        say "$count logins in the last $window_seconds s: the next one in $wait_seconds s (no approval is asked for before)"
        sleep "$wait_seconds" & wait $!
    done
    echo "$now" >> "$logins" || { say "$logins can not be written: this login could not be counted, so there is none"; exit 2; }
}

end() {
    trap - TERM INT
    kill -TERM "$child" 2> /dev/null
    wait "$child"
}

secret() { # secret NAME: what the file named by NAME_FILE holds becomes NAME, as the image has it for passwords alone
    local file="${1}_FILE"
    [ -n "${!file:-}" ] || return 0
    [ -r "${!file}" ] || { say "${!file} can not be read"; exit 2; }
    export "$1=$(< "${!file}")"
    unset "$file"
}

mkdir -p "$folder" 2> /dev/null
trap 'exit 143' TERM INT
secret TWS_USERID
wait_for_turn
say "logging in"
"$@" &
child=$!
trap 'end; exit 143' TERM INT

heard=$(date +%s)
while kill -0 "$child" 2> /dev/null; do
    sleep "$look_seconds" & wait $!
    now=$(date +%s)
    if "$health"; then
        heard=$now
    elif (( now - heard > silent_seconds_max )); then
        say "the API has not answered for $((now - heard)) s"
        if [ -n "$hook" ] && timeout "$hook_seconds_max" "$hook" "$((now - heard))"; then
            say "the hook says: restart"
            end
            exit 1
        fi
        [ -n "$hook" ] || say "no KEEPER_HOOK: nothing is restarted"
        heard=$now # it is said, and asked, again after as long
    fi
done
wait "$child"
status=$?
say "IB Gateway has ended with status $status"
exit $((status ? status : 1)) # a gateway that ends is to be started again, at the pace above
