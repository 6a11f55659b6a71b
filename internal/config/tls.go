package config

import (
	"errors"
	"fmt"
)

// TLS says how a server is spoken to, and by what we know each other.
type TLS struct {
	On         bool   `yaml:"on"`
	CA         string `yaml:"ca"`
	Cert       string `yaml:"cert"`
	Key        string `yaml:"key"`
	ServerName string `yaml:"server_name"`
}

func (t TLS) validate(name string) error {
	var errs []error
	if (t.Cert == "") != (t.Key == "") {
		errs = append(errs, fmt.Errorf("%s.cert, %s.key: want both or none", name, name))
	}
	if !t.On && (t.CA != "" || t.Cert != "" || t.ServerName != "") {
		errs = append(errs, fmt.Errorf("%s.on: want true where there are certificates", name))
	}
	return errors.Join(errs...)
}

// SASL is how Kafka knows us.
type SASL struct {
	Mechanism string `yaml:"mechanism"`
	Username  string `yaml:"username"`
	Password  Secret `yaml:"password"`
}

func (s SASL) validate(name string) error {
	switch s.Mechanism {
	case "":
		if s.Username != "" || s.Password.Value() != "" {
			return fmt.Errorf("%s.mechanism: want plain, scram-sha-256 or scram-sha-512 where there is a user", name)
		}
		return nil
	case "plain", "scram-sha-256", "scram-sha-512":
		if s.Username == "" || s.Password.Value() == "" {
			return fmt.Errorf("%s: want a username and a password", name)
		}
		return nil
	}
	return fmt.Errorf("%s.mechanism %q: want plain, scram-sha-256, scram-sha-512 or none", name, s.Mechanism)
}
