package app

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/shake-live/shake/internal/config"
)

func TestClientTLS_refuses(t *testing.T) {
	empty := filepath.Join(t.TempDir(), "empty.pem")
	if err := os.WriteFile(empty, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if c, err := clientTLS("redis.tls", config.TLS{CA: "whatever"}); c != nil || err != nil {
		t.Errorf("turned off: got %v, %v, want none", c, err)
	}
	for _, c := range []config.TLS{
		{On: true, CA: "/nowhere.pem"},
		{On: true, CA: empty},
		{On: true, Cert: empty, Key: empty},
		{On: true, Cert: "/nowhere.pem", Key: "/nowhere.key"},
	} {
		if _, err := clientTLS("redis.tls", c); !errors.Is(err, config.ErrInvalid) {
			t.Errorf("%+v: got %v, want it refused as configuration", c, err)
		}
	}
}
