package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"
)

// stops are the ways out of what was opened: last opened, first closed.
type stops struct {
	log  *slog.Logger
	list []stop
}

type stop struct {
	name string
	fn   func() error
}

// add names what is to be closed at the end.
func (s *stops) add(name string, fn func() error) { s.list = append(s.list, stop{name, fn}) }

// closeAll closes everything once, in reverse order, and goes on after an error.
func (s *stops) closeAll() error {
	var errs []error
	for i := len(s.list) - 1; i >= 0; i-- {
		began := time.Now()
		if err := s.list[i].fn(); err != nil && !errors.Is(err, context.Canceled) {
			errs = append(errs, fmt.Errorf("close %s: %w", s.list[i].name, err))
		}
		s.log.Debug("closed", "what", s.list[i].name, "took_ms", time.Since(began).Milliseconds())
	}
	s.list = nil
	return errors.Join(errs...)
}
