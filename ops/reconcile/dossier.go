package reconcile

import (
	"fmt"
	"slices"
	"strings"

	"github.com/shake-live/shake/event"
	"github.com/shake-live/shake/leaderboard"
	"github.com/shake-live/shake/reward"
)

// dossier is all that every store has of one player who may differ.
type dossier struct {
	user    string
	pool    *pool
	history []deed
	player  *Player
	asOf    event.Position
	score   int64
	rows    []reward.Record
	entries []Booked
	notices []Notice
	wallet  Wallet
	final   int64

	look     *look
	report   *Report
	truth    []fact          // what happened, as far as anybody knows
	excused  map[string]bool // ids that have a finding of their own, so that the other stores' rows of them are none
	wrongSum int64           // what is missing from the player's entries, less what is too much
}

// deed is what one entry says of a player.
type deed struct {
	at    event.Position
	start *event.Start
	round *event.Round
	lost  *event.Lost // of a round that its claim paid

	letter *letter // of an entry that somebody could not read
}

// fact is a settled round.
type fact struct {
	*event.Round
	id   string
	at   event.Position
	lost *event.Lost    // of one that its claim paid
	row  *reward.Record // the ledger's
	late bool           // the ledger's cursor passed it unread; see ledger.cursor

	letter *letter // of an entry that somebody could not read
}

// reason is what the ledger's row of the round says besides.
func (t *fact) reason() string {
	switch {
	case t.lost != nil:
		return reward.ClaimReason(*t.lost)
	case t.row != nil:
		return t.row.Reason
	}
	return ""
}

// kind is the kind of its entries in the book.
func (t *fact) kind() string { return reward.Record{Reason: t.reason()}.Kind() }

// judge names what is wrong with each player of the look.
func (l *look) judge(report *Report) {
	for _, name := range l.names {
		d := l.details[name]
		if d.pool == nil {
			continue
		}
		d.look, d.report, d.excused = l, report, map[string]bool{}
		d.gather()
		d.judgeRounds()
		d.judgeBook()
		d.judgeNotices()
		d.judgePlayer()
		d.judgeBoards()
	}
}

func (d *dossier) found(f Finding) *Finding {
	f.Shard, f.User = d.pool.source.Shard, d.user
	d.report.Findings = append(d.report.Findings, &f)
	return &f
}

// of gives the pool's finding of one of these kinds, if there is one, to which rounds are added.
func (d *dossier) of(kinds ...string) *Finding {
	for _, f := range d.report.Findings {
		if f.Shard == d.pool.source.Shard && f.User == "" && slices.Contains(kinds, f.Kind) {
			return f
		}
	}
	return nil
}

// gather joins the history with the ledger's rows. A round that comes twice counts the first time; one that only the
// ledger has, from an entry that is lost, happened too.
func (d *dossier) gather() {
	rows, seen := map[string]*reward.Record{}, map[string]bool{}
	for i := range d.rows {
		rows[d.rows[i].ID] = &d.rows[i]
	}
	cursor := d.of("ledger.cursor")
	for _, h := range d.history {
		if h.round == nil {
			continue
		}
		id := h.round.ID(d.pool.source)
		if seen[id] {
			continue
		}
		seen[id] = true
		row := rows[id]
		late := row == nil && cursor != nil && d.pool.counted.Before(h.at)
		if late && !d.pool.ledger.Position.Before(h.at) {
			cursor.add(id)
		}
		d.truth = append(d.truth, fact{Round: h.round, id: id, at: h.at, lost: h.lost, row: row, late: late, letter: h.letter})
	}
	for i := range d.rows {
		r := &d.rows[i]
		if !seen[r.ID] && d.pool.lost(r.Position) {
			d.truth = append(d.truth, fact{Round: &r.Round, id: r.ID, at: r.Position, row: r})
			if hole := d.of("log.gap", "outbox.gap"); hole != nil {
				hole.add(r.ID)
			}
		}
	}
	slices.SortStableFunc(d.truth, func(a, b fact) int {
		if a.at.Before(b.at) {
			return -1
		}
		return 1
	})
}

// judgeRounds compares the ledger's rows.
func (d *dossier) judgeRounds() {
	cursor := d.of("ledger.cursor")
	known := map[string]bool{}
	for _, t := range d.truth {
		known[t.id] = true
		switch {
		case t.row == nil && !t.late && !t.letter.misses(ledgerReader) && !d.pool.ledger.Position.Before(t.at):
			f := d.found(Finding{Identity: OfLedger, Kind: "ledger.missing", Rounds: []string{t.id}, Want: roundText(t.Round, t.at), Got: "no row"})
			f.mend(d.pool, Action{Kind: "ledger.write", Subject: t.id, Before: "no row", After: roundText(t.Round, t.at), Round: t.Round, Reason: t.reason(), At: t.at, Row: true})
		case t.row != nil && (t.row.Round != *t.Round || t.row.Position != t.at || t.row.Source != d.pool.source):
			f := d.found(Finding{Identity: OfLedger, Kind: "ledger.altered", Rounds: []string{t.id}, Want: roundText(t.Round, t.at),
				Got: roundText(&t.row.Round, t.row.Position)})
			f.mend(d.pool, Action{Kind: "ledger.row", Subject: t.id, Before: f.Got, After: f.Want, Round: t.Round, Reason: t.reason(), At: t.at})
		case t.row != nil && d.pool.ledger.Position.Before(t.at):
			if cursor == nil {
				cursor = d.found(Finding{Identity: OfLedger, Kind: "ledger.ahead", Want: "no row behind the cursor at " + d.pool.ledger.Position.String(),
					Got: "rows up to " + t.at.String(), Human: "the counters do not tell where the cursor stood"})
			}
			cursor.add(t.id)
		}
	}
	for i := range d.rows {
		if r := &d.rows[i]; !known[r.ID] {
			d.excused[r.ID] = true
			d.found(Finding{Identity: OfLedger, Kind: "ledger.extra", Rounds: []string{r.ID}, Want: "no such round", Got: roundText(&r.Round, r.Position) + ", " + string(r.State),
				Human: "nothing says that it was played; its coins may be spent"})
		}
	}
}

func roundText(r *event.Round, at event.Position) string {
	return fmt.Sprintf("%d coins (computed %d) for %d shakes in %d ms, total %d, %d chances left, started %d, settled %d, at %s",
		r.Paid, r.Computed, r.Shakes, r.ElapsedMS, r.Total, r.ChancesLeft, r.StartedAt, r.SettledAt, at)
}

// booked tells whether the round is to be in the book.
func (d *dossier) booked(t *fact) bool {
	if t.Paid == 0 || t.late || t.letter.misses(ledgerReader) {
		return false
	}
	if t.row != nil {
		return t.row.State == reward.Granted
	}
	return !d.pool.ledger.Position.Before(t.at)
}

// judgeBook compares the entries of the book, and then the wallet.
func (d *dossier) judgeBook() {
	rest := map[string][]Booked{} // by account's side and ref
	side := func(e Booked) string {
		if strings.HasPrefix(e.Account, "user:") {
			return "player " + e.Ref
		}
		return "run " + e.Ref
	}
	for _, e := range d.entries {
		rest[side(e)] = append(rest[side(e)], e)
	}
	for i := range d.truth {
		t := &d.truth[i]
		if d.booked(t) {
			d.judgeEntries(t, rest)
		}
	}
	for _, e := range d.entries {
		if d.excused[e.Ref] || !slices.Contains(rest[side(e)], e) {
			continue
		}
		if strings.HasPrefix(e.Account, "user:") {
			d.wrongSum -= e.Coins
		}
		d.found(Finding{Identity: OfBook, Kind: "book.extra", Rounds: []string{e.Ref}, Want: "no such entry", Got: entryText(e),
			Human: "no round stands behind it; taking it back is for somebody who knows how it came there"})
	}
	w := d.wallet
	if want := w.Sum + d.wrongSum; w.Balance != w.Sum && w.Balance != want {
		f := d.found(Finding{Identity: OfBook, Kind: "book.wallet", Want: fmt.Sprint(want), Got: fmt.Sprint(w.Balance)})
		f.mend(d.pool, Action{Kind: "book.wallet", Subject: d.user, Before: fmt.Sprintf("%+d coins off", w.Balance-want), After: "the sum of its entries", Off: w.Balance - want})
	}
}

func entryText(e Booked) string {
	return fmt.Sprintf("%s %d coins for %s at %d", e.Kind, e.Coins, e.Account, e.At)
}

// judgeEntries looks for the two entries of a round, and takes them out of the rest.
func (d *dossier) judgeEntries(t *fact, rest map[string][]Booked) {
	run := reward.RunAccount(d.pool.source.Campaign, d.pool.source.Run)
	want := map[string]Booked{
		"player": {Account: reward.UserAccount(d.user), Ref: t.id, Kind: t.kind(), Coins: t.Paid, At: t.SettledAt},
		"run":    {Account: run, Ref: t.id, Kind: t.kind(), Coins: -t.Paid, At: t.SettledAt},
	}
	var missing []string
	for _, side := range []string{"player", "run"} {
		key := side + " " + t.id
		if i := slices.Index(rest[key], want[side]); i >= 0 {
			rest[key] = slices.Delete(rest[key], i, i+1)
			continue
		}
		if len(rest[key]) > 0 {
			got := rest[key][0]
			rest[key] = rest[key][1:]
			d.found(Finding{Identity: OfBook, Kind: "book.altered", Rounds: []string{t.id}, Want: entryText(want[side]), Got: entryText(got),
				Human: "entries of the book are not rewritten: what it said may have been acted on"})
			if side == "player" {
				d.wrongSum += t.Paid - got.Coins
			}
			continue
		}
		missing = append(missing, side)
		if side == "player" {
			d.wrongSum += t.Paid
		}
	}
	if len(missing) == 0 {
		return
	}
	if f := d.ofRound("ledger.missing", t.id); f != nil && len(missing) == 2 { // one round, of which nothing is there
		f.Got = "no row, no entries"
		if f.action != nil {
			f.action.Before, f.action.Gave, f.action.Got = f.Got, true, true
			f.Repair = f.action.text()
		}
		return
	}
	f := d.found(Finding{Identity: OfBook, Kind: "book.missing", Rounds: []string{t.id}, Want: entryText(want[missing[0]]),
		Got: "no entry of the " + strings.Join(missing, " and the ")})
	f.mend(d.pool, Action{Kind: "ledger.write", Subject: t.id, Before: f.Got, After: fmt.Sprint(t.Paid, " coins booked"), Round: t.Round, Reason: t.reason(), At: t.at,
		Gave: slices.Contains(missing, "run"), Got: slices.Contains(missing, "player")})
}

func (d *dossier) ofRound(kind, id string) *Finding {
	for _, f := range d.report.Findings {
		if f.Kind == kind && slices.Contains(f.Rounds, id) {
			return f
		}
	}
	return nil
}

// judgeNotices compares the inbox.
func (d *dossier) judgeNotices() {
	rest := map[string]Notice{}
	for _, n := range d.notices {
		rest[n.Round] = n
	}
	for i := range d.truth {
		t := &d.truth[i]
		n, there := rest[t.id]
		due := t.Paid > 0 && !d.pool.notified.Position.Before(t.at) && !t.letter.misses(noticesReader)
		switch {
		case due && !there:
			f := d.found(Finding{Identity: OfNotices, Kind: "notices.missing", Rounds: []string{t.id}, Want: fmt.Sprint("a notice of ", t.Paid, " coins"), Got: "none"})
			f.mend(d.pool, Action{Kind: "notice.write", Subject: t.id, Before: "none", After: f.Want, Round: t.Round, Reason: t.reason(), At: t.at})
		case due && (n.Coins != t.Paid || n.Kind != reward.KindWin):
			d.found(Finding{Identity: OfNotices, Kind: "notices.altered", Rounds: []string{t.id}, Want: fmt.Sprint(t.Paid, " coins"), Got: fmt.Sprint(n.Kind, " of ", n.Coins, " coins"),
				Human: "the player may have read it"})
		case there && !due && t.Paid > 0 && d.pool.notified.Position.Before(t.at): // the cursor is behind what was written
			f := d.of("notices.cursor")
			if f == nil {
				f = d.found(Finding{Identity: OfNotices, Kind: "notices.cursor", Want: "at least " + t.at.String(), Got: d.pool.notified.Position.String(),
					Human: "notices are written once for a round, so what comes again does no harm; if its reader stands before a hole, set the cursor"})
				f.User = ""
			}
			f.add(t.id)
		case there && !due:
			continue // it stays in the rest
		}
		delete(rest, t.id)
	}
	for _, n := range d.notices {
		if _, left := rest[n.Round]; left && !d.excused[n.Round] {
			d.found(Finding{Identity: OfNotices, Kind: "notices.extra", Rounds: []string{n.Round}, Want: "no notice", Got: fmt.Sprint(n.Kind, " of ", n.Coins, " coins"),
				Human: "the player may have read of coins that he never won"})
		}
	}
}

// judgePlayer compares the player's hash with his last rounds, as of when it was read.
func (d *dossier) judgePlayer() {
	d.judgeTotals()
	if !d.pool.open {
		return
	}
	want, early := d.standing()
	got := d.player
	switch {
	case got == nil && !early:
		return
	case got == nil:
		d.found(Finding{Identity: OfChances, Kind: "chances.missing", Rounds: idsOf(d.truth), Want: standText(want), Got: "no hash",
			Human: "he would begin at round 1 again, and be refused by the ledger"})
		return
	case got.Fault != "":
		d.found(Finding{Identity: OfChances, Kind: "chances.unreadable", Want: standText(want), Got: got.Fault, Human: "the key is not what the scripts write"})
		return
	}
	if got.Last != nil && d.pool.lost(got.LastAt) {
		if hole := d.of("outbox.gap", "log.gap"); hole != nil {
			hole.add(got.Last.ID(d.pool.source))
		}
		return // he stands where a lost entry left him
	}
	if !sameStand(want, got) && !(!d.pool.clear() && got.Open && got.Number == want.Number+1) {
		d.found(Finding{Identity: OfChances, Kind: "chances.number", Rounds: idsOf(lastOf(d.truth)), Want: standText(want), Got: standText(got),
			Human: "chances left are granted less this number: too high takes rounds from him, too low plays some again"})
	}
	if !sameResult(want, got) {
		d.found(Finding{Identity: OfChances, Kind: "chances.result", Rounds: idsOf(lastOf(d.truth)), Want: resultText(want), Got: resultText(got),
			Human: "it is what a repeated end is answered with, and his next total begins with it"})
	}
	if got.Number > d.look.granted {
		d.found(Finding{Identity: OfChances, Kind: "chances.over", Rounds: idsOf(lastOf(d.truth)), Want: fmt.Sprint("at most ", d.look.granted), Got: fmt.Sprint(got.Number),
			Human: "more rounds than he was granted"})
	}
}

// standing is where the history leaves the player as of when his hash was read, and whether it had him before any was.
func (d *dossier) standing() (p *Player, early bool) {
	p = &Player{User: d.user}
	for _, h := range d.history {
		early = early || !d.pool.before.Position.Before(h.at)
		if d.player != nil && d.asOf.Before(h.at) {
			break
		}
		if h.start != nil {
			p.Number, p.Open, p.StartedAt, p.Epoch = h.start.Number, true, h.start.At, h.at.Epoch
			continue
		}
		p.Number, p.Open, p.Last, p.LastAt = h.round.Number, false, h.round, h.at
	}
	return p, early
}

// judgeTotals checks that each round's total follows from the one before.
func (d *dossier) judgeTotals() {
	if !d.pool.clear() {
		return
	}
	var total int64
	for _, t := range d.truth {
		if total+t.Paid != t.Total {
			d.found(Finding{Identity: OfChances, Kind: "chances.total", Rounds: []string{t.id}, Want: fmt.Sprint(total + t.Paid), Got: fmt.Sprint(t.Total),
				Detail: "the total of the round in Kafka", Human: "the player's total was changed without a round"})
		}
		total = t.Total
	}
}

func sameStand(a, b *Player) bool {
	return a.Number == b.Number && a.Open == b.Open && (!a.Open || a.StartedAt == b.StartedAt && a.Epoch == b.Epoch)
}

func sameResult(a, b *Player) bool {
	if a.Last == nil || b.Last == nil {
		return a.Last == b.Last
	}
	return *a.Last == *b.Last && a.LastAt == b.LastAt
}

func standText(p *Player) string {
	if p.Open {
		return fmt.Sprintf("round %d, open since %d in epoch %d", p.Number, p.StartedAt, p.Epoch)
	}
	return fmt.Sprintf("round %d, settled", p.Number)
}

func resultText(p *Player) string {
	if p.Last == nil {
		return "no result"
	}
	return fmt.Sprintf("round %d: %s", p.Last.Number, roundText(p.Last, p.LastAt))
}

func lastOf(truth []fact) []fact { return truth[max(0, len(truth)-1):] }

func idsOf(truth []fact) []string {
	var ids []string
	for _, t := range truth[:min(len(truth), MaxRounds)] {
		ids = append(ids, t.id)
	}
	return ids
}

// judgeBoards compares the live board with the totals, and the final one with what the ledger is to have granted.
func (d *dossier) judgeBoards() {
	var best, granted int64
	right := d.score == 0
	for i := range d.truth {
		t := &d.truth[i]
		if d.booked(t) {
			granted += t.Paid
		}
		if t.Total == 0 {
			continue
		}
		best = max(best, d.look.scale.Score(t.Total, t.SettledAt))
		if same := best == d.score; same || t.letter.sure() && !d.pool.board.Before(t.at) {
			right = same
		}
	}
	if d.look.boards && !right {
		kind := map[[2]bool]string{{true, false}: "board.extra", {false, true}: "board.missing", {false, false}: "board.score"}[[2]bool{best == 0, d.score == 0}]
		f := d.found(Finding{Identity: OfBoard, Kind: kind, Rounds: idsOf(lastOf(d.truth)), Want: scoreText(best), Got: scoreText(d.score)})
		f.mend(d.pool, Action{Kind: "board.score", Subject: d.user, Before: f.Got, After: f.Want, Score: best, OldScore: d.score})
	}
	if d.look.frozen && d.final != granted {
		d.found(Finding{Identity: OfBoard, Kind: "board.final", Rounds: idsOf(d.truth), Want: fmt.Sprint(granted, " coins"), Got: fmt.Sprint(d.final, " coins"),
			Human: "the final board is never changed again; prizes may have been given by it"})
	}
}

func scoreText(score int64) string {
	if score == 0 {
		return "not on the board"
	}
	return fmt.Sprintf("%d coins (score %d)", leaderboard.Coins(score), score)
}
