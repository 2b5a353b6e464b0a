# Waits until k_ready says that k3s is ready.

@ready@
k_t0=$(cut -d. -f1 /proc/uptime)
until k_told=$(k_ready); do
  k_alive || exit 1
  [ $(( $(cut -d. -f1 /proc/uptime) - k_t0 )) -lt @boundSeconds@ ] || { printf '%s\n' "$k_told" >&2; exit 1; }
  k_wait @boundSeconds@ "$(printf '%s' "$k_told" | tr '\n' ' ')"
  sleep 1
done
