//go:build amd64 || arm64

package telemetry

import (
	"errors"
	"fmt"
	"unsafe"

	"golang.org/x/sys/windows"
)

func init() {
	register(member{name: energyMeterName, measures: energyMeterMeasures, cpuPower: true, open: openPDH})
}

// Functions of the performance data helper (Microsoft, pdh.h), and what they return.
var (
	pdhLibrary       = windows.NewLazySystemDLL("pdh.dll")
	pdhOpenQuery     = pdhLibrary.NewProc("PdhOpenQueryW")
	pdhAddCounter    = pdhLibrary.NewProc("PdhAddEnglishCounterW")
	pdhCollect       = pdhLibrary.NewProc("PdhCollectQueryData")
	pdhRawArray      = pdhLibrary.NewProc("PdhGetRawCounterArrayW")
	pdhCloseQuery    = pdhLibrary.NewProc("PdhCloseQuery")
	pdhMoreData      = uint32(0x800007D2) // PDH_MORE_DATA
	pdhAccessDenied  = uint32(0xC0000BDB) // PDH_ACCESS_DENIED
	pdhAbsent        = map[uint32]bool{0xC0000BB8: true, 0xC0000BB9: true, 0x800007D5: true, 0x800007D0: true, 0x800007D1: true}
	energyMeterGrant = `net localgroup "Performance Monitor Users" %USERNAME% /add`
)

// pdhQuery is one query with one counter of all instances.
type pdhQuery struct{ query, counter uintptr }

var _ energyQuery = (*pdhQuery)(nil)

// pdhRawItem is PDH_RAW_COUNTER_ITEM_W with its PDH_RAW_COUNTER.
type pdhRawItem struct {
	name   *uint16
	status uint32
	time   windows.Filetime
	first  int64 // the counter's value
	second int64
	multi  uint32
}

func openPDH(env Environment, _ Options) (Source, string, error) {
	q := &pdhQuery{}
	if err := q.open(); err != nil {
		return nil, "", errors.Join(err, q.close())
	}
	src, detail, err := openEnergyMeter(env, q)
	if err != nil {
		return nil, "", errors.Join(err, q.close())
	}
	return src, detail, nil
}

func (q *pdhQuery) open() error {
	if err := pdhLibrary.Load(); err != nil {
		return &unavailable{kind: ErrAbsent, why: "no performance counters: " + err.Error()}
	}
	if ret, _, _ := pdhOpenQuery.Call(0, 0, uintptr(unsafe.Pointer(&q.query))); ret != 0 {
		return pdhError("PdhOpenQueryW", ret)
	}
	path, err := windows.UTF16PtrFromString(energyMeterPath)
	if err != nil {
		return err
	}
	ret, _, _ := pdhAddCounter.Call(q.query, uintptr(unsafe.Pointer(path)), 0, uintptr(unsafe.Pointer(&q.counter)))
	return pdhError("PdhAddEnglishCounterW", ret)
}

// pdhError is the error of a call: nil for 0, and absent where there is no such object, counter or instance.
func pdhError(call string, ret uintptr) error {
	switch code := uint32(ret); {
	case code == 0:
		return nil
	case code == pdhAccessDenied:
		return &unavailable{kind: ErrPermission, why: call + ": access to performance counters denied", fix: energyMeterGrant}
	case pdhAbsent[code]:
		return &unavailable{kind: ErrAbsent, why: fmt.Sprintf("Windows has no counters of Energy Meter (%s: %#x)", call, code)}
	default:
		return fmt.Errorf("%s: code %#x", call, code)
	}
}

// read implements energyQuery.
func (q *pdhQuery) read() (map[string]picowattHours, error) {
	if ret, _, _ := pdhCollect.Call(q.query); ret != 0 {
		return nil, pdhError("PdhCollectQueryData", ret)
	}
	var size, n uint32
	ret, _, _ := pdhRawArray.Call(q.counter, uintptr(unsafe.Pointer(&size)), uintptr(unsafe.Pointer(&n)), 0)
	if uint32(ret) != pdhMoreData || size == 0 {
		return nil, pdhError("PdhGetRawCounterArrayW", ret)
	}
	// The names stand behind the items in the same memory, which is kept in words for the items' alignment.
	buf := make([]uint64, (size+7)/8)
	ret, _, _ = pdhRawArray.Call(q.counter, uintptr(unsafe.Pointer(&size)), uintptr(unsafe.Pointer(&n)),
		uintptr(unsafe.Pointer(&buf[0])))
	if ret != 0 {
		return nil, pdhError("PdhGetRawCounterArrayW", ret)
	}
	out := make(map[string]picowattHours, n)
	for _, item := range unsafe.Slice((*pdhRawItem)(unsafe.Pointer(&buf[0])), n) {
		if item.status == 0 || item.status == 1 { // PDH_CSTATUS_VALID_DATA, PDH_CSTATUS_NEW_DATA
			out[windows.UTF16PtrToString(item.name)] = picowattHours(item.first)
		}
	}
	return out, nil
}

// close implements energyQuery.
func (q *pdhQuery) close() error {
	if q.query == 0 {
		return nil
	}
	ret, _, _ := pdhCloseQuery.Call(q.query)
	q.query = 0
	return pdhError("PdhCloseQuery", ret)
}
