# Installs packages; another package manager at work, such as unattended upgrades, is waited for.

if k_has apt-get; then
  export DEBIAN_FRONTEND=noninteractive
  k_apt() { apt-get -q -y -o DPkg::Lock::Timeout=300 -o Dpkg::Options::=--force-confold --no-install-recommends install @names@; }
  dpkg --configure -a && { k_apt || { apt-get -q -o DPkg::Lock::Timeout=300 update && k_apt; }; }
elif k_has dnf; then dnf -q -y install @names@
elif k_has zypper; then zypper -q --non-interactive install --no-recommends @names@
elif k_has apk; then apk add -q @names@
else k_fail 'no supported package manager found: apt-get, dnf, zypper or apk'; fi
