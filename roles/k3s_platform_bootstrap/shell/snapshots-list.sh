# Prints the snapshots of the datastore below the data directories, which k_dirs prints: see data-dirs.sh.
#   k_d  a data directory
#   k_f  a snapshot

k_dirs | while IFS= read -r k_d; do
  for k_f in "$k_d"/server/db/snapshots/*; do [ ! -f "$k_f" ] || printf '%s\n' "$k_f"; done
done
