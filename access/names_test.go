package access_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/shake-live/shake/access"
)

// nameStore keeps names in memory, and does what a test says.
type nameStore struct {
	mu    sync.Mutex
	names map[string]string
	puts  int
	hung  bool // takes nothing and answers when it is told to stop
	err   error
}

func (s *nameStore) Put(ctx context.Context, names map[string]string) (int, error) {
	s.mu.Lock()
	s.puts++
	hung, err := s.hung, s.err
	s.mu.Unlock()
	if hung {
		<-ctx.Done()
		return 0, ctx.Err()
	}
	if err != nil {
		return 0, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	maps.Copy(s.names, names)
	return len(names), nil
}

func (s *nameStore) set(change func()) { s.mu.Lock(); defer s.mu.Unlock(); change() }

func (s *nameStore) name(user string) (string, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	name, told := s.names[user]
	return name, told
}

// fates counts what became of names.
type fates struct {
	mu sync.Mutex
	n  map[string]int
}

func (f *fates) Named(fate string, n int) { f.mu.Lock(); defer f.mu.Unlock(); f.n[fate] += n }

func (f *fates) of(fate string) int { f.mu.Lock(); defer f.mu.Unlock(); return f.n[fate] }

// keeping gives a door names over the store, which are kept until the test ends.
type keeping struct {
	*access.Names
	store *nameStore
	fates *fates
	log   *lockedBuffer
	stop  func() // and waits
}

func newKeeping(t *testing.T) *keeping {
	t.Helper()
	k := &keeping{store: &nameStore{names: map[string]string{}}, fates: &fates{n: map[string]int{}}, log: &lockedBuffer{}}
	k.Names = access.NewNames(k.store, k.fates, slog.New(slog.NewTextHandler(k.log, nil)))
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	k.stop = func() { cancel(); <-done }
	t.Cleanup(k.stop)
	go func() { defer close(done); k.Run(ctx) }()
	return k
}

// until waits for what comes soon.
func until(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for range 500 {
		if ok() {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Fatalf("waited in vain: %s", what)
}

// naming is a provider that gives each credential as user and the name that a test says.
type naming func(credential string) string

func (n naming) Player(_ context.Context, credential string) (access.Player, error) {
	return access.Player{User: credential, Name: n(credential)}, nil
}

func TestLogin_keepsTheName(t *testing.T) {
	for raw, want := range map[string]string{
		"Łukasz Żółć": "Łukasz Żółć", " \u202eann\n lee ": "ann lee", "": "", "\u200b": "", strings.Repeat("x", 100): strings.Repeat("x", 40),
	} {
		k := newKeeping(t)
		k.store.names["carl"] = "of an earlier login"
		d := newDoor(t, func(d *door) {
			d.deps.Names, d.deps.Providers["acme"] = k.Names, naming(func(string) string { return raw })
		})
		for range 2 { // the same login twice
			d.login("200", `{"provider":"acme","credential":"carl","market":"SG"}`)
		}
		until(t, "two logins", func() bool { return k.fates.of("kept") > 0 })
		k.stop()
		if got, told := k.store.name("carl"); !told || got != want {
			t.Errorf("%q: got %q, %v, want %q", raw, got, told, want)
		}
	}
}

// The dev provider shows what was typed, also where that can be no id.
func TestLogin_devShowsWhatWasTyped(t *testing.T) {
	k := newKeeping(t)
	d := newDoor(t, func(d *door) { d.deps.Names = k.Names })
	for _, typed := range []string{"ann", "Łukasz Żółć", "王小明"} {
		var session struct{ User string }
		d.read(d.want("200", call{method: "POST", path: "/v1/sessions", body: fmt.Sprintf(`{"provider":"dev","credential":%q,"market":"SG"}`, typed)}), &session)
		until(t, typed+" is kept", func() bool { name, _ := k.store.name(session.User); return name == typed })
	}
}

// A store that hangs or refuses is no login's business: it is told once, counted, and told when it is over.
func TestLogin_withoutANameStore(t *testing.T) {
	k := newKeeping(t)
	d := newDoor(t, func(d *door) { d.deps.Names = k.Names })
	login := func(user string) {
		t.Helper()
		began := time.Now()
		d.login("200", fmt.Sprintf(`{"provider":"dev","credential":%q,"market":"SG"}`, user))
		if took := time.Since(began); took > 500*time.Millisecond {
			t.Errorf("the login took %v, and a write may take a second", took)
		}
	}
	k.store.set(func() { k.store.hung = true })
	for i := range 5 {
		login(fmt.Sprint("hung", i))
	}
	until(t, "all are lost", func() bool { return k.fates.of("lost") == 5 })
	k.store.set(func() { k.store.hung, k.store.err = false, errors.New("OOM command not allowed") })
	login("refused")
	until(t, "it is lost too", func() bool { return k.fates.of("lost") == 6 })
	k.store.set(func() { k.store.err = nil })
	login("back")
	until(t, "it is kept", func() bool { name, _ := k.store.name("back"); return name == "back" })
	k.stop()
	if log := k.log.String(); strings.Count(log, "level=WARN") != 1 || strings.Count(log, "level=INFO") != 1 {
		t.Errorf("want one warning and one word that it is over, got\n%s", log)
	}
}

// Names beyond the queue are lost and counted, and nobody waits; what waits at the end is kept.
func TestNames_bounds(t *testing.T) {
	store, seen := &nameStore{names: map[string]string{}}, &fates{n: map[string]int{}}
	n := access.NewNames(store, seen, slog.New(slog.DiscardHandler))
	const many, queue = 20000, 16384
	for i := range many {
		n.Tell(fmt.Sprint("u", i), "x")
	}
	if lost := seen.of("lost"); lost != many-queue {
		t.Errorf("lost %d of %d, want all beyond %d", lost, many, queue)
	}
	over, cancel := context.WithCancel(t.Context())
	cancel()
	n.Run(over)
	if kept := seen.of("kept"); kept != queue || len(store.names) != queue || store.puts > queue/256+1 {
		t.Errorf("kept %d names in %d writes, want %d in %d", kept, store.puts, queue, queue/256)
	}
}

// Each user's newest name counts, and a login without one takes that of before away.
func TestNames_theNewest(t *testing.T) {
	store, seen := &nameStore{names: map[string]string{}}, &fates{n: map[string]int{}}
	n := access.NewNames(store, seen, slog.New(slog.DiscardHandler))
	for _, name := range []string{"first", "second", ""} {
		n.Tell("ann", name)
	}
	n.Tell("bob", "Bob")
	over, cancel := context.WithCancel(t.Context())
	cancel()
	n.Run(over)
	if want := map[string]string{"ann": "", "bob": "Bob"}; !maps.Equal(store.names, want) || store.puts != 1 {
		t.Errorf("got %v in %d writes, want %v in one", store.names, store.puts, want)
	}
}
