// Package testenv gives tests real servers: Redis, a six-node Redis Cluster, MariaDB and Apache Kafka.
//
// Redis, RedisCluster, MySQL and Kafka hand out servers that all tests share, each test in its own
// namespace or database. Where they come from, in this order:
//
//  1. the environment: SHAKE_TEST_REDIS (host:port), SHAKE_TEST_REDIS_CLUSTER (host:port,...),
//     SHAKE_TEST_MYSQL (a go-sql-driver DSN that may create databases), SHAKE_TEST_KAFKA (host:port,...);
//     this is how `make test` shares one set among all packages;
//  2. programs installed on this machine, started once per test process;
//  3. apt, when root on a Debian-like machine;
//  4. otherwise the test fails and names `make test-embedded`, which needs no server.
//
// StartRedis, StartRedisCluster, StartMySQL, StartKafka and StartKafkaCluster start servers that belong
// to one test alone, for tests that kill, pause and restart them.
//
// Every server listens on 127.0.0.1, keeps its data under the repository's ignored .run folder, and dies
// with the process that started it: the kernel sees to that, so a panic or a SIGKILL leaves nothing behind.
package testenv
