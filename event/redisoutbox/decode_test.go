package redisoutbox

import (
	"testing"

	"github.com/redis/go-redis/v9"

	"github.com/shake-live/shake/event"
)

// FuzzDecode reads anything without a panic, and what it accepts survives the way through the log.
func FuzzDecode(f *testing.F) {
	f.Add("1-4", "end", "1790000000000", "93 7 0 0 100 0", "ann 1 1 1790000000000 3 0 7 7 7 4")
	f.Add("2-9", "claim", "1790000000000", "93 7 0 0 100 0", "ann 1 1 1790000000000 3 0 7 7 7 4 1 4 1790000000001 1 7")
	f.Add("1-3", "start", "1790000000000", "100 0 0 0 100 0", "ann 1\nbob 2")
	f.Add("1-2", "credit", "1790000000000", "100 0 0 0 100 0", "bank 1 100")
	f.Add("2-9", "open", "1790000000000", "0 0 0 0 0 0", "abc 1 8")
	f.Add("2-9", "fund", "1", "0 0 0 0 0 0", "1 -5")
	f.Add("2-9", "dry", "1", "0 0 0 0 0 1", "")
	f.Fuzz(func(t *testing.T, id, kind, at, state, body string) {
		m := redis.XMessage{ID: id, Values: map[string]any{"k": kind, "t": at, "s": state, "d": body}}
		e, err := decode(event.Source{Campaign: "fuzz", Run: 1, Shard: 0}, m)
		if err != nil {
			return
		}
		value, err := e.Encode()
		if err != nil {
			return // text that is no UTF-8 can't have come from our scripts
		}
		back, err := event.Decode(value)
		if err == nil && (back.Position != e.Position || back.State != e.State || len(back.Rounds) != len(e.Rounds)) {
			t.Errorf("%+v came back as %+v", e, back)
		}
	})
}
