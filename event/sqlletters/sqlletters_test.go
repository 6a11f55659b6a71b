package sqlletters_test

import (
	"errors"
	"fmt"
	"reflect"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/shake-live/shake/event/letters"
	"github.com/shake-live/shake/event/sqlletters"
	"github.com/shake-live/shake/internal/sqldb"
	"github.com/shake-live/shake/internal/sqldb/sqldbtest"
)

func TestStore(t *testing.T) {
	sqldbtest.Each(t, func(t *testing.T, open func(testing.TB) *sqldb.DB) {
		s := sqlletters.New(open(t))
		at, by := time.Date(2026, 11, 21, 20, 0, 0, 5e6, time.UTC), letters.Who{Name: "ann", Host: "here"}
		var ids []letters.ID
		for i := range 250 { // more than stand in one statement
			ids = append(ids, letters.ID{Topic: "shake.entries.dead", Partition: int32(i % 2), Offset: int64(i)})
		}
		first := letters.Edit{Letter: ids[3], Number: 1, At: at, By: by, Why: "cut off", Before: []byte("{\xff\x00"), After: []byte("{}")}
		second := letters.Edit{Letter: ids[3], Number: 2, At: at, By: by, Why: "once more", Before: []byte("{}"), After: []byte("x")}
		for i, e := range []letters.Edit{first, second} {
			if err := s.Edit(t.Context(), e, int64(i)); err != nil {
				t.Fatal(err)
			}
			if err := s.Edit(t.Context(), e, int64(i)); !errors.Is(err, letters.ErrStale) {
				t.Errorf("edit %d twice: got %v", i, err)
			}
		}
		sent := letters.Resend{Letter: ids[249], Number: 1, At: at, By: by, Edit: 0, Outcome: letters.Buried, Successor: "shake.entries.dead/0/300"}
		if err := s.Resent(t.Context(), sent); err != nil {
			t.Fatal(err)
		}
		notes, err := s.Notes(t.Context(), ids)
		want := map[letters.ID]letters.Note{ids[3]: {Edits: []letters.Edit{first, second}}, ids[249]: {Resends: []letters.Resend{sent}}}
		if err != nil || !reflect.DeepEqual(notes, want) {
			t.Errorf("got %+v, %v, want %+v", notes, err, want)
		}
		if notes, err := s.Notes(t.Context(), nil); err != nil || len(notes) != 0 {
			t.Errorf("of none: %v, %v", notes, err)
		}
		// Those who send the same letter at once are all on record.
		var all errgroup.Group
		for i := range 4 {
			all.Go(func() error {
				return s.Resent(t.Context(), letters.Resend{Letter: ids[0], At: at, By: letters.Who{Name: fmt.Sprint(i)}, Outcome: letters.Sent})
			})
		}
		if err := all.Wait(); err != nil {
			t.Error(err)
		}
		notes, err = s.Notes(t.Context(), ids[:1])
		if got := notes[ids[0]].Resends; err != nil || len(got) != 4 || got[3].Number != 4 {
			t.Errorf("sent by four: %+v, %v", got, err)
		}
	})
}
