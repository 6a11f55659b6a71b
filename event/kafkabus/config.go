package kafkabus

import (
	"time"

	"github.com/IBM/sarama"
)

// config is what both kinds of clients share.
func (o Options) config() *sarama.Config {
	c := sarama.NewConfig()
	c.Version = sarama.V4_0_0_0
	c.ClientID = o.ClientID
	c.Net.DialTimeout = o.DialTimeout
	c.Net.ReadTimeout = o.RequestTimeout
	c.Net.WriteTimeout = o.RequestTimeout
	if o.TLS != nil {
		c.Net.TLS.Enable, c.Net.TLS.Config = true, o.TLS
	}
	o.SASL.configure(c)
	// Only our topics: a client then also starts, and waits, while Kafka is away.
	c.Metadata.Full = false
	c.Metadata.AllowAutoTopicCreation = false
	c.Metadata.Retry.Backoff = 100 * time.Millisecond
	c.Metadata.Timeout = o.RequestTimeout
	return c
}

// groupConfig is the configuration of one member of a consumer group.
func (o Options) groupConfig() *sarama.Config {
	c := o.config()
	// The broker answers a join only when all members have joined, so a read must wait longer than that.
	c.Net.ReadTimeout = o.RebalanceTimeout + 5*time.Second
	c.Consumer.Return.Errors = true
	c.Consumer.Offsets.Initial = sarama.OffsetOldest
	c.Consumer.Offsets.AutoCommit.Interval = o.CommitInterval
	c.Consumer.Retry.Backoff = 250 * time.Millisecond
	c.Consumer.Group.Session.Timeout = o.SessionTimeout
	c.Consumer.Group.Heartbeat.Interval = o.SessionTimeout / 4
	c.Consumer.Group.Rebalance.Timeout = o.RebalanceTimeout
	c.Consumer.Group.Rebalance.Retry.Backoff = 200 * time.Millisecond
	// One strategy per member: it remembers its member's generation.
	c.Consumer.Group.Rebalance.GroupStrategies = []sarama.BalanceStrategy{sarama.NewBalanceStrategyCooperativeSticky()}
	return c
}
