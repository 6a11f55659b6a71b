package testenv

import "testing"

// Chromium is the path of a Chromium or Chrome. Unlike servers it is started by its test, through the driver.
func Chromium(t testing.TB) string {
	t.Helper()
	needServers(t)
	path, err := chromium.path()
	if err != nil {
		t.Fatalf("testenv: %v", err)
	}
	return path
}
