package testenv

import "os"

// Servers are shared servers that a runner keeps for the tests it runs.
type Servers struct {
	environ []string
	group   []*process
}

// Up starts every kind of shared server that the environment does not name, all at once.
func Up() (*Servers, error) {
	kinds := []*shared{sharedKafka, sharedMySQL, sharedCluster, sharedRedis}
	groups := make([][]*process, len(kinds))
	environ := make([]string, len(kinds))
	err := inParallel(len(kinds), func(i int) (err error) {
		environ[i], groups[i], err = kinds[i].up()
		return err
	})
	s := &Servers{}
	for i := range kinds {
		s.environ = append(s.environ, environ[i])
		s.group = append(s.group, groups[i]...)
	}
	if err != nil {
		s.Down()
		return nil, err
	}
	return s, nil
}

func (s *shared) up() (environ string, group []*process, err error) {
	value := os.Getenv(s.env)
	if value == "" {
		value, group, err = s.start()
	}
	return s.env + "=" + value, group, err
}

// Environ names the servers to programs, as KEY=VALUE.
func (s *Servers) Environ() []string { return s.environ }

// Down ends what Up started and removes its data.
func (s *Servers) Down() { discard(s.group) }

// NeedCompiler makes sure of a C compiler, which the race detector needs.
func NeedCompiler() error {
	_, err := compiler.path()
	return err
}
