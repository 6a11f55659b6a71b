package kafkabus

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/IBM/sarama"
)

// codec is how batches are compressed: see DESIGN.md for what it costs and saves.
const codec = sarama.CompressionLZ4

// flight is one produce request.
type flight struct {
	broker *sarama.Broker
	lanes  []*lane
	bytes  int
}

// launch sends what can be sent now: a flight to each broker that none is out to.
func (p *producer) launch() {
	p.mu.Lock()
	defer p.mu.Unlock()
	flights := map[int32]*flight{}
	for _, l := range p.lanes {
		switch {
		case l.away || l.batch == nil && len(l.queue) == 0:
		case l.leader == nil || l.id.id < 0:
			l.away = true
			leader, id, row := l.leader, l.id, l.row
			p.work.Go(func() { p.prepare(l, leader, id, row) })
		default:
			p.board(flights, l)
		}
	}
	for id, f := range flights {
		p.busy[id] = true
		p.work.Go(func() { p.fly(f) })
	}
}

// board puts the lane's batch on the flight to its leader. The batch is made no sooner than that: what comes
// while a flight is out gathers in the queue.
func (p *producer) board(flights map[int32]*flight, l *lane) {
	id := l.leader.ID()
	if p.busy[id] || !l.load(p) {
		return
	}
	f := flights[id]
	if f == nil {
		f = &flight{broker: l.leader}
		flights[id] = f
	}
	if f.bytes > 0 && f.bytes+l.batch.bytes > maxFlightBytes {
		return // with the next one; lanes come in random order, so none waits for ever
	}
	f.lanes = append(f.lanes, l)
	f.bytes += l.batch.bytes
	l.away = true
}

// fly sends one request and waits for its answer. The lanes aboard are away, so they are ours alone.
func (p *producer) fly(f *flight) {
	request := &sarama.ProduceRequest{
		Version:      10,
		RequiredAcks: sarama.WaitForAll,
		Timeout:      int32(p.opts.RequestTimeout.Milliseconds()),
	}
	for _, l := range f.lanes {
		request.AddBatch(l.place.topic, l.place.partition, l.seal())
	}
	response, err := f.broker.Produce(request)
	if err != nil {
		_ = f.broker.Close() // it may be closed already; whoever asks for the leader opens it again
	}
	p.land(f, response, err)
}

// land tells each lane what became of its batch.
func (p *producer) land(f *flight, response *sarama.ProduceResponse, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.busy[f.broker.ID()] = false
	for _, l := range f.lanes {
		l.away = false
		base, verdict := int64(unknown), err
		if err == nil {
			base, verdict = outcome(response.GetBlock(l.place.topic, l.place.partition))
		}
		p.judge(l, base, verdict)
	}
	p.wakeUp()
}

// outcome is where a batch begins in the log, or why it is not there. A batch that Kafka drops because it has it
// from an earlier try is answered with where that one lies, as long as Kafka remembers.
func outcome(b *sarama.ProduceResponseBlock) (base int64, err error) {
	switch {
	case b == nil:
		return unknown, sarama.ErrIncompleteResponse
	case b.Err == sarama.ErrNoError:
		return b.Offset, nil
	case b.Err == sarama.ErrDuplicateSequenceNumber:
		return unknown, nil
	default:
		return unknown, b.Err
	}
}

// judge decides between taken, tried again and lost.
func (p *producer) judge(l *lane, base int64, err error) {
	if err != nil {
		err = fmt.Errorf("kafka: write to %s: %w", l.place, err)
	}
	switch {
	case err == nil:
		l.taken(p, base)
	case p.life.Err() != nil:
		l.lost(p, ErrClosed)
	case hopeless(err):
		l.lost(p, err)
	default:
		if forgotten(err) {
			l.id = noIdentity
		}
		l.refused(p, err)
	}
}

// hopeless errors are the batch's own fault, or nothing that time mends.
func hopeless(err error) bool {
	var encoding sarama.PacketEncodingError
	return errors.As(err, &encoding) || isAny(err, sarama.ErrMessageSizeTooLarge, sarama.ErrMessageSetSizeTooLarge,
		sarama.ErrInvalidRecord, sarama.ErrInvalidTopic, sarama.ErrPolicyViolation, sarama.ErrUnsupportedForMessageFormat,
		sarama.ErrTopicAuthorizationFailed, sarama.ErrClusterAuthorizationFailed)
}

// forgotten errors say that Kafka knows our numbering no longer. Sent under a new identity the batch may be
// there twice, which every reader takes.
func forgotten(err error) bool {
	return isAny(err, sarama.ErrOutOfOrderSequenceNumber, sarama.ErrUnknownProducerID, sarama.ErrInvalidProducerEpoch,
		sarama.ErrProducerFenced)
}

func isAny(err error, kinds ...sarama.KError) bool {
	for _, k := range kinds {
		if errors.Is(err, k) {
			return true
		}
	}
	return false
}

// prepare finds the lane's leader and gives it an identity. It is the only part of a failure that waits.
func (p *producer) prepare(l *lane, leader *sarama.Broker, id identity, row int) {
	var err error
	if row > 0 {
		backOff(p.life, row)
		err = p.client.RefreshMetadata(l.place.topic)
	}
	if err == nil && leader == nil {
		leader, err = p.client.Leader(l.place.topic, l.place.partition)
	}
	if err == nil && id.id < 0 {
		id, err = newIdentity(leader)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	l.away = false
	if err == nil {
		l.leader, l.id = leader, id
	} else if l.load(p) {
		p.judge(l, unknown, err)
	}
	p.wakeUp()
}

func newIdentity(broker *sarama.Broker) (identity, error) {
	response, err := broker.InitProducerID(&sarama.InitProducerIDRequest{Version: 4, ProducerID: -1, ProducerEpoch: -1})
	if err != nil {
		_ = broker.Close() // see fly
		return noIdentity, err
	}
	if response.Err != sarama.ErrNoError {
		return noIdentity, response.Err
	}
	return identity{id: response.ProducerID, epoch: response.ProducerEpoch}, nil
}

// backOff waits longer with each failure in a row, up to a second, and never quite as long as the others do.
func backOff(ctx context.Context, row int) {
	const first, most = 20 * time.Millisecond, time.Second
	d := min(most, first<<min(row, 10))
	pause(ctx, d/2+rand.N(d/2))
}

// pause waits for d, or until ctx ends.
func pause(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}
