package sqljudgements_test

import (
	"fmt"
	"reflect"
	"testing"
	"time"

	"github.com/shake-live/shake/game/fairplay"
	"github.com/shake-live/shake/game/referee"
	"github.com/shake-live/shake/game/sqljudgements"
	"github.com/shake-live/shake/internal/sqldb"
	"github.com/shake-live/shake/internal/sqldb/sqldbtest"
)

// A round has one row, the first, however often and in whatever company it comes; lists are newest first and bounded.
func TestStore(t *testing.T) {
	sqldbtest.Each(t, func(t *testing.T, open func(testing.TB) *sqldb.DB) {
		ctx, s := t.Context(), sqljudgements.New(open(t))
		at := time.UnixMilli(1_800_000_000_123).UTC()
		judgement := func(campaign string, n int) referee.Judgement {
			return referee.Judgement{
				Round: fmt.Sprintf("%s.1.1.ann.%d", campaign, n), Campaign: campaign, Run: 1, User: "ann", Device: "phone", Score: 0.75,
				Reasons: []fairplay.Reason{fairplay.Regular, fairplay.Copy}, Shakes: 60, Beats: 59, Variation: 0.0125, Rate: 5.5,
				At: at.Add(time.Duration(n) * time.Millisecond),
			}
		}
		one, two, other := judgement("show", 1), judgement("show", 2), judgement("other", 3)
		two.Reasons, two.Device = []fairplay.Reason{}, ""
		again := one
		again.Score, again.Reasons = 1, nil
		for _, list := range [][]referee.Judgement{{two, one}, {other, again}, {one, two, other}, {}} {
			if err := s.Keep(ctx, list); err != nil {
				t.Fatal(err)
			}
		}
		for _, c := range []struct {
			campaign string
			limit    int
			want     []referee.Judgement
		}{
			{"show", 10, []referee.Judgement{two, one}}, {"show", 1, []referee.Judgement{two}}, {"other", 10, []referee.Judgement{other}}, {"nope", 10, []referee.Judgement{}},
		} {
			if got, err := s.Newest(ctx, c.campaign, c.limit); err != nil || !reflect.DeepEqual(got, c.want) {
				t.Errorf("%s: got %+v, %v, want %+v", c.campaign, got, err, c.want)
			}
		}
	})
}
