# Runs ssh's master ($2 ...) as long as the tool lives, then removes $1, the directory of its socket. Runs on the workstation.
# A shell beside it waits for the end of stdin, which comes even when the tool is killed, and then ends ssh, which can miss a
# SIGTERM that comes while it is busy.

exec 3<&0 </dev/null
dir=$1; shift
# shellcheck disable=SC2016 # the inner shell expands it
sh -c 'echo "$$" >"$0/pid"; exec "$@"' "$dir" "$@" 3<&- & ssh=$!
( IFS= read -r _ <&3; kill "$ssh"; sleep 0.2 || sleep 1; kill -9 "$ssh" ) >/dev/null 2>&1 & watcher=$!
wait "$ssh"; code=$?
kill "$watcher" 2>/dev/null
rm -rf "$dir"
exit "$code"
