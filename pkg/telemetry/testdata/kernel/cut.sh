# Records onto the disk vdb until the power is cut, telling the console what time it is.
mkdir -p /data
mount -t ext4 /dev/vdb /data
insmod /modules/bhtruth.ko
bh-telemetry doctor --json > /data/doctor.json
sync
second=$(date +%s)
while [ "$(date +%s)" = "$second" ]; do :; done
echo "clock $((second + 1)) $(cut -d' ' -f1 /proc/uptime)" > /dev/ttyS0
bh-telemetry record -o /data/cut.parquet --interval 47ms 2> /data/record.log &
until [ -e /data/cut.parquet ]; do sleep 0.05; done
while sleep 0.05; do echo "alive $(cut -d' ' -f1 /proc/uptime)" > /dev/ttyS0; done
