//go:build !linux

package testenv

import "errors"

func ignoreFileLimits() {}

// LimitFiles is for Linux alone.
func LimitFiles(int, uint64) error { return errors.ErrUnsupported }
