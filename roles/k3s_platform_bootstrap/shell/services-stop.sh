# Stops and disables the services that k_list prints.
#   k_u  a service

k_list | while IFS= read -r k_u; do
  k_wait 60 "stopping $k_u"
  case $k_u in
    *.service) timeout 60 systemctl stop "$k_u" || systemctl kill -s KILL "$k_u"; systemctl disable -q "$k_u"; systemctl reset-failed "$k_u" 2>/dev/null ;;
    *) rc-service "$k_u" stop; rc-update del "$k_u" default ;;
  esac
done
