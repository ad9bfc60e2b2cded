//go:build !windows

package manifest

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// lock takes the lock file name, waiting for whoever has it; a holder that was killed has lost it.
func lock(name string) (unlock func() error, err error) {
	f, err := os.OpenFile(name, os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return nil, err
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f.Close, nil
}
