package access_test

import (
	"context"
	"fmt"
	"reflect"
	"sync"
	"testing"
	"time"

	"github.com/shake-live/shake/access"
	"github.com/shake-live/shake/game"
)

// listener is a referee that notes what it is told.
type listener struct {
	mu    sync.Mutex
	heard []string
}

func (l *listener) Ended(round game.RoundID, device string, shakes int64, beats []int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.heard = append(l.heard, fmt.Sprint(round, " ", device, " ", shakes, " ", beats))
}

// The referee hears of each end that was answered with a result, a repeat too, and of no other.
func TestEnd_isHandedToTheReferee(t *testing.T) {
	l, pending := &listener{}, false
	d := newDoor(t, func(d *door) { d.deps.Referee = l }, wrap(func(g access.Game) access.Game {
		return maybePending{g, &pending}
	}))
	var session struct{ Token string }
	d.read(d.want("200", call{method: "POST", path: "/v1/sessions", body: `{"provider":"dev","credential":"ann","market":"SG","device":"phone-7"}`}), &session)
	token := d.begin("demo", "ann", 1)
	end := func(want, body string) {
		t.Helper()
		d.want(want, call{method: "POST", path: roundPath("demo", 1) + "/end", header: map[string]string{"Authorization": "Bearer " + session.Token}, body: fmt.Sprintf(body, token)})
	}
	end("409 too_early", `{"token":%q,"shakes":3,"beats":[1,2,3]}`)
	d.clock.Advance(9 * time.Second)
	pending = true
	end("202", `{"token":%q,"shakes":3,"beats":[1,2,3]}`)
	pending = false
	end("200", `{"token":%q,"shakes":3,"beats":[1,2,3]}`)
	end("200", `{"token":%q,"shakes":3}`)
	end("409 conflicting_repeat", `{"token":%q,"shakes":4}`)
	want := []string{"demo.2.1.ann.1 phone-7 3 [1 2 3]", "demo.2.1.ann.1 phone-7 3 []"}
	l.mu.Lock()
	defer l.mu.Unlock()
	if !reflect.DeepEqual(l.heard, want) {
		t.Errorf("got %q, want %q", l.heard, want)
	}
}

// maybePending settles and then says that the result is not safe yet.
type maybePending struct {
	access.Game
	pending *bool
}

func (m maybePending) End(ctx context.Context, campaign, user string, number int64, token string, shakes int64) (game.Result, error) {
	result, err := m.Game.End(ctx, campaign, user, number, token, shakes)
	if *m.pending {
		return game.Result{}, game.ErrPending
	}
	return result, err
}
