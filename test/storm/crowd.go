package storm

import (
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/shake-live/shake/access"
	"github.com/shake-live/shake/event"
	"github.com/shake-live/shake/game"
)

// Kind is what a request asks for.
type Kind int

// The mix is that of a show: as many ends as starts, and some who look where they stand.
const (
	Ends Kind = iota
	Starts
	Reads
	Kinds
)

var mix = [10]Kind{Ends, Starts, Ends, Starts, Reads, Ends, Starts, Ends, Starts, Reads}

// KindOf is what the i-th of a crowd's requests asks for.
func KindOf(i int) Kind { return mix[i%len(mix)] }

// Crowd makes requests, each another player's. Its campaign has rounds of ten seconds or less.
type Crowd struct {
	Sessions *access.Sessions
	Keys     *game.RunKeys // of Run: the tokens of rounds are signed here, and a token is enough to settle
	Run      event.Run
	Epoch    int64 // of its shards
	Market   string

	players int // so far
}

// Requests makes the next n.
func (c *Crowd) Requests(n int) [][]byte {
	list := make([][]byte, n)
	began := time.Now().Add(-10 * time.Second).UnixMilli()
	campaign := "/v1/campaigns/" + c.Run.Campaign
	for i := range list {
		c.players++
		user := "crowd-" + strconv.Itoa(c.players)
		bearer, _ := c.Sessions.Issue(access.Session{User: user, Market: c.Market}, time.Now())
		switch KindOf(i) {
		case Ends:
			token := c.Keys.Sign(game.Token{
				Run: c.Run.Number, Epoch: c.Epoch, Number: 1, Shard: int64(c.Run.ShardOf(user)), StartedAt: began, User: user,
			})
			list[i] = Request("POST", campaign+"/rounds/1/end", bearer, `{"token":"`+token+`","shakes":`+strconv.Itoa(20+i%50)+`}`)
		case Starts:
			list[i] = Request("PUT", campaign+"/rounds/1", bearer, "")
		default:
			list[i] = Request("GET", campaign+"/me", bearer, "")
		}
	}
	return list
}

// Request writes an HTTP request as a browser would, with fewer headers.
func Request(method, path, bearer, body string) []byte {
	b := fmt.Appendf(nil, "%s %s HTTP/1.1\r\nHost: storm\r\nAccept: application/json\r\n", method, path)
	if bearer != "" {
		b = fmt.Appendf(b, "Authorization: Bearer %s\r\n", bearer)
	}
	if body != "" {
		b = append(b, "Content-Type: application/json\r\n"...)
	}
	if method != "GET" {
		b = fmt.Appendf(b, "Content-Length: %d\r\n", len(body))
	}
	return append(append(b, "\r\n"...), body...)
}

// Patience is how long a player waits: what comes later is served to nobody.
const Patience = 2 * time.Second

// Outcome is what a storm brought.
type Outcome struct {
	Served  float64        // a second, within Patience
	Refused float64        // a second, with 503
	Late    float64        // a second: answered later, pending, or not at all
	Share   [Kinds]float64 // of the requests of each kind that were served
	P50     time.Duration  // of those served, from when they were due
	P99     time.Duration
	Odd     map[int]int // answers with any other status
}

// Sum sums up the answers to a crowd's requests of so long.
func Sum(answers []Answer, d time.Duration) Outcome {
	o := Outcome{Odd: map[int]int{}}
	var took []time.Duration
	var asked [Kinds]float64
	for i, a := range answers {
		k := KindOf(i)
		asked[k]++
		switch {
		case a.Status == 200 && a.Took <= Patience:
			o.Share[k]++
			took = append(took, a.Took)
		case a.Status == 503:
			o.Refused++
		case a.Status == 200, a.Status == 202, a.Status == 0:
			o.Late++
		default:
			o.Odd[a.Status]++
		}
	}
	o.Served, o.Refused, o.Late = float64(len(took))/d.Seconds(), o.Refused/d.Seconds(), o.Late/d.Seconds()
	for k := range o.Share {
		o.Share[k] /= max(1, asked[k])
	}
	slices.Sort(took)
	if len(took) > 0 {
		o.P50, o.P99 = took[len(took)/2], took[len(took)*99/100]
	}
	return o
}
