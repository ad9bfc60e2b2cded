package calibrate

import (
	"os"
	"unsafe"

	"golang.org/x/sys/unix"
)

// largePages asks for pages of 2 MiB, where the system gives them only on request: with arrays of gigabytes the first touch
// of each small page takes longer than all that is measured. It is a wish: nothing depends on it.
func largePages[T any](x []T) {
	page := uintptr(os.Getpagesize())
	bytes := unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(x))), len(x)*int(unsafe.Sizeof(x[0])))
	skip := -uintptr(unsafe.Pointer(unsafe.SliceData(bytes))) % page
	if skip < uintptr(len(bytes)) {
		_ = unix.Madvise(bytes[skip:], unix.MADV_HUGEPAGE) // see above
	}
}
