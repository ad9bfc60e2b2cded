//go:build !windows

package manifest

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// lock locks the folder dir, waiting for whoever has it; a holder that was killed has lost it.
func lock(dir string) (unlock func() error, err error) {
	f, err := os.Open(dir)
	if err != nil {
		return nil, err
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f.Close, nil
}
