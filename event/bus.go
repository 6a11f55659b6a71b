package event

import (
	"context"
	"time"
)

// Message is one Kafka record.
type Message struct {
	Topic     string
	Partition int32     // set by the bus
	Offset    int64     // set by the bus
	At        time.Time // when it was written, as the log says; set by Scan
	Key       string
	Headers   map[string]string
	Value     []byte
}

// Header names of an entry's message. They let a consumer place an entry whose value it cannot read.
const (
	HeaderKind     = "shake-kind"
	HeaderPosition = "shake-position" // epoch-seq
	HeaderReason   = "shake-reason"   // on dead letters: why
	HeaderGroup    = "shake-group"    // on dead letters: who could not read it
	HeaderOrigin   = "shake-origin"   // on dead letters: topic/partition/offset
	HeaderAgain    = "shake-again"    // on dead letters that were sent again in vain: the letter that they were before
)

// Topics are the names of a namespace's topics.
type Topics struct{ Entries, Dead string }

// TopicsOf puts the namespace in front; the real one is "shake".
func TopicsOf(namespace string) Topics {
	return Topics{Entries: namespace + ".entries", Dead: namespace + ".entries.dead"}
}

// Subscription says what a consumer group reads and how much at once.
type Subscription struct {
	Group    string
	Topic    string
	MaxBatch int           // messages a batch at most
	MaxAge   time.Duration // a batch is handed over this long after its first message at the latest
}

// Producer writes messages; it returns when the log has all of them safely, in order per key.
// On an error some may have been written: sending again is safe for every reader of this package.
//
// Without an error it has set Partition and Offset of the messages, in the slice that it was given. A message that
// lies in the log several times, because it was sent again, has the offset of any of its places; a log that knows
// that it has a message and no longer where says -1.
type Producer interface {
	Produce(ctx context.Context, messages ...Message) error
}

// Log reads a topic outside any group.
type Log interface {
	// Partition is where messages with this key go.
	Partition(ctx context.Context, topic, key string) (int32, error)
	// Partitions counts a topic's partitions.
	Partitions(ctx context.Context, topic string) (int32, error)
	// Start is the offset of the oldest message that is kept, or End if there is none.
	Start(ctx context.Context, topic string, partition int32) (int64, error)
	// End is the offset that the next message of the partition will have.
	End(ctx context.Context, topic string, partition int32) (int64, error)
	// Scan calls fn for each message from offset from (or the oldest kept one) up to, not including, to.
	Scan(ctx context.Context, topic string, partition int32, from, to int64, fn func(Message) error) error
}

// DatedLog is a log that can be entered by time.
type DatedLog interface {
	Log
	// OffsetAt is the offset of the first message that was written at a time or later, or End if there is none.
	OffsetAt(ctx context.Context, topic string, partition int32, t time.Time) (int64, error)
}

// Group consumes a topic together with others of the same name.
type Group interface {
	// Consume calls handle with batches of one partition, in order, until ctx ends, and then gives nil; the
	// batch counts as read when handle returns nil. After an error of handle the batch is handed over again,
	// after a pause, here or to whoever has the partition by then. The ctx of handle ends when its partition
	// is taken away; handle must return then, and only then does somebody else get the partition.
	Consume(ctx context.Context, s Subscription, handle func(ctx context.Context, batch []Message) error) error
}
