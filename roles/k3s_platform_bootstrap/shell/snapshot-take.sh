# Takes a snapshot with the release that is installed: it still listens where its own configuration says.

mkdir -p -m 700 @snapshots@ || exit 1
k_port=$(sed -n 's/^https-listen-port: *["'"'"']\{0,1\}\([0-9]\{1,\}\).*/\1/p' @config@ 2>/dev/null | tail -n 1)
timeout 300 @binary@ etcd-snapshot save --name @name@ --config @config@ --data-dir @dataDir@ --etcd-server "https://127.0.0.1:${k_port:-@port@}"
