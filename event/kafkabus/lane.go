package kafkabus

import (
	"time"

	"github.com/IBM/sarama"
)

const (
	// maxBatchBytes bounds what goes to one partition in one request: brokers take 1 MiB by default.
	maxBatchBytes = 900 << 10
	// maxFlightBytes bounds a request, so that one slow partition's share arrives within RequestTimeout.
	maxFlightBytes = 8 << 20
)

// identity is the producer id by which Kafka tells a repeated batch from a new one. Each lane has its own:
// a failure in one partition then never disturbs the numbering of another.
type identity struct {
	id    int64
	epoch int16
	next  int32 // sequence number of the next batch's first record
}

var noIdentity = identity{id: -1}

// lane is what goes to one partition. At most one batch is on its way, and it is retried, in place, until
// Kafka has it or it is given up; so batches arrive in order, and none behind a lost one of the same call.
type lane struct {
	place  place
	queue  []record
	batch  *batch         // taken from the queue and not yet settled
	away   bool           // in a flight or being prepared
	leader *sarama.Broker // nil: to be found out first
	id     identity
	row    int // failures in a row
}

// batch is the unit that Kafka takes or refuses as a whole.
type batch struct {
	records []record
	bytes   int
	wire    *sarama.RecordBatch
}

// load makes the next batch unless one is there already, and tells whether the lane has something to send.
func (l *lane) load(p *producer) bool {
	if l.batch != nil {
		return true
	}
	b := &batch{}
	n := 0
	for _, r := range l.queue {
		if r.call.over() { // given up, or an earlier record of the same call was lost
			p.settle(r, unknown, nil)
			n++
			continue
		}
		if len(b.records) > 0 && b.bytes+r.size > p.batchBytes {
			break
		}
		b.records = append(b.records, r)
		b.bytes += r.size
		n++
	}
	l.queue = l.queue[n:]
	if len(l.queue) == 0 {
		l.queue = nil // lets go of the memory behind it
	}
	if len(b.records) == 0 {
		return false
	}
	l.batch = b
	return true
}

// seal numbers the batch by the lane's identity. A batch that is sent again under the same identity keeps
// its numbers, and Kafka drops it if it has it.
func (l *lane) seal() *sarama.RecordBatch {
	if l.batch.wire == nil {
		l.batch.wire = wireBatch(l.batch.records)
	}
	w := l.batch.wire
	w.ProducerID, w.ProducerEpoch, w.FirstSequence = l.id.id, l.id.epoch, l.id.next
	return w
}

func wireBatch(records []record) *sarama.RecordBatch {
	w := &sarama.RecordBatch{
		Version:         2,
		Codec:           codec,
		FirstTimestamp:  records[0].at,
		MaxTimestamp:    records[0].at,
		LastOffsetDelta: int32(len(records) - 1),
		Records:         make([]*sarama.Record, len(records)),
	}
	for i, r := range records {
		r.wire.OffsetDelta = int64(i)
		r.wire.TimestampDelta = r.at.Sub(w.FirstTimestamp)
		w.Records[i] = r.wire
		if r.at.After(w.MaxTimestamp) {
			w.MaxTimestamp = r.at
		}
	}
	return w
}

// taken is a batch that Kafka has, from the offset base on.
func (l *lane) taken(p *producer, base int64) {
	l.id.next += int32(len(l.batch.records))
	if l.id.next < 0 { // after 2^31 records a new identity is simpler than counting round the corner
		l.id = noIdentity
	}
	l.row = 0
	l.finish(p, base, nil)
}

// refused is a batch that is to be tried again, or given up when its first record has waited too long.
func (l *lane) refused(p *producer, err error) {
	l.row++
	l.leader = nil // whatever it was, ask again who leads
	if time.Since(l.batch.records[0].at) >= p.opts.DeliveryTimeout {
		l.lost(p, err)
	}
}

// lost is a batch that nobody tries again. It may or may not be in the log, so its numbers are burnt.
func (l *lane) lost(p *producer, err error) {
	l.id = noIdentity
	l.finish(p, unknown, err)
}

func (l *lane) finish(p *producer, base int64, err error) {
	for i, r := range l.batch.records {
		offset := base
		if base != unknown {
			offset += int64(i)
		}
		p.settle(r, offset, err)
	}
	l.batch = nil
}

// abandon settles everything in the lane; a batch that is out settles when its flight lands.
func (l *lane) abandon(p *producer, err error) {
	if l.batch != nil && !l.away {
		l.lost(p, err)
	}
	for _, r := range l.queue {
		p.settle(r, unknown, err)
	}
	l.queue = nil
}
