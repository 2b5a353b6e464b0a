# Defines k_ready: prints `readyz=...` and `node=...`, and exits 0 when both are well.
# One curl asks for both over one connection; the nodes come as a table of one line.
#   k_o  what the API has answered

k_tls=@tls@ k_api=@api@ k_name=@name@
[ -n "$k_name" ] || read -r k_name </proc/sys/kernel/hostname
# shellcheck disable=SC2018,SC2019 # host names are ASCII
case $k_name in *[A-Z]*) k_name=$(printf '%s' "$k_name" | tr 'A-Z' 'a-z') ;; esac
k_ready() {
  k_o=$(curl -sS -m 5 --cacert "$k_tls/server-ca.crt" --cert "$k_tls/client-admin.crt" --key "$k_tls/client-admin.key" \
    -H 'Accept: application/json;as=Table;g=meta.k8s.io;v=v1, */*' "$k_api/readyz" \
    "$k_api/api/v1/nodes?includeObject=None&pretty=false" 2>&1)
  case $k_o in
    ok*) echo readyz=ok ;;
    *) printf 'readyz=%s\n' "$(printf '%s\n' "$k_o" | grep -v '^\[+\]' | head -n 2 | tr '\n' ' ' | cut -c1-200)"; return 1 ;;
  esac
  @nodeCheck@
}
