package sqlcursor

import (
	"context"
	"database/sql"
	"strings"

	"github.com/shake-live/shake/event"
	"github.com/shake-live/shake/internal/sqldb"
)

// SkipDead passes over an entry that nobody could read and records that.
func (s *Store) SkipDead(ctx context.Context, source event.Source, p event.Position, reason string) error {
	return s.db.Tx(ctx, func(tx *sql.Tx) error {
		cursors, err := s.Lock(ctx, tx, []event.Entry{{Source: source}})
		if err != nil {
			return err
		}
		c, moved, err := cursors[source].SkipDead(source, p)
		if err != nil || !moved {
			return err
		}
		cursors[source] = c
		if err := s.bury(ctx, tx, source, p, reason); err != nil {
			return err
		}
		return s.Save(ctx, tx, cursors)
	})
}

// maxReason is the width of the column; what stands at the start of a reason says most.
const maxReason = 1000

func (s *Store) bury(ctx context.Context, tx *sql.Tx, source event.Source, p event.Position, reason string) error {
	in := sqldb.Insert{
		Into:    "dead_letters",
		Columns: []string{"reader", "campaign", "run", "shard", "epoch", "seq", "reason", "skipped_at"},
	}
	text := strings.ToValidUTF8(reason[:min(len(reason), maxReason)], "")
	return in.Exec(ctx, tx, []any{s.reader, source.Campaign, source.Run, source.Shard, p.Epoch, p.Seq,
		text, s.clock.Now().UnixMilli()})
}
