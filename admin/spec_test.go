package admin_test

import (
	"math"
	"os"
	"reflect"
	"strings"
	"testing"
	"time"

	"go.yaml.in/yaml/v4"

	"github.com/shake-live/shake/admin"
	"github.com/shake-live/shake/game"
	"github.com/shake-live/shake/game/fairplay"
)

// show is a campaign's file.
const show = `
id: show
market: SG
name: The show
starts_at: 2026-11-11T20:00:00+08:00
ends_at: 2026-11-11T20:05:00+08:00
round: 10s
chances: 3
pool: 1_000_000
shards: 4
curve:
  - {from: 1, probability: 0.5, min: 1, max: 10}
`

func parse(t testing.TB, text string) admin.Spec {
	t.Helper()
	s, err := admin.ParseSpec([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// What the file leaves out has its default.
func TestParseSpec_defaults(t *testing.T) {
	got := parse(t, show).Campaign()
	at := time.Date(2026, 11, 11, 12, 0, 0, 0, time.UTC)
	want := game.Campaign{
		ID: "show", Game: "shake", Market: "SG", Name: "The show", WarmupAt: at, StartsAt: at, EndsAt: at.Add(5 * time.Minute),
		RoundMS: 10_000, EarlyMS: 8_000, LateMS: 30_000, Chances: 3, Pool: 1_000_000, Shards: 4, ShakeRate: 8,
		Curve: game.Curve{{From: 1, Probability: 0.5, Min: 1, Max: 10}},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got\n%+v\nwant\n%+v", got, want)
	}
	if err := got.Validate(); err != nil {
		t.Error(err)
	}
}

func TestParseSpec_everyField(t *testing.T) {
	text := show + "game: shake\nwarmup_at: 2026-11-11T11:30:00.500Z\nearly: 0s\nlate: 1m30s\nfloor: 10\nround_cap: 20\nplayer_cap: 30\nshake_rate: 9\nassets: {logo: /l.png}\n" +
		"fair_play: {mode: off, min_beats: 20, min_variation: 0.03, min_interval_ms: 40, max_rate: 15, max_accounts: 3, min_score: 0.6}\n"
	got := parse(t, text).Campaign()
	if got.EarlyMS != 0 || got.LateMS != 90_000 || got.Floor != 10 || got.RoundCap != 20 || got.PlayerCap != 30 || got.ShakeRate != 9 ||
		got.FairPlay != (fairplay.Rules{Mode: fairplay.Off, MinBeats: 20, MinVariation: 0.03, MinIntervalMS: 40, MaxRate: 15, MaxAccounts: 3, MinScore: 0.6}) ||
		got.Assets["logo"] != "/l.png" || !got.WarmupAt.Equal(time.Date(2026, 11, 11, 11, 30, 0, 500_000_000, time.UTC)) {
		t.Errorf("got %+v, want what the file says", got)
	}
}

// The example that everybody copies is valid.
func TestParseSpec_example(t *testing.T) {
	text, err := os.ReadFile("../deploy/campaign.yaml")
	if err != nil {
		t.Fatal(err)
	}
	c := parse(t, string(text)).Campaign()
	if err := c.Validate(); err != nil {
		t.Error(err)
	}
}

func TestParseSpec_refuses(t *testing.T) {
	with := func(key, value string) string {
		lines := strings.Split(show, "\n")
		for i, line := range lines {
			if strings.HasPrefix(line, key+":") {
				lines[i] = key + ": " + value
				return strings.Join(lines, "\n")
			}
		}
		return show + key + ": " + value + "\n"
	}
	for text, want := range map[string]string{
		with("chance", "3"):                              `[13:1] unknown field "chance"`,
		with("id", "a\nid: b"):                           "already defined",
		with("round", "10"):                              "[7:8] want a length of whole milliseconds",
		with("round", "10.0001ms"):                       "[7:8] want a length of whole milliseconds",
		with("round", "[10s]"):                           "[7:8] want a length of whole milliseconds",
		with("late", "soon"):                             "want a length of whole milliseconds",
		with("chances", "2.5"):                           "[8:10] want a whole number",
		with("chances", "many"):                          "[8:10] want a whole number",
		with("pool", "0100"):                             `"0100": want a decimal number without a leading zero`,
		with("pool", "99999999999999999999"):             "want a whole number",
		with("shards", "4.5"):                            "want a whole number",
		with("starts_at", "2026-11-11 20:00:00"):         "want a time with its zone",
		with("starts_at", "2026-11-11"):                  "want a time with its zone",
		with("starts_at", "tonight"):                     "want a time with its zone",
		with("starts_at", "7"):                           "want a time with its zone",
		with("assets", "[a]"):                            "[13:9]",
		with("fair_play", "{min_beat: 3}"):               `unknown field "min_beat"`,
		with("fair_play", "shadow"):                      "[13:12]",
		with("fair_play", "{min_beats: 9.5}"):            "want a whole number",
		show + "---\nid: other\n":                        "want one document, not two",
		"- a":                                            "campaign file",
		"\xff":                                           "campaign file",
		show + strings.Repeat("#", 1<<20):                "larger than 1 MiB",
		strings.Replace(show, "from: 1", "from: 1.5", 1): "[12:12] want a whole number",
		strings.Replace(show, "from: 1", "form: 1", 1):   `unknown field "form"`,
		strings.Replace(show, "0.5", "likely", 1):        "[12:28]",
	} {
		_, err := admin.ParseSpec([]byte(text))
		if err == nil || !strings.Contains(strings.ToLower(err.Error()), strings.ToLower(want)) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%.60q: got %v, want one line with %s", text[max(0, len(text)-60):], err, want)
		}
	}
}

// A probability that is no number reaches no store.
func TestSpec_probabilityThatIsNoNumber(t *testing.T) {
	c := parse(t, strings.Replace(show, "0.5", ".nan", 1)).Campaign()
	if math.IsNaN(c.Curve[0].Probability) || c.Validate() == nil {
		t.Errorf("got %v, want it refused", c.Curve)
	}
}

// Lengths are written as they are read.
func TestLength_roundTrip(t *testing.T) {
	text, err := yaml.Marshal(struct {
		Round admin.Length `yaml:"round"`
	}{admin.Length(90 * time.Second)})
	if err != nil || string(text) != "round: 1m30s\n" {
		t.Errorf("got %q, %v", text, err)
	}
}

func FuzzParseSpec(f *testing.F) {
	example, err := os.ReadFile("../deploy/campaign.yaml")
	if err != nil {
		f.Fatal(err)
	}
	for _, seed := range []string{string(example), show, "", "id: &a [*a]", "curve: [{}]", "late: null", "\xff", "? :", "starts_at: !!timestamp 2026", "fair_play: {mode: off, max_rate: .nan}"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		s, err := admin.ParseSpec(text)
		if err != nil {
			return
		}
		again, err := admin.ParseSpec(text)
		if one, two := s.Campaign(), again.Campaign(); err != nil || !reflect.DeepEqual(one, two) || one.Validate() == nil && two.Validate() != nil {
			t.Errorf("%q is %+v at first and then %+v, %v", text, one, two, err)
		}
	})
}

// The rules of fair play are checked with the campaign.
func TestSpec_fairPlayIsValidated(t *testing.T) {
	for text, want := range map[string]string{
		"{}": "", "{mode: shadow}": "", "{mode: off}": "", "{mode: punish}": `fair_play: mode "punish": want shadow or off`,
		"{min_variation: .nan}": "fair_play: min_variation", "{min_beats: 3}": "fair_play: min_beats 3: want 8 to 1000",
	} {
		c := parse(t, show+"fair_play: "+text+"\n").Campaign()
		err := c.Validate()
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("fair_play: %s: got %v, want %q", text, err, want)
		}
	}
}
