package game

import (
	"crypto/hmac"
	"encoding/base64"
	"encoding/binary"
	"errors"

	"github.com/shake-live/shake/event"
)

// Claim is the signed proof of a settled round that the player holds: all its facts and where they were written.
type Claim struct {
	Campaign string
	Run      int64
	Shard    int64
	At       event.Position
	Round    event.Round
}

const claimVersion = 1

// ErrClaimInvalid says that a claim was not signed by us for its run, or is no claim at all.
var ErrClaimInvalid = errors.New("claim is not valid")

func (c *Claim) numbers() [13]*int64 {
	r := &c.Round
	return [...]*int64{
		&c.Run, &c.Shard, &c.At.Epoch, &c.At.Seq, &r.Number, &r.StartEpoch, &r.StartedAt, &r.Shakes, &r.ElapsedMS,
		&r.Computed, &r.Paid, &r.Total, &r.SettledAt,
	}
}

// SignClaim gives the claim as text: a version, the campaign and the user behind their lengths, unsigned
// varints, and the first 16 bytes of HMAC-SHA256 over all before.
func (k *RunKeys) SignClaim(c Claim) string {
	b := make([]byte, 0, 192)
	b = append(b, claimVersion, byte(len(c.Campaign)))
	b = append(b, c.Campaign...)
	b = append(b, byte(len(c.Round.User)))
	b = append(b, c.Round.User...)
	for _, n := range c.numbers() {
		b = binary.AppendUvarint(b, uint64(*n))
	}
	sum := k.claim.sum(b)
	return base64.RawURLEncoding.EncodeToString(append(b, sum[:macBytes]...))
}

// VerifyClaim reads a claim and checks its signature.
func (k *RunKeys) VerifyClaim(text string) (Claim, error) {
	c, body, sum, err := parseClaim(text)
	if err != nil {
		return Claim{}, err
	}
	want := k.claim.sum(body)
	if !hmac.Equal(sum, want[:macBytes]) {
		return Claim{}, ErrClaimInvalid
	}
	return c, nil
}

// PeekClaim reads a claim without asking who signed it: good enough to choose claims by, and for nothing else.
func PeekClaim(text string) (Claim, error) {
	c, _, _, err := parseClaim(text)
	return c, err
}

const maxClaimBytes = 512

func parseClaim(text string) (c Claim, body, sum []byte, err error) {
	if len(text) > maxClaimBytes {
		return c, nil, nil, ErrClaimInvalid
	}
	raw, err := decodeText(text)
	if err != nil || len(raw) <= 3+macBytes || raw[0] != claimVersion {
		return c, nil, nil, ErrClaimInvalid
	}
	body, sum = raw[:len(raw)-macBytes], raw[len(raw)-macBytes:]
	rest := body[1:]
	for _, name := range []*string{&c.Campaign, &c.Round.User} {
		if len(rest) == 0 || len(rest) < 1+int(rest[0]) {
			return c, nil, nil, ErrClaimInvalid
		}
		*name, rest = string(rest[1:1+int(rest[0])]), rest[1+int(rest[0]):]
	}
	r := varints{rest: rest}
	for _, n := range c.numbers() {
		*n = r.next()
	}
	if r.bad || len(r.rest) > 0 || !ValidUser(c.Round.User) || !validID(c.Campaign) {
		return c, nil, nil, ErrClaimInvalid
	}
	return c, body, sum, nil
}
