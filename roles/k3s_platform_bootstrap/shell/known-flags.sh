# Fails for keys of config.yaml that this release of k3s does not know.

k_help=$(timeout 20 @binary@ server --help 2>/dev/null)
case $k_help in *'--data-dir '*) ;; *) exit 0 ;; esac
k_bad=''
for k_key in @keys@; do
  case $k_help in *"--$k_key "*|*"--$k_key,"*) ;; *) k_bad="$k_bad $k_key" ;; esac
done
[ -z "$k_bad" ] || k_fail "$(@binary@ --version | head -n 1) has no flag for these keys of config.yaml:$k_bad"
