package testenv

import (
	"context"
	"net"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// redis runs one command through redis-cli.
func redis(t *testing.T, addr string, command ...string) string {
	t.Helper()
	cli, err := redisCLI.path()
	if err != nil {
		t.Fatal(err)
	}
	host, port, _ := net.SplitHostPort(addr)
	out, err := exec.Command(cli, append([]string{"-h", host, "-p", port}, command...)...).CombinedOutput()
	if err != nil {
		t.Fatalf("%v on %s: %v\n%s", command, addr, err, out)
	}
	return strings.TrimSpace(string(out))
}

func primaries(t *testing.T, nodes []*Server) (n int) {
	t.Helper()
	for _, node := range nodes {
		if strings.Contains(redis(t, node.Addr(), "info", "replication"), "role:master") {
			n++
		}
	}
	return n
}

// send makes a topic and puts one record into it.
func send(t *testing.T, brokers []string, topic string, copies int16, value string) {
	t.Helper()
	ctx, client := kafkaClient(t, brokers)
	create := kmsg.NewPtrCreateTopicsRequest()
	wanted := kmsg.NewCreateTopicsRequestTopic()
	wanted.Topic, wanted.NumPartitions, wanted.ReplicationFactor = topic, 1, copies
	create.Topics = append(create.Topics, wanted)
	if _, err := create.RequestWith(ctx, client); err != nil {
		t.Fatalf("creating %s: %v", topic, err)
	}
	record := &kgo.Record{Topic: topic, Value: []byte(value)}
	if err := client.ProduceSync(ctx, record).FirstErr(); err != nil {
		t.Fatalf("producing: %v", err)
	}
}

func receive(t *testing.T, brokers []string, topic string) string {
	t.Helper()
	ctx, client := kafkaClient(t, brokers, kgo.ConsumeTopics(topic))
	fetches := client.PollFetches(ctx)
	if err := fetches.Err(); err != nil {
		t.Fatalf("consuming: %v", err)
	}
	return string(fetches.Records()[0].Value)
}

func kafkaClient(t *testing.T, brokers []string, opts ...kgo.Opt) (context.Context, *kgo.Client) {
	t.Helper()
	client, err := kgo.NewClient(append(opts, kgo.SeedBrokers(brokers...))...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	t.Cleanup(cancel)
	return ctx, client
}
