# Defines k_dirs: prints the data directories of k3s that exist.
#   k_f  a file that may name one
#   k_d  a data directory
#   k_n  those that are named

k_named() {
  for k_f in @config@ @config@.d/*.yaml /etc/rancher/k3s/config.yaml /etc/rancher/k3s/config.yaml.d/*.yaml; do
    [ ! -f "$k_f" ] || sed -n 's/^"\{0,1\}data-dir"\{0,1\}:[ ]*["'\'']\{0,1\}\([^"'\''# ]*\).*/\1/p' "$k_f"
  done
  for k_f in /etc/systemd/system/k3s.service /etc/systemd/system/k3s-agent.service /etc/init.d/k3s /etc/init.d/k3s-agent; do
    [ ! -f "$k_f" ] || { tr '\n\t' '  ' <"$k_f" | tr -d "\"'\\\\\\\\"; echo; } | sed -n 's/.* \(--data-dir\|-d\)[= ] *\([^ ]*\).*/\2/p'
    [ ! -f "$k_f.env" ] || sed -n 's/^K3S_DATA_DIR=["'\'']\{0,1\}\([^"'\'' ]*\).*/\1/p' "$k_f.env"
  done
}
k_dirs() {
  { printf '%s\n' @inventory@
    k_n=$(k_named); printf '%s\n' "$k_n"
    if [ -z "$k_n" ]; then
      for k_f in /etc/systemd/system/k3s*.service /etc/init.d/k3s* /usr/local/bin/k3s*uninstall.sh; do
        [ ! -f "$k_f" ] || echo /var/lib/rancher/k3s
      done
    fi
  } | sed 's:\(.\)/*$:\1:' | sort -u | while IFS= read -r k_d; do
    [ -z "$k_d" ] || { [ ! -e "$k_d" ] && [ ! -L "$k_d" ]; } || printf '%s\n' "$k_d"
  done
}
