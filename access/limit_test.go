package access

import (
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"pgregory.net/rapid"
)

var limitEpoch = time.Date(2026, 11, 11, 12, 0, 0, 0, time.UTC)

// In any stretch of time a key gets at most Burst plus Rate a second, and never less than that when it asks.
func TestLimiter_isATokenBucket(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		rate, burst := rapid.IntRange(1, 50).Draw(t, "rate"), rapid.IntRange(1, 20).Draw(t, "burst")
		k := newLimiter(Limit{Rate: float64(rate), Burst: burst})
		tokens, now := float64(burst), limitEpoch // the bucket as one would explain it
		for i, pause := range rapid.SliceOfN(rapid.IntRange(0, 200), 1, 100).Draw(t, "pauses in ms") {
			passed := time.Duration(pause) * time.Millisecond
			now = now.Add(passed)
			tokens = min(float64(burst), tokens+passed.Seconds()*float64(rate))
			got := k.allow("ann", now)
			const rounding = 1e-6 // intervals are whole nanoseconds
			if got && tokens < 1-rounding || !got && tokens > 1+rounding {
				t.Fatalf("request %d: allowed is %v with %f tokens in the bucket", i+1, got, tokens)
			}
			if got {
				tokens--
			}
		}
	})
}

func TestLimiter_countsOnceUnderLoad(t *testing.T) {
	k := newLimiter(Limit{Rate: 1, Burst: 100})
	var allowed atomic.Int64
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 1000 {
				if k.allow("ann", limitEpoch) {
					allowed.Add(1)
				}
			}
		})
	}
	if wg.Wait(); allowed.Load() != 100 {
		t.Errorf("got %d of 8000 at one moment, want 100", allowed.Load())
	}
}

func TestLimiter_forgetsFullBuckets(t *testing.T) {
	k := newLimiter(Limit{Rate: 100, Burst: 1})
	for second := range 10 {
		for i := range 100_000 {
			k.allow(fmt.Sprint(second, "-", i), limitEpoch.Add(time.Duration(second)*time.Second))
		}
	}
	kept := 0
	for i := range k.shards {
		kept += len(k.shards[i].fullAt)
	}
	if kept > 3*100_000 {
		t.Errorf("keeps %d buckets of a million; want those of the last second and what a sweep leaves", kept)
	}
}

func TestLimiter_withoutARateLimitsNothing(t *testing.T) {
	for range 1000 {
		if !newLimiter(Limit{}).allow("ann", limitEpoch) {
			t.Fatal("refused without a limit")
		}
	}
}

// Markets with a limit of their own have it; the others have the common one, each for itself.
func TestMarkets(t *testing.T) {
	now := time.Now()
	m := newMarkets(Limit{Rate: 1, Burst: 2}, map[string]Limit{"SG": {Rate: 1, Burst: 3}, "ID": {}})
	for market, want := range map[string]int{"SG": 3, "TH": 2, "VN": 2, "ID": 100} {
		let := 0
		for range 100 {
			if m.allow(ends, market, now) {
				let++
			}
		}
		if let != want {
			t.Errorf("%s: %d were let in at once, want %d", market, let, want)
		}
	}
}

// In a market over its rate, starts leave the last tokens to ends, and reads those before to starts.
func TestMarkets_endsBeforeStartsBeforeReads(t *testing.T) {
	now := time.Now()
	m := newMarkets(Limit{Rate: 1000, Burst: 100}, nil)
	for _, step := range []struct {
		class class
		want  int
	}{{reads, 60}, {starts, 20}, {reads, 0}, {ends, 20}, {starts, 0}} {
		let := 0
		for range 200 {
			if m.allow(step.class, "SG", now) {
				let++
			}
		}
		if let != step.want {
			t.Errorf("class %d: %d were let in, want %d", step.class, let, step.want)
		}
	}
	if one := newMarkets(Limit{Rate: 1, Burst: 1}, nil); !one.allow(reads, "SG", now) {
		t.Error("a bucket of one token has none for reads")
	}
}
