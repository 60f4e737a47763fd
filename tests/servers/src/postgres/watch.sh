# Holds a pipe from the test process. When that ends, however it ends, the pipe closes, and the server goes with its folder.
trap '' HUP INT TERM
read -r _ || true
pid=$(head -n 1 "$1/data/postmaster.pid" 2>/dev/null)
if [ -n "$pid" ] && tr '\0' ' ' < "/proc/$pid/cmdline" 2>/dev/null | grep -qF "$1/data"; then
  all="$pid $(cat "/proc/$pid/task/$pid/children" 2>/dev/null)"
  kill -KILL $all 2>/dev/null
  for one in $all; do
    tries=0
    while [ -d "/proc/$one" ] && [ "$(cut -d' ' -f3 "/proc/$one/stat" 2>/dev/null)" != Z ] && [ $tries -lt 100 ]; do
      sleep 0.05
      tries=$((tries + 1))
    done
  done
fi
rm -rf "$1"
