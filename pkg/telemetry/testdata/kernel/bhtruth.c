// SPDX-License-Identifier: GPL-2.0
/*
 * Energy counters of a known power, behind the kernel's own drivers: test data of bh-telemetry, for Linux 6.1.
 *
 * powercap=1 gives the counters to the driver intel_rapl_common as the registers of each processor package, the way that
 * processor_thermal_rapl.c gives it those of memory-mapped hardware; the driver then publishes its zones. The control type is
 * named intel-rapl, as that of intel_rapl_msr, which must not be loaded. perf=1 registers a unit "power" with perf, with the
 * events, units and scales of arch/x86/events/rapl.c.
 *
 * As in hardware, a counter has 32 bits and something new every millisecond. It wraps wrap_seconds after the module is loaded.
 */
#include <linux/cpu.h>
#include <linux/intel_rapl.h>
#include <linux/ktime.h>
#include <linux/module.h>
#include <linux/perf_event.h>
#include <linux/topology.h>

static bool powercap = true;
module_param(powercap, bool, 0444);
static bool perf = true;
module_param(perf, bool, 0444);
static uint wrap_seconds = 8;
module_param(wrap_seconds, uint, 0444);

#define ESU 14                 /* a count of a package is 2^-14 J */
#define DRAM_PICOJOULES 15300  /* that of memory on servers, in nJ * 1000: the driver's rapl_defaults_hsw_server */
#define PACKAGE1 60
#define SHIFT1 900

struct step { u32 us, from, to; };
static const struct step wave[] = {
#define STEP(ms, from, to) { (ms) * 1000, from, to },
#define PART(id, device0, device1, event, percent, ahead)
#include "wave.h"
#undef STEP
#undef PART
};

static const struct { u32 percent, ahead; } parts[RAPL_DOMAIN_MAX] = {
#define STEP(ms, from, to)
#define PART(id, device0, device1, event, percent, ahead) [id] = { percent, (ahead) * 1000 },
#include "wave.h"
#undef STEP
#undef PART
};

static u64 period, origin, loaded; /* us: of the wave, a beginning of it, when the module was loaded */

/* microjoules of the wave from its beginning to us */
static u64 wave_energy(u64 us)
{
	u64 cycles = div64_u64(us, period), rest = us - cycles * period, whole = 0, part = 0;
	int i;

	for (i = 0; i < ARRAY_SIZE(wave); i++) {
		const struct step *s = &wave[i];
		u64 t = min_t(u64, rest, s->us);
		s64 slope = (s64)s->to - s->from;

		whole += (u64)s->us * (s->from + s->to) / 2;
		part += s->from * t + div_s64(slope * (s64)(t * t), 2 * (s64)s->us);
		rest -= t;
	}
	return cycles * whole + part;
}

/* microjoules of a domain of a package from when the module was loaded to now */
static u64 energy(int package, int domain, u64 now)
{
	u64 ahead = parts[domain].ahead + (package ? SHIFT1 * 1000 : 0);
	u64 uj = (wave_energy(now + ahead) - wave_energy(loaded + ahead)) * parts[domain].percent;

	return package ? div_u64(uj * PACKAGE1, 10000) : div_u64(uj, 100);
}

/* the register: counts of 2^-esu J, or of DRAM_PICOJOULES where esu is 0 */
static u32 counts(int package, int domain, int esu)
{
	u64 now = div_u64(ktime_get_real_ns(), NSEC_PER_MSEC) * 1000 - origin; /* of the last update */
	u64 uj = energy(package, domain, now), spare = energy(package, domain, loaded + (u64)wrap_seconds * 1000000);

	if (esu)
		return div_u64(uj << esu, 1000000) - (u32)div_u64(spare << esu, 1000000);
	return div_u64(uj * 1000, DRAM_PICOJOULES) - (u32)div_u64(spare * 1000, DRAM_PICOJOULES);
}

/* powercap */

enum { REG_UNIT = 0x1000 }; /* others are 1 + 16 * domain + which */

static void read_here(void *arg)
{
	struct reg_action *ra = arg;
	int domain = (ra->reg - 1) / 16, which = (ra->reg - 1) % 16;

	if (ra->reg == REG_UNIT)
		ra->value = 0xa0003 | ESU << 8; /* of time 1/1024 s, of energy, of power 1/8 W */
	else if (which == RAPL_DOMAIN_REG_STATUS)
		ra->value = counts(topology_logical_die_id(smp_processor_id()), domain, domain == RAPL_DOMAIN_DRAM ? 0 : ESU);
	else if (which == RAPL_DOMAIN_REG_LIMIT)
		ra->value = 0x00dd8000ULL | 205 * 8; /* 205 W */
	else
		ra->value = 0;
	ra->value &= ra->mask;
}

/* A register of a processor is read on it, so an interrupt goes there. */
static int read_raw(int cpu, struct reg_action *ra)
{
	return smp_call_function_single(cpu, read_here, ra, 1);
}

static int write_raw(int cpu, struct reg_action *ra)
{
	return 0; /* a limit of simulated power limits nothing */
}

static struct rapl_if_priv priv = {
	.reg_unit = REG_UNIT,
	.limits[RAPL_DOMAIN_PACKAGE] = 2,
	.read_raw = read_raw,
	.write_raw = write_raw,
};

static void remove_packages(void)
{
	int cpu;

	if (IS_ERR_OR_NULL(priv.control_type))
		return;
	for_each_online_cpu(cpu) {
		struct rapl_package *rp = rapl_find_package_domain(cpu, &priv);

		if (rp)
			rapl_remove_package(rp);
	}
	powercap_unregister_control_type(priv.control_type);
}

static int add_packages(void)
{
	int cpu, domain, which;

	for (domain = 0; domain < RAPL_DOMAIN_MAX; domain++)
		for (which = 0; which < RAPL_DOMAIN_REG_MAX; which++)
			if (which == RAPL_DOMAIN_REG_STATUS || domain == RAPL_DOMAIN_PACKAGE || domain == RAPL_DOMAIN_PLATFORM)
				priv.regs[domain][which] = 1 + 16 * domain + which;
	priv.control_type = powercap_register_control_type(NULL, "intel-rapl", NULL);
	if (IS_ERR(priv.control_type))
		return PTR_ERR(priv.control_type);
	for_each_online_cpu(cpu) {
		struct rapl_package *rp = rapl_find_package_domain(cpu, &priv);

		if (rp)
			continue;
		rp = rapl_add_package(cpu, &priv);
		if (IS_ERR(rp)) {
			remove_packages();
			return PTR_ERR(rp);
		}
	}
	return 0;
}

/* perf */

static struct cpumask leaders; /* one processor of each die */
static struct pmu power_pmu;

/* the unit of a domain as a power of two: perf takes that of memory on servers to be 2^-16 J */
static int perf_esu(int domain)
{
	return domain == RAPL_DOMAIN_DRAM ? 16 : ESU;
}

static void event_update(struct perf_event *event)
{
	int domain = event->attr.config - 1;
	u32 now = counts(topology_logical_die_id(event->cpu), domain, perf_esu(domain));
	u32 before = local64_xchg(&event->hw.prev_count, now);

	local64_add((u64)(u32)(now - before) << (32 - perf_esu(domain)), &event->count);
}

static int event_init(struct perf_event *event)
{
	if (event->attr.type != power_pmu.type)
		return -ENOENT;
	if (event->cpu < 0 || event->attr.config < 1 || event->attr.config > RAPL_DOMAIN_MAX || event->attr.sample_period)
		return -EINVAL;
	/* The platform's counter is that of package 0. */
	if (event->attr.config - 1 == RAPL_DOMAIN_PLATFORM && topology_logical_die_id(event->cpu))
		return -EINVAL;
	return 0;
}

static void event_start(struct perf_event *event, int mode)
{
	int domain = event->attr.config - 1;

	event->hw.state = 0;
	local64_set(&event->hw.prev_count, counts(topology_logical_die_id(event->cpu), domain, perf_esu(domain)));
}

static void event_stop(struct perf_event *event, int mode)
{
	if (!(event->hw.state & PERF_HES_STOPPED))
		event_update(event);
	event->hw.state |= PERF_HES_STOPPED | PERF_HES_UPTODATE;
}

static int event_add(struct perf_event *event, int mode)
{
	event->hw.state = PERF_HES_UPTODATE | PERF_HES_STOPPED;
	if (mode & PERF_EF_START)
		event_start(event, mode);
	return 0;
}

static void event_del(struct perf_event *event, int mode)
{
	event_stop(event, mode);
}

static ssize_t show_text(struct device *dev, struct device_attribute *attr, char *buf)
{
	return sysfs_emit(buf, "%s\n", (char *)container_of(attr, struct dev_ext_attribute, attr)->var);
}

static ssize_t show_leaders(struct device *dev, struct device_attribute *attr, char *buf)
{
	return cpumap_print_to_pagebuf(true, buf, &leaders);
}

#define TEXT(id, file, text) \
	static struct dev_ext_attribute id = { __ATTR(file, 0444, show_text, NULL), text }
#define EVENT(id, name, code, count) \
	TEXT(id, name, "event=0x0" code); \
	TEXT(id##_unit, name.unit, "Joules"); \
	TEXT(id##_scale, name.scale, count)
#define EVENT_ATTRS(id) &id.attr.attr, &id##_unit.attr.attr, &id##_scale.attr.attr

#define SCALE "2.3283064365386962890625e-10" /* 2^-32 */
EVENT(cores, energy-cores, "2", SCALE);
EVENT(pkg, energy-pkg, "1", SCALE);
EVENT(gpu, energy-gpu, "3", SCALE);
EVENT(ram, energy-ram, "4", SCALE);
EVENT(psys, energy-psys, "5", SCALE);
TEXT(format, event, "config:0-7");
static struct device_attribute cpumask_attr = __ATTR(cpumask, 0444, show_leaders, NULL);

static struct attribute *events[] = { EVENT_ATTRS(cores), EVENT_ATTRS(pkg), EVENT_ATTRS(gpu), EVENT_ATTRS(ram), EVENT_ATTRS(psys), NULL };
static struct attribute *formats[] = { &format.attr.attr, NULL };
static struct attribute *plain[] = { &cpumask_attr.attr, NULL };
static const struct attribute_group events_group = { .name = "events", .attrs = events };
static const struct attribute_group format_group = { .name = "format", .attrs = formats };
static const struct attribute_group plain_group = { .attrs = plain };
static const struct attribute_group *groups[] = { &plain_group, &format_group, &events_group, NULL };

static struct pmu power_pmu = {
	.module = THIS_MODULE,
	.task_ctx_nr = perf_invalid_context,
	.capabilities = PERF_PMU_CAP_NO_EXCLUDE,
	.attr_groups = groups,
	.event_init = event_init,
	.add = event_add,
	.del = event_del,
	.start = event_start,
	.stop = event_stop,
	.read = event_update,
};

static int __init bhtruth_init(void)
{
	int i, cpu, err = 0;

	for (i = 0; i < ARRAY_SIZE(wave); i++)
		period += wave[i].us;
	loaded = div_u64(ktime_get_real_ns(), NSEC_PER_MSEC) * 1000;
	origin = div64_u64(loaded, period) * period;
	loaded -= origin;
	cpus_read_lock();
	for_each_online_cpu(cpu)
		if (cpumask_first(topology_die_cpumask(cpu)) == cpu)
			cpumask_set_cpu(cpu, &leaders);
	if (powercap)
		err = add_packages();
	cpus_read_unlock();
	if (!err && perf) {
		err = perf_pmu_register(&power_pmu, "power", -1);
		if (err) {
			cpus_read_lock();
			remove_packages();
			cpus_read_unlock();
		}
	}
	return err;
}

static void __exit bhtruth_exit(void)
{
	if (perf)
		perf_pmu_unregister(&power_pmu);
	cpus_read_lock();
	remove_packages();
	cpus_read_unlock();
}

module_init(bhtruth_init);
module_exit(bhtruth_exit);
MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("energy counters of a known power behind the kernel's drivers");
