#!/bin/sh
# ssh runs this to ask for a password. $d/pid holds the process id of the ssh that logs in to the target: jump hosts are served
# by other processes and get nothing. A passphrase is never asked for this way (see private-agent.ts), so a server that
# chooses the text of a prompt can at most ask for the password that it is about to get anyway.
# Before OpenSSH 8.5 ssh does not put user and host before the server's own prompts.

d=${0%/*}
IFS= read -r pid <"$d/pid" && [ "$PPID" = "$pid" ] || exit 1
p=$1
case $p in '('@who@') '*) p=${p#'('@who@') '} ;; esac
case $p in
@who@"'s password: " | [Pp]assword: | [Pp]assword:' ') ;;
[Pp]assword' for '@who@: | [Pp]assword' for '@who@:' ' | [Pp]assword' for '@user@: | [Pp]assword' for '@user@:' ') ;;
*) exit 1 ;;
esac
mv "$d/password" "$d/used" && IFS= read -r s <"$d/used" && printf '%s\n' "$s"
