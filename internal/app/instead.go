package app

import (
	"context"
	"time"

	"github.com/shake-live/shake/event"
	"github.com/shake-live/shake/reward/sqlcursor"
	"github.com/shake-live/shake/reward/sqlledger"
)

// insteadWait bounds the question for what was put back: pools are reopened while it is asked, also where the database hangs.
const insteadWait = 5 * time.Second

// instead gives what was put back in the place of an entry that nobody can read; it is an event.Instead. What the ledger
// has counts where readers differ.
func (s *stack) instead(ctx context.Context, source event.Source, p event.Position, reason error) (event.Entry, error) {
	ctx, cancel := context.WithTimeout(ctx, insteadWait)
	defer cancel()
	return sqlcursor.Instead(ctx, s.sql, sqlledger.Reader, source, p, reason)
}
