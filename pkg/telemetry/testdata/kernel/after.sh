# What the cut left on the disk vdb: as it is, and recovered.
mkdir -p /data
mount -t ext4 /dev/vdb /data
ls -l /data
cp /data/doctor.json /data/cut.parquet* /out
bh-telemetry summary /data/cut.parquet > /out/cut.summary 2>&1
bh-telemetry recover /data/cut.parquet > /out/recover.log 2>&1
cp /data/cut.parquet /out/recovered.parquet
bh-telemetry summary /data/cut.parquet > /out/recovered.summary 2>&1
