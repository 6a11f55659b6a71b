package reward

import (
	"strconv"
	"strings"
	"time"

	"github.com/shake-live/shake/event"
)

// KindWin is the notice of a round that paid.
const KindWin = "win"

// Notice is one message to a player.
type Notice struct {
	ID       string
	Kind     string
	User     string
	Campaign string
	Run      int64
	Round    string // the round id
	Coins    int64
	// Title and Body are English, written with the notice; Params is what they were made of, so that a
	// page can say the same in another language.
	Title, Body string
	Params      map[string]string
	At          time.Time
	ReceiptedAt time.Time // zero until the client has shown it
}

// Text is the wording of one kind of notice; {name} stands for a parameter.
type Text struct{ Title, Body string }

// Language is the language of titles and bodies.
const Language = "en"

// English has the wordings. They avoid plurals: one sentence has to fit every number.
func English(kind string) Text {
	switch kind {
	case KindWin:
		return Text{Title: "Coins won: {coins}", Body: "Round {number} paid {coins}. Your coins in this game: {total}."}
	default:
		return Text{}
	}
}

// Fill puts the parameters in.
func (t Text) Fill(params map[string]string) (title, body string) {
	pairs := make([]string, 0, 2*len(params))
	for name, value := range params {
		pairs = append(pairs, "{"+name+"}", value)
	}
	r := strings.NewReplacer(pairs...)
	return r.Replace(t.Title), r.Replace(t.Body)
}

// Notices are the messages that an entry gives rise to.
func Notices(e event.Entry) []Notice {
	var list []Notice
	for _, r := range e.Rounds {
		if r.Paid > 0 {
			list = append(list, win(e.Source, r))
		}
	}
	return list
}

func win(s event.Source, r event.Round) Notice {
	round := r.ID(s)
	params := map[string]string{
		"coins":  strconv.FormatInt(r.Paid, 10),
		"number": strconv.FormatInt(r.Number, 10),
		"total":  strconv.FormatInt(r.Total, 10),
	}
	title, body := English(KindWin).Fill(params)
	return Notice{
		ID: ID(KindWin, round), Kind: KindWin, User: r.User, Campaign: s.Campaign, Run: s.Run,
		Round: round, Coins: r.Paid, Title: title, Body: body, Params: params,
		At: time.UnixMilli(r.SettledAt).UTC(),
	}
}
