package client_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"net/http"
	"net/http/httptest"
	"time"

	"github.com/shake-live/shake/client"
)

// A round from the login to the wallet, against a door that answers what a real one would.
func Example() {
	door := httptest.NewServer(doorOfTheExample())
	defer door.Close()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()

	c := client.New(door.URL, nil)
	if _, err := c.Login(ctx, client.Login{Provider: "dev", Credential: "ann", Market: "SG"}); err != nil {
		log.Fatal(err)
	}
	all, err := c.Campaigns(ctx, "SG")
	if err != nil {
		log.Fatal(err)
	}
	campaign := all[0].ID
	me, err := c.Me(ctx, campaign)
	if err != nil {
		log.Fatal(err)
	}
	round, err := c.Start(ctx, campaign, me.NextNumber)
	if err != nil {
		log.Fatal(err)
	}
	time.Sleep(time.Until(round.EndsAt)) // shake!
	result, err := c.End(ctx, campaign, round, 75, nil)
	var no *client.Error
	switch {
	case errors.As(err, &no):
		log.Fatal(no.Code) // such as too_late
	case err != nil:
		log.Fatal(err)
	}
	fmt.Println("won", result.Coins, "of", result.Total)

	wallet, err := c.Wallet(ctx, "")
	if err != nil {
		log.Fatal(err)
	}
	board, err := c.Leaderboard(ctx, campaign, 10, false)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("balance", wallet.Balance, "rank", board.Me.Rank)

	if time.Until(c.Session().ExpiresAt) < time.Hour {
		if _, err := c.Renew(ctx); err != nil {
			log.Fatal(err)
		}
	}
	fmt.Println("session", c.Session().Token)
	// Output:
	// won 20 of 120
	// balance 120 rank 3
	// session renewed
}

func doorOfTheExample() http.Handler {
	says := func(body string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, body) }
	}
	door := http.NewServeMux()
	soon := time.Now().Add(10 * time.Minute).UTC().Format(time.RFC3339)
	door.HandleFunc("POST /v1/sessions", says(`{"token":"first","user":"ann","market":"SG","expires_at":"`+soon+`"}`))
	door.HandleFunc("POST /v1/sessions/renew", says(`{"token":"renewed","user":"ann","market":"SG","expires_at":"2999-01-01T00:00:00.000Z"}`))
	door.HandleFunc("GET /v1/campaigns", says(`{"campaigns":[{"id":"demo"}]}`))
	door.HandleFunc("GET /v1/campaigns/demo/me", says(`{"chances_left":44,"next_number":7}`))
	door.HandleFunc("PUT /v1/campaigns/demo/rounds/7", says(`{"round":"demo.1.1.ann.7","number":7,"token":"tok","ends_at":"2026-11-11T12:00:00.000Z"}`))
	door.HandleFunc("POST /v1/campaigns/demo/rounds/7/end", says(`{"round":"demo.1.1.ann.7","number":7,"coins":20,"total":120,"prize":null}`))
	door.HandleFunc("GET /v1/wallet", says(`{"balance":120,"entries":[],"next":null}`))
	door.HandleFunc("GET /v1/campaigns/demo/leaderboard", says(`{"final":false,"entries":[],"me":{"rank":3,"user":"ann","coins":120}}`))
	return door
}
