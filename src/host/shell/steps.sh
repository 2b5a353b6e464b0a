# Goes before the steps of a stage: G is a file that exists while they may go on; one run at a time works on the host.

G=@go@
k_alive() { [ -d "${G%/*}" ]; }
exec 8>>/run/k3s-platform.work || exit 1
k_lock 8 300 || k_fail 'a step of an earlier run is still in progress'
