/* A driver library with eight GPUs that are not there: each draws a known power, a step of 200 W every second second on top
 * of 100 W, renewed every 100 ms, and counts its energy in steps of 20 ms. docs/bench/hour.sh has bh-telemetry read it. */
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include "nvml.h"

#define GPUS 8
#define IDLE 100.0
#define STEP 200.0
static int handles[GPUS];

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec + t.tv_nsec * 1e-9;
}
static int index_of(nvmlDevice_t d) { return (int)((int *)d.handle - handles); }
/* Each GPU's wave is a tenth of a second behind the one before. */
static double phase(nvmlDevice_t d, double t) { return t - 0.1 * index_of(d); }
static double watts(double t) { return IDLE + (fmod(t, 2) < 1 ? STEP : 0); }
static double joules(double t) { return IDLE * t + STEP * (floor(t / 2) + fmin(fmod(t, 2), 1)); }
static double renewed(double t, double period) { return floor(t / period) * period; }

nvmlReturn_t nvmlInit_v2(void) { return NVML_SUCCESS; }
nvmlReturn_t nvmlShutdown(void) { return NVML_SUCCESS; }
const char *nvmlErrorString(nvmlReturn_t r) { return r == NVML_SUCCESS ? "Success" : "Not Supported"; }
nvmlReturn_t nvmlSystemGetDriverVersion(char *s, unsigned int n) { snprintf(s, n, "none: a simulation"); return NVML_SUCCESS; }
nvmlReturn_t nvmlDeviceGetCount_v2(unsigned int *n) { *n = GPUS; return NVML_SUCCESS; }
nvmlReturn_t nvmlDeviceGetHandleByIndex_v2(unsigned int i, nvmlDevice_t *d) { d->handle = (struct nvmlDevice_st *)&handles[i]; return NVML_SUCCESS; }
nvmlReturn_t nvmlDeviceGetName(nvmlDevice_t d, char *s, unsigned int n) { snprintf(s, n, "Simulated GPU"); return NVML_SUCCESS; }
nvmlReturn_t nvmlDeviceGetCudaComputeCapability(nvmlDevice_t d, int *major, int *minor) { *major = 9; *minor = 0; return NVML_SUCCESS; }
nvmlReturn_t nvmlDeviceGetMigMode(nvmlDevice_t d, unsigned int *c, unsigned int *p) { return NVML_ERROR_NOT_SUPPORTED; }
nvmlReturn_t nvmlDeviceGetTotalEnergyConsumption(nvmlDevice_t d, unsigned long long *mj) {
    *mj = (unsigned long long)(1e3 * joules(renewed(phase(d, now()), 0.02)));
    return NVML_SUCCESS;
}
nvmlReturn_t nvmlDeviceGetFieldValues(nvmlDevice_t d, int n, nvmlFieldValue_t *v) {
    double t = phase(d, now());
    for (int i = 0; i < n; i++) {
        v[i].nvmlReturn = NVML_SUCCESS;
        v[i].valueType = NVML_VALUE_TYPE_UNSIGNED_INT;
        switch (v[i].fieldId) {
        case NVML_FI_DEV_POWER_INSTANT: v[i].value.uiVal = (unsigned int)(1e3 * watts(renewed(t, 0.1))); break;
        case NVML_FI_DEV_POWER_AVERAGE: {
            double u = renewed(t, 0.1);
            v[i].value.uiVal = (unsigned int)(1e3 * (joules(u) - joules(u - 1)));
            break;
        }
        default: v[i].nvmlReturn = NVML_ERROR_NOT_SUPPORTED;
        }
    }
    return NVML_SUCCESS;
}
nvmlReturn_t nvmlDeviceGetPowerUsage(nvmlDevice_t d, unsigned int *mw) { *mw = (unsigned int)(1e3 * watts(phase(d, now()))); return NVML_SUCCESS; }
nvmlReturn_t nvmlDeviceGetTemperature(nvmlDevice_t d, nvmlTemperatureSensors_t s, unsigned int *t) { *t = 60 + (unsigned int)(5 * sin(now() / 30)); return NVML_SUCCESS; }
nvmlReturn_t nvmlDeviceGetUtilizationRates(nvmlDevice_t d, nvmlUtilization_t *u) { u->gpu = fmod(phase(d, now()), 2) < 1 ? 97 : 3; u->memory = u->gpu / 2; return NVML_SUCCESS; }
nvmlReturn_t nvmlDeviceGetMemoryInfo(nvmlDevice_t d, nvmlMemory_t *m) { m->total = 80ULL << 30; m->used = 12ULL << 30; m->free = m->total - m->used; return NVML_SUCCESS; }
nvmlReturn_t nvmlDeviceGetClockInfo(nvmlDevice_t d, nvmlClockType_t c, unsigned int *mhz) { *mhz = c == NVML_CLOCK_MEM ? 2619 : 1500 + (unsigned int)(20 * now()) % 300; return NVML_SUCCESS; }
nvmlReturn_t nvmlDeviceGetCurrentClocksThrottleReasons(nvmlDevice_t d, unsigned long long *r) { *r = 0; return NVML_SUCCESS; }
nvmlReturn_t nvmlDeviceGetEnforcedPowerLimit(nvmlDevice_t d, unsigned int *mw) { *mw = 700000; return NVML_SUCCESS; }
nvmlReturn_t nvmlDeviceGetComputeRunningProcesses_v3(nvmlDevice_t d, unsigned int *n, nvmlProcessInfo_t *p) { *n = 0; return NVML_SUCCESS; }
