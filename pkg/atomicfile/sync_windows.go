package atomicfile

import (
	"os"

	"golang.org/x/sys/windows"
)

// syncDir does nothing: Windows has no way to sync a folder, and its renames are journalled by NTFS.
func syncDir(string) error { return nil }

// lockFile takes the file's lock without waiting; it goes when the file is closed, however the process ends. The range
// lies far behind any content, as a lock on Windows also bars readers.
func lockFile(f *os.File) error {
	at := &windows.Overlapped{OffsetHigh: 1 << 30}
	return windows.LockFileEx(windows.Handle(f.Fd()), windows.LOCKFILE_EXCLUSIVE_LOCK|windows.LOCKFILE_FAIL_IMMEDIATELY, 0, 1, 0, at)
}
