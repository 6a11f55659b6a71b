package testenv

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// javaFlags keep a broker small and quick to start; a test's broker never lives long enough for the
// optimising compiler to pay.
var javaFlags = []string{"-Xmx384m", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC"}

// newKafka starts n brokers, each broker and controller at once. With more than one, topics are
// replicated to three and a write needs two. front stands before each, if not nil.
func newKafka(n int, front Front) ([]*process, error) {
	k, err := newKafkaPlan(n)
	if err != nil {
		return nil, err
	}
	for range n {
		if front == nil {
			break
		}
		door, err := freePort()
		if err != nil {
			return nil, err
		}
		listen, err := front(loopback(door))
		if err != nil {
			return nil, err
		}
		k.doors, k.fronts = append(k.doors, door), append(k.fronts, listen)
	}
	return startAll(n, k.broker)
}

// kafkaPlan is what the brokers of a cluster must agree on before the first of them starts.
type kafkaPlan struct {
	java, classpath, clusterID string
	clients, controllers       []int // ports by node

	doors  []int    // ports by node for clients that come by way of the fronts; none: there are no fronts
	fronts []string // where those come in

	security *KafkaSecurity // nil: none
}

// KafkaSecurity is a broker's second door: TLS, and SCRAM-SHA-512 for one user, who may do what Grants says. Whoever
// comes through the first door may do everything.
type KafkaSecurity struct {
	CA   string // PEM file of who vouches for clients' certificates; each must bring one
	Cert string // PEM text of the broker's certificate
	Key  string // PEM text of its key, PKCS #8

	User, Password string

	port int
}

// lines are what a broker's configuration has besides.
func (s *KafkaSecurity) lines() []string {
	inline := func(pem string) string { return strings.ReplaceAll(strings.TrimSpace(pem), "\n", " \\\n ") }
	const door = "listener.name.secure."
	return []string{
		"listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,SECURE:SASL_SSL",
		"sasl.enabled.mechanisms=SCRAM-SHA-512",
		door + "sasl.enabled.mechanisms=SCRAM-SHA-512",
		door + "scram-sha-512.sasl.jaas.config=org.apache.kafka.common.security.scram.ScramLoginModule required;",
		door + "ssl.keystore.type=PEM",
		door + "ssl.keystore.certificate.chain=" + inline(s.Cert),
		door + "ssl.keystore.key=" + inline(s.Key),
		door + "ssl.truststore.type=PEM",
		door + "ssl.truststore.location=" + s.CA,
		door + "ssl.client.auth=required",
		"authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer",
		"super.users=User:ANONYMOUS",
	}
}

func newKafkaPlan(n int) (k kafkaPlan, err error) {
	if k.java, err = java.path(); err != nil {
		return k, err
	}
	if k.classpath, err = kafkaClasspath(); err != nil {
		return k, err
	}
	id := make([]byte, 16)
	_, _ = rand.Read(id) // never fails
	id[0] &= 0x7f        // no id that begins with "-": the tool takes it for a flag
	k.clusterID = base64.RawURLEncoding.EncodeToString(id)
	for range n {
		client, err := freePort()
		if err != nil {
			return k, err
		}
		k.clients = append(k.clients, client)
		k.controllers = append(k.controllers, client+busOffset)
	}
	return k, nil
}

func (k kafkaPlan) broker(i int) (*process, error) {
	dir, err := newFolder("kafka")
	if err != nil {
		return nil, err
	}
	conf := filepath.Join(dir, "server.properties")
	if err := os.WriteFile(conf, []byte(k.properties(i, dir)), 0o644); err != nil {
		return nil, err
	}
	if err := k.format(conf); err != nil {
		return nil, err
	}
	p := &process{name: "kafka", addr: loopback(k.clients[i]), dir: dir}
	if len(k.fronts) > 0 {
		p.front = k.fronts[i]
	}
	p.args = append(append([]string{k.java}, javaFlags...), "-cp", k.classpath, "kafka.Kafka", conf)
	p.ready = func() error { return kafkaReady(p.addr, len(k.clients)) }
	return p, nil
}

func (k kafkaPlan) properties(i int, dir string) string {
	voters := make([]string, len(k.controllers))
	for j, port := range k.controllers {
		voters[j] = fmt.Sprintf("%d@%s", j+1, loopback(port))
	}
	copies, inSync := 1, 1
	if len(voters) > 1 {
		copies, inSync = 3, 2
	}
	listeners := "listeners=PLAINTEXT://" + loopback(k.clients[i]) + ",CONTROLLER://" + loopback(k.controllers[i])
	var more []string
	if len(k.doors) > 0 {
		listeners += ",FRONT://" + loopback(k.doors[i])
		more = []string{
			"advertised.listeners=PLAINTEXT://" + loopback(k.clients[i]) + ",FRONT://" + k.fronts[i],
			"listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,FRONT:PLAINTEXT",
			"inter.broker.listener.name=PLAINTEXT",
		}
	}
	if k.security != nil {
		listeners += ",SECURE://" + loopback(k.security.port)
		more = k.security.lines()
	}
	return strings.Join(append(more,
		"process.roles=broker,controller",
		fmt.Sprintf("node.id=%d", i+1),
		"controller.quorum.voters="+strings.Join(voters, ","),
		"controller.listener.names=CONTROLLER",
		listeners,
		"log.dirs="+filepath.Join(dir, "data"),
		"auto.create.topics.enable=false", // a misspelt topic is an error, not a new topic
		fmt.Sprintf("default.replication.factor=%d", copies),
		fmt.Sprintf("min.insync.replicas=%d", inSync),
		fmt.Sprintf("offsets.topic.replication.factor=%d", copies),
		"offsets.topic.num.partitions=4", // fifty by default, each a folder to open
		fmt.Sprintf("transaction.state.log.replication.factor=%d", copies),
		fmt.Sprintf("transaction.state.log.min.isr=%d", inSync),
		"group.initial.rebalance.delay.ms=0", // a test's members need not wait 3 s for more to come
		"group.min.session.timeout.ms=1000",
		"log.cleaner.dedupe.buffer.size=8388608", // 128 MB by default, a third of this heap
	), "\n") + "\n"
}

func (k kafkaPlan) format(conf string) error {
	args := []string{"-XX:TieredStopAtLevel=1", "-cp", k.classpath, "kafka.tools.StorageTool", "format", "-t", k.clusterID, "-c", conf}
	if s := k.security; s != nil {
		args = append(args, "--add-scram", fmt.Sprintf("SCRAM-SHA-512=[name=%s,password=%s]", s.User, s.Password))
	}
	cmd := exec.Command(k.java, args...)
	cmd.SysProcAttr = OwnedChild()
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("formatting Kafka's folder: %w\n%s", err, out)
	}
	return nil
}

// kafkaReady asks a broker whom it knows: it lists brokers only once they may serve.
func kafkaReady(addr string, brokers int) error {
	client, err := kgo.NewClient(kgo.SeedBrokers(addr), kgo.DialTimeout(time.Second))
	if err != nil {
		return err
	}
	defer client.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	answer, err := kmsg.NewPtrMetadataRequest().RequestWith(ctx, client)
	if err != nil {
		return err
	}
	if len(answer.Brokers) < brokers {
		return errors.New("not all brokers are there yet")
	}
	return nil
}

// ForgetGroups removes the consumer groups whose names begin with prefix, with what they know of how far they are. They
// must have no members.
func ForgetGroups(ctx context.Context, brokers []string, prefix string) (forgotten int, err error) {
	client, err := kgo.NewClient(kgo.SeedBrokers(brokers...), kgo.DialTimeout(time.Second))
	if err != nil {
		return 0, err
	}
	defer client.Close()
	groups := map[string]bool{}
	for _, shard := range client.RequestSharded(ctx, kmsg.NewPtrListGroupsRequest()) {
		if shard.Err != nil {
			return 0, shard.Err
		}
		for _, g := range shard.Resp.(*kmsg.ListGroupsResponse).Groups {
			if strings.HasPrefix(g.Group, prefix) {
				groups[g.Group] = true
			}
		}
	}
	for group := range groups {
		request := kmsg.NewPtrDeleteGroupsRequest()
		request.Groups = []string{group}
		answer, err := request.RequestWith(ctx, client)
		if err != nil {
			return forgotten, err
		}
		for _, g := range answer.Groups {
			if err := kerr.ErrorForCode(g.ErrorCode); err != nil {
				return forgotten, fmt.Errorf("group %s: %w", g.Group, err)
			}
			forgotten++
		}
	}
	return forgotten, nil
}
