// Package integration plays whole nights through the real program on real servers: a Redis Cluster, Apache Kafka
// and MariaDB.
package integration

import (
	"os"
	"testing"

	"github.com/shake-live/shake/internal/testenv"
)

func TestMain(m *testing.M) {
	testenv.Tags = "failpoints" // a mover is killed at its steps
	code := m.Run()
	testenv.RemoveShake()
	os.Exit(code)
}
