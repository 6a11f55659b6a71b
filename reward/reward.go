// Package reward turns a win into coins, a notice and a receipt, each of them once.
//
// Two readers of the entries live here. The Ledger books every settled round in a double-entry book; the
// Notifier writes a notice for every round that paid. Both may be given the same entry any number of times,
// by several processes at once: each store keeps the reader's cursor in the transaction that does the work.
package reward

import "errors"

var (
	// ErrNotFound says that there is no such round or notice, or that it is somebody else's.
	ErrNotFound = errors.New("not found")
	// ErrBadPage says that a page was asked for with a cursor that no answer gave out.
	ErrBadPage = errors.New("bad page cursor")
)

// Widths of what the stores keep, in bytes. Whoever lets ids into the system refuses longer ones: a store
// refuses them too, but an entry that is refused stops its whole partition.
const (
	MaxCampaign = 64
	MaxUser     = 255
)
