package testenv

import (
	"crypto/rand"
	"encoding/hex"
	"os"
	"strings"
	"sync"
	"testing"
	"time"
)

// Names of the environment variables that hand out shared servers.
const (
	EnvRedis        = "SHAKE_TEST_REDIS"
	EnvRedisCluster = "SHAKE_TEST_REDIS_CLUSTER"
	EnvMySQL        = "SHAKE_TEST_MYSQL"
	EnvKafka        = "SHAKE_TEST_KAFKA"
)

// shared is one kind of server that all tests use. The four below are global because that is their point:
// one server for all tests of a process, whoever asks first.
type shared struct {
	env   string
	start func() (value string, group []*process, err error)

	once  sync.Once
	value string
	err   error
}

var (
	sharedRedis   = &shared{env: EnvRedis, start: startSharedRedis}
	sharedCluster = &shared{env: EnvRedisCluster, start: startSharedCluster}
	sharedMySQL   = &shared{env: EnvMySQL, start: startSharedMySQL}
	sharedKafka   = &shared{env: EnvKafka, start: startSharedKafka}
)

func (s *shared) get(t testing.TB) string {
	t.Helper()
	needServers(t)
	s.once.Do(func() {
		if s.value = os.Getenv(s.env); s.value == "" {
			s.value, _, s.err = s.start() // lives until the kernel ends it with this process
		}
	})
	if s.err != nil {
		t.Fatalf("testenv: %v", s.err)
	}
	return s.value
}

// needServers is the one place that skips tests: `make test-embedded` is the promise that a machine with
// nothing but Go can check what runs on embedded servers; `make test` runs everything.
func needServers(t testing.TB) {
	t.Helper()
	if os.Getenv("SHAKE_TEST") == "embedded" {
		t.Skip("needs real servers, and SHAKE_TEST=embedded asks for tests without any: run `make test`")
	}
}

// Redis gives the address of a redis-server shared with other tests: use keys under Namespace.
func Redis(t testing.TB) string { t.Helper(); return sharedRedis.get(t) }

// RedisCluster gives the addresses of a Redis Cluster of three primaries and three replicas, shared with
// other tests: use keys under Namespace.
func RedisCluster(t testing.TB) []string { t.Helper(); return strings.Split(sharedCluster.get(t), ",") }

// Kafka gives the brokers of an Apache Kafka shared with other tests: use topics and groups under Namespace.
func Kafka(t testing.TB) []string { t.Helper(); return strings.Split(sharedKafka.get(t), ",") }

// MySQL gives the DSN of an empty database that is this test's own and is dropped at its end.
func MySQL(t testing.TB) string {
	t.Helper()
	return freshDatabase(t, sharedMySQL.get(t))
}

func freshDatabase(t testing.TB, admin string) string {
	t.Helper()
	name := "shake_" + Namespace(t)
	if err := asRoot(admin, "CREATE DATABASE "+name+" CHARACTER SET utf8mb4"); err != nil {
		t.Fatalf("testenv: %v", err)
	}
	t.Cleanup(func() {
		if err := asRoot(admin, "DROP DATABASE "+name); err != nil {
			t.Errorf("testenv: %v", err)
		}
	})
	dsn, err := database(admin, name)
	if err != nil {
		t.Fatalf("testenv: %v", err)
	}
	return dsn
}

// Namespace gives a short name that no other test has, such as "t1a2b3c4d".
func Namespace(testing.TB) string {
	random := make([]byte, 4)
	_, _ = rand.Read(random) // never fails
	return "t" + hex.EncodeToString(random)
}

func startSharedRedis() (string, []*process, error) {
	group, err := startAll(1, func(int) (*process, error) { return newRedis(RedisOptions{}) })
	return strings.Join(addrs(group), ","), group, err
}

// sharedFailover is long, for nobody kills a shared node: a machine that stalls must not look like a dead one.
const sharedFailover = 30 * time.Second

func startSharedCluster() (string, []*process, error) {
	group, err := newRedisCluster(sharedFailover, nil)
	return strings.Join(addrs(group), ","), group, err
}

func startSharedMySQL() (string, []*process, error) {
	group, err := startAll(1, func(int) (*process, error) { return newMySQL() })
	if err != nil {
		return "", nil, err
	}
	return adminDSN(group[0].addr), group, nil
}

func startSharedKafka() (string, []*process, error) {
	group, err := newKafka(1, nil)
	return strings.Join(addrs(group), ","), group, err
}
