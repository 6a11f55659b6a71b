package game

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/shake-live/shake/event"
	"github.com/shake-live/shake/game/fairplay"
)

var (
	genUser     = rapid.StringMatching(`[A-Za-z0-9][A-Za-z0-9_.@:+-]{0,63}`)
	genCampaign = rapid.StringMatching(`[a-z0-9][a-z0-9-]{0,39}`)
	genNumber   = rapid.Int64Range(1, 1<<62)
	genCount    = rapid.Int64Range(0, 1<<62)
)

// runKeys are those of a run under a master key for tests.
func runKeys(t testing.TB, master, campaign string, run int64) *RunKeys {
	t.Helper()
	ring, err := NewKeyring("m", map[string][]byte{"m": []byte(master)})
	if err != nil {
		t.Fatal(err)
	}
	keys, err := ring.RunKeys("m", campaign, run)
	if err != nil {
		t.Fatal(err)
	}
	return keys
}

const testMaster = "a master key for tests"

func drawRoundID(t *rapid.T) RoundID {
	return RoundID{
		Campaign: genCampaign.Draw(t, "campaign"), Run: genNumber.Draw(t, "run"), Epoch: genNumber.Draw(t, "epoch"),
		User: genUser.Draw(t, "user"), Number: genNumber.Draw(t, "number"),
	}
}

func TestRoundID_roundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := drawRoundID(t)
		if got, err := ParseRoundID(want.String()); err != nil || got != want {
			t.Fatalf("%s: got %+v, %v, want %+v", want, got, err, want)
		}
	})
}

// Two rounds never share an id, though users may have dots and digits in their names.
func TestRoundID_isUnique(t *testing.T) {
	gen := rapid.Custom(func(t *rapid.T) RoundID {
		few := rapid.Int64Range(1, 12)
		return RoundID{
			Campaign: rapid.StringMatching(`[a1-]`).Draw(t, "campaign"), Run: few.Draw(t, "run"), Epoch: few.Draw(t, "epoch"),
			User: rapid.StringMatching(`[a1](\.?[a1]){0,3}`).Draw(t, "user"), Number: few.Draw(t, "number"),
		}
	})
	rapid.Check(t, func(t *rapid.T) {
		a, b := gen.Draw(t, "a"), gen.Draw(t, "b")
		if a != b && a.String() == b.String() {
			t.Fatalf("%+v and %+v are both %s", a, b, a)
		}
	})
}

func TestParseRoundID_refuses(t *testing.T) {
	for _, text := range []string{
		"", ".", "....", "demo", "demo.1.1.ann", "demo.1.1.7", ".1.1.ann.7", "demo.1.1..7", "demo.0.1.ann.7", "demo.1.0.ann.7", "demo.1.1.ann.0",
		"demo.01.1.ann.7", "demo.+1.1.ann.7", "demo.1.1.ann.-7", "demo.1.1.ann.7 ", "Demo.1.1.ann.7", "demo.1.1.a n.7", "demo.1.1.{a}.7",
		"demo.1.1.ann.9223372036854775808", "demo.x.1.ann.7", "demo.1.1.ann.7\n", "demo.1.1.\xff.7",
	} {
		if got, err := ParseRoundID(text); err == nil {
			t.Errorf("%q: got %+v, want an error", text, got)
		}
	}
}

func FuzzParseRoundID(f *testing.F) {
	for _, seed := range []string{"demo.3.1.ann.7", "a.1.1.a.b.c.1", "a-b.12.3.u@x:1+2.9", "demo.1.1..7", "demo.01.1.ann.7", ""} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		r, err := ParseRoundID(text)
		if err == nil && (r.String() != text || !ValidUser(r.User) || !validID(r.Campaign)) {
			t.Errorf("%q was read as %+v", text, r)
		}
	})
}

func drawToken(t *rapid.T) Token {
	return Token{
		Run: genCount.Draw(t, "run"), Epoch: genCount.Draw(t, "epoch"), Number: genCount.Draw(t, "number"), Shard: genCount.Draw(t, "shard"),
		StartedAt: genCount.Draw(t, "started"), User: genUser.Draw(t, "user"),
	}
}

func TestToken_roundTrip(t *testing.T) {
	keys := runKeys(t, testMaster, "demo", 3)
	rapid.Check(t, func(t *rapid.T) {
		want := drawToken(t)
		text := keys.Sign(want)
		if got, err := keys.Verify(text); err != nil || got != want {
			t.Fatalf("got %+v, %v, want %+v", got, err, want)
		}
		if again := keys.Sign(want); again != text {
			t.Fatalf("got %s and %s for the same token", text, again)
		}
	})
}

func TestToken_anyChangeIsRefused(t *testing.T) {
	keys := runKeys(t, testMaster, "demo", 3)
	rapid.Check(t, func(t *rapid.T) {
		text := keys.Sign(drawToken(t))
		for _, broken := range changed(text) {
			if got, err := keys.Verify(broken); !errors.Is(err, ErrTokenInvalid) {
				t.Fatalf("%q instead of %q: got %+v, %v, want ErrTokenInvalid", broken, text, got, err)
			}
		}
	})
}

// changed gives the text with each bit flipped, cut at each byte, with more behind, and in other spellings of
// the same bytes.
func changed(text string) (list []string) {
	raw, err := strictBase64.DecodeString(text)
	if err != nil {
		panic(err)
	}
	add := func(b []byte) { list = append(list, base64.RawURLEncoding.EncodeToString(b)) }
	for i := range raw {
		for bit := range 8 {
			one := append([]byte(nil), raw...)
			one[i] ^= 1 << bit
			add(one)
		}
		add(raw[:i])
		add(append(append([]byte(nil), raw[:i]...), raw[i+1:]...))
	}
	add(append(append([]byte(nil), raw...), 0))
	list = append(list, text+"=", text+"A", text+"\n", "\n"+text, text[:4]+"\r\n"+text[4:], base64.StdEncoding.EncodeToString(raw)+"=")
	if len(raw)%3 != 0 { // the last letter has bits that stand for nothing
		last := strings.IndexByte("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_", text[len(text)-1])
		list = append(list, text[:len(text)-1]+string("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"[last^1]))
	}
	return list
}

// A code tells nothing of the user but to who has the run's key, and is another in another run.
func TestCode(t *testing.T) {
	keys, next := runKeys(t, testMaster, "demo", 3), runKeys(t, testMaster, "demo", 4)
	shape := regexp.MustCompile(`^#[2-9B-DF-HJ-KM-NP-TV-XZ]{5}$`)
	seen, same := map[string]bool{}, 0
	for i := range 2000 {
		user := fmt.Sprintf("acme:%d@example.com", i)
		code := keys.Code(user)
		if !shape.MatchString(code) || code != runKeys(t, testMaster, "demo", 3).Code(user) {
			t.Fatalf("%s: got %q, then %q", user, code, runKeys(t, testMaster, "demo", 3).Code(user))
		}
		if next.Code(user) == code {
			same++
		}
		seen[code] = true
	}
	if len(seen) < 1997 || same > 1 {
		t.Errorf("2000 players have %d codes, and %d the same in the next run", len(seen), same)
	}
	if code := keys.Code("ann"); code != "#NVZD9" {
		t.Errorf("got %s for ann, and boards that are shown already have another", code)
	}
}

func TestKeys_ofAnotherRunRefuse(t *testing.T) {
	keys := runKeys(t, testMaster, "demo", 3)
	token := keys.Sign(Token{Run: 3, Epoch: 1, Number: 7, StartedAt: 1, User: "ann"})
	claim := keys.SignClaim(Claim{Campaign: "demo", Run: 3, Round: event.Round{User: "ann"}})
	for name, other := range map[string]*RunKeys{
		"run": runKeys(t, testMaster, "demo", 4), "campaign": runKeys(t, testMaster, "demo-3", 3), "master": runKeys(t, testMaster+"!", "demo", 3),
		"campaign and run that read alike": runKeys(t, testMaster, "demo|3", 0),
	} {
		if _, err := other.Verify(token); !errors.Is(err, ErrTokenInvalid) {
			t.Errorf("token under the keys of another %s: got %v, want ErrTokenInvalid", name, err)
		}
		if _, err := other.VerifyClaim(claim); !errors.Is(err, ErrClaimInvalid) {
			t.Errorf("claim under the keys of another %s: got %v, want ErrClaimInvalid", name, err)
		}
		if id := (RoundID{Campaign: "demo", Run: 3, Epoch: 1, User: "ann", Number: 7}); other.Seed(id) == keys.Seed(id) {
			t.Errorf("the same seed under the keys of another %s", name)
		}
	}
	if _, err := keys.Verify(claim); !errors.Is(err, ErrTokenInvalid) {
		t.Errorf("a claim as a token: got %v, want ErrTokenInvalid", err)
	}
	if _, err := keys.VerifyClaim(token); !errors.Is(err, ErrClaimInvalid) {
		t.Errorf("a token as a claim: got %v, want ErrClaimInvalid", err)
	}
}

func FuzzToken(f *testing.F) {
	keys := runKeys(f, testMaster, "demo", 3)
	token := Token{Run: 3, Epoch: 1, Number: 7, Shard: 2, StartedAt: 1794398403000, User: "ann"}
	text := keys.Sign(token)
	for _, seed := range append(changed(text)[:20], text, "", "AQ", strings.Repeat("A", 300)) {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if got, err := keys.Verify(s); err == nil && (s != text || got != token) {
			t.Errorf("%q is taken for %+v, and was never signed", s, got)
		}
		if got, _, _, err := parseToken(s); err == nil && !ValidUser(got.User) {
			t.Errorf("%q gives user %q", s, got.User)
		}
	})
}

func drawClaim(t *rapid.T) Claim {
	c := Claim{Campaign: genCampaign.Draw(t, "campaign")}
	c.Round.User = genUser.Draw(t, "user")
	for _, n := range c.numbers() {
		*n = genCount.Draw(t, "n")
	}
	return c
}

func TestClaim_roundTrip(t *testing.T) {
	keys := runKeys(t, testMaster, "demo", 3)
	rapid.Check(t, func(t *rapid.T) {
		want := drawClaim(t)
		if got, err := keys.VerifyClaim(keys.SignClaim(want)); err != nil || got != want {
			t.Fatalf("got %+v, %v, want %+v", got, err, want)
		}
	})
}

func TestClaim_anyChangeIsRefused(t *testing.T) {
	keys := runKeys(t, testMaster, "demo", 3)
	rapid.Check(t, func(t *rapid.T) {
		text := keys.SignClaim(drawClaim(t))
		for _, broken := range changed(text) {
			if got, err := keys.VerifyClaim(broken); !errors.Is(err, ErrClaimInvalid) {
				t.Fatalf("%q instead of %q: got %+v, %v, want ErrClaimInvalid", broken, text, got, err)
			}
		}
	})
}

// A claim has every fact of its round but the chances left, which follow from the campaign.
func TestClaim_hasAllFacts(t *testing.T) {
	var c Claim
	for i, n := range c.numbers() {
		*n = int64(i + 1)
	}
	c.Campaign, c.Round.User, c.Round.ChancesLeft = "demo", "ann", 1
	for _, v := range []reflect.Value{reflect.ValueOf(c), reflect.ValueOf(c.Round), reflect.ValueOf(c.At)} {
		for i := range v.NumField() {
			if v.Field(i).IsZero() {
				t.Errorf("%s.%s is not in the claim", v.Type().Name(), v.Type().Field(i).Name)
			}
		}
	}
}

func FuzzClaim(f *testing.F) {
	keys := runKeys(f, testMaster, "demo", 3)
	claim := Claim{Campaign: "demo", Run: 3, Shard: 2, At: event.Position{Epoch: 1, Seq: 9}, Round: event.Round{User: "ann", Number: 7, Paid: 5, Total: 9}}
	text := keys.SignClaim(claim)
	for _, seed := range append(changed(text)[:20], text, "", "AQ", strings.Repeat("A", 600)) {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if got, err := keys.VerifyClaim(s); err == nil && (s != text || got != claim) {
			t.Errorf("%q is taken for %+v, and was never signed", s, got)
		}
	})
}

// A campaign's JSON is what stores keep: what is valid can be played and comes back as it was.
func FuzzCampaign(f *testing.F) {
	good, err := json.Marshal(validCampaign())
	if err != nil {
		f.Fatal(err)
	}
	for _, seed := range []string{
		string(good), "{}", "null", `{"id":"demo","curve":[{"from":-1}]}`, `{"starts_at":"2026-11-11T20:00:00+08:00"}`,
		strings.Replace(string(good), `"probability":0.5`, `"probability":1e300`, 1), strings.Replace(string(good), `"shards":4`, `"shards":-4`, 1),
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		var c Campaign
		if json.Unmarshal(text, &c) != nil || c.Validate() != nil {
			return
		}
		live, err := Prepare(&c, runKeys(t, testMaster, c.ID, c.Run))
		if err != nil {
			t.Fatalf("valid, and can't be played: %v", err)
		}
		id := RoundID{Campaign: c.ID, Run: c.Run, Epoch: 1, User: "ann", Number: 1}
		coins := live.Rewarder.Reward(live.Keys.Seed(id), Facts{Round: id, Shakes: 60, ElapsedMS: c.RoundMS}).Coins
		if coins < 0 || coins > maxRoundCoins || c.RoundCap > 0 && coins > c.RoundCap {
			t.Errorf("pays %d coins", coins)
		}
		again, err := json.Marshal(c)
		if err != nil {
			t.Fatal(err)
		}
		var back Campaign
		if err := json.Unmarshal(again, &back); err != nil || back.Validate() != nil {
			t.Errorf("%s came back as %+v, %v", again, back, err)
		}
	})
}

func validCampaign() *Campaign {
	at := time.Date(2026, 11, 11, 12, 0, 0, 0, time.UTC)
	return &Campaign{
		ID: "demo", Game: "shake", Market: "SG", Name: "Demo", Version: 1, Run: 1, WarmupAt: at.Add(-time.Minute), StartsAt: at, EndsAt: at.Add(5 * time.Minute),
		RoundMS: 10_000, EarlyMS: 8_000, LateMS: 30_000, Chances: 50, Pool: 1_000_000, Shards: 4, ShakeRate: 8,
		Curve: Curve{{From: 1, Probability: 0.5, Min: 1, Max: 10}}, KeyID: "m",
	}
}

func TestCampaign_validateNamesWhatIsWrong(t *testing.T) {
	if err := validCampaign().Validate(); err != nil {
		t.Fatalf("got %v of a valid campaign", err)
	}
	for want, change := range map[string]func(c *Campaign){
		"id": func(c *Campaign) { c.ID = "Demo" }, "game": func(c *Campaign) { c.Game = "dice" }, "market": func(c *Campaign) { c.Market = "sg" },
		"name": func(c *Campaign) { c.Name = " " }, "ends_at": func(c *Campaign) { c.EndsAt = c.StartsAt }, "warmup_at": func(c *Campaign) { c.WarmupAt = c.EndsAt },
		"window of": func(c *Campaign) { c.EndsAt = c.StartsAt.AddDate(1, 0, 0) }, "round:": func(c *Campaign) { c.RoundMS = 999 },
		"early": func(c *Campaign) { c.EarlyMS = c.RoundMS + 1 }, "late": func(c *Campaign) { c.LateMS = -1 }, "chances": func(c *Campaign) { c.Chances = 0 },
		"pool": func(c *Campaign) { c.Pool = 1e12 + 1 }, "floor": func(c *Campaign) { c.Floor = c.Pool }, "round_cap": func(c *Campaign) { c.RoundCap = -1 },
		"player_cap": func(c *Campaign) { c.PlayerCap = c.Pool + 1 }, "shards": func(c *Campaign) { c.Shards = 1025 }, "shake_rate": func(c *Campaign) { c.ShakeRate = 0 },
		"curve": func(c *Campaign) { c.Curve = nil },
	} {
		c := validCampaign()
		change(c)
		if err := c.Validate(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want it to name %s", err, want)
		}
	}
}

func TestCampaign_stages(t *testing.T) {
	c := validCampaign()
	settled := c.EndsAt.Add(time.Hour)
	for _, x := range []struct {
		at   time.Time
		want Stage
	}{
		{c.WarmupAt.Add(-time.Hour), StageWarmup}, {c.StartsAt.Add(-1), StageWarmup}, {c.StartsAt, StageLive}, {c.EndsAt.Add(-1), StageLive},
		{c.EndsAt, StageClosed}, {c.EndsAt.Add(time.Hour), StageClosed},
	} {
		if got := c.StageAt(x.at); got != x.want {
			t.Errorf("at %s: got %s, want %s", x.at, got, x.want)
		}
	}
	if c.SettledAt = &settled; c.StageAt(c.StartsAt) != StageSettled {
		t.Errorf("got %s of a settled campaign", c.StageAt(c.StartsAt))
	}
	if got, want := c.OverAt(), c.EndsAt.Add(40*time.Second); !got.Equal(want) {
		t.Errorf("over at %s, want %s: a round of 10 s and 30 s to be late", got, want)
	}
}

// Campaigns stored before there was fair play are read as they were, and keep their JSON.
func TestCampaign_withoutFairPlay(t *testing.T) {
	doc, err := json.Marshal(validCampaign())
	if err != nil || strings.Contains(string(doc), "fair_play") {
		t.Fatalf("got %s, %v, want nothing of fair play", doc, err)
	}
	var c Campaign
	if err := json.Unmarshal(doc, &c); err != nil || c.Validate() != nil || c.FairPlay.Filled(c.ShakeRate).Mode != fairplay.Shadow {
		t.Errorf("got %+v, %v, want the defaults", c.FairPlay, err)
	}
}
