package main

// mutations are what docs/faults.md lists.
var mutations = []mutation{
	{
		name:  "wait-off",
		edits: []edit{{"internal/redisdb/flight.go", `if opts.Replicas == 0 {`, `if opts.Replicas >= 0 {`}},
		fault: "lagging-replica-promoted",
	},
	{
		name: "fence-off",
		edits: []edit{
			{"game/redisgame/start.lua", `if pool[1] ~= ARGV[1] then return {'fenced', stamp} end`, ``},
			{"game/redisgame/end.lua", `if pool[1] ~= ARGV[1] then return {'fenced', stamp} end`, ``},
		},
		fault: "node-with-old-data",
	},
	{
		name: "unique-dropped",
		edits: []edit{
			{"internal/sqldb/migrations/sqlite/0004_rounds.up.sql", `PRIMARY KEY (campaign, run, user, number, start_epoch)`, `PRIMARY KEY (campaign, run, user, number, start_epoch, seq)`},
			{"internal/sqldb/migrations/mysql/0004_rounds.up.sql", `PRIMARY KEY (campaign, run, user, number, start_epoch)`, `PRIMARY KEY (campaign, run, user, number, start_epoch, seq)`},
		},
		test: []string{"./reward/sqlledger"},
	},
	{
		name: "outbox-out-of-the-script",
		edits: []edit{
			{"game/redisgame/end.lua", `  redis.call('XADD', OUT, epoch .. '-' .. seq, 'k', 'end', 't', stamp,
    's', table.concat(pool, ' ', 5, 10), 'd', table.concat(lines, '\n'))
`, `  redis.call('SET', POOL .. ':later', table.concat({epoch .. '-' .. seq, stamp, table.concat(pool, ' ', 5, 10), table.concat(lines, '\n')}, '|'))
`},
			{"internal/redisdb/db.go", `func (db *DB) EachPrimary(`, `func (b *Batcher) Plain() redis.UniversalClient { return b.db.client }

func (db *DB) EachPrimary(`},
			{"game/redisgame/store.go", `	"github.com/shake-live/shake/internal/redisdb"
`, `	"github.com/redis/go-redis/v9"

	"github.com/shake-live/shake/internal/failpoint"
	"github.com/shake-live/shake/internal/redisdb"
`},
			{"game/redisgame/store.go", `	case "ok":
		settled, err := parseFacts(t.User, rest)`, `	case "ok":
		failpoint.Hit("end.settled")
		shard, keys := c.Life.ShardOf(t.User), s.desk(c).keys
		if later, _ := s.batcher.Plain().Get(ctx, keys.Pool(shard)+":later").Result(); later != "" {
			p := strings.SplitN(later, "|", 4)
			s.batcher.Plain().XAdd(ctx, &redis.XAddArgs{Stream: keys.Out(shard), ID: p[0], Values: []any{"k", "end", "t", p[1], "s", p[2], "d", p[3]}})
		}
		settled, err := parseFacts(t.User, rest)`},
		},
		fault: "killed-at-every-step",
	},
	{
		name: "trim-before-acknowledge",
		edits: []edit{{"event/relay.go", `	failpoint.Hit("relay.read")
`, `	if err := r.outbox.Trim(ctx, run, shard, entries[len(entries)-1].Position, Mark{}); err != nil {
		return nil, err
	}
	failpoint.Hit("relay.read")
`}},
		fault: "killed-at-every-step",
	},
	{
		name: "no-idempotency-on-end",
		edits: []edit{
			{"game/redisgame/end.lua", `elseif number == settled then`, `elseif number == settled and shakes ~= ARGV[a + 4] then`},
			{"game/redisgame/end.lua", `elseif number < settled or claimed then`, `elseif number < settled then`},
		},
		fault: "duplicate-and-concurrent-ends",
	},
	{
		name: "transfer-number-ignored",
		edits: []edit{
			{"inventory/redispool/credit.lua", `if number == last and last > 0 then`, `if false then`},
			{"inventory/redispool/credit.lua", `if number ~= last + 1 then return {'ok', stamp, 'stale ' .. last} end`, ``},
		},
		test: []string{"./game/redisgame", "-run", "Pools|Store"},
	},
	{
		name:  "coins-lowered-too-soon",
		edits: []edit{{"game/redisgame/end.lua", `if paid > left and dry then paid = left end`, `if paid > left then paid = left end`}},
		test:  []string{"./game/redisgame", "-run", "Rounds"},
	},
	{
		name: "cursor-outside-the-transaction",
		edits: []edit{
			{"reward/sqlledger/write.go", `	return s.cursors.Save(ctx, tx, p.Cursors)`, `	return nil`},
			{"reward/sqlledger/sqlledger.go", `	return p.Applied, err
}

// SkipDead`, `	if err == nil {
		failpoint.Hit("ledger.written")
		err = s.db.Tx(ctx, func(tx *sql.Tx) error { return s.cursors.Save(ctx, tx, p.Cursors) })
	}
	return p.Applied, err
}

// SkipDead`},
			{"reward/sqlledger/write.go", `	failpoint.Hit("ledger.written")
`, ``},
			{"reward/sqlledger/sqlledger.go", `	"github.com/shake-live/shake/event"
`, `	"github.com/shake-live/shake/event"
	"github.com/shake-live/shake/internal/failpoint"
`},
			{"reward/sqlledger/write.go", `	"github.com/shake-live/shake/internal/failpoint"
`, ``},
		},
		fault: "killed-at-every-step",
	},
}
