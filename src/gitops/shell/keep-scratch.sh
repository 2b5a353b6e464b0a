# Keeps an ssh-agent ($2 is "agent") until stdin ends, which it does with the program, however that ends; then removes $1,
# the temporary directory of the check. Runs on the workstation.

dir=$1 agent=''
[ "$2" = agent ] && { ssh-agent -D -a "$dir/agent" & agent=$!; }
cat
[ -n "$agent" ] && kill "$agent"
rm -rf "$dir"
