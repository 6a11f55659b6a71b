// Package httpapi is what the doors have in common: one error table, strict bodies, request ids.
package httpapi

import "net/http"

// Code is the stable name of an error. Clients rely on it; titles and details are for people.
type Code string

// The codes of docs/openapi.yaml.
const (
	Malformed        Code = "malformed"
	UnknownField     Code = "unknown_field"
	TokenInvalid     Code = "token_invalid"
	Unauthorized     Code = "unauthorized"
	SessionExpired   Code = "session_expired"
	NotYours         Code = "not_yours"
	Forbidden        Code = "forbidden"
	NotFound         Code = "not_found"
	MethodNotAllowed Code = "method_not_allowed"
	NotLive          Code = "not_live"
	NoChances        Code = "no_chances"
	RoundOpen        Code = "round_open"
	WrongNumber      Code = "wrong_number"
	TooEarly         Code = "too_early"
	TooLate          Code = "too_late"
	PoolEmpty        Code = "pool_empty"
	Conflicting      Code = "conflicting_repeat"
	StaleVersion     Code = "stale_version"
	TooLarge         Code = "too_large"
	UnsupportedMedia Code = "unsupported_media_type"
	RateLimited      Code = "rate_limited"
	Internal         Code = "internal"
	Overloaded       Code = "overloaded"
	Busy             Code = "busy"
)

// Meaning is what a code stands for.
type Meaning struct {
	Status int
	Title  string
}

// Codes is the error table: every problem that a door answers with is one of these.
var Codes = map[Code]Meaning{
	Malformed:        {http.StatusBadRequest, "The request can't be read"},
	UnknownField:     {http.StatusBadRequest, "The request has a field that is not known"},
	TokenInvalid:     {http.StatusBadRequest, "The round's token is not valid here"},
	Unauthorized:     {http.StatusUnauthorized, "A session is needed"},
	SessionExpired:   {http.StatusUnauthorized, "The session is over"},
	NotYours:         {http.StatusForbidden, "This belongs to somebody else"},
	Forbidden:        {http.StatusForbidden, "This is not open to you"},
	NotFound:         {http.StatusNotFound, "There is no such thing"},
	MethodNotAllowed: {http.StatusMethodNotAllowed, "This can't be done here"},
	NotLive:          {http.StatusConflict, "The game is not live"},
	NoChances:        {http.StatusConflict, "No chances are left"},
	RoundOpen:        {http.StatusConflict, "Another round is open"},
	WrongNumber:      {http.StatusConflict, "This is not the next round's number"},
	TooEarly:         {http.StatusConflict, "The round has not lasted long enough"},
	TooLate:          {http.StatusConflict, "The round has been over for too long"},
	PoolEmpty:        {http.StatusConflict, "The pool is empty"},
	Conflicting:      {http.StatusConflict, "The round was ended with other shakes"},
	StaleVersion:     {http.StatusPreconditionFailed, "Somebody else has changed this meanwhile"},
	TooLarge:         {http.StatusRequestEntityTooLarge, "The request is too large"},
	UnsupportedMedia: {http.StatusUnsupportedMediaType, "The body must be JSON"},
	RateLimited:      {http.StatusTooManyRequests, "Too many requests"},
	Internal:         {http.StatusInternalServerError, "Something went wrong"},
	Overloaded:       {http.StatusServiceUnavailable, "Too much is going on"},
	Busy:             {http.StatusServiceUnavailable, "Not ready yet"},
}
