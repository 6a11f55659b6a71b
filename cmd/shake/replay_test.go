package main

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestMoment(t *testing.T) {
	now := time.Date(2026, 11, 21, 20, 0, 0, 0, time.UTC)
	for text, want := range map[string]time.Time{
		"": {}, "90m": now.Add(-90 * time.Minute), "0s": now, "2026-11-21T19:59:59.5+01:00": time.Date(2026, 11, 21, 18, 59, 59, 5e8, time.UTC),
	} {
		if got, err := moment("--since", text, now); err != nil || !got.Equal(want) {
			t.Errorf("%q: got %s, %v, want %s", text, got, err, want)
		}
	}
	for _, text := range []string{"-2h", "yesterday", "2026-11-21", "20:00", "2", " 2h"} {
		if got, err := moment("--since", text, now); !errors.Is(err, errUsage) {
			t.Errorf("%q: got %s, %v, want it refused", text, got, err)
		}
	}
}

func TestShardsAndOffsets(t *testing.T) {
	if got, err := shardsOf([]string{"0", "bank", "17"}); err != nil || !slices.Equal(got, []int{0, -1, 17}) {
		t.Errorf("shards: %v, %v", got, err)
	}
	if got, err := shardsOf(nil); err != nil || got != nil {
		t.Errorf("no shards: %v, %v, want all", got, err)
	}
	if got, err := offsetsOf([]string{"0:17", "5:0"}); err != nil || !maps.Equal(got, map[int32]int64{0: 17, 5: 0}) {
		t.Errorf("offsets: %v, %v", got, err)
	}
}

// What is taken is what was written, and everything else is wrong usage.
func FuzzReplayFlags(f *testing.F) {
	for _, seed := range []string{"0:1", "bank", "7", "-1", "2h", "2026-11-21T20:00:00Z", "1:2:3", ":", "+1:+2", "01:02"} {
		f.Add(seed)
	}
	now := time.Date(2026, 11, 21, 20, 0, 0, 0, time.UTC)
	f.Fuzz(func(t *testing.T, text string) {
		shards, err := shardsOf([]string{text})
		if err != nil && !errors.Is(err, errUsage) || err == nil && (len(shards) != 1 || shards[0] < -1 || (shards[0] < 0) != (text == "bank")) {
			t.Errorf("shard %q: got %v, %v", text, shards, err)
		}
		offsets, err := offsetsOf([]string{text})
		if err != nil && !errors.Is(err, errUsage) {
			t.Errorf("offset %q: %v", text, err)
		}
		for p, o := range offsets {
			partition, offset, _ := strings.Cut(text, ":")
			if fmt.Sprint(p) != strings.TrimLeft(partition[:len(partition)-1], "0")+partition[len(partition)-1:] ||
				fmt.Sprint(o) != strings.TrimLeft(offset[:len(offset)-1], "0")+offset[len(offset)-1:] {
				t.Errorf("offset %q: got %d:%d", text, p, o)
			}
		}
		if at, err := moment("--since", text, now); err != nil && !errors.Is(err, errUsage) || err == nil && text != "" && at.IsZero() && !strings.HasPrefix(text, "0001-01-01T") {
			t.Errorf("time %q: got %s, %v", text, at, err)
		}
	})
}
