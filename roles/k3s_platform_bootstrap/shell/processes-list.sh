# Prints the programs of k3s and all that they have started, by executable and by cgroup.
#   k_p  a process id
#   k_q  that of its parent
#   k_x  the path of its executable
#   k_d  a directory whose programs are those of k3s
#   k_c  the name of its command

# shellcheck disable=SC2012 # the names are numbers
k_exes=$(ls -l /proc/[0-9]*/exe 2>/dev/null | sed -n 's:.* /proc/\([0-9]*\)/exe -> \(.*\):\1 \2:p')
k_groups='/k3s(-agent)?\.service|openrc[./]k3s'
# Pods are another's where a kubelet of its own runs; k3s has it built in.
case $k_exes in *'/kubelet'*) ;; *) k_groups="$k_groups|:/kubepods([./]|\$)" ;; esac
k_all=$(for k_d in /usr/local/bin/k3s /opt/bin/k3s $(k_dirs); do
  printf '%s\n' "$k_exes" | while read -r k_p k_x; do case $k_x in "$k_d" | "$k_d (deleted)" | "$k_d"/*) echo "$k_p" ;; esac; done
done; grep -sE "$k_groups" /proc/[0-9]*/cgroup | sed 's:^/proc/\([0-9]*\)/.*:\1:')
k_tree=$(grep -s '^PPid:' /proc/[0-9]*/status | sed 's:^/proc/\([0-9]*\)/status\:PPid\:[^0-9]*\([0-9]*\)$:\1 \2:')
k_all=" $(printf '%s' "$k_all" | tr '\n' ' ') "
k_grown=yes
while [ -n "$k_grown" ]; do
  k_grown=$(printf '%s\n' "$k_tree" | while read -r k_p k_q; do
    case $k_all in *" $k_p "*) ;; *" $k_q "*) printf '%s ' "$k_p" ;; esac
  done)
  k_all="$k_all$k_grown"
done
# shellcheck disable=SC2086 # a list of words
for k_p in $(printf '%s\n' $k_all | sort -nu); do
  k_c=''; { read -r k_c <"/proc/$k_p/comm"; } 2>/dev/null && [ "$k_p" != 1 ] && printf '%s (%s)\n' "$k_c" "$k_p"
done
