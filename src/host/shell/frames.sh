# Functions that mark where the output of a probe or a step begins and ends; K is the nonce of this script.
# k_begin I and k_end I CODE enclose a frame; k_wait BOUND WHY says what a step waits for; k_finish ends the script.
# k_told e I CODE ends a frame of a lane, in one write with the begin of the next one: k_told e I CODE b J.
#   k_e  what the frame has written to stderr

K=@nonce@
k_mark() { printf '\n@%s %s\n' "$K" "$*"; }
k_begin() { k_mark b "$1"; k_mark b "$1" >&2; }
k_end() { k_mark e "$1" "$2"; k_mark e "$1" "$2" >&2; }
k_wait() { k_mark w "$@"; }
k_told() { [ -z "$k_e" ] || { k_mark x; printf %s "$k_e"; }; k_mark "$@"; }
k_finish() { k_mark z; }
