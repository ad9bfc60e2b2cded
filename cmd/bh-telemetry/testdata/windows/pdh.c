// A pdh.dll whose counters of Energy Meter show a known power, for the test that runs the Windows build (wine_slow_test.go).
// Prototypes, structures and codes are those of pdh.h and pdhmsg.h, so the compiler holds this side to them.
#include <windows.h>
#include <pdh.h>
#include <pdhmsg.h>
#include <stdlib.h>
#include <string.h>
#include <wchar.h>

// The package draws 30 W in the first half of each second and 10 W in the second; its counter moves every 10 ms.
static double joules(void) {
	FILETIME ft;
	GetSystemTimePreciseAsFileTime(&ft);
	ULONGLONG t = ((ULONGLONG)ft.dwHighDateTime << 32 | ft.dwLowDateTime) - 116444736000000000ULL; // 100 ns since 1970
	t -= t % 100000;
	double part = (double)(t % 10000000) / 1e7;
	return (double)(t / 10000000 % 100000000) * 20 + (part < 0.5 ? 30 * part : 15 + 10 * (part - 0.5));
}

static const struct { const wchar_t *name; double share; } rails[] = {
	{L"RAPL_Package0_PKG", 1}, {L"RAPL_Package0_PP0", 0.5}, {L"RAPL_Package0_DRAM", 0},
	{L"RAPL_Package0_Core0_CORE", 0.25}, {L"_Total", 1.75},
};
enum { RAILS = sizeof rails / sizeof rails[0] };

static int mode(const char *want) {
	const char *is = getenv("BH_TEST_PDH");
	return is && strcmp(is, want) == 0;
}

PDH_FUNCTION PdhOpenQueryW(LPCWSTR source, DWORD_PTR user, PDH_HQUERY *query) {
	(void)source, (void)user;
	*query = (PDH_HQUERY)1;
	return ERROR_SUCCESS;
}

PDH_FUNCTION PdhAddEnglishCounterW(PDH_HQUERY query, LPCWSTR path, DWORD_PTR user, PDH_HCOUNTER *counter) {
	(void)query, (void)user;
	if (mode("denied")) return PDH_ACCESS_DENIED;
	if (mode("absent") || wcscmp(path, L"\\Energy Meter(*)\\Energy") != 0) return PDH_CSTATUS_NO_OBJECT;
	*counter = (PDH_HCOUNTER)2;
	return ERROR_SUCCESS;
}

PDH_FUNCTION PdhCollectQueryData(PDH_HQUERY query) { return query == (PDH_HQUERY)1 ? ERROR_SUCCESS : PDH_INVALID_HANDLE; }

PDH_FUNCTION PdhGetRawCounterArrayW(PDH_HCOUNTER counter, LPDWORD size, LPDWORD count, PPDH_RAW_COUNTER_ITEM_W items) {
	if (counter != (PDH_HCOUNTER)2) return PDH_INVALID_HANDLE;
	DWORD need = RAILS * sizeof *items;
	for (int i = 0; i < RAILS; i++) need += (DWORD)((wcslen(rails[i].name) + 1) * sizeof(wchar_t));
	*count = RAILS;
	if (*size < need) {
		*size = need;
		return PDH_MORE_DATA;
	}
	*size = need;
	wchar_t *names = (wchar_t *)(items + RAILS);
	double now = joules();
	for (int i = 0; i < RAILS; i++) {
		memset(&items[i], 0, sizeof items[i]);
		items[i].szName = wcscpy(names, rails[i].name);
		names += wcslen(names) + 1;
		items[i].RawValue.CStatus = PDH_CSTATUS_VALID_DATA;
		items[i].RawValue.FirstValue = (LONGLONG)(now * rails[i].share / 3.6e-9);
		items[i].RawValue.SecondValue = -1;
		items[i].RawValue.MultiCount = 1;
	}
	return ERROR_SUCCESS;
}

PDH_FUNCTION PdhCloseQuery(PDH_HQUERY query) { return query == (PDH_HQUERY)1 ? ERROR_SUCCESS : PDH_INVALID_HANDLE; }
