//go:build !linux

package telemetry

import "errors"

func openPerfEvent(uint32, uint64, int) (perfCounter, error) { return nil, errors.ErrUnsupported }
