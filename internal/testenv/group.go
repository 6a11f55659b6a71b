package testenv

import "sync"

// startAll makes and starts n servers side by side; on an error none is left.
func startAll(n int, prepare func(i int) (*process, error)) ([]*process, error) {
	group := make([]*process, n)
	err := inParallel(n, func(i int) (err error) {
		if group[i], err = prepare(i); err != nil {
			return err
		}
		return group[i].start()
	})
	if err != nil {
		discard(group)
		return nil, err
	}
	return group, nil
}

// inParallel runs f(0)..f(n-1) at once and gives the first error by number.
func inParallel(n int, f func(i int) error) error {
	errs := make([]error, n)
	var all sync.WaitGroup
	for i := range n {
		all.Go(func() { errs[i] = f(i) })
	}
	all.Wait()
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// discard ends servers and removes what they wrote.
func discard(group []*process) {
	for _, p := range group {
		if p == nil { // never came to be
			continue
		}
		p.kill()
		removeFolder(p.dir)
	}
}

func addrs(group []*process) []string {
	list := make([]string, len(group))
	for i, p := range group {
		list[i] = p.addr
	}
	return list
}
