package event

import (
	"fmt"
	"strconv"
	"strings"
)

// Bank is the shard number of a run's bank.
const Bank = -1

// Source names the pool that an entry comes from: one shard of a run, or its bank.
// Its string form is the Kafka key, so all entries of a source stand in one partition, in order.
type Source struct {
	Campaign string `json:"campaign"`
	Run      int64  `json:"run"`
	Shard    int    `json:"shard"` // 0..N-1, or Bank
}

// String gives "demo.3.2" for a shard and "demo.3.bank" for the bank.
func (s Source) String() string {
	shard := "bank"
	if s.Shard != Bank {
		shard = strconv.Itoa(s.Shard)
	}
	return s.Campaign + "." + strconv.FormatInt(s.Run, 10) + "." + shard
}

// ParseSource reads what String wrote.
func ParseSource(key string) (Source, error) {
	parts := strings.Split(key, ".")
	if len(parts) != 3 || parts[0] == "" {
		return Source{}, fmt.Errorf("source %q: want campaign.run.shard", key)
	}
	run, err := strconv.ParseInt(parts[1], 10, 64)
	if err != nil || run < 1 {
		return Source{}, fmt.Errorf("source %q: bad run", key)
	}
	s := Source{Campaign: parts[0], Run: run, Shard: Bank}
	if parts[2] != "bank" {
		shard, err := strconv.Atoi(parts[2])
		if err != nil || shard < 0 {
			return Source{}, fmt.Errorf("source %q: bad shard", key)
		}
		s.Shard = shard
	}
	if s.String() != key {
		return Source{}, fmt.Errorf("source %q: not in its shortest form", key)
	}
	return s, nil
}

// Position is a place in a source's history. Seq rises by one with each entry and never restarts;
// Epoch rises with each reopening of the source, and a later epoch outranks every seq of an earlier one.
type Position struct {
	Epoch int64 `json:"epoch"`
	Seq   int64 `json:"seq"`
}

// String gives "<epoch>-<seq>", which is also the id of the entry in the outbox stream.
func (p Position) String() string {
	return strconv.FormatInt(p.Epoch, 10) + "-" + strconv.FormatInt(p.Seq, 10)
}

// ParsePosition reads what String wrote.
func ParsePosition(id string) (Position, error) {
	epoch, seq, ok := strings.Cut(id, "-")
	if !ok {
		return Position{}, fmt.Errorf("position %q: want epoch-seq", id)
	}
	e, err1 := strconv.ParseInt(epoch, 10, 64)
	s, err2 := strconv.ParseInt(seq, 10, 64)
	if err1 != nil || err2 != nil || e < 0 || s < 0 {
		return Position{}, fmt.Errorf("position %q: want two whole numbers", id)
	}
	return Position{Epoch: e, Seq: s}, nil
}

// Next is the position after p in the same epoch.
func (p Position) Next() Position { return Position{Epoch: p.Epoch, Seq: p.Seq + 1} }

// Before tells whether p comes before q.
func (p Position) Before(q Position) bool {
	return p.Epoch < q.Epoch || p.Epoch == q.Epoch && p.Seq < q.Seq
}
