#!/usr/bin/env bash
# The endpoint's container: Envoy and the model services under supervisord, in the foreground as a container wants it.
set -euo pipefail

stop() {
    tidewheel down
    exit 0
}
trap stop TERM INT

# The router alone: a model service that is being started or stopped is a release at work, and supervisord's to mend.
router_answers() {
    python -c "import os, urllib.request as u
u.urlopen(f'http://127.0.0.1:{os.environ[\"TIDEWHEEL_ENDPOINT_PORT\"]}/healthz', timeout=5)" 2> /dev/null
}

tidewheel up
misses=0
while [ "$misses" -lt 3 ]; do
    # Sleep in the background, so that a signal does not have to wait for its end.
    sleep 10 &
    wait $!
    if router_answers; then misses=0; else misses=$((misses + 1)); fi
done
echo "the router no longer answers; ending, so that the container is started again" >&2
tidewheel status || true
tidewheel down
exit 1
