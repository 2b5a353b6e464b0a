# Prints the services of k3s that run or are enabled.
#   k_u  a service
#   k_a  `yes`: it runs or is enabled

for k_u in k3s k3s-agent; do
  if [ -d /run/systemd/system ]; then
    case $(systemctl show -p ActiveState --value "$k_u.service") in inactive | failed | '') k_a='' ;; *) k_a=yes ;; esac
    case $(systemctl is-enabled "$k_u.service" 2>/dev/null) in enabled*) k_a=yes ;; esac
    [ -z "$k_a" ] || printf '%s.service\n' "$k_u"
  elif [ -e "/etc/init.d/$k_u" ]; then
    if rc-service "$k_u" status >/dev/null 2>&1 || [ -e "/etc/runlevels/default/$k_u" ]; then printf '%s\n' "$k_u"; fi
  fi
done
