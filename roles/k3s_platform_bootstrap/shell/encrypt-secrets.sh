# Encrypts the Secrets that were written before encryption was switched on, and waits until all of them are.
#   k_o  what `secrets-encrypt status` says
#   k_r  what `secrets-encrypt rotate-keys` says

k_encrypt() { timeout 100 @binary@ secrets-encrypt "$1" -d @dataDir@ -s @server@ 2>&1; }
k_t0=$(cut -d. -f1 /proc/uptime)
while k_o=$(k_encrypt status); case $k_o in *'Stage: reencrypt_finished'*) false ;; esac; do
  k_alive || exit 1
  [ $(( $(cut -d. -f1 /proc/uptime) - k_t0 )) -lt @boundSeconds@ ] || { printf '%s\n' "$k_o" >&2; exit 1; }
  case $k_o in
    *'Stage: reencrypt_'*) k_wait @boundSeconds@ "$(printf '%s\n' "$k_o" | sed -n 's/^Current Rotation //p')" ;;
    *) k_wait @boundSeconds@ 'k3s secrets-encrypt rotate-keys'; k_r=$(k_encrypt rotate-keys) || printf '%s\n' "$k_r" ;;
  esac
  sleep 1
done
rm -f @mark@
