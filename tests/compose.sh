#!/usr/bin/env bash
# The fleet of docker-compose.yml under fire, on a machine with Docker: `make compose-test`.
#
# A clean clone of HEAD is brought up, the demo runs, then SAMPLES rows go through WRITERS section writers while each container
# dies once at a random moment and the whole fleet is taken down and up in the middle. At the end every row is packed, the
# store keeps its invariants and the shards are those of `longhand run`. Everything is removed again, but for the image.
#
#   SAMPLES=200 WRITERS=4 SEED=1 KEEP=1 tests/compose.sh      KEEP=1: the fleet and the clone stay
#   LONGHAND_IMAGE=NAME tests/compose.sh                      an image that is there, instead of a build
set -euo pipefail
SAMPLES=${SAMPLES:-200}
WRITERS=${WRITERS:-4}
SEED=${SEED:-$RANDOM}
RANDOM=$SEED
repository=$(git -C "$(dirname "$0")" rev-parse --show-toplevel)
work=$(mktemp -d)
export COMPOSE_PROJECT_NAME=longhand-test-$$ LONGHAND_SIMULATOR_PORT=0 LONGHAND_INPUT=$work/input
started=$SECONDS
chmod 755 "$work"

say() { printf '%4ds  %s\n' $((SECONDS - started)) "$*"; }
fail() { say "FAILED: $*"; exit 1; }
compose() { docker compose --profile demo "$@"; }
up() { compose up --wait --quiet-pull "$@" > "$work/up.log" 2>&1 || { tail -30 "$work/up.log"; compose ps -a; fail "the fleet does not come up"; }; }
sql() { compose exec -T postgres psql -U longhand_reader -d longhand -XAt "$@"; }
ask() { sql -c "$1" 2> "$work/sql.log" || true; }
clean_up() {
    local code=$?
    if [ "$code" != 0 ]; then compose logs --tail 20 2>&1 | tail -n 150 || true; fi
    if [ "${KEEP:-0}" = 1 ]; then say "kept: project $COMPOSE_PROJECT_NAME, $work"; exit "$code"; fi
    compose down -v --remove-orphans > /dev/null 2>&1 || true
    rm -rf "$work"
    exit "$code"
}

wait_for_end() { # wait_for_end RUN SECONDS
    local run=$1 until=$((SECONDS + $2)) state=
    while [ "$state" != done ]; do
        [ $SECONDS -lt $until ] || fail "the run is $state after $2 s: $(ask "select state, count(*) from sample where run = '$run' group by 1" | tr '\n' ' ')"
        case $state in paused | failed | cancelled) fail "the run is $state" ;; esac
        sleep 1
        state=$(ask "select state from run where run = '$run'")
    done
    # The last shard is published after the run is done.
    until [ "$(ask "select count(*) from sample where run = '$run' and state not in ('packed', 'rejected', 'failed')")" = 0 ] \
        && compose exec -T shard-packer test -f "/shards/$run/manifest.json" 2> /dev/null; do
        [ $SECONDS -lt $until ] || fail "the shards are not published"
        sleep 1
    done
}

# A process that dies by itself: everything in the container but its init gets SIGKILL.
crash() { docker exec "$1" bash -c 'kill -9 -1' 2> /dev/null || true; }
restarts() { docker inspect -f '{{.RestartCount}} {{.State.Running}}' "$1"; }

disturb() { # disturb CONTAINER
    local before
    before=$(restarts "$1")
    if ((RANDOM % 2)); then
        crash "$1"
        for _ in $(seq 60); do
            [ "$(restarts "$1")" = "$before" ] || break
            sleep 0.5
        done
        [ "$(restarts "$1")" != "$before" ] || fail "$1 was killed and is not started again by its restart policy"
        say "killed the processes of $1: its restart policy started it again"
    else
        docker kill "$1" > /dev/null
        sleep 3
        local running=stays\ down
        [ "$(docker inspect -f '{{.State.Running}}' "$1")" = false ] || running=came\ back
        local from=$SECONDS
        up
        say "docker kill $1: it $running; healthy again $((SECONDS - from)) s after docker compose up"
    fi
}

check_store() { # check_store RUN
    local file found counts
    counts=$(ask "select count(*) from sample where run = '$1' and state = 'packed'")
    [ "$counts" = "$SAMPLES" ] || fail "$counts of $SAMPLES samples are packed"
    for file in schemas/postgres/check_i[1-6]*.sql schemas/postgres/check_i8_tasks.sql; do
        found=$({ cat "$file"; printf "\n\\\\bind '%s' \\\\g\n" "$1"; } | sql -v ON_ERROR_STOP=1) || fail "$file cannot be asked"
        [ -z "$found" ] || fail "$file: $found"
    done
    counts=$(ask "select count(*) from attempt where outcome = 'started'")
    [ "$counts" = 0 ] || fail "$counts attempts are still open"
    counts=$(ask "select count(*) from (select 1 from section where run = '$1' group by sample, place having count(*) > 1) twice")
    [ "$counts" = 0 ] || fail "$counts sections are there twice"
    say "store: $SAMPLES packed, $(ask "select count(*) from section where run = '$1'") sections, none twice, no attempt open," \
        "invariants I1 to I6 and I8 (tasks) hold; attempts: $(ask "select outcome || ' ' || count(*) from attempt where run = '$1' group by outcome order by 1" | paste -sd, | sed 's/,/, /g')"
}

check_shards() { # check_shards RUN: against one process over one folder, with the same endpoint
    mkdir -m 777 "$work/plain"
    compose run --rm -T --no-deps --user "$(id -u):$(id -g)" -v "$work/plain:/plain" -v "$LONGHAND_INPUT:/input:ro" planner \
        run /input/rows.jsonl --out /plain/out --model simulated --shard-size 32 --concurrency 200 --yes > "$work/plain.log" 2>&1 \
        || { tail -20 "$work/plain.log"; fail "longhand run"; }
    compose cp "shard-packer:/shards/$1" "$work/fleet" > /dev/null 2>&1
    local plain fleet
    plain=$(cd "$work/plain/out/shards" && sha256sum shard-*)
    fleet=$(cd "$(dirname "$(find "$work/fleet" -name 'shard-00000.jsonl' -o -name 'shard-00000.jsonl.*' | head -1)")" && sha256sum shard-*)
    [ "$plain" = "$fleet" ] || { diff <(echo "$plain") <(echo "$fleet"); fail "the shards differ from those of longhand run"; }
    say "shards: $(wc -l <<< "$fleet") files, byte for byte those of longhand run"
}

check_secrets() {
    docker inspect $(compose ps -aq) > "$work/inspect.json"
    docker history --no-trunc "${LONGHAND_IMAGE:-longhand:0.1.0}" >> "$work/inspect.json"
    local file
    for file in deploy/secrets/postgres/* deploy/secrets/*/*_url; do
        [ -s "$file" ] || continue
        ! grep -qF "$(cat "$file")" "$work/inspect.json" || fail "$file is in docker inspect"
    done
    [ -z "$(git status --porcelain --untracked-files=all)" ] || fail "the checkout is not clean: $(git status --short)"
    say "secrets: none in docker inspect of $(compose ps -aq | wc -l) containers nor in the image's history, none that git would add"
}

trap clean_up EXIT
say "seed $SEED, Docker $(docker version -f '{{.Server.Version}}'), Compose $(docker compose version --short)"
git clone -q "$repository" "$work/clone"
cd "$work/clone"
mkdir "$LONGHAND_INPUT"
from=$SECONDS
if [ -z "${LONGHAND_IMAGE:-}" ]; then
    docker compose build --quiet > "$work/build.log" 2>&1 || { tail -30 "$work/build.log"; fail "the image is not built"; }
    say "image built in $((SECONDS - from)) s"
fi

from=$SECONDS
up
say "clean clone: docker compose --profile demo up --wait is healthy after $((SECONDS - from)) s"
from=$SECONDS
LONGHAND_INPUT=./examples docker compose run --rm -T submit instructions.jsonl --wait > "$work/demo.log" 2>&1 || { cat "$work/demo.log"; fail "the demo run"; }
say "demo: $(tail -1 "$work/demo.log") in $((SECONDS - from)) s"

# Leases that suit the patience of a test, and a model slow enough to be killed in the midst of.
cat > docker-compose.override.yml << 'EOF'
x-leases: &leases { LONGHAND__LEASE__LEASE_SECONDS: "8", LONGHAND__LEASE__HEARTBEAT_SECONDS: "2", LONGHAND__LEASE__RESCUE_SECONDS: "2" }
services:
  planner: { environment: *leases }
  section-writer: { environment: *leases }
  shard-packer: { environment: *leases }
  simulator: { command: [simulate-llm, --listen, "0.0.0.0:8090", --latency-ms, "1500", --cache-tokens, "2000000"] }
EOF
echo docker-compose.override.yml >> .git/info/exclude
echo .env >> .git/info/exclude
printf 'LONGHAND_WRITERS=%s\nLONGHAND_RUN_CONCURRENCY=24\n' "$WRITERS" > .env
for row in $(seq "$SAMPLES"); do
    printf '{"id": "row-%d", "prompt": "Write the chronicle of the imaginary town number %d. [sections=4 words=300]"}\n' "$row" "$row"
done > "$LONGHAND_INPUT/rows.jsonl"
up
say "$(compose ps -q section-writer | wc -l) section writers"
from=$SECONDS
run=$(docker compose run --rm -T submit rows.jsonl --shard-size 32 2> "$work/submit.log") || { cat "$work/submit.log"; fail "submit"; }
say "submitted $run"

targets=$(compose ps --format '{{.Service}} {{.Name}}' | awk '{ print $2 }' | while read -r name; do echo "$RANDOM $name"; done | sort -n | cut -d' ' -f2)
count=0
for name in $targets; do
    sleep $((1 + RANDOM % 5))
    disturb "$name"
    count=$((count + 1))
    if [ $count = $(($(wc -w <<< "$targets") / 2)) ]; then
        say "$(ask "select count(*) from section where run = '$run'") sections are written"
        now=$SECONDS
        compose down > "$work/down.log" 2>&1 || { cat "$work/down.log"; fail "down"; }
        say "docker compose down took $((SECONDS - now)) s"
        up
        say "docker compose up again: $(ask "select count(*) from section where run = '$run'") sections"
    fi
done
say "each of $count containers was killed once; $(ask "select count(*) from section where run = '$run'") sections are written"
wait_for_end "$run" 600
say "the run ended $((SECONDS - from)) s after its start"
check_store "$run"
check_shards "$run"
check_secrets
say "passed"
