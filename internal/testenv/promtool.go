package testenv

import "testing"

// Promtool is the path of Prometheus's promtool, which checks and plays alerting rules.
func Promtool(t testing.TB) string {
	t.Helper()
	needServers(t)
	path, err := promtool.path()
	if err != nil {
		t.Fatalf("testenv: %v", err)
	}
	return path
}
