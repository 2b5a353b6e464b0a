# Fetches a file by URL and digest into $k_part, and goes on where an earlier try ended.
# Exit code 65 (EX_DATAERR): the content is wrong; 74 (EX_IOERR): the disk is full. Then nothing of it is kept: others need
# the room. What a broken connection left is kept, and continued by the next run.
#   k_x  a column of df that is not used

k_part=@part@ k_want=@sha256@
k_dir=${k_part%/*}; mkdir -p -- "$k_dir" || exit 1
for f in @others@*.part; do [ "$f" = "$k_part" ] || rm -f -- "$f"; done
k_get() { # k_get URL FILE BYTES: continues FILE, in place of the shell, so that to kill it ends the fetching
  # a redirect does not lead from https to http, nor to another protocol
  case $1 in https:*) k_proto='=https' ;; *) k_proto='=http,https' ;; esac
  if k_has curl; then exec curl -fsSL --proto "$k_proto" --proto-redir "$k_proto" --max-redirs 5 --max-filesize "$3" --max-time 3600 --connect-timeout 10 --retry 3 --retry-delay 1 --speed-limit 1000 --speed-time 30 -C - -o "$2" -- "$1"
  elif k_has wget; then exec wget -q -T 30 -c -O "$2" -- "$1"
  else k_fail 'neither curl nor wget is installed'; fi
}
if [ -z "$k_want" ]; then
  k_sums="$k_part.sums"; rm -f -- "$k_sums"
  (k_get @sumsUrl@ "$k_sums" @sumsBytes@) || k_fail @noSums@
  k_want=$(sed -n @sumsLine@ "$k_sums"); rm -f -- "$k_sums"
  [ -n "$k_want" ] || k_fail @noDigest@
fi
k_fetch() { # k_fetch URL: 0 all is there and right, 65 all is there and wrong, or how the fetching ended
  k_get "$1" "$k_part" @maxBytes@ & k_pid=$!
  trap 'kill $k_pid 2>/dev/null' EXIT; trap 'exit 1' HUP TERM INT PIPE
  k_naps=0
  while kill -0 $k_pid 2>/dev/null; do
    k_alive || exit 1
    sleep 0.1 2>/dev/null || { sleep 1; k_naps=$((k_naps + 9)); }
    k_naps=$((k_naps + 1))
    [ $((k_naps % 10)) != 0 ] || k_wait 0 "fetching: $(( $(wc -c <"$k_part" 2>/dev/null || echo 0) / 1048576 )) MiB so far"
  done
  wait "$k_pid"; k_code=$?; trap - EXIT
  [ "$k_code" = 0 ] || return "$k_code"
  k_got=$(k_sum_large "$k_part"); [ "$k_got" = "$k_want" ] || { rm -f -- "$k_part"; return 65; }
}
[ -s "$k_part" ] && [ "$(k_sum_large "$k_part")" = "$k_want" ] && exit 0
for k_url in @urls@; do
  k_had=''; [ ! -s "$k_part" ] || k_had=yes
  k_fetch "$k_url" && exit 0; k_code=$?
  # A server that cannot continue a file, or a part of something else: once more from the start.
  case $k_had$k_code in yes1 | yes8 | yes22 | yes33 | yes36 | yes65) rm -f -- "$k_part"; k_fetch "$k_url" && exit 0; k_code=$? ;; esac
done
if [ "$k_code" != 65 ]; then
  k_free=$(df -Pk "$k_dir" | { read -r k_x; read -r k_x k_x k_x k_kib k_x; printf %s "$k_kib"; })
  [ "${k_free:-1024}" -lt 1024 ] || exit 1
  rm -f -- "$k_part"; printf '%s: no space left on device\n' "$k_dir" >&2; exit 74
fi
printf 'expected sha256 %s\ngot sha256      %s\nfrom %s\n' "$k_want" "$k_got" "$k_url" >&2; exit 65
