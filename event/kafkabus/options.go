package kafkabus

import (
	"crypto/tls"
	"errors"
	"log/slog"
	"time"
)

// SASL is a login at Kafka.
type SASL struct {
	Mechanism string // plain, scram-sha-256 or scram-sha-512; empty: none
	Username  string
	Password  string
}

// Options says where Kafka is and how long to wait for it. The zero value of a field but Brokers means its
// default.
type Options struct {
	Brokers  []string // host:port of some brokers; the others are learnt from them
	ClientID string   // names this program in Kafka's logs and quotas; default "shake"

	TLS  *tls.Config // nil: none
	SASL SASL        // how Kafka knows us; the zero value: it does not

	DialTimeout     time.Duration // default 3 s
	RequestTimeout  time.Duration // one request to one broker, the wait for replicas included; default 10 s
	DeliveryTimeout time.Duration // Produce keeps trying this long, then fails; default 30 s
	CloseTimeout    time.Duration // Close waits this long for what is still to be written; default 10 s

	MaxBuffered int64 // bytes that may wait to be written; beyond it Produce waits; default 64 MiB

	SessionTimeout   time.Duration // a silent member loses its partitions after this; default 10 s
	RebalanceTimeout time.Duration // a handler has this long to return when its partition is taken; default 15 s
	CommitInterval   time.Duration // how often offsets are committed, beside every rebalance and close; default 1 s

	Log *slog.Logger // hears of background trouble; default slog.Default()
}

func (o Options) withDefaults() Options {
	durations := []struct {
		field *time.Duration
		value time.Duration
	}{
		{&o.DialTimeout, 3 * time.Second},
		{&o.RequestTimeout, 10 * time.Second},
		{&o.DeliveryTimeout, 30 * time.Second},
		{&o.CloseTimeout, 10 * time.Second},
		{&o.SessionTimeout, 10 * time.Second},
		{&o.RebalanceTimeout, 15 * time.Second},
		{&o.CommitInterval, time.Second},
	}
	for _, d := range durations {
		if *d.field == 0 {
			*d.field = d.value
		}
	}
	if o.ClientID == "" {
		o.ClientID = "shake"
	}
	if o.MaxBuffered == 0 {
		o.MaxBuffered = 64 << 20
	}
	if o.Log == nil {
		o.Log = slog.Default()
	}
	return o
}

func (o Options) validate() error {
	if len(o.Brokers) == 0 {
		return errors.New("kafka: no brokers named")
	}
	return nil
}
