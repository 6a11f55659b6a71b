package main

import (
	"fmt"
	"strconv"
	"time"

	"github.com/shake-live/shake/access"
	"github.com/shake-live/shake/event"
	"github.com/shake-live/shake/game"
	"github.com/shake-live/shake/test/storm"
)

// What both sides of the bench agree on.
const (
	campaignID = "bench"
	keyID      = "k1"
	market     = "SG"
	shards     = 4  // on one primary: four times as many, as DESIGN 2 says
	userRate   = 20 // the limits of internal/config, written out so that they stay on
	userBurst  = 50
	roundMS    = 10_000
)

var life = event.Run{Campaign: campaignID, Number: 1, Shards: shards}

// players are everybody who plays: each makes one request in a measurement, so the bench has as many as it makes
// requests, and limits, hashes and outboxes see as many users as they would in a show.
type players struct {
	sessions *access.Sessions
	keys     *game.RunKeys
	names    []string
	shard    []int
	bearer   []string
	number   map[string][]int64 // by system: the number of each player's last round
}

func newSessions(key string) (*access.Sessions, error) {
	return access.NewSessions(keyID, map[string][]byte{keyID: []byte(key)}, 12*time.Hour, 12*time.Hour)
}

func newPlayers(key string, n int) (*players, error) {
	sessions, err := newSessions(key)
	if err != nil {
		return nil, err
	}
	ring, err := game.NewKeyring(keyID, map[string][]byte{keyID: []byte(key)})
	if err != nil {
		return nil, err
	}
	keys, err := ring.RunKeys(keyID, campaignID, life.Number)
	if err != nil {
		return nil, err
	}
	p := &players{sessions: sessions, keys: keys, number: map[string][]int64{}}
	for i := range n {
		user := fmt.Sprintf("player-%07d", i)
		token, _ := sessions.Issue(access.Session{User: user, Market: market}, time.Now())
		p.names, p.shard, p.bearer = append(p.names, user), append(p.shard, life.ShardOf(user)), append(p.bearer, token)
	}
	return p, nil
}

// each makes one request a player.
func (p *players) each(make func(i int) []byte) [][]byte {
	list := [][]byte{}
	for i := range p.names {
		list = append(list, make(i))
	}
	return list
}

// hellos carry the same session as receipts: what is compared is who checks it, not who reads more headers.
func (p *players) hellos() [][]byte {
	return p.each(func(i int) []byte { return storm.Request("POST", "/hello/of/receipt", p.bearer[i], "") })
}

func (p *players) bases() [][]byte {
	return p.each(func(i int) []byte {
		return storm.Request("POST", "/base/"+strconv.Itoa(p.shard[i])+"/"+p.names[i], "", "")
	})
}

// receipts are calls that cost the session's check and the door's own work: nothing comes back but 204.
func (p *players) receipts() [][]byte {
	return p.each(func(i int) []byte { return storm.Request("POST", "/v1/inbox/1/receipt", p.bearer[i], "") })
}

// last are the numbers of the players' last rounds in a system.
func (p *players) last(system string) []int64 {
	if p.number[system] == nil {
		p.number[system] = make([]int64, len(p.names))
	}
	return p.number[system]
}

// starts begin each player's next round.
func (p *players) starts(system string) [][]byte {
	last := p.last(system)
	return p.each(func(i int) []byte {
		last[i]++
		return storm.Request("PUT", roundPath(last[i]), p.bearer[i], "")
	})
}

// ends end each player's last round. The tokens are signed here: a token is enough to settle.
func (p *players) ends(system string, epoch int64) [][]byte {
	last := p.last(system)
	began := time.Now().Add(-roundMS * time.Millisecond).UnixMilli()
	return p.each(func(i int) []byte {
		token := p.keys.Sign(game.Token{
			Run: life.Number, Epoch: epoch, Number: last[i], Shard: int64(p.shard[i]), StartedAt: began, User: p.names[i],
		})
		body := `{"token":"` + token + `","shakes":` + strconv.Itoa(20+i%50) + `}`
		return storm.Request("POST", roundPath(last[i])+"/end", p.bearer[i], body)
	})
}

// skip counts a round whose start the shard never saw: the end settles it by its token.
func (p *players) skip(system string) {
	last := p.last(system)
	for i := range last {
		last[i]++
	}
}

func roundPath(number int64) string {
	return "/v1/campaigns/" + campaignID + "/rounds/" + strconv.FormatInt(number, 10)
}
