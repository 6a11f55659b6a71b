package config

import (
	"errors"
	"fmt"
	"time"
)

// PushService says where a company's own push service is; without an URL there is none.
type PushService struct {
	URL         string   `yaml:"url"`
	Token       Secret   `yaml:"token"`
	SigningKey  Secret   `yaml:"signing_key"`
	After       Duration `yaml:"after"`
	Timeout     Duration `yaml:"timeout"`
	Concurrency int      `yaml:"concurrency"`
	GiveUp      Duration `yaml:"give_up"`
}

// On tells whether there is one.
func (p PushService) On() bool { return p.URL != "" }

func (p PushService) validate() error {
	var errs []error
	need := func(ok bool, format string, args ...any) {
		if !ok {
			errs = append(errs, fmt.Errorf("push_service."+format, args...))
		}
	}
	need(!p.On() || secure(p.URL), "url: want https:…; http: on this machine alone")
	need(!p.On() || p.Token.Value() != "" || p.SigningKey.Value() != "", "token, signing_key: want at least one")
	need(p.SigningKey.Value() == "" || len(p.SigningKey.Value()) >= minKeyBytes, "signing_key: want at least %d bytes", minKeyBytes)
	need(p.After >= 0 && p.After <= Duration(time.Hour), "after: want 0s to 1h")
	need(p.Timeout >= Duration(100*time.Millisecond) && p.Timeout <= Duration(15*time.Second), "timeout: want 100ms to 15s, for which the end of a worker waits")
	need(p.Concurrency >= 1 && p.Concurrency <= 1024, "concurrency: want 1 to 1024")
	need(p.GiveUp >= Duration(time.Minute) && p.GiveUp > p.After, "give_up: want at least 1m, and more than after")
	return errors.Join(errs...)
}
