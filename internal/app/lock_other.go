//go:build !unix

package app

import "os"

// lockFile keeps the file open; systems without flock do without the lock.
func lockFile(path string) (*os.File, error) {
	return os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
}
