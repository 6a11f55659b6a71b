package httppush

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// keyPrefix marks a key as Standard Webhooks writes it: its bytes follow in base64.
const keyPrefix = "whsec_"

// signingKey reads a key: after whsec_ base64, else the text itself; nil for none.
func signingKey(text string) ([]byte, error) {
	encoded, ok := strings.CutPrefix(text, keyPrefix)
	if !ok {
		if text == "" {
			return nil, nil
		}
		return []byte(text), nil
	}
	key, err := base64.StdEncoding.DecodeString(encoded)
	if err != nil || len(key) == 0 {
		return nil, fmt.Errorf("signing key: want base64 after %s", keyPrefix)
	}
	return key, nil
}

// sign adds the headers of Standard Webhooks (standardwebhooks.com), for which companies find libraries: id, Unix time
// and an HMAC-SHA256 over id, time and body. The time bounds for how long a request that somebody recorded is good.
func sign(h http.Header, key []byte, id string, now time.Time, body []byte) {
	at := strconv.FormatInt(now.Unix(), 10)
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte(id + "." + at + "."))
	mac.Write(body)
	h.Set("Webhook-Id", id)
	h.Set("Webhook-Timestamp", at)
	h.Set("Webhook-Signature", "v1,"+base64.StdEncoding.EncodeToString(mac.Sum(nil)))
}
