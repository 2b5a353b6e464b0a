# Prints `installed NAME` for each package that is installed.

if k_has dpkg-query; then dpkg-query -W -f '${db:Status-Status} ${Package}\n' @names@ 2>/dev/null
elif k_has rpm; then for p in @names@; do rpm -q --quiet --whatprovides "$p" && printf 'installed %s\n' "$p"; done
elif k_has apk; then for p in @names@; do ! apk info -e "$p" >/dev/null || printf 'installed %s\n' "$p"; done
else k_fail 'no supported package manager found: dpkg, rpm or apk'; fi
:
