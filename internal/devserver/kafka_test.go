package devserver

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

const (
	topic = "coins"
	group = "ledger"
)

// What was acknowledged is there after the process that held the broker was killed.
func TestKafka_survivesKill(t *testing.T) {
	dir := t.TempDir()
	addr, kill := kafkaProcess(t, dir)
	createTopic(t, addr)
	produce(t, addr, "one", "two")
	if got := consume(t, addr, 1); got[0] != "one" {
		t.Fatalf("got %q, want one", got)
	}
	kill()

	k, err := StartKafka("127.0.0.1:0", dir)
	if err != nil {
		t.Fatal(err)
	}
	defer k.Close()
	produce(t, k.Brokers()[0], "three")
	// The group goes on behind what it had committed.
	if got := consume(t, k.Brokers()[0], 2); strings.Join(got, " ") != "two three" {
		t.Errorf("after a kill the group got %q, want two three", got)
	}
}

func TestKafka_survivesClose(t *testing.T) {
	dir := t.TempDir()
	for i := range 3 {
		k, err := StartKafka("127.0.0.1:0", dir)
		if err != nil {
			t.Fatalf("start %d: %v", i, err)
		}
		if i == 0 {
			createTopic(t, k.Brokers()[0])
		}
		want := fmt.Sprint("record ", i)
		produce(t, k.Brokers()[0], want)
		if got := consume(t, k.Brokers()[0], 1); got[0] != want {
			t.Errorf("start %d: got %q, want %q alone", i, got, want)
		}
		k.Close()
	}
}

func TestStartKafka_portInUse(t *testing.T) {
	k, err := StartKafka("127.0.0.1:0", t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer k.Close()
	addr := k.Brokers()[0]
	if _, err := StartKafka(addr, t.TempDir()); err == nil || !strings.Contains(err.Error(), addr) {
		t.Errorf("got %v, want an error that names %s", err, addr)
	}
}

const kafkaDirEnv = "SHAKE_DEVSERVER_TEST_KAFKA"

// TestMain lets this binary be the process that holds a broker and is killed.
func TestMain(m *testing.M) {
	dir := os.Getenv(kafkaDirEnv)
	if dir == "" {
		os.Exit(m.Run())
	}
	k, err := StartKafka("127.0.0.1:0", dir)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	fmt.Println(k.Brokers()[0])
	_, _ = os.Stdin.Read(make([]byte, 1)) // until killed, or the test is gone
}

func kafkaProcess(t *testing.T, dir string) (addr string, kill func()) {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), kafkaDirEnv+"="+dir)
	cmd.Stderr = os.Stderr
	stdin, err1 := cmd.StdinPipe()
	stdout, err2 := cmd.StdoutPipe()
	if err := cmd.Start(); err != nil || err1 != nil || err2 != nil {
		t.Fatal(err, err1, err2)
	}
	t.Cleanup(func() { stdin.Close() })
	line, err := bufio.NewReader(stdout).ReadString('\n')
	if err != nil {
		t.Fatalf("the broker's process said nothing: %v", err)
	}
	return strings.TrimSpace(line), func() {
		_ = cmd.Process.Kill() // SIGKILL
		_ = cmd.Wait()         // says that it was killed
	}
}

func createTopic(t *testing.T, addr string) {
	t.Helper()
	ctx, client, done := connect(t, addr)
	defer done()
	create := kmsg.NewPtrCreateTopicsRequest()
	wanted := kmsg.NewCreateTopicsRequestTopic()
	wanted.Topic, wanted.NumPartitions, wanted.ReplicationFactor = topic, 1, 1
	create.Topics = append(create.Topics, wanted)
	if _, err := create.RequestWith(ctx, client); err != nil {
		t.Fatal(err)
	}
}

func produce(t *testing.T, addr string, values ...string) {
	t.Helper()
	ctx, client, done := connect(t, addr)
	defer done()
	for _, v := range values {
		if err := client.ProduceSync(ctx, &kgo.Record{Topic: topic, Value: []byte(v)}).FirstErr(); err != nil {
			t.Fatalf("produce %q: %v", v, err)
		}
	}
}

// consume reads n records with the group and commits right behind them.
func consume(t *testing.T, addr string, n int) (values []string) {
	t.Helper()
	ctx, client, done := connect(t, addr, kgo.ConsumerGroup(group), kgo.ConsumeTopics(topic), kgo.DisableAutoCommit())
	defer done()
	for len(values) < n {
		fetches := client.PollRecords(ctx, n-len(values))
		if err := fetches.Err(); err != nil {
			t.Fatal(err)
		}
		for _, r := range fetches.Records() {
			values = append(values, string(r.Value))
			if err := client.CommitRecords(ctx, r); err != nil {
				t.Fatal(err)
			}
		}
	}
	return values
}

func connect(t *testing.T, addr string, opts ...kgo.Opt) (ctx context.Context, client *kgo.Client, done func()) {
	t.Helper()
	client, err := kgo.NewClient(append(opts, kgo.SeedBrokers(addr))...)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	return ctx, client, func() { cancel(); client.Close() }
}
