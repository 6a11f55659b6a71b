package devserver

import (
	"fmt"
	"net"

	"github.com/twmb/franz-go/pkg/kfake"
)

// Kafka is an embedded broker that keeps topics, records and committed offsets in a folder. What it has
// acknowledged survives the end of this process, SIGKILL included; only a power cut may take the last moments,
// for it leaves the flushing to the kernel, as real Kafka does.
type Kafka struct{ cluster *kfake.Cluster }

// StartKafka listens on addr (port 0 takes a free one) and keeps its data in dir, which one process at a
// time may use.
func StartKafka(addr, dir string) (*Kafka, error) {
	cluster, err := kfake.NewCluster(
		kfake.NumBrokers(1),
		kfake.DataDir(dir),
		kfake.ListenFn(func(network, _ string) (net.Listener, error) { return net.Listen(network, addr) }),
	)
	if err != nil {
		return nil, fmt.Errorf("embedded kafka on %s, data in %s (is another one running?): %w", addr, dir, err)
	}
	return &Kafka{cluster}, nil
}

// Brokers are the addresses to connect to.
func (k *Kafka) Brokers() []string { return k.cluster.ListenAddrs() }

// Close writes what is left to write and ends all connections.
func (k *Kafka) Close() { k.cluster.Close() }
