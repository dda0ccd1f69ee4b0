#!/bin/sh
# Builds what is checked out and replaces the relays of docker compose with nobody noticing: new ones start beside the old
# ones, and these then drain one after the other. "docker compose up --build" alone would stop all relays at once, and people
# would wait for some seconds. Run it where docker-compose.yml is; options of "docker compose" may follow, like --profile.
set -eu

docker compose build relay
old=$(docker compose ps --quiet relay)
if [ -z "$old" ]; then
  exec docker compose "$@" up --detach
fi
count=$(echo "$old" | wc -l)
# It has ended long ago and is made anew: recreated later on, as of another image, it would take all that depend on it along.
docker compose rm --force secrets >/dev/null
docker compose up --detach --no-recreate --wait --scale "relay=$((2 * count))" relay
for id in $old; do
  # Longer than a relay's drain (stop_grace_period).
  docker stop --time 20 "$id" >/dev/null
  docker rm "$id" >/dev/null
done
# Whatever else changed.
docker compose "$@" up --detach
