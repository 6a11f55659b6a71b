package app

import (
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"go.uber.org/goleak"

	"github.com/shake-live/shake/internal/clock"
	"github.com/shake-live/shake/internal/config"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// bare is an app that has opened nothing.
func bare(cfg config.Config) *App {
	log := slog.New(slog.DiscardHandler)
	return &App{stack: &stack{cfg: cfg, log: log, clock: clock.System{}, stops: &stops{log: log}}}
}

func parse(t *testing.T, more string) config.Config {
	t.Helper()
	cfg, err := config.Parse([]byte("sql: {dsn: env:K}\nsessions: {current: k, keys: {k: env:K}}\nruns: {current: k, keys: {k: env:K}}\n"+more),
		func(string) string { return "a secret for tests only" })
	if err != nil {
		t.Fatal(err)
	}
	return cfg
}

func TestProviders_ofEveryKind(t *testing.T) {
	platform := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write([]byte(`{"active":true,"sub":"ann","nick":"ann"}`))
	}))
	defer platform.Close()
	a := bare(parse(t, `
providers:
  dev: {kind: dev}
  acme: {kind: jwt, issuer: i, audience: [a], jwks: '`+platform.URL+`', algorithms: [ES256]}
  app: {kind: introspect, url: '`+platform.URL+`', client_id: c, client_secret: env:K, name_claim: nick}
`))
	list, err := a.providers()
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := a.Close(); err != nil {
			t.Error(err)
		}
	}()
	for name, want := range map[string]string{"dev": "ann", "app": "app:ann"} {
		if player, err := list[name].Player(t.Context(), "ann"); err != nil || player.User != want || player.Name != "ann" {
			t.Errorf("%s: got %+v, %v, want %s by the name of ann", name, player, err, want)
		}
	}
	if list["acme"] == nil || len(list) != 3 {
		t.Errorf("got %v, want three providers", list)
	}
}

// A file of keys that is not good ends the start, and what was opened before it is closed.
func TestProviders_thatCantBeOpened(t *testing.T) {
	file := filepath.Join(t.TempDir(), "jwks.json")
	if err := os.WriteFile(file, []byte(`{"keys":[]}`), 0o600); err != nil {
		t.Fatal(err)
	}
	a := bare(parse(t, "providers: {acme: {kind: jwt, issuer: i, audience: [a], jwks: 'file:"+file+"', algorithms: [ES256]}}"))
	if list, err := a.providers(); err == nil {
		t.Errorf("got %v, want an error", list)
	}
	if err := a.Close(); err != nil || slices.ContainsFunc(a.stops.list, func(stop) bool { return true }) {
		t.Errorf("got %v and %v", err, a.stops.list)
	}
}
