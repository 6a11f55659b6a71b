package reconcile

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/shake-live/shake/event"
	"github.com/shake-live/shake/inventory"
	"github.com/shake-live/shake/leaderboard"
	"github.com/shake-live/shake/reward"
)

// look is one reading of everything. See DESIGN.md for the order, which is what makes its cuts exact.
type look struct {
	*Checker
	subject Subject
	names   []string // who is looked at; nil: everybody
	print   printer
	table   *table
	details map[string]*dossier // of the names

	pools    []*pool // the bank's first
	scale    leaderboard.Scale
	boards   bool  // the live board is compared
	frozen   bool  // there is a final board
	gone     bool  // the log has not all of the run any more
	granted  int64 // chances: the most that anybody was granted
	moves    moves
	funds    funds
	skipped  map[string]string
	findings []*Finding
	suspects []string
	players  int64
	inFlight int64
}

func newLook(c *Checker, s Subject, t *table, names []string) *look {
	l := &look{
		Checker: c, subject: s, names: names, print: newPrinter(), table: t, granted: s.Chances,
		moves: newMoves(), skipped: map[string]string{},
	}
	for _, shard := range s.Pools() {
		l.pools = append(l.pools, &pool{source: s.Source(shard)})
	}
	if names != nil {
		l.details = make(map[string]*dossier, len(names))
		for _, name := range names {
			l.details[name] = &dossier{user: name, pool: l.pool(s.ShardOf(name))}
		}
	}
	return l
}

// pool is the look's place for one; nil for a shard that the run has not.
func (l *look) pool(shard int) *pool {
	if shard < event.Bank || shard+1 >= len(l.pools) {
		return nil
	}
	return l.pools[shard+1]
}

func (l *look) read(ctx context.Context) (err error) {
	books, err := l.Books.Look(ctx, l.subject.Run)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, books.Close()) }()
	steps := []func(context.Context, Snapshot) error{
		l.readCursors, l.auditBefore, l.readPlayers, l.readBoard, l.auditAfter, l.readHistory, l.judgePools,
		l.readRounds, l.readBook, l.readNotices, l.readFinal,
	}
	for _, step := range steps {
		if err := step(ctx, books); err != nil || l.gone {
			return err
		}
	}
	return nil
}

// tick counts what is read and tells it now and then.
type tick struct {
	what string
	n    int64
	tell func(string, int64)
}

func (l *look) tick(what string) *tick { return &tick{what: what, tell: l.opts.Progress} }

func (t *tick) add(n int) {
	const every = 10_000
	before := t.n / every
	if t.n += int64(n); t.n/every != before {
		t.tell(t.what, t.n)
	}
}

func (t *tick) end() { t.tell(t.what, t.n) }

// readCursors opens the snapshot: what SQL has is compared with the history up to these cursors, which moved in the
// transactions that wrote it.
func (l *look) readCursors(ctx context.Context, b Snapshot) error {
	ledger, err := b.Progress(ctx)
	if err != nil {
		return err
	}
	notified, err := b.Notified(ctx)
	if err != nil {
		return err
	}
	for _, p := range l.pools {
		p.ledger, p.notified = ledger[p.source.Shard], notified[p.source.Shard]
	}
	if err := l.readLetters(ctx, b); err != nil {
		return err
	}
	if l.funds.ordered, err = b.Orders(ctx); err != nil {
		return err
	}
	l.funds.booked, err = b.Fundings(ctx)
	return err
}

func (l *look) auditBefore(ctx context.Context, _ Snapshot) error {
	return l.audit(ctx, func(p *pool, s inventory.Slice) { p.before = s })
}

func (l *look) auditAfter(ctx context.Context, _ Snapshot) error {
	if err := l.audit(ctx, func(p *pool, s inventory.Slice) { p.after = s }); err != nil {
		return err
	}
	for _, p := range l.pools {
		if err := p.settle(); err != nil {
			return err
		}
		if !p.open {
			l.skip("pools that are not there or not open now have no part in it", OfPool, OfOutbox, OfChances)
		}
	}
	return nil
}

func (l *look) audit(ctx context.Context, take func(*pool, inventory.Slice)) error {
	all, err := l.Pools.Audit(ctx, l.subject.Run)
	for _, s := range all {
		take(l.pool(s.Shard), s)
	}
	return err
}

func (l *look) skip(why string, identities ...string) {
	for _, name := range identities {
		l.skipped[name] = why
	}
}

// readPlayers keeps the fingerprints of all hashes, each with the position it is as of.
func (l *look) readPlayers(ctx context.Context, _ Snapshot) error {
	progress := l.tick("players in Redis")
	defer progress.end()
	take := func(page PlayerPage) error {
		progress.add(len(page.Players))
		for i := range page.Players {
			l.player(page, &page.Players[i])
		}
		return nil
	}
	if l.names != nil {
		return l.Pools.PlayersOf(ctx, l.subject.Run, l.names, take)
	}
	return l.Pools.Players(ctx, l.subject.Run, take)
}

func (l *look) player(page PlayerPage, p *Player) {
	u := l.table.get(p.User)
	if u == nil {
		return
	}
	u.set(hashed, true)
	u.set(suspected, u.is(suspected) || p.Fault != "" || page.Shard != l.subject.ShardOf(p.User))
	u.asOf, u.stand = page.At, l.print.stand(p.Number, 0, 0)
	if p.Open {
		u.stand = l.print.stand(p.Number, p.StartedAt, p.Epoch)
	}
	if p.Last != nil {
		u.result = l.print.round(page.Shard, p.LastAt, p.Last)
		u.set(resultOK, false)
	}
	if d := l.details[p.User]; d != nil {
		d.player, d.asOf = p, page.At
	}
}

// readBoard keeps all scores. A player's score is right if the history has it between the board's cut and its own end.
func (l *look) readBoard(ctx context.Context, _ Snapshot) (err error) {
	var at map[int]event.Cursor
	if at, l.scale, l.boards, err = l.Board.Cut(ctx, l.subject.Run); err != nil {
		return err
	}
	if !l.boards {
		l.skip("there is no live board", OfBoard)
		return nil
	}
	for _, p := range l.pools {
		p.board = at[p.source.Shard].Position
	}
	progress := l.tick("live board")
	defer progress.end()
	take := func(name string, score int64) {
		progress.add(1)
		if u := l.table.get(name); u != nil {
			u.score = score
			u.set(scoreOK, score == 0)
		}
		if d := l.details[name]; d != nil {
			d.score = score
		}
	}
	if l.names != nil {
		return l.Board.ScoresOf(ctx, l.subject.Run, l.names, take)
	}
	return l.Board.Scores(ctx, l.subject.Run, take)
}

// readRounds takes the ledger's rows from what the history says.
func (l *look) readRounds(ctx context.Context, b Snapshot) error {
	progress := l.tick("rounds in the ledger")
	defer progress.end()
	return b.Rounds(ctx, l.names, func(r *reward.Record) error {
		progress.add(1)
		p := l.pool(r.Source.Shard)
		u := l.table.get(r.User)
		if u == nil {
			return nil
		}
		if p == nil || p.ledger.Position.Before(r.Position) {
			u.set(suspected, true) // a shard that is not there, or a row that its cursor does not know of
		}
		u.rounds -= l.print.round(r.Source.Shard, r.Position, &r.Round)
		if r.State == reward.Held { // nothing of it is booked
			movement := l.print.of(r.Number, r.StartEpoch, r.Paid, r.SettledAt)
			u.gave -= movement
			u.got -= movement
		} else {
			u.final += r.Paid
		}
		if d := l.details[r.User]; d != nil {
			d.rows = append(d.rows, *r)
		}
		return nil
	})
}

// readBook takes the entries of the book from what the history says, and then looks at the wallets.
func (l *look) readBook(ctx context.Context, b Snapshot) error {
	progress := l.tick("entries of the book")
	run := reward.RunAccount(l.subject.Campaign, l.subject.Number)
	err := b.Book(ctx, l.names, func(e Booked) error {
		progress.add(1)
		l.booked(run, e)
		return nil
	})
	progress.end()
	if err != nil {
		return err
	}
	l.judgeFunds()
	return b.Wallets(ctx, l.names, func(w Wallet) error {
		if u := l.table.get(w.User); u != nil {
			u.set(suspected, true)
		}
		if d := l.details[w.User]; d != nil {
			d.wallet = w
		}
		return nil
	})
}

func (l *look) booked(run string, e Booked) {
	player, isPlayer := strings.CutPrefix(e.Account, "user:")
	if e.Kind == reward.KindFund && !isPlayer {
		l.funds.entries = append(l.funds.entries, e)
		return
	}
	of, epoch, number, ok := l.parseRef(e.Ref)
	if !isPlayer && e.Account == run && ok {
		player = of
	} else if !isPlayer {
		l.found(Finding{Identity: OfBook, Kind: "book.stray", Shard: event.Bank, User: e.Account, Want: "no entry", Got: fmt.Sprint(e.Coins, " coins, ref ", e.Ref),
			Human: "nothing that Shake writes looks like this"})
		return
	}
	u := l.table.get(player)
	if u == nil {
		return
	}
	switch movement := l.print.of(number, epoch, abs(e.Coins), e.At); {
	case !ok || e.Kind != reward.KindGrant && e.Kind != reward.KindClaim || of != player || e.Coins > 0 != isPlayer:
		u.set(suspected, true)
	case isPlayer:
		u.got -= movement
	default:
		u.gave -= movement
	}
	if d := l.details[player]; d != nil {
		d.entries = append(d.entries, e)
	}
}

func (l *look) readNotices(ctx context.Context, b Snapshot) error {
	progress := l.tick("notices")
	defer progress.end()
	return b.Notices(ctx, l.names, func(n Notice) error {
		progress.add(1)
		u := l.table.get(n.User)
		if u == nil {
			return nil
		}
		of, epoch, number, ok := l.parseRef(n.Round)
		if !ok || of != n.User || n.Kind != reward.KindWin {
			u.set(suspected, true)
		}
		u.notices -= l.print.of(number, epoch, n.Coins)
		if d := l.details[n.User]; d != nil {
			d.notices = append(d.notices, n)
		}
		return nil
	})
}

func (l *look) readFinal(ctx context.Context, b Snapshot) (err error) {
	l.frozen, err = b.Final(ctx, l.names, func(name string, coins int64) error {
		if u := l.table.get(name); u != nil {
			u.final -= coins
		}
		if d := l.details[name]; d != nil {
			d.final = coins
		}
		return nil
	})
	return err
}

// parseRef takes a round's id apart without making a copy of it.
func (l *look) parseRef(ref string) (user string, epoch, number int64, ok bool) {
	rest, ok1 := strings.CutPrefix(ref, l.subject.Campaign+".")
	run, rest, ok2 := strings.Cut(rest, ".")
	first, rest, ok3 := strings.Cut(rest, ".")
	dot := strings.LastIndexByte(rest, '.')
	if !ok1 || !ok2 || !ok3 || dot < 1 {
		return "", 0, 0, false
	}
	n, err1 := strconv.ParseInt(run, 10, 64)
	epoch, err2 := strconv.ParseInt(first, 10, 64)
	number, err3 := strconv.ParseInt(rest[dot+1:], 10, 64)
	ok = err1 == nil && err2 == nil && err3 == nil && n == l.subject.Number
	return rest[:dot], epoch, number, ok
}

func abs(n int64) int64 { return max(n, -n) }

// suspect keeps the name of whoever differs in anything.
func (l *look) suspect(u *user) {
	p := l.pool(l.subject.ShardOf(u.name))
	differs := u.is(suspected) || u.rounds != 0 || u.gave != 0 || u.got != 0 || u.notices != 0 || u.number > l.granted
	if p.open {
		differs = differs || u.is(hashed) && !(u.is(standOK) && u.is(resultOK)) || !u.is(hashed) && u.is(early)
	}
	if differs || l.boards && !u.is(scoreOK) || l.frozen && u.final != 0 {
		l.suspects = append(l.suspects, u.name)
	}
}

// found keeps a finding, once for its key.
func (l *look) found(f Finding) *Finding {
	for _, known := range l.findings {
		if known.key() == f.key() {
			return known
		}
	}
	l.findings = append(l.findings, &f)
	return &f
}

func (l *look) gather(more []*Finding) {
	for _, f := range more {
		l.found(*f)
	}
}

func (l *look) figures() []Shard {
	list := make([]Shard, len(l.pools))
	for i, p := range l.pools {
		list[i] = p.figures()
	}
	slices.SortFunc(list, func(a, b Shard) int { return a.Shard - b.Shard })
	return list
}
