# What bh-telemetry says and records with simulated hardware of a known power behind the real drivers.
doctor() { name=$1; shift; "$@" bh-telemetry doctor --json > "/out/doctor-$name.json"; }
user() { su user -c "$*"; }
# What the doctor says to run for a source, run as root.
grant() { fix=$(sed -n "/\"source\": \"$2\"/,/}/s/.*\"fix\": \"\(.*\)\".*/\1/p" "/out/doctor-$1.json"); echo "$fix" > "/out/fix-$2"; sh -c "$fix"; }
reload() { rmmod bhtruth; insmod /modules/bhtruth.ko "$@"; }

# A chip on a bus: 3.775 A at 12.05 V.
i2cset -y 0 0x48 0x04 100 && i2cset -y 0 0x48 0x06 200
echo ltc4215 0x48 > /sys/bus/i2c/devices/i2c-0/new_device

doctor bare
insmod /modules/bhtruth.ko
ls -l /sys/class/powercap/ /sys/class/powercap/intel-rapl:*/energy_uj /dev/ipmi* > /out/listing
grep . /sys/class/powercap/intel-rapl:*/name /sys/class/powercap/intel-rapl:*/max_energy_range_uj /sys/bus/event_source/devices/power/events/* \
	/sys/bus/event_source/devices/power/cpumask /sys/class/hwmon/*/* /sys/class/power_supply/*/* >> /out/listing 2> /dev/null
doctor root
ipmitool dcmi power reading > /out/ipmitool 2>&1
doctor user user
grant user perf
doctor user-perf user
user bh-telemetry record -o /tmp/perf-user.parquet --interval 47ms --duration 4s
mv /tmp/perf-user.parquet /out
sysctl kernel.perf_event_paranoid=3
grant user rapl
grant user ipmi
doctor user-granted user

counters() { cat /sys/class/powercap/intel-rapl:*/energy_uj > "/out/$1"; }
for ms in 47 10; do
	reload
	counters rapl-$ms.before
	bh-telemetry record -o /out/rapl-$ms.parquet --interval ${ms}ms --duration 12s
	counters rapl-$ms.after
done
# The driver goes away.
(sleep 4; rmmod bhtruth) &
bh-telemetry record -o /out/gone.parquet --interval 47ms --duration 7s 2> /out/gone.log
insmod /modules/bhtruth.ko
reload powercap=0
doctor perf-only
bh-telemetry record -o /out/perf-47.parquet --interval 47ms --duration 12s
bh-telemetry record -o /out/perf-10.parquet --interval 10ms --duration 8s
