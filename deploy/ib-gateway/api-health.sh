#!/bin/bash
# Does the API answer? A greeting on its port, and the server's version back: 0 yes, 1 no. No client id is taken by it.
# The port is asked inside the container: the one outside (socat's) takes connections also when nothing is behind it.
port=${KEEPER_API_PORT:-4002}
# shellcheck disable=SC2016 # it is the inner shell that is to read them
timeout "${KEEPER_ANSWER_SECONDS_MAX:-5}" bash -c '
    exec 3<> "/dev/tcp/127.0.0.1/$0" || exit 1
    printf "API\0\0\0\0\011v157..178" >&3
    [ "$(head -c 8 <&3 | wc -c)" -eq 8 ]
' "$port" 2> /dev/null || exit 1
