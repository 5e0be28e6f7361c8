#!/bin/sh
# Two weeks of invented traffic into InfluxDB, and what goes on live to a collector beside them.
set -eu
INFLUX_TOKEN=$(cat /secrets/write-token)
export INFLUX_TOKEN FLOWSLEUTH_CONFIG=/etc/flowsleuth/demo.yaml
flowsleuth collect & collect=$!
flowsleuth demo --write /tmp/demo.pcap --port 2055 --keep & exporters=$!
trap 'kill $exporters; kill $collect; wait $collect; exit 0' TERM INT
while [ ! -f /tmp/demo.pcap ]; do
  kill -0 $exporters
  sleep 1
done
flowsleuth load /tmp/demo.pcap
rm /tmp/demo.pcap
wait
