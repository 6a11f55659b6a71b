package redisboard

import (
	"strconv"

	"github.com/shake-live/shake/event"
)

// keys are those of one run's board. Both share a hash tag, so one script can write both; the tag is the
// run's own, so that boards spread over the cluster by themselves.
type keys struct {
	scores string // zset: user -> score
	state  string // hash: how far each shard is applied, the scale, the host
}

// Fields of the state besides one for each shard, which is named by its number.
const (
	fieldScale = "scale" // leaderboard.Scale.String
	fieldHost  = "host"  // run id of the server on which the board was last known to be whole
)

func (s *Store) keys(run event.Run) keys {
	tag := s.namespace + ":{board." + run.Campaign + "." + strconv.FormatInt(run.Number, 10) + "}:"
	return keys{scores: tag + "z", state: tag + "at"}
}
