package access_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/shake-live/shake/game"
)

func (s scene) endWith(token string) call {
	c := endCall(fmt.Sprintf(`{"token":%q,"shakes":60}`, token))
	c.bad = true
	return c
}

// Every byte of a round's token counts.
func TestBadInput_tokenWithEachByteChanged(t *testing.T) {
	s := newScene(t)
	before := s.dump(t)
	for _, broken := range mangled(s.token) {
		if got := s.do(s.endWith(broken)); got.String() != "400 token_invalid" {
			t.Errorf("token %q: got %s, want 400 token_invalid", broken, got)
		}
	}
	s.unchanged(t, before)
}

func TestBadInput_tokens(t *testing.T) {
	s := newScene(t)
	signed := func(campaign string, run int64, change func(*game.Token)) call {
		return s.endWith(s.sign(t, campaign, run, change))
	}
	s.refused(t, []bad{
		{"empty", "400 token_invalid", s.endWith("")},
		{"words", "400 token_invalid", s.endWith("let me win")},
		{"a session", "400 token_invalid", s.endWith(s.session("ann"))},
		{"very long", "400 token_invalid", s.endWith(strings.Repeat("A", 3000))},
		{"with a line end behind", "400 token_invalid", s.endWith(s.token + "\n")},
		{"with a line end inside", "400 token_invalid", s.endWith(s.token[:9] + "\r\n" + s.token[9:])},
		{"in standard code", "400 token_invalid", s.endWith("+/" + s.token[2:])},
		{"of another campaign", "400 token_invalid", s.endWith(s.tokenOther)},
		{"of another player", "403 not_yours", s.endWith(s.tokenBob)},
		{"of another round", "400 token_invalid", s.endWith(s.tokenEnded)},
		{"of the run before", "409 too_late", signed("demo", 1, func(t *game.Token) { t.Number = 2 })},
		{"of the next run, which this node does not know yet", "503 busy", signed("demo", 3, func(t *game.Token) { t.Number = 2 })},
		{"of the run before, of another campaign", "400 token_invalid", signed("other", 1, func(t *game.Token) { t.Number = 2 })},
		{"of another shard", "400 token_invalid", signed("demo", 2, func(t *game.Token) { t.Number, t.Shard = 2, 1-t.Shard })},
		{"of a run that is not the key's", "400 token_invalid", signed("demo", 2, func(t *game.Token) { t.Number, t.Run = 2, 3 })},
		{"of a round that began just now", "409 too_early", signed("demo", 2, func(t *game.Token) { t.Number, t.StartedAt = 2, s.clock.Now().UnixMilli() })},
		{"with other shakes than the first time", "409 conflicting_repeat", call{
			method: "POST", path: roundPath("demo", 1) + "/end", as: "ann", body: fmt.Sprintf(`{"token":%q,"shakes":61}`, s.tokenEnded),
		}},
		{"sent by somebody else", "403 not_yours", call{
			method: "POST", path: roundPath("demo", 2) + "/end", as: "bob", body: fmt.Sprintf(`{"token":%q,"shakes":60}`, s.token),
		}},
	})
}

// sign gives a token signed for ann's round.
func (s scene) sign(t *testing.T, campaign string, run int64, change func(*game.Token)) string {
	t.Helper()
	return s.world.token(t, campaign, run, change)
}
