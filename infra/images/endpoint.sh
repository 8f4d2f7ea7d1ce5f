#!/usr/bin/env bash
# The endpoint's container: Envoy and the model services under supervisord, in the foreground as a container wants it.
set -euo pipefail

stop() {
    tidewheel down
    exit 0
}
trap stop TERM INT

tidewheel up
# Sleep in the background, so that a signal does not have to wait for its end.
while tidewheel status > /dev/null; do
    sleep 15 &
    wait $!
done
echo "the router no longer answers; ending, so that the container is started again" >&2
tidewheel status || true
tidewheel down
exit 1
